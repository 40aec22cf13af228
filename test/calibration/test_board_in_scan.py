"""Boards found in clouds of few beams and in images, and the command from both to the result."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_stack.calibration.estimation.rotations import exp, log
from perception_stack.calibration.lidar_camera.board_in_cloud import find_board
from perception_stack.calibration.lidar_camera.board_in_image import board_in_image
from perception_stack.calibration.lidar_camera.boards import facing, turns_of
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import read_extrinsics, write_camera_info
from perception_stack.simulation.builders import box
from perception_stack.simulation.mesh import Material, merge
from perception_stack.simulation.yard import make_yard, scan_yard
from perception_stack.tools.main import main

_SIZE = (0.61, 0.85)
_THICK_M = 0.01
_PATTERN = Board.parse("chessboard:7x5:0.095")
_K = np.array([[900.0, 0, 640], [0, 900, 480], [0, 0, 1]])
_CAMERA = CameraModel.pinhole(frame_id="lens", width_px=1280, height_px=960, k=_K)
_LIDAR_FROM_WORLD = RigidTransform(
    target="lidar", source="world", rotation=np.eye(3), translation_m=np.array([0, 0, -1.5])
)
# a camera looks along the LiDAR's x axis
_LIDAR_FROM_CAMERA = RigidTransform(
    target="lidar",
    source="lens",
    rotation=exp(np.array([0.05, -0.03, 0.04])) @ np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
    translation_m=np.array([0.1, 0.05, -0.15]),
)


def _lidar_from_board(rng: np.random.Generator) -> RigidTransform:
    """A board hung by a corner, its front towards the LiDAR."""
    facing_lidar = np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])  # x left, y up, z back
    hung = exp(np.array([0, 0, np.pi / 4 + rng.uniform(-0.3, 0.3)]))
    tilt = exp(np.array([0, rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4)]))
    return RigidTransform(
        target="lidar",
        source="board",
        rotation=tilt @ facing_lidar @ hung,
        translation_m=rng.uniform((1.8, -0.6, -0.4), (3.0, 0.6, 0.1)),
    )


def _cloud(rng: np.random.Generator, board: RigidTransform, num_beams: int) -> np.ndarray:
    material = Material(bgr=(200, 200, 200), reflectance=0.5)
    body = box((max(_SIZE), min(_SIZE), _THICK_M), material, center_m=(0, 0, -_THICK_M / 2))
    world_from_board = _LIDAR_FROM_WORLD.inverse() @ board
    body = body.moved(*world_from_board.translation_m, rotation=world_from_board.rotation)
    scene = merge(make_yard(rng), body)
    return scan_yard(
        rng, scene, lidar_from_world=_LIDAR_FROM_WORLD, num_beams=num_beams, noise_m=0.01
    )


def _image(camera_from_board: RigidTransform) -> np.ndarray:
    """The board before grey, by the homography of its plane."""
    scale = 1000  # pixels of the pattern a metre
    width, height = (round(scale * one) for one in (max(_SIZE), min(_SIZE)))
    texture = np.full((height, width), 255, dtype=np.uint8)
    square = round(scale * _PATTERN.spacing_m)
    left, top = (width - 8 * square) // 2, (height - 6 * square) // 2
    for row in range(6):
        for column in range(8):
            if (row + column) % 2:
                y, x = top + row * square, left + column * square
                texture[y : y + square, x : x + square] = 0
    rotation, place = camera_from_board.rotation, camera_from_board.translation_m
    plane = _K @ np.column_stack([rotation[:, 0], rotation[:, 1], place])
    # of texture pixels; y of the board is up, rows run down
    to_board = np.array(
        [
            [1 / scale, 0, -(width - 1) / 2 / scale],
            [0, -1 / scale, (height - 1) / 2 / scale],
            [0, 0, 1],
        ]
    )
    size = (_CAMERA.width_px, _CAMERA.height_px)
    flags = {"flags": cv2.INTER_AREA, "borderMode": cv2.BORDER_CONSTANT, "borderValue": 120}
    image = cv2.warpPerspective(texture, plane @ to_board, size, **flags)
    return cv2.GaussianBlur(image, (3, 3), 0.7)


def _turn_deg(found: np.ndarray, truth: np.ndarray) -> float:
    return min(
        float(np.rad2deg(np.linalg.norm(log(truth.T @ found @ turn)))) for turn in turns_of(_SIZE)
    )


@pytest.mark.parametrize("num_beams", [16, 32, 64])
def test_board_in_a_yard(num_beams: int) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        board = _lidar_from_board(rng)
        found = find_board(_cloud(rng, board, num_beams), _SIZE)
        assert np.linalg.norm(found.center_m[0] - board.translation_m) < 0.01
        assert _turn_deg(found.rotation[0], board.rotation) < 1


def test_no_board_in_the_cloud() -> None:
    rng = np.random.default_rng(0)
    empty = scan_yard(rng, make_yard(rng), lidar_from_world=_LIDAR_FROM_WORLD, num_beams=32)
    with pytest.raises(CalibrationError, match="no free-standing board"):
        find_board(empty, (0.2, 0.3))
    with pytest.raises(CalibrationError, match="no free-standing board"):
        find_board(np.empty((0, 3)), _SIZE)


def test_board_in_an_image() -> None:
    rng = np.random.default_rng(1)
    camera_from_board = _LIDAR_FROM_CAMERA.inverse() @ _lidar_from_board(rng)
    found = facing(board_in_image(_image(camera_from_board), _CAMERA, _PATTERN))
    assert np.linalg.norm(found.center_m[0] - camera_from_board.translation_m) < 0.01
    assert _turn_deg(found.rotation[0], camera_from_board.rotation) < 1
    grey = np.full((960, 1280), 120, dtype=np.uint8)
    with pytest.raises(CalibrationError, match="no chessboard:"):
        board_in_image(grey, _CAMERA, _PATTERN)
    with pytest.raises(CalibrationError, match="image of"):
        board_in_image(grey[:100], _CAMERA, _PATTERN)


def test_from_clouds_and_images_to_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(3)
    clouds, images = [], []
    for i in range(8):
        board = _lidar_from_board(rng)
        clouds.append(tmp_path / f"{i}.pcd")
        images.append(tmp_path / f"{i}.png")
        _write_pcd(clouds[-1], _cloud(rng, board, 16))
        image = _image(_LIDAR_FROM_CAMERA.inverse() @ board)
        cv2.imwrite(str(images[-1]), image if i else np.zeros_like(image))
    write_camera_info(tmp_path / "lens.yaml", _CAMERA, camera_name="lens")
    out = tmp_path / "rig.yaml"
    code = main(
        [
            *("calibrate", "lidar-camera", "--board", "0.61x0.85"),
            *("--pattern", "chessboard:7x5:0.095"),
            *("--clouds", *map(str, clouds), "--images", *map(str, images)),
            *("--camera-info", str(tmp_path / "lens.yaml"), "--out", str(out)),
        ]
    )
    assert code == 0
    assert "left out 0.pcd and 0.png: no chessboard" in capsys.readouterr().out
    assert "data:image/jpeg" in out.with_suffix(".report.html").read_text()
    (result,) = read_extrinsics(out)
    found = result.parent_from_child
    assert (found.target, found.source) == ("lidar", "lens")
    assert np.linalg.norm(found.translation_m - _LIDAR_FROM_CAMERA.translation_m) < 0.015
    turn = log(found.rotation.T @ _LIDAR_FROM_CAMERA.rotation)
    assert np.rad2deg(np.linalg.norm(turn)) < 0.4


def _write_pcd(path: Path, points: np.ndarray) -> None:
    header = (
        "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\n"
        "DATA binary\n"
    )
    path.write_bytes(header.encode() + points.astype("<f4").tobytes())
