"""Parameters: one description, checked wherever a value comes in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from perception_stack.config import (
    StepConfig,
    config_from_params,
    load_params_file,
    param,
    specs,
)
from perception_stack.errors import ConfigError, UnknownParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(StepConfig):
    gate_m: float = param(2.0, "Gate.", unit="m", low=0.0, high=50.0)
    hits: int = param(3, "Hits.", low=1)
    mode: str = param("a", "Mode.", choices=("a", "b"))
    fast: bool = param(True, "Fast.")
    names: tuple[str, ...] = param((), "Names.")
    sides: tuple[float, ...] = param((1.0, 2.0), "Sides.", low=0.0)


def test_defaults_and_descriptions() -> None:
    described = {spec.name: (spec.type, spec.default, spec.unit) for spec in specs(Example)}
    assert described["gate_m"] == (float, 2.0, "m")
    assert described["sides"] == (tuple[float, ...], (1.0, 2.0), "")


def test_values_override_defaults_and_integers_become_floats() -> None:
    config = config_from_params(Example, {"gate_m": 3, "names": ["x"]}, where="file")
    assert config == Example(gate_m=3.0, names=("x",))
    assert type(config.gate_m) is float


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({"gate_m": -1}, "file.gate_m: -1.0 m is below 0.0", id="too-low"),
        pytest.param({"gate_m": 51}, "above 50", id="too-high"),
        pytest.param({"gate_m": float("nan")}, "nan m is below", id="nan"),
        pytest.param({"gate_m": "2"}, "expected float, got '2'", id="text-for-number"),
        pytest.param({"hits": 2.5}, "expected int", id="float-for-int"),
        pytest.param({"hits": True}, "expected int", id="bool-for-int"),
        pytest.param({"fast": 1}, "expected bool", id="int-for-bool"),
        pytest.param({"mode": "c"}, "not one of a, b", id="choice"),
        pytest.param({"names": "x"}, "expected a list", id="text-for-list"),
        pytest.param({"sides": [1, -2]}, "-2.0 is below", id="element-too-low"),
    ],
)
def test_bad_values_are_named(params: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_params(Example, params, where="file")


def test_constructor_checks_as_well() -> None:
    with pytest.raises(ConfigError, match=r"Example.hits: 0 is below 1"):
        Example(hits=0)


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownParameterError, match="'gate' in file; did you mean 'gate_m'"):
        config_from_params(Example, {"gate": 1.0}, where="file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [", "not YAML", id="not-yaml"),
        pytest.param("tracker:\n  ros__parameters: {}", "expected '/\\*\\*:'", id="named-node"),
        pytest.param("/**:\n  params: {}", "ros__parameters", id="no-ros-parameters"),
        pytest.param("/**:\n  ros__parameters: 3", "ros__parameters", id="no-mapping"),
    ],
)
def test_malformed_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_params_file(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_params_file(tmp_path / "none.yaml")


def test_file_gives_sections(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("/**:\n  ros__parameters:\n    tracker:\n      hits: 4\n")
    assert load_params_file(path) == {"tracker": {"hits": 4}}
    path.write_text("")
    assert load_params_file(path) == {}
