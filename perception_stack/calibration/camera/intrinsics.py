"""Calibrates one camera from views of a board, chooses its model by held-out error, grades it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from perception_stack.calibration.camera.adjustment import (
    LEAST_VIEWS,
    WRONG_POINT,
    Adjustment,
    adjust,
)
from perception_stack.calibration.camera.bundle import RigState
from perception_stack.calibration.camera.grading import grade_camera
from perception_stack.calibration.camera.lens import LENSES, PLUMB_BOB, RATIONAL, Lens
from perception_stack.calibration.camera.start import plane_poses, start_params
from perception_stack.calibration.grade import Grade, Observation, Provenance
from perception_stack.calibration.solver import TAIL, held_out_residuals
from perception_stack.calibration.targets.board import Board
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel

# With fewer points a view fixes its own pose and says little more
LEAST_POINTS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraCalibration:
    """A camera, and how far to trust it.

    Attributes:
        camera: The result.
        lens: Kind of camera.
        params: float64 [P], its parameters.
        adjustment: The fit and which views it rests on.
        sightings: The views that were tried, in the order of the adjustment's.
        held_out_px: float64 [N, 2] for each kept view: errors under the others' calibration.
        grade: What to think of it.
    """

    camera: CameraModel
    lens: Lens
    params: FloatArray
    adjustment: Adjustment
    sightings: tuple[Sighting, ...]
    held_out_px: tuple[FloatArray, ...]
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidate:
    lens: Lens
    adjustment: Adjustment
    held_out_px: list[FloatArray]


def calibrate_camera(
    sightings: Sequence[Sighting],
    board: Board,
    *,
    width_px: int,
    height_px: int,
    frame_id: str,
    now: datetime,
    lens: Lens | None = None,
    left_out: Sequence[Observation] = (),
) -> CameraCalibration:
    """The camera that took some views of a board.

    Args:
        sightings: What was seen of the board in each image.
        board: What was seen.
        width_px: Of the images.
        height_px: Of the images.
        frame_id: Optical frame.
        now: Time of the calibration, for its provenance.
        lens: Kind of camera; None to choose it by held-out error.
        left_out: Images that gave no sighting, and why; they are told in the grade.

    Raises:
        CalibrationError: fewer than three views, or none that agree.
    """
    good = [one for one in sightings if len(one.point_idx) >= LEAST_POINTS]
    few = [
        Observation(
            name=one.name,
            used=False,
            error=np.nan,
            reason=f"{len(one.point_idx)} points are too few, {LEAST_POINTS} are needed",
        )
        for one in sightings
        if len(one.point_idx) < LEAST_POINTS
    ]
    if len(good) < LEAST_VIEWS:
        raise CalibrationError(
            f"the board was found in {len(good)} images, {LEAST_VIEWS} are needed at least and "
            f"a dozen are good; is it '{board}'?"
        )
    best = _best(good, board, width_px, height_px, [lens] if lens else list(LENSES.values()))
    params = best.adjustment.fit.state.lens_params[0]
    camera = best.lens.model(params, frame_id=frame_id, width_px=width_px, height_px=height_px)
    arrays = [
        board.points_m,
        *(array for one in sightings for array in (one.point_idx, one.uv_px)),
    ]
    return CameraCalibration(
        camera=camera,
        lens=best.lens,
        params=params,
        adjustment=best.adjustment,
        sightings=tuple(good),
        held_out_px=tuple(best.held_out_px),
        grade=grade_camera(
            best.lens,
            best.adjustment,
            best.held_out_px,
            board,
            width_px=width_px,
            height_px=height_px,
            names=[one.name for one in good],
            others=[*few, *left_out],
            provenance=Provenance.of(
                f"bundle adjustment of {board}, {best.lens.distortion_model}", *arrays, now=now
            ),
        ),
    )


def _best(
    sightings: Sequence[Sighting],
    board: Board,
    width_px: int,
    height_px: int,
    lenses: Sequence[Lens],
) -> _Candidate:
    """The simplest lens that no other predicts held-out views better than, beyond chance."""
    best: _Candidate | None = None
    problems = []
    for lens in lenses:
        try:
            start = _start(sightings, board, width_px, height_px, lens, best)
            one = _candidate(sightings, board, lens, start)
        except CalibrationError as error:
            problems.append(str(error))
            continue
        if best is None or _is_better(one, best):
            best = one
    if best is None:
        raise CalibrationError(problems[0])
    return best


def _start(
    sightings: Sequence[Sighting],
    board: Board,
    width_px: int,
    height_px: int,
    lens: Lens,
    simpler: _Candidate | None,
) -> RigState:
    """From the planes of the boards; the model with more coefficients from that with fewer."""
    points = board.points_m
    if lens is RATIONAL and simpler is not None and simpler.lens is PLUMB_BOB:
        found = simpler.adjustment.fit.state.lens_params[0]
        params = np.pad(found, (0, len(lens.names) - len(found)))
    else:
        params = start_params(sightings, points, lens, width_px=width_px, height_px=height_px)
    rotations, translations, _ = plane_poses(sightings, points, lens, params)
    return RigState(
        lens_params=(params,),
        rotations=np.eye(3)[None],
        translations_m=np.zeros((1, 3)),
        board_rotations=rotations,
        board_translations_m=translations,
    )


def _candidate(
    sightings: Sequence[Sighting], board: Board, lens: Lens, start: RigState
) -> _Candidate:
    adjustment = adjust([lens], [[one] for one in sightings], board.points_m, start)
    return _Candidate(
        lens=lens, adjustment=adjustment, held_out_px=held_out_residuals(adjustment.fit)
    )


def _is_better(one: _Candidate, other: _Candidate) -> bool:
    """Whether views that both use are predicted better, by more than the views disagree on it."""
    if len(one.adjustment.kept) < len(other.adjustment.kept):
        return False
    sigma = min(one.adjustment.fit.sigma, other.adjustment.fit.sigma)
    both = np.intersect1d(one.adjustment.kept, other.adjustment.kept)
    gains = np.array([_cost(other, v, sigma) - _cost(one, v, sigma) for v in both])
    chance = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return bool(gains.mean() > chance)


def _cost(one: _Candidate, view: int, sigma: float) -> float:
    """Mean loss of a view's held-out points; heavy tails, so that one corner decides nothing.

    Points that a model left out count as far as it had to be for that.
    """
    errors = one.held_out_px[int(np.searchsorted(one.adjustment.kept, view))]
    losses = np.log1p((errors**2).sum(axis=1) / (TAIL * sigma**2))
    num_wrong = int(one.adjustment.num_wrong[view])
    wrong = np.log1p(2 * WRONG_POINT**2 / TAIL)
    return float((losses.sum() + num_wrong * wrong) / (len(losses) + num_wrong))
