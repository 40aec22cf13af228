"""The calibrating commands as a user types them, on a simulated board with known truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from perception_stack.io.bags import BagReader
from perception_stack.io.calibration_files import read_camera_info, read_extrinsics
from perception_stack.io.messages import camera_from_msg, image_from_msg
from perception_stack.tools.main import main

BOARD = "chessboard:9x6:0.025"


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board") / "board"
    command = ["simulate", "board", "--frames", "12", "--seed", "3", "--out", str(path)]
    assert main(command) == 0
    return path


def truth(bag: Path, topic: str):
    with BagReader(bag) as reader:
        return camera_from_msg(next(iter(reader.messages([topic]))).message)


def test_camera_from_a_recording(bag, tmp_path, capsys):
    out = tmp_path / "out" / "front.yaml"
    command = ["calibrate", "camera", "--bag", str(bag), "--board", BOARD, "--out", str(out)]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "verdict: " in printed
    found, real = read_camera_info(out), truth(bag, "/camera_info")
    assert found.frame_id == real.frame_id
    np.testing.assert_allclose(found.k, real.k, atol=0.5)
    grade = yaml.safe_load(out.with_suffix(".grade.yaml").read_text())
    assert grade["verdict"] in ("good", "usable")
    assert len(grade["observations"]) >= 10
    page = out.with_suffix(".report.html").read_text()
    assert page.count("data:image/svg+xml") == 2


def test_camera_from_images(bag, tmp_path, capsys):
    import cv2

    with BagReader(bag) as reader:
        for i, one in enumerate(reader.messages(["/image"])):
            cv2.imwrite(str(tmp_path / f"{i:02d}.png"), image_from_msg(one.message).bgr)
    cv2.imwrite(str(tmp_path / "99.png"), np.full((480, 640), 90, np.uint8))
    out = tmp_path / "front.yaml"
    command = ["calibrate", "camera", str(tmp_path), "--board", BOARD, "--out", str(out)]
    assert main([*command, "--name", "front", "--model", "plumb_bob"]) == 0
    assert "left out 99.png: no board found" in capsys.readouterr().out
    assert read_camera_info(out).frame_id == "front_optical"
    np.testing.assert_allclose(read_camera_info(out).k, truth(bag, "/camera_info").k, atol=0.5)


def test_stereo(bag, tmp_path, capsys):
    out = tmp_path / "rig.yaml"
    command = ["calibrate", "stereo", "--bag", str(bag), "--board", BOARD, "--out", str(out)]
    assert main([*command, "--camera", "left=/image", "--camera", "right=/right/image"]) == 0
    capsys.readouterr()
    (found,) = read_extrinsics(out)
    with BagReader(bag) as reader:
        real = next(iter(reader.messages(["/tf_static"]))).message.transforms[0].transform
    way_m = [real.translation.x, real.translation.y, real.translation.z]
    std = np.sqrt(np.diag(found.covariance))[:3]
    error_m = np.abs(found.parent_from_child.translation_m - way_m)
    # corners are found with a bias of some hundredths of a pixel, which no covariance knows
    assert (error_m < 4 * std + 1e-4).all()
    right = read_camera_info(out.with_suffix(".right.yaml"))
    assert right.projection[0, 3] < 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["calibrate"], "calibrate camera", id="nothing"),
        pytest.param(["calibrate", "toaster"], "'toaster' is none of", id="unknown"),
        pytest.param(
            ["calibrate", "camera", "--board", BOARD, "--out", "x"], "--bag", id="source"
        ),
        pytest.param(
            ["calibrate", "camera", "nowhere", "--board", BOARD, "--out", "x"],
            "no images at 'nowhere'",
            id="no-images",
        ),
        pytest.param(
            ["calibrate", "camera", "--bag", "nowhere", "--board", BOARD, "--out", "x"],
            "no such file",
            id="no-bag",
        ),
        pytest.param(
            ["calibrate", "camera", "x", "--board", "chess", "--out", "x"],
            "not understood",
            id="board",
        ),
        pytest.param(
            ["calibrate", "stereo", "--camera", "a", "--board", BOARD, "--out", "x"],
            "NAME=SOURCE",
            id="camera",
        ),
    ],
)
def test_refusals(arguments, says, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
