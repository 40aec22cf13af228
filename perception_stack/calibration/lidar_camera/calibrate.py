"""Where a camera is in a LiDAR, from poses of a board that both saw.

Each board is one observation of six numbers: how far the camera's board, taken to the LiDAR, lies
from the LiDAR's, along its sides and across, and by which turns. Turns are weighed as if corners
had independent errors of one size: a board of twice the size shows them twice as well. How large
errors are is found from the data (:mod:`perception_stack.calibration.estimation.whitened`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import corrected, log
from perception_stack.calibration.estimation.whitened import (
    Noise,
    WhitenedFit,
    fit_whitened,
    numeric,
    refit,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Provenance,
    ResidualSummary,
)
from perception_stack.calibration.grading.transform import (
    Limits,
    direction_of,
    few_blocks_factor,
    judge,
    parameters_of,
    weaknesses_of,
)
from perception_stack.calibration.lidar_camera.boards import (
    BoardPoses,
    facing,
    levers_of,
    turns_of,
)
from perception_stack.calibration.lidar_camera.next_view import coverage_of, next_view
from perception_stack.calibration.lidar_camera.start import first_answer
from perception_stack.datatypes import FloatArray, check_rows
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_NOISE = Noise(kinds=(6,), guess=(0.01,), pooled=np.inf, tails=False)
"""Error of a corner, a few beams or azimuth steps of a LiDAR at 2 m."""
_LIMITS = Limits(
    good_m=0.01,
    good_rad=float(np.deg2rad(0.3)),
    usable_m=0.03,
    usable_rad=float(np.deg2rad(1.0)),
)
_MOST_FOLDS = 20
_CLEAR = 3.0
_LEAST_FOR_RANGE = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarCamera:
    """The result.

    Attributes:
        lidar_from_camera: Where the camera is.
        covariance: float64 [6, 6].
        grade: How good it is; its errors are mean distances of corners and centre.
        errors_m: float64 [N, 5, 3], by how much the camera's corners and centre miss the LiDAR's
            in the LiDAR's frame, each board held out.
        sigma: float64 [6], typical error of a board along its long side, its short side and its
            normal [m], and about them [rad].
    """

    lidar_from_camera: RigidTransform
    covariance: FloatArray
    grade: Grade
    errors_m: FloatArray
    sigma: FloatArray


def calibrate_lidar_camera(
    in_camera: BoardPoses,
    in_lidar: BoardPoses,
    *,
    size_m: tuple[float, float],
    names: Sequence[str],
    lidar: str,
    camera: str,
    now: datetime,
    initial: RigidTransform | None = None,
) -> LidarCamera:
    """Place of the camera in the LiDAR, with a grade.

    Args:
        in_camera: N boards.
        in_lidar: The same boards.
        size_m: Both sides of the board.
        names: N names, for people.
        lidar: Frame of the LiDAR.
        camera: Optical frame of the camera.
        now: For the provenance.
        initial: Rough ``lidar_from_camera``; only needed when a single board or two must do.

    Raises:
        CalibrationError: no boards, or numbers that differ.
    """
    if not len(in_camera):
        raise CalibrationError("no board was seen by both sensors")
    check_rows("in_lidar", in_lidar, len(in_camera))
    check_rows("names", names, len(in_camera))
    in_camera, in_lidar = facing(in_camera), facing(in_lidar)
    start, turned = first_answer(
        in_camera, in_lidar, turns_of(size_m), size_m, lidar=lidar, camera=camera, initial=initial
    )
    boards = _Boards(start=start, in_camera=in_camera, in_lidar=turned, size_m=size_m)
    num = len(in_camera)
    fit = fit_whitened(numeric(boards.errors), 6, noise=_NOISE, blocks=np.arange(num))
    result = corrected(start, fit.step)
    covariance = fit.covariance * few_blocks_factor(int(fit.used.sum()))
    held_out = _held_out(boards, fit)
    fitted, of_held_out = (
        ResidualSummary.of(np.linalg.norm(one[fit.used], axis=2), unit="m")
        for one in (boards.misses(fit.step), held_out)
    )
    mean_m = np.linalg.norm(held_out, axis=2).mean(axis=1)
    verdict, why, advice = judge(
        covariance,
        weaknesses_of(covariance, _LIMITS),
        limits=_LIMITS,
        target=lidar,
        used=fit.used,
        what="boards",
        fitted=fitted,
        held_out=of_held_out,
    )
    if num > 1:
        advice.insert(0, next_view(covariance, fit.sigma / levers_of(size_m), result, in_camera))
    grade = Grade(
        verdict=verdict,
        why=(*why, *_of_range(boards, fit)),
        advice=tuple(advice),
        direction=direction_of(result),
        fitted=fitted,
        held_out=of_held_out,
        parameters=parameters_of(result, covariance, _LIMITS),
        covariance=covariance,
        observations=tuple(
            Observation(
                name=name,
                used=bool(fit.used[i]),
                error=float(mean_m[i]),
                reason="" if fit.used[i] else _reason(fit, i, size_m),
            )
            for i, name in enumerate(names)
        ),
        coverage=coverage_of(in_camera),
        provenance=Provenance.of(
            "LiDAR-camera, poses of a board",
            in_camera.rotation,
            in_camera.center_m,
            in_lidar.rotation,
            in_lidar.center_m,
            now=now,
        ),
    )
    return LidarCamera(
        lidar_from_camera=result,
        covariance=covariance,
        grade=grade,
        errors_m=held_out,
        sigma=fit.sigma / levers_of(size_m),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Boards:
    """Boards that belong together, and how far they miss each other after a step."""

    start: RigidTransform
    in_camera: BoardPoses
    in_lidar: BoardPoses
    size_m: tuple[float, float]

    def rows(self, index: NDArray[np.intp]) -> _Boards:
        return replace(
            self, in_camera=self.in_camera.rows(index), in_lidar=self.in_lidar.rows(index)
        )

    def errors(self, step: FloatArray) -> FloatArray:
        """Three shifts and three turns in the board's own frame, [N, 6].

        They are multiplied by :func:`levers_of`: all then have the standard deviation of one
        coordinate of a corner. A seventh number of the step is added to every range of the LiDAR.
        """
        transform = corrected(self.start, step[:6])
        rotation = transform.rotation @ self.in_camera.rotation
        measured = self.in_lidar.center_m
        if len(step) > 6:
            range_m = np.linalg.norm(measured, axis=1, keepdims=True)
            measured = measured * (1 + step[6] / range_m)
        gap = measured - transform.apply(self.in_camera.center_m)
        back = rotation.swapaxes(1, 2)
        shift = (back @ gap[..., None])[..., 0]
        six = np.concatenate([shift, log(back @ self.in_lidar.rotation)], axis=1)
        errors: FloatArray = levers_of(self.size_m) * six
        return errors

    def misses(self, step: FloatArray) -> FloatArray:
        """From the camera's corners and centre to those of the LiDAR, [N, 5, 3]."""
        there = self.in_lidar.corners_m(self.size_m)
        here = corrected(self.start, step).apply(self.in_camera.corners_m(self.size_m))
        missing: FloatArray = there - here
        return missing


def _held_out(boards: _Boards, fit: WhitenedFit) -> FloatArray:
    num = len(fit.used)
    folds = np.arange(num) % min(num, _MOST_FOLDS)
    missing = np.empty((num, 5, 3))
    for fold in np.unique(folds):
        without = refit(numeric(boards.errors), fit, folds != fold)
        missing[folds == fold] = boards.misses(without)[folds == fold]
    return missing


def _of_range(boards: _Boards, fit: WhitenedFit) -> list[str]:
    """Whether ranges are all too short or too long, which no transform can mend."""
    rows = np.flatnonzero(fit.used)
    if len(rows) < _LEAST_FOR_RANGE:
        return []
    model = numeric(boards.rows(rows).errors)
    free = fit_whitened(model, 7, noise=_NOISE, blocks=np.arange(len(rows)))
    missing_m, std_m = float(free.step[6]), float(np.sqrt(free.covariance[6, 6]))
    if abs(missing_m) < _CLEAR * std_m:
        return []
    word = "short" if missing_m > 0 else "long"
    return [
        f"the LiDAR's ranges seem {abs(missing_m) * 1000:.0f} ± {std_m * 1000:.0f} mm too {word}, "
        "or the focal length or the size of the board is off; the result fits boards at the "
        "distances that were recorded"
    ]


def _reason(fit: WhitenedFit, row: int, size_m: tuple[float, float]) -> str:
    errors = fit.residuals[row] / levers_of(size_m)
    shift_m = float(np.linalg.norm(errors[:3]))
    turn_deg = float(np.rad2deg(np.linalg.norm(errors[3:])))
    return (
        f"{fit.distance[row]:.0f} standard deviations off: {shift_m * 1000:.0f} mm and "
        f"{turn_deg:.1f}° from where the others put it"
    )
