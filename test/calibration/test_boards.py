"""Boards: how they are written, where their points are, and finding them in rendered pictures."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.calibration.camera.lens import PLUMB_BOB
from perception_stack.calibration.targets.detection import edge_width_px, find_board
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import EXAMPLES, Board
from perception_stack.simulation.board_pictures import BoardCamera, random_pose

SMALL = PLUMB_BOB.model(
    np.array([330.0, 331, 201, 148, -0.2, 0.05, 0.001, -0.0005, 0]),
    frame_id="camera",
    width_px=400,
    height_px=300,
)


@pytest.mark.parametrize("text", EXAMPLES)
def test_there_and_back(text):
    board = Board.parse(text)
    assert str(board) == text
    assert Board.parse(str(board)) == board
    assert (board.points_m[:, 2] == 0).all()
    assert len(np.unique(board.points_m, axis=0)) == len(board.points_m)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("chessboard", "not understood"),
        ("chessboard:9x6", "not understood"),
        ("checkers:9x6:0.025", "not understood"),
        ("chessboard:9:0.025", "not understood"),
        ("chessboard:9x6:25", "millimetres"),
        ("chessboard:1x6:0.025", "too small"),
        ("chessboard:9x6:nan", "impossible"),
        ("charuco:8x5:0.04:0.05", "do not fit"),
        ("charuco:8x5:0.04", "do not fit"),
        ("aprilgrid:6x6:0.088", "gap"),
        ("circles:7x5:0.03:0.05", "overlap"),
    ],
)
def test_refusals(text, says):
    with pytest.raises(ConfigError, match=says):
        Board.parse(text)


@pytest.mark.parametrize(
    ("text", "num"),
    [
        ("chessboard:9x6:0.025", 2),
        ("chessboard:6x6:0.025", 4),
        ("charuco:8x5:0.04:0.03", 1),
        ("aprilgrid:6x6:0.088:0.3", 1),
        ("circles:7x5:0.03", 2),
        ("asymmetric-circles:4x11:0.02", 1),
    ],
)
def test_orders_that_look_the_same(text, num):
    board = Board.parse(text)
    orders = board.symmetries()
    assert len(orders) == num
    np.testing.assert_array_equal(orders[0], np.arange(len(board.points_m)))
    for order in orders:
        apart = [
            np.linalg.norm(points[:, None] - points[None], axis=2)
            for points in (board.points_m, board.points_m[order])
        ]
        np.testing.assert_allclose(apart[0], apart[1], atol=1e-9)


@pytest.mark.parametrize(
    ("text", "most_px"),
    [
        ("chessboard:7x5:0.03", 0.1),
        ("charuco:7x5:0.04:0.03", 0.12),
        ("charuco:7x6:0.04:0.03", 0.12),
        ("aprilgrid:4x3:0.06:0.3", 0.12),
        # the slant: the calibration takes it off
        ("circles:6x4:0.03:0.018", 0.4),
        ("asymmetric-circles:4x9:0.02:0.02", 0.4),
    ],
)
def test_points_are_found_where_they_are(text, most_px):
    board, rng = Board.parse(text), np.random.default_rng(3)
    eye = BoardCamera(board, SMALL)
    errors, num_found = [], 0
    for i in range(6):
        pose = random_pose(board, SMALL, rng, filled=(0.5, 0.7))
        image = eye.picture(pose, rng)
        found = find_board(image, board, name=str(i))
        if found is None:
            continue
        num_found += 1
        assert edge_width_px(image, found) < 4
        true_px = SMALL.project(board.points_m @ pose.rotation.T + pose.translation_m).uv_px
        best = min(
            (
                np.linalg.norm(true_px[order][found.point_idx] - found.uv_px, axis=1)
                for order in board.symmetries()
            ),
            key=np.median,
        )
        errors.append(np.quantile(best, 0.9))
    assert num_found >= 4
    assert np.median(errors) < most_px


def test_a_part_is_enough_where_points_have_identities():
    board, rng = Board.parse("charuco:7x5:0.04:0.03"), np.random.default_rng(1)
    pose = random_pose(board, SMALL, rng, filled=(0.5, 0.6))
    image = BoardCamera(board, SMALL).picture(pose, rng)
    centre = board.points_m.mean(axis=0) @ pose.rotation.T + pose.translation_m
    image[:, int(SMALL.project(centre[None]).uv_px[0, 0]) + 20 :] = 110
    found = find_board(image, board, name="half")
    assert 6 <= len(found.point_idx) < len(board.points_m)
    true_px = SMALL.project(board.points_m @ pose.rotation.T + pose.translation_m).uv_px
    assert np.median(np.linalg.norm(true_px[found.point_idx] - found.uv_px, axis=1)) < 0.1


@pytest.mark.parametrize("text", EXAMPLES)
def test_no_board(text):
    noise = np.random.default_rng(0).integers(0, 255, (200, 300), dtype=np.uint8)
    for image in (noise, np.zeros_like(noise), noise[:1, :1].copy()):
        assert find_board(image, Board.parse(text), name="", thorough=False) is None


def test_motion_blur_widens_edges():
    import cv2

    board, rng = Board.parse("chessboard:7x5:0.03"), np.random.default_rng(0)
    pose = random_pose(board, SMALL, rng, filled=(0.4, 0.5))
    image = BoardCamera(board, SMALL).picture(pose, rng)
    found = find_board(image, board, name="")
    sharp = edge_width_px(image, found)
    blurred = edge_width_px(cv2.blur(image, (9, 9)), found)
    assert sharp < 3 < 4.5 < blurred


def test_large_images_lose_no_precision():
    import cv2

    board, rng = Board.parse("chessboard:7x5:0.03"), np.random.default_rng(2)
    pose = random_pose(board, SMALL, rng, filled=(0.4, 0.5))
    image = BoardCamera(board, SMALL).picture(pose, rng)
    small = find_board(image, board, name="")
    large = cv2.resize(image, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    found = find_board(large, board, name="")
    apart = np.linalg.norm((found.uv_px + 0.5) / 5 - 0.5 - small.uv_px, axis=1)
    assert np.quantile(apart, 0.9) < 0.15
