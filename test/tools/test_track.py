"""``track kitti`` and ``evaluate kitti-tracking`` on a made-up drive whose truth is exact."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from perception_stack.io.kitti.tracks import read_tracks
from perception_stack.tools.main import main

_FRAMES, _NAME, _SPEED_M = 20, "0042", 0.5  # of the fixture


def test_track_then_evaluate(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, scores = tmp_path / "tracks", tmp_path / "scores.json"
    assert main(["track", "kitti", "--root", str(root), "--out", str(out)]) == 0
    frames = read_tracks(out / f"{_NAME}.txt")
    last = frames[_FRAMES - 1]
    assert len(last.ids) == 2
    found_m = last.boxes.center_m[np.argsort(last.boxes.center_m[:, 2])]
    truth_m = [[0.0, 0.95, 15.0], [-6.0, 0.95, 35 - _SPEED_M * (_FRAMES - 1)]]
    np.testing.assert_allclose(found_m, truth_m, atol=0.1)
    arguments = ["evaluate", "kitti-tracking", "--tracks", str(out), "--root", str(root)]
    assert main([*arguments, "--json", str(scores)]) == 0
    assert "sAMOTA" in capsys.readouterr().out
    content = json.loads(scores.read_text())
    assert content["sequences"] == [_NAME]
    for similarity in ("3d", "2d"):
        car = content["scores"][similarity]["car"]
        clear = car["clear"]
        assert (clear["switches"], clear["false_positives"]) == (0, 0)
        assert clear["num_truth"] == 2 * _FRAMES
        # a track has to be confirmed first
        assert clear["mota"] >= 1 - 2 * 4 / clear["num_truth"]
        assert car["hota"]["ass_a"] > 0.7
        assert car["sweeps"]["0.25"]["best"]["switches"] == 0


def test_labels_are_never_read_and_results_do_not_change(root: Path, tmp_path: Path) -> None:
    arguments = ["track", "kitti", "--root", str(root)]
    assert main([*arguments, "--out", str(tmp_path / "a")]) == 0
    (root / "label_02" / f"{_NAME}.txt").unlink()
    (root / "label_02").rmdir()
    assert main([*arguments, "--out", str(tmp_path / "b")]) == 0
    first, second = ((tmp_path / x / f"{_NAME}.txt").read_bytes() for x in "ab")
    assert first
    assert first == second


def test_parameters_come_from_the_file(root: Path, tmp_path: Path) -> None:
    strict = tmp_path / "p.yaml"
    strict.write_text("/**:\n  ros__parameters:\n    tracker:\n      confirm_existence: 0.999\n")
    arguments = ["track", "kitti", "--root", str(root), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    usual = len(read_tracks(tmp_path / "out" / f"{_NAME}.txt"))
    assert main([*arguments, "--params-file", str(strict)]) == 0
    assert len(read_tracks(tmp_path / "out" / f"{_NAME}.txt")) < usual


def test_help_of_the_judge(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "kitti-tracking", "--help"])
    assert ended.value.code == 0
    assert "perception-stack evaluate kitti-tracking --tracks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param("track kitti --root nowhere --out {out}", "pointrcnn_Car", id="no-folder"),
        pytest.param(
            "track kitti --root {root} --out {out} --sequences 0001",
            "no sequence '0001'; there are 0042",
            id="no-sequence",
        ),
        pytest.param(
            "track kitti --root {root} --out {out} --detections pointrcnn+rrc2d",
            "none of rrc2d_Car, rrc2d_Pedestrian has 0042.txt",
            id="no-image-detections",
        ),
        pytest.param(
            "track kitti --root {root} --out {out} --detections yolo",
            "unknown detections 'yolo'",
            id="unknown-detections",
        ),
        pytest.param(
            "track kitti --root {root} --out {out} --image-size 0 5", "at least 1", id="no-image"
        ),
        pytest.param(
            "evaluate kitti-tracking --tracks {root} --root {root}",
            "perception-stack track",
            id="no-tracks",
        ),
        pytest.param(
            "evaluate kitti-tracking --tracks {root} --root {root} --sequences 0001",
            "label_02/0001.txt",
            id="no-labels",
        ),
        pytest.param(
            "evaluate kitti-tracking --tracks {root} --root {root} --iou 1.5", "--iou", id="iou"
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: str, message: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = arguments.format(root=root, out=tmp_path / "out").split()
    assert main(filled) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error
