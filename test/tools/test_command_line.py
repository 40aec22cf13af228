"""The commands as a user types them: results, and one clear line when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perception_stack.tools.main import COMMANDS, main


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("road") / "road"
    assert main(["simulate", "road", "--frames", "8", "--out", str(path)]) == 0
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"perception-stack {command}" in capsys.readouterr().out


def test_run_then_evaluate(road: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--bag", str(road), "--out", str(tmp_path / "run")]) == 0
    arguments = ["evaluate", str(tmp_path / "run"), "--truth", str(road)]
    assert main([*arguments, "--out", str(tmp_path / "report")]) == 0
    printed = capsys.readouterr().out
    assert "HOTA" in printed
    scores = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    (tracking,) = scores["tracking"]
    assert tracking["coverage"]["num_frames"] == 8
    # eight frames of an easy street: most pedestrians near the car are found
    assert tracking["per_class"]["pedestrian"]["clear"]["recall"] > 0.5
    assert "<svg" in (tmp_path / "report" / "report.html").read_text() or (
        "data:image" in (tmp_path / "report" / "report.html").read_text()
    )


def test_setting_on_the_command_line_beats_the_file(road: Path, tmp_path: Path) -> None:
    config = tmp_path / "p.yaml"
    config.write_text("/**:\n  ros__parameters:\n    tracker:\n      confirm_existence: 0.9\n")
    common = ["run", "--bag", str(road), "--config", str(config)]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    late = ["--set", "tracker.confirm_existence:=0.999", "--out", str(tmp_path / "b")]
    assert main([*common, *late]) == 0
    first, second = ((tmp_path / name / "objects.jsonl").read_text() for name in "ab")
    assert len(second) < len(first)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["run", "--bag", "nowhere"], "no such file or folder", id="no-bag"),
        pytest.param(
            ["run", "--bag", "{road}", "--set", "tracker.gate:=1"],
            "unknown parameter 'gate'",
            id="unknown-parameter",
        ),
        pytest.param(
            ["run", "--bag", "{road}", "--set", "tracker.reset_s:=-1"],
            "below 0.01",
            id="out-of-range",
        ),
        pytest.param(
            ["run", "--bag", "{road}", "--set", "detector.model:=nowhere.yaml"],
            "cannot use model 'nowhere.yaml'",
            id="no-model",
        ),
        pytest.param(
            ["run", "--bag", "{road}", "--topic", "points=/x"], "NAME:=VALUE", id="not-a-topic"
        ),
        pytest.param(["convert", "kitti-raw", "nowhere"], "no such folder", id="no-data"),
        pytest.param(["simulate", "road", "--frames", "0"], "below 1", id="no-frames"),
        pytest.param(
            ["evaluate", "nowhere", "--truth", "{road}"], "objects.jsonl", id="no-results"
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str],
    message: str,
    road: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = [one.format(road=road) for one in arguments]
    assert main([*filled, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


def test_doctor_names_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for name in ("numpy", "onnxruntime", "openvino", "torch", "tensorrt", "GPU", "ROS 2"):
        assert name in printed
