"""``tune tracker`` on a made-up drive whose detections are exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from perception_stack.tools.main import main
from perception_stack.tools.run import chain_config
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.fitting import EXISTENCE, MOTION


def copied(root: Path, name: str) -> None:
    """The same drive under another name."""
    for path in list(root.rglob("0042.txt")):
        shutil.copy(path, path.with_name(f"{name}.txt"))


@pytest.mark.parametrize("part", ["motion", "existence"])
def test_what_is_written_fits_better_and_can_be_used(
    root: Path, tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(root, "0043")
    out = tmp_path / "tuned"
    command = f"tune tracker --root {root} --fit 0042 --out {out} --only {part} --calls 25"
    assert main(command.split()) == 0
    config = chain_config(out / "tracker.param.yaml", []).tracker
    standard = TrackerConfig.for_calibrated_scores()
    changed, kept = (MOTION, EXISTENCE) if part == "motion" else (EXISTENCE, MOTION)
    assert any(getattr(config, name) != getattr(standard, name) for name in changed)
    assert all(getattr(config, name) == getattr(standard, name) for name in kept)
    report = json.loads((out / "report.json").read_text())
    assert report["fit sequences"] == ["0042"]
    assert report["test sequences"] == ["0043"]
    assert report["fit"] == report["test"]
    name, sign = {
        "motion": ("log density of a detection", 1),
        "existence": ("log loss of existence", -1),
    }[part]
    assert sign * report["fit"]["after"][name] > sign * report["fit"]["before"][name]
    assert "parameter" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--fit 0099", "no sequences ['0099']; there are 0042"),
        ("--fit 0042 --test 0042", "a sequence is both in --fit and --test"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    root: Path, tmp_path: Path, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"tune tracker --root {root} --out {tmp_path / 'out'} {arguments}"
    assert main(command.split()) == 2
    assert message in capsys.readouterr().err
