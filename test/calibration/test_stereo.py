"""Rigs: places within their intervals, boards read upside down put right, rectified rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import cv2
import numpy as np
import pytest

from perception_stack.calibration.camera.lens import EQUIDISTANT, PLUMB_BOB
from perception_stack.calibration.estimation.rotations import exp
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.rig.calibrate import calibrate_rig
from perception_stack.calibration.rig.grading import CameraOnRig
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.simulation.board_pictures import random_pose

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SIZE_PX = (640, 480)
BOARD = Board.parse("chessboard:9x6:0.025")
TURNS = np.array([[0.0, 0, 0], [0.02, 0.06, -0.01], [-0.03, -0.05, 0.02]])
SHIFTS = np.array([[0.0, 0, 0], [-0.1, 0.002, 0.003], [0.08, -0.05, 0.01]])


def cameras(lenses):
    return [
        CameraOnRig(name=f"c{i}", frame_id=f"c{i}", width_px=640, height_px=480, lens=lens)
        for i, lens in enumerate(lenses)
    ]


def seen_by(lenses, truth, *, num=16, seed=0, board=BOARD):
    """What each camera saw, None where a point is out of its image."""
    rng = np.random.default_rng(seed)
    models = [
        lens.model(truth[lens], frame_id="c", width_px=SIZE_PX[0], height_px=SIZE_PX[1])
        for lens in lenses
    ]
    places = exp(TURNS)
    views = []
    for v in range(num):
        pose = random_pose(board, models[0], rng, filled=(0.3, 0.5))
        points = board.points_m @ pose.rotation.T + pose.translation_m
        view = []
        for model, turn, shift in zip(models, places, SHIFTS, strict=False):
            projected = model.project(points @ turn.T + shift)
            uv_px = projected.uv_px + 0.1 * rng.normal(size=projected.uv_px.shape)
            one = Sighting(name=f"view {v}", point_idx=np.arange(len(uv_px)), uv_px=uv_px)
            view.append(one if projected.visible.all() else None)
        views.append(view)
    return views


def check_places(result, num):
    for c in range(1, num):
        placement = result.placements[c - 1]
        std = np.sqrt(np.diag(placement.covariance))
        turn = exp(TURNS[c])
        transform = placement.first_from_camera
        assert (transform.target, transform.source) == ("c0", f"c{c}")
        way = transform.translation_m + turn.T @ SHIFTS[c]
        apart = cv2.Rodrigues(transform.rotation @ turn)[0].ravel()
        assert (np.abs(way) < 4 * std[:3]).all()
        assert (np.abs(apart) < 4 * std[3:]).all()
        assert std[:3].max() < 1e-3


@pytest.mark.parametrize(
    "lenses",
    [(PLUMB_BOB, PLUMB_BOB), (PLUMB_BOB, EQUIDISTANT, PLUMB_BOB)],
    ids=["stereo", "three, of two kinds"],
)
def test_places(lenses, truth):
    result = calibrate_rig(seen_by(lenses, truth), BOARD, cameras(lenses), now=NOW)
    check_places(result, len(lenses))
    grade = result.grade
    assert grade.verdict is not Verdict.NOT_ENOUGH
    num = sum(len(lens.names) for lens in lenses) + 6 * (len(lenses) - 1)
    assert len(grade.parameters) == num
    assert grade.covariance.shape == (num, num)
    assert "takes points of c1 to c0" in grade.direction
    for lens, params in zip(lenses, result.adjustment.fit.state.lens_params, strict=True):
        np.testing.assert_allclose(params[:4], truth[lens][:4], atol=1.5)


def test_upside_down_in_one_camera(truth):
    lenses = (PLUMB_BOB, PLUMB_BOB)
    views = seen_by(lenses, truth)
    both = [v for v, view in enumerate(views) if view[1] is not None]
    straight = calibrate_rig(views, BOARD, cameras(lenses), now=NOW)
    for v in both[1:5:2]:
        views[v][1] = replace(views[v][1], point_idx=views[v][1].point_idx[::-1])
    result = calibrate_rig(views, BOARD, cameras(lenses), now=NOW)
    assert [name for name, _ in result.turned] == [f"view {v}" for v in both[1:5:2]]
    np.testing.assert_allclose(
        result.placements[0].first_from_camera.translation_m,
        straight.placements[0].first_from_camera.translation_m,
        atol=1e-6,
    )
    assert "turned" in " ".join(result.grade.why)


def test_a_board_that_moved_between_the_exposures(truth):
    lenses = (PLUMB_BOB, PLUMB_BOB)
    views = seen_by(lenses, truth)
    v, w = [v for v, view in enumerate(views) if view[1] is not None][2:4]
    views[v][1] = replace(views[w][1], name=f"view {v}")
    result = calibrate_rig(views, BOARD, cameras(lenses), now=NOW)
    check_places(result, 2)
    (left_out,) = [one for one in result.grade.observations if not one.used]
    assert left_out.name == f"view {v}"
    assert "disagree" in left_out.reason


def test_no_view_in_common(truth):
    views = seen_by((PLUMB_BOB, PLUMB_BOB), truth)
    full = [view for view in views if view[1] is not None]
    apart = [[a, None] for a, _ in full] + [[None, b] for _, b in full]
    with pytest.raises(CalibrationError, match="share no view"):
        calibrate_rig(apart, BOARD, cameras((PLUMB_BOB, PLUMB_BOB)), now=NOW)


def test_real_pair(real_views):
    left = real_views("opencv_stereo/left*.jpg", "chessboard:9x6:0.025")[1]
    right = real_views("opencv_stereo/right*.jpg", "chessboard:9x6:0.025")[1]
    result = calibrate_rig(
        list(zip(left, right, strict=True)), BOARD, cameras((None, None)), now=NOW
    )
    way_m = result.placements[0].first_from_camera.translation_m
    assert np.linalg.norm(way_m) == pytest.approx(0.0832, abs=0.0003)
    first, second = result.cameras
    # P of the second holds the baseline, and rows of both rectified images correspond
    assert second.projection[0, 3] == pytest.approx(
        -second.projection[0, 0] * np.linalg.norm(way_m), rel=1e-3
    )
    rows = [
        cv2.undistortPoints(
            np.concatenate([one.uv_px for one in views])[:, None],
            camera.k,
            camera.distortion,
            R=camera.rectification,
            P=camera.projection,
        )[:, 0, 1]
        for camera, views in ((first, left), (second, right))
    ]
    assert np.median(np.abs(rows[0] - rows[1])) < 0.2
