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
from perception_stack.calibration.camera.discs import has_discs, straightened
from perception_stack.calibration.camera.grading import (
    CameraJudgement,
    advise,
    boards_of,
    effective_sigma_px,
    judge_camera,
    judge_fit,
    observations,
)
from perception_stack.calibration.camera.lens import LENSES, PLUMB_BOB, RATIONAL, Lens
from perception_stack.calibration.camera.start import plane_poses, start_params
from perception_stack.calibration.camera.uncertainty import image_grid
from perception_stack.calibration.estimation.normal_equations import (
    TAIL,
)
from perception_stack.calibration.estimation.solver import (
    held_out_residuals,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Provenance,
    Verdict,
    worst,
)
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel

# With fewer points a view fixes its own pose and says little more
LEAST_POINTS = 8
# And points must be spread by so much across, as standard deviation
LEAST_SPREAD_PX = 2.0
# By how many standard errors a model must predict better to be worth its coefficients
_STANDARD_ERRORS = 2.0
# One view more or less may be chance
_MORE_VIEWS = 2


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
        judgement: What the covariance means in the image.
        grade: What to think of it.
    """

    camera: CameraModel
    lens: Lens
    params: FloatArray
    adjustment: Adjustment
    sightings: tuple[Sighting, ...]
    held_out_px: tuple[FloatArray, ...]
    judgement: CameraJudgement
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Candidate:
    """A lens that was tried."""

    lens: Lens
    adjustment: Adjustment
    held_out_px: list[FloatArray]

    def is_whole(self, size_px: tuple[int, int]) -> bool:
        """Whether it says of every pixel where it looks."""
        pixels = image_grid(*size_px).reshape(-1, 2)
        return bool(self.lens.covers(pixels, self.adjustment.fit.state.lens_params[0]).all())


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
    good = [one for one in sightings if not _unfit(one)]
    few = [
        Observation(name=one.name, used=False, error=np.nan, reason=reason)
        for one in sightings
        if (reason := _unfit(one))
    ]
    if len(good) < LEAST_VIEWS:
        raise CalibrationError(
            f"the board was found in {len(good)} images, {LEAST_VIEWS} are needed at least and "
            f"a dozen are good; is it '{board}'?"
        )
    best = _best(good, board, width_px, height_px, [lens] if lens else list(LENSES.values()))
    if has_discs(board):
        good = straightened(good, board, best.lens, best.adjustment)
        best = _best(good, board, width_px, height_px, [best.lens])
    fit = best.adjustment.fit
    params = fit.state.lens_params[0]
    arrays = [board.points_m, *(one.uv_px for one in sightings)]
    verdict, doubts, fitted, held_out = judge_fit(
        best.adjustment, best.held_out_px, width_px=width_px
    )
    judgement = judge_camera(
        best.lens,
        params,
        fit.covariance,
        [one for view in best.adjustment.views for one in view if one is not None],
        camera_from_board=boards_of(fit.state, 0),
        size_px=(width_px, height_px),
    )
    verdict = worst(verdict, judgement.verdict)
    sigma_px = effective_sigma_px(fit.sigma, fit.inflation)
    return CameraCalibration(
        camera=best.lens.model(params, frame_id=frame_id, width_px=width_px, height_px=height_px),
        lens=best.lens,
        params=params,
        adjustment=best.adjustment,
        sightings=tuple(good),
        held_out_px=tuple(best.held_out_px),
        judgement=judgement,
        grade=Grade(
            verdict=verdict,
            why=(*doubts, *judgement.why),
            advice=()
            if verdict is Verdict.GOOD
            else advise(
                best.lens,
                params,
                fit.covariance,
                board,
                sigma_px=sigma_px,
                size_px=(width_px, height_px),
                change=judgement.change,
            ),
            direction="",
            fitted=fitted,
            held_out=held_out,
            parameters=judgement.parameters,
            covariance=fit.covariance,
            observations=(
                *observations(best.adjustment, best.held_out_px, [one.name for one in good]),
                *few,
                *left_out,
            ),
            coverage=judgement.coverage,
            provenance=Provenance.of(
                f"bundle adjustment of {board}, {best.lens.distortion_model}", *arrays, now=now
            ),
        ),
    )


def _unfit(one: Sighting) -> str:
    """Why a view says nothing, whatever the camera; empty if it may."""
    if len(one.point_idx) < LEAST_POINTS:
        return f"{len(one.point_idx)} points are too few, {LEAST_POINTS} are needed"
    if not np.isfinite(one.uv_px).all():
        return "some points are NaN or infinite"
    spread_px = np.linalg.svd(one.uv_px - one.uv_px.mean(axis=0), compute_uv=False)
    if spread_px[1] < LEAST_SPREAD_PX * np.sqrt(len(one.uv_px)):
        return "its points lie on one line, or in one place"
    return ""


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
            start = _start(sightings, board, lens, best, size_px=(width_px, height_px))
            adjustment = adjust([lens], [[one] for one in sightings], board.points_m, start)
        except CalibrationError as error:
            problems.append(str(error))
            continue
        one = _Candidate(
            lens=lens, adjustment=adjustment, held_out_px=held_out_residuals(adjustment.fit)
        )
        if best is None or _is_better(one, best, (width_px, height_px)):
            best = one
    if best is None:
        raise CalibrationError(problems[0])
    return best


def _start(
    sightings: Sequence[Sighting],
    board: Board,
    lens: Lens,
    simpler: _Candidate | None,
    *,
    size_px: tuple[int, int],
) -> RigState:
    """From the planes of the boards; the model with more coefficients from that with fewer."""
    points = board.points_m
    if lens is RATIONAL and simpler is not None and simpler.lens is PLUMB_BOB:
        found = simpler.adjustment.fit.state.lens_params[0]
        params = np.pad(found, (0, len(lens.names) - len(found)))
    else:
        params = start_params(sightings, points, lens, width_px=size_px[0], height_px=size_px[1])
    rotations, translations = plane_poses(sightings, points, lens, params)
    return RigState(
        lens_params=(params,),
        rotations=np.eye(3)[None],
        translations_m=np.zeros((1, 3)),
        board_rotations=rotations,
        board_translations_m=translations,
    )


def _is_better(one: _Candidate, other: _Candidate, size_px: tuple[int, int]) -> bool:
    """Whether views that both use are predicted better, by more than the views disagree on it.

    A polynomial that folds back inside of the image is worse than one that does not, and a model
    that leaves views out which another explains is worse than that.
    """
    if (whole := one.is_whole(size_px)) != other.is_whole(size_px):
        return whole
    more = len(one.adjustment.kept) - len(other.adjustment.kept)
    if abs(more) >= _MORE_VIEWS:
        return more > 0
    sigma = min(one.adjustment.fit.sigma, other.adjustment.fit.sigma)
    both = np.intersect1d(one.adjustment.kept, other.adjustment.kept)
    gains = np.array([_cost(other, v, sigma) - _cost(one, v, sigma) for v in both])
    chance = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.inf
    return bool(gains.mean() > _STANDARD_ERRORS * chance)


def _cost(one: _Candidate, view: int, sigma: float) -> float:
    """Mean loss of a view's held-out points; heavy tails, so that one corner decides nothing.

    Points that a model left out count as far as it had to be for that.
    """
    errors = one.held_out_px[int(np.searchsorted(one.adjustment.kept, view))]
    losses = np.log1p((errors**2).sum(axis=1) / (TAIL * sigma**2))
    num_wrong = int(one.adjustment.num_wrong[view])
    wrong = np.log1p(2 * WRONG_POINT**2 / TAIL)
    return float((losses.sum() + num_wrong * wrong) / (len(losses) + num_wrong))
