"""The underlay's ``ros2 launch`` names what it does not understand, with file and line."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.ros


@pytest.fixture(scope="module")
def ours() -> SimpleNamespace:
    """The underlay's modules; where the published ``ros2`` is on the path they are not there."""
    # not at module level: the pytest plugin of ROS's launch_testing would skip the whole folder
    names = ("errors", "schema", "substitutions")
    return SimpleNamespace(**{name: pytest.importorskip(f"ros2cli.{name}") for name in names})


def load(ours: SimpleNamespace, path: Path, text: str) -> None:
    path.write_text(text)
    ours.schema.load_launch_file(path)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        pytest.param(
            "<launch>\n <timer period='1'/></launch>", 2, "<timer> in <launch>", id="tag"
        ),
        pytest.param(
            "<launch><group>\n\n<set_parameters_from_file filename=''/></group></launch>",
            3,
            "<set_parameters_from_file> in <group>",
            id="tag in a group",
        ),
        pytest.param(
            "<launch><node pkg='p' exec='e'>\n<params/></node></launch>",
            2,
            "<params> in <node>",
            id="tag in a node",
        ),
        pytest.param(
            "<launch>\n<node pkg='p' exec='e' launch-prefix='gdb'/></launch>",
            2,
            "'launch-prefix' of <node>",
            id="attribute",
        ),
        pytest.param(
            "<launch>\n<param name='a' value='1' sep=','/></launch>",
            2,
            "<param>",
            id="stray param",
        ),
        pytest.param("<launch>\n\n<node pkg='p'/></launch>", 3, "'exec'", id="attribute missing"),
        pytest.param(
            "<launch if='false'>\n<log message='a'/></launch>", 1, "'if' of <launch>", id="root"
        ),
        pytest.param(
            "<launch>\n<log message=\"$(eval '1 + 1')\"/></launch>", 2, r"\$\(eval\)", id="eval"
        ),
        pytest.param(
            "<launch>\n<group if='$(equals 1 2)'/></launch>",
            2,
            r"\$\(equals\)",
            id="not in Humble",
        ),
        pytest.param("<launch>\n<log message='$(env)'/></launch>", 2, "0 arguments", id="too few"),
        pytest.param(
            "<launch>\n<log message='$(var a b c)'/></launch>", 2, "3 arg", id="too many"
        ),
        pytest.param("<launch>\n<log message='$(var  a)'/></launch>", 2, "character", id="gap"),
        pytest.param(
            "<launch>\n<log message='$(var &quot;a)'/></launch>", 2, "missing", id="quote"
        ),
        pytest.param("<launch>\n<log></launch>", 2, "not XML", id="not closed"),
        pytest.param("<robot/>", 1, "<robot>", id="no launch file"),
    ],
)
def test_what_is_not_understood_is_named(
    ours: SimpleNamespace, tmp_path: Path, text: str, line: int, told: str
) -> None:
    path = tmp_path / "a.launch.xml"
    with pytest.raises(ours.errors.LaunchError, match=told) as caught:
        load(ours, path, text)
    said = str(caught.value)
    assert said.startswith((f"{path}:{line}: ", f"{path}: not XML"))
    assert f"line {line}" in said or f":{line}: " in said


def test_other_launch_files_are_refused(ours: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ours.errors.LaunchError, match="only XML"):
        load(ours, tmp_path / "a.launch.py", "<launch/>")
    with pytest.raises(ours.errors.LaunchError, match="No such file"):
        ours.schema.load_launch_file(tmp_path / "b.launch.xml")


def performed(ours: SimpleNamespace, text: str, values: dict[str, str]) -> str:
    around = ours.substitutions.Surroundings(values, {}, "/here")
    return ours.substitutions.perform(ours.substitutions.parse(text), around)


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\\(")))
def test_text_without_substitutions_stays_as_it_is(ours: SimpleNamespace, text: str) -> None:
    assert performed(ours, text, {}) == text


@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), st.text(), min_size=1))
def test_values_are_put_in_verbatim(ours: SimpleNamespace, values: dict[str, str]) -> None:
    text = "|".join(f"$(var {name})" for name in values)
    assert performed(ours, text, values) == "|".join(values.values())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(var $(var name))", "value of b"),
        ("$(var '$(var name)')", "value of b"),
        ('$(var missing "a $(var name) c")', "a b c"),
        (r"\$(var name) \\ \"", '$(var name) \\ "'),
        ("5 $ and (name)", "5 $ and (name)"),
        ("$(var missing '')", ""),
        (r"$(var missing it\'s)", "it's"),
        ("$(dirname)/x", "/here/x"),
        ("$(or $(not true) 1)", "true"),
    ],
)
def test_substitutions_nest_and_are_escaped(
    ours: SimpleNamespace, text: str, expected: str
) -> None:
    assert performed(ours, text, {"name": "b", "b": "value of b"}) == expected
