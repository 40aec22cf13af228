"""One camera: truth within its intervals, bad views named, model chosen, grade earned."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest

from perception_stack.calibration.camera.bundle import RigProblem
from perception_stack.calibration.camera.calibrate import calibrate_camera
from perception_stack.calibration.camera.lens import EQUIDISTANT, LENSES, PLUMB_BOB, RATIONAL
from perception_stack.calibration.camera.uncertainty import next_views
from perception_stack.calibration.estimation.solver import (
    solve,
)
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
SIZE_PX = (640, 480)
BOARD = Board.parse("chessboard:9x6:0.025")


def calibrate(sightings, board=BOARD, **options):
    width_px, height_px = options.pop("size_px", SIZE_PX)
    return calibrate_camera(
        sightings,
        board,
        width_px=width_px,
        height_px=height_px,
        frame_id="camera",
        now=NOW,
        **options,
    )


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_the_truth_is_found_and_the_model_chosen(lens, look, truth):
    views = look(BOARD, lens, num=20, seed=2)
    if lens is RATIONAL:
        # a simpler one may predict as well
        best = calibrate(views).grade.held_out.median
        assert best < 1.15 * calibrate(views, lens=lens).grade.held_out.median
        result = calibrate(views, lens=lens)
    else:
        result = calibrate(views)
    assert result.lens is lens
    assert (np.abs(result.params - truth[lens]) < 3.5 * result.adjustment.fit.std).all()
    assert result.adjustment.fit.sigma == pytest.approx(0.1, rel=0.1)
    grade = result.grade
    assert grade.verdict is not Verdict.NOT_ENOUGH
    assert grade.fitted.rms == pytest.approx(0.1 * np.sqrt(2), rel=0.1)
    assert grade.fitted.rms < grade.held_out.rms < 1.4 * grade.fitted.rms
    assert grade.covariance.shape == (len(lens.names),) * 2
    camera = result.camera
    assert (camera.width_px, camera.height_px) == SIZE_PX
    np.testing.assert_array_equal(camera.k, camera.projection[:, :3])


def test_intervals_hold_the_truth(look, truth):
    """Of 9 parameters in 40 calibrations with few views; benchmarks/ has more."""
    inside = []
    for seed in range(40):
        result = calibrate(look(BOARD, PLUMB_BOB, num=8, seed=100 + seed), lens=PLUMB_BOB)
        inside.append(np.abs(result.params - truth[PLUMB_BOB]) < 1.96 * result.adjustment.fit.std)
    assert 0.91 < np.mean(inside) < 0.985


SPOILT = {
    "shifted": lambda uv, _: np.roll(uv, 1, axis=0),
    "shuffled": lambda uv, rng: rng.permutation(uv),
    "noisy": lambda uv, rng: uv + 8 * rng.normal(size=uv.shape),
    "elsewhere": lambda uv, _: np.zeros_like(uv),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_bad_views_are_left_out_and_named(kind, real_views):
    board, views = real_views("opencv_stereo/left*.jpg", "chessboard:9x6:0.025")
    rng = np.random.default_rng(1)
    extra = [
        replace(views[v], name=f"bad {v}", uv_px=SPOILT[kind](views[v].uv_px, rng)) for v in (0, 5)
    ]
    clean, spoilt = calibrate(views, board), calibrate([*views[:4], *extra, *views[4:]], board)
    assert [one.name for one in spoilt.grade.observations if not one.used] == ["bad 0", "bad 5"]
    assert all(one.reason for one in spoilt.grade.observations if not one.used)
    np.testing.assert_allclose(spoilt.params[:2], clean.params[:2], rtol=1e-4)
    np.testing.assert_allclose(spoilt.params[2:4], clean.params[2:4], atol=0.1)


@pytest.mark.parametrize(
    ("pattern", "text", "size_px", "lens", "fx", "held_out"),
    [
        ("opencv_stereo/left*.jpg", "chessboard:9x6:0.025", (640, 480), PLUMB_BOB, 533.4, 0.21),
        ("opencv_stereo/right*.jpg", "chessboard:9x6:0.025", (640, 480), PLUMB_BOB, 538.0, 0.21),
        ("fisheye_640/*.jpg", "chessboard:6x9:1", (640, 640), EQUIDISTANT, 311.2, 0.55),
    ],
    ids=["left", "right", "fisheye"],
)
def test_real_boards(real_views, pattern, text, size_px, lens, fx, held_out):
    board, views = real_views(pattern, text)
    result = calibrate(views, board, size_px=size_px)
    assert result.lens is lens
    assert result.params[0] == pytest.approx(fx, abs=0.3)
    assert result.grade.held_out.rms < held_out
    assert all(one.used for one in result.grade.observations)
    assert result.grade.verdict is Verdict.USABLE
    assert result.grade.advice


def test_held_out_errors_are_those_of_a_fit_without_the_view(real_views):
    board, views = real_views("opencv_stereo/left*.jpg", "chessboard:9x6:0.025")
    result = calibrate(views, board, lens=PLUMB_BOB)
    fit, kept = result.adjustment.fit, result.adjustment.views
    for v in (1, 6):
        rest = np.array([i for i in range(len(kept)) if i != v])
        start = replace(
            fit.state,
            board_rotations=fit.state.board_rotations[rest],
            board_translations_m=fit.state.board_translations_m[rest],
        )
        problem = RigProblem([PLUMB_BOB], [kept[i] for i in rest], board.points_m)
        without = solve(problem, start, robust=False).state.lens_params[0]
        (sighting,) = kept[v]
        alone = replace(
            fit.state,
            lens_params=(without,),
            board_rotations=fit.state.board_rotations[[v]],
            board_translations_m=fit.state.board_translations_m[[v]],
        )
        errors = np.empty((len(sighting.point_idx), 2))
        for half in (0, 1):
            parts = [
                replace(sighting, point_idx=sighting.point_idx[i::2], uv_px=sighting.uv_px[i::2])
                for i in (half, 1 - half)
            ]
            fixed = {"free_lenses": False, "free_cameras": False}
            placed = solve(
                RigProblem([PLUMB_BOB], [[parts[0]]], board.points_m, **fixed), alone, robust=False
            ).state
            stack = RigProblem([PLUMB_BOB], [[parts[1]]], board.points_m).linearise(placed)
            errors[1 - half :: 2] = stack.residuals[stack.there]
        sizes = [np.sqrt(np.mean(one**2)) for one in (errors, result.held_out_px[v])]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.05)


def test_flat_on_boards_do_not_fix_the_focal_length(look, truth):
    rng = np.random.default_rng(0)
    camera = PLUMB_BOB.model(truth[PLUMB_BOB], frame_id="c", width_px=640, height_px=480)
    views = look(BOARD, PLUMB_BOB, num=10)
    flat = []
    for one in views:
        shift = np.array([*rng.uniform(-0.15, -0.05, 2), rng.uniform(0.5, 0.55)])
        uv_px = camera.project(BOARD.points_m + shift).uv_px
        flat.append(replace(one, uv_px=uv_px + 0.1 * rng.normal(size=uv_px.shape)))
    result = calibrate(flat, lens=PLUMB_BOB)
    assert result.grade.verdict is Verdict.NOT_ENOUGH
    assert any("fx" in one or "focal" in one for one in result.grade.why)
    assert "tilted" in " ".join(result.grade.advice)


def test_the_advised_view_helps_as_much_as_said(look):
    views = look(BOARD, PLUMB_BOB, num=5, seed=3, filled=(0.3, 0.35))
    result = calibrate(views, lens=PLUMB_BOB)
    fit = result.adjustment.fit
    change = result.judgement.change
    (advice,) = next_views(
        PLUMB_BOB,
        result.params,
        fit.covariance,
        BOARD,
        sigma_px=0.1,
        size_px=SIZE_PX,
        change=change,
        num=1,
    )
    assert advice.gain > 0.3
    change = change[np.isfinite(change).all(axis=(1, 2))].reshape(-1, 9)

    def variance(some):
        return np.sum(
            change.T @ change * calibrate(some, lens=PLUMB_BOB).adjustment.fit.covariance
        )

    # of many other views hardly one helps more
    others = look(BOARD, PLUMB_BOB, num=12, seed=77)
    gains = [1 - variance([*views, one]) / variance(views) for one in others]
    assert advice.gain > np.quantile(gains, 0.75)


def test_circles_at_a_slant_are_straightened(look, truth):
    """The middle of a circle's image is not the image of its middle; with the diameter it fits."""
    known, unknown = (Board.parse(f"circles:7x5:0.03{one}") for one in (":0.02", ""))
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rim = 0.01 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    camera = PLUMB_BOB.model(truth[PLUMB_BOB], frame_id="c", width_px=640, height_px=480)
    views, rng = [], np.random.default_rng(1)
    from perception_stack.simulation.board_pictures import random_pose

    for one in look(known, PLUMB_BOB, num=10):
        pose = random_pose(known, camera, rng)
        points = (known.points_m[:, None] + rim).reshape(-1, 3)
        seen = camera.project(points @ pose.rotation.T + pose.translation_m).uv_px
        seen = seen.reshape(-1, len(angle), 2)
        x, y = seen[..., 0], seen[..., 1]
        cross = x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y
        middle = [
            ((c + np.roll(c, -1, axis=1)) * cross).sum(axis=1) / (3 * cross.sum(axis=1))
            for c in (x, y)
        ]
        views.append(replace(one, uv_px=np.stack(middle, axis=1)))
    with_size, without = calibrate(views, known), calibrate(views, unknown)
    # poses and the focal length swallow what the slant does, and are wrong
    errors = [np.abs(one.params[:4] - truth[PLUMB_BOB][:4]) for one in (with_size, without)]
    assert errors[0].max() < 0.02 < 0.1 < errors[1].max()


def test_too_little(look):
    views = look(BOARD, PLUMB_BOB, num=4)
    with pytest.raises(CalibrationError, match="3 are needed"):
        calibrate(views[:2])
    with pytest.raises(CalibrationError, match="found in 0 images"):
        calibrate([])
    few = replace(views[0], name="few", point_idx=np.arange(5), uv_px=views[0].uv_px[:5])
    result = calibrate([*views, few])
    (left_out,) = [one for one in result.grade.observations if not one.used]
    assert left_out.name == "few"
    assert "5 points" in left_out.reason
    assert "few" in " ".join(result.grade.why)
    rng = np.random.default_rng(0)
    wrong = [replace(one, uv_px=rng.uniform(0, 400, one.uv_px.shape)) for one in views]
    try:
        assert calibrate(wrong).grade.verdict is Verdict.NOT_ENOUGH
    except CalibrationError as error:
        assert "views" in str(error)  # noqa: PT017  # either is fine


def test_the_same_views_give_the_same_numbers(look):
    views = look(BOARD, RATIONAL, num=8)
    one, other = calibrate(views), calibrate(views)
    np.testing.assert_array_equal(one.params, other.params)
    assert one.grade.provenance == other.grade.provenance
    order = calibrate(views[::-1])
    np.testing.assert_allclose(order.params, one.params, atol=0.02 * one.adjustment.fit.std.min())
