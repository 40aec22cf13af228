"""Height, roll and pitch of a LiDAR above the ground it stands on; the rest cannot be seen.

A flat ground fixes three of the six numbers of ``base_from_lidar``. x, y and yaw are kept as they
were given and told as unknown. Ground is uneven over metres, which thousands of points near the
LiDAR do not average out: pieces of 5 x 5 m count once each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.normal_equations import (
    Block,
    shared_blocks,
)
from perception_stack.calibration.estimation.points import drawn_planes
from perception_stack.calibration.estimation.rotations import corrected, shortest_turn
from perception_stack.calibration.estimation.solver import (
    Fit,
    SharedProblem,
    solve,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Provenance,
    ResidualSummary,
    Verdict,
    worst,
)
from perception_stack.calibration.grading.transform import (
    UNKNOWN_VARIANCE,
    Limits,
    direction_of,
    few_blocks_factor,
    judge,
    parameters_of,
    with_shared_error,
)
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_LIMITS = Limits(
    good_m=0.01,
    good_rad=float(np.deg2rad(0.15)),
    usable_m=0.05,
    usable_rad=float(np.deg2rad(1.0)),
)
_SQUARE_M = 1.0
_LEAST_IN_SQUARE = 5
_ROUGH = 1.5
"""Squares that spread this many times more than usual hold more than ground."""
_PIECE = 5
"""Squares along the edge of a piece of ground, which may lie higher or lower as a whole."""
_NEIGHBOURS_M = 6.5
_LEAST_SQUARES = 3
_LEAST_PIECES = 6
_WANTED_PIECES = 20
_FARTHEST_M = 25.0
_NEAREST_M = 0.5
_INLIER_M = 0.08
_NUM_TRIED, _LEAST_AREA_M2 = 500, 0.1
_MOST_TILTED = np.cos(np.deg2rad(35.0))
_LEAST_POINTS = 100
_MOST_FOLDS = 20
_FLAT_M, _NOT_FLAT_M = 0.01, 0.05
_MUCH_ALIKE = 1.5
"""Variance over that of independent pieces from which on one place does not average out."""
_GROUND = (2, 3, 4)
"""Rows of z, roll and pitch among x, y, z and the turns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarBase:
    """The result.

    Attributes:
        base_from_lidar: Where the LiDAR is; x, y and yaw as given.
        covariance: float64 [6, 6], huge for x, y and yaw.
        grade: How good height, roll and pitch are.
        ground_m: float64 [N, 3], points of the ground, in the LiDAR.
    """

    base_from_lidar: RigidTransform
    covariance: FloatArray
    grade: Grade
    ground_m: FloatArray


def calibrate_lidar_base(
    points_m: FloatArray, *, initial: RigidTransform, ground_z_m: float = 0.0, now: datetime
) -> LidarBase:
    """Height, roll and pitch of a LiDAR, with a grade.

    Args:
        points_m: float [N, 3], one scan or several joined, in ``initial.source``, of a vehicle on
            flat ground; NaN is passed over.
        initial: Rough ``base_from_lidar``, up to 35° off; its x, y and yaw are kept.
        ground_z_m: Height of the ground in the base: 0 if the base is on the ground.
        now: For the provenance.

    Raises:
        CalibrationError: no ground is found.
    """
    points = np.asarray(points_m, dtype=np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    range_m = np.linalg.norm(points, axis=1)
    points = points[(range_m > _NEAREST_M) & (range_m < _FARTHEST_M)]
    start, ground = _first_plane(points, initial, ground_z_m)
    problem = _Ground.of(ground, start, ground_z_m)
    fit = solve(problem, np.zeros(3))
    result = problem.answer(fit.state)
    covariance = np.diag(np.full(6, UNKNOWN_VARIANCE))
    alike = problem.alike(fit.state)
    factor = few_blocks_factor(len(fit.blocks), len(_GROUND)) * alike
    known = np.eye(6) * 1e-12
    known[np.ix_(_GROUND, _GROUND)] = factor * fit.covariance
    known = with_shared_error(known)
    covariance[np.ix_(_GROUND, _GROUND)] = known[np.ix_(_GROUND, _GROUND)]
    gaps = problem.heights_m(fit.state)
    held_out, folds = _held_out(problem, fit)
    fitted, of_held_out = (ResidualSummary.of(one, unit="m") for one in (gaps, held_out))
    verdict, why, advice = judge(
        known,
        [],
        limits=_LIMITS,
        target=initial.target,
        used=np.ones(len(folds), dtype=np.bool_),
        what="pieces of ground",
        fitted=fitted,
        held_out=of_held_out,
    )
    uneven_m = fitted.rms
    if uneven_m > _FLAT_M or alike > _MUCH_ALIKE:
        limit = Verdict.NOT_ENOUGH if uneven_m > _NOT_FLAT_M else Verdict.USABLE
        verdict = worst(verdict, limit)
        why.append(
            f"the ground is not flat: pieces lie {1000 * uneven_m:.0f} mm high or low, neighbours "
            "alike, which one place does not average out"
        )
        advice.append("stand on flat ground, such as the floor of a hall, or join several places")
    base, lidar = initial.target, initial.source
    why.append(
        f"x, y and yaw of {lidar} in {base} cannot be seen on the ground and are kept as given: "
        f"{result.translation_m[0]:.3f} m, {result.translation_m[1]:.3f} m"
    )
    advice.append("measure x, y and yaw, or calibrate against a sensor whose place is known")
    grade = Grade(
        verdict=verdict,
        why=tuple(why),
        advice=tuple(advice),
        direction=direction_of(result),
        fitted=fitted,
        held_out=of_held_out,
        parameters=parameters_of(result, covariance, _LIMITS),
        covariance=covariance,
        observations=folds,
        coverage={"ground around": min(len(gaps) / _WANTED_PIECES, 1.0)},
        provenance=Provenance.of("LiDAR to base, ground plane", points, initial.matrix, now=now),
    )
    return LidarBase(base_from_lidar=result, covariance=covariance, grade=grade, ground_m=ground)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ground(SharedProblem):
    """Heights of pieces of ground over a step of z, roll and pitch."""

    points_m: FloatArray
    start: RigidTransform
    ground_z_m: float

    @classmethod
    def of(cls, points_m: FloatArray, start: RigidTransform, ground_z_m: float) -> _Ground:
        cells, means = _even_squares(start.apply(points_m))
        pieces, index, counts = np.unique(
            cells // _PIECE, axis=0, return_inverse=True, return_counts=True
        )
        full = counts >= _LEAST_SQUARES
        if full.sum() < _LEAST_PIECES:
            raise CalibrationError(
                f"even ground is seen in {full.sum()} pieces of 5 x 5 m; at least "
                f"{_LEAST_PIECES} of {len(pieces)} need 3 m² or more: stand on open, flat ground"
            )
        middles = _mean_by(means, index.ravel())[full]
        return cls(points_m=start.inverse().apply(middles), start=start, ground_z_m=ground_z_m)

    def answer(self, state: FloatArray) -> RigidTransform:
        step = np.zeros(6)
        step[list(_GROUND)] = state
        return corrected(self.start, step)

    def heights_m(self, state: FloatArray) -> FloatArray:
        heights: FloatArray = self.answer(state).apply(self.points_m)[:, 2] - self.ground_z_m
        return heights

    def alike(self, state: FloatArray) -> float:
        """By how much neighbours that lie high or low together make the variance larger.

        The variance of a mean grows by the sum of the correlations with all others (Bartlett
        1946); those with the four neighbours are measured, the others taken as none.
        """
        from scipy.spatial import cKDTree

        level = self.start.apply(self.points_m)[:, :2]
        pairs = cKDTree(level).query_pairs(_NEIGHBOURS_M, output_type="ndarray")
        heights = self.heights_m(state)
        square = float(np.mean(heights**2))
        if not len(pairs) or square == 0:
            return 1.0
        alike = float(np.mean(heights[pairs[:, 0]] * heights[pairs[:, 1]])) / square
        # the fitted plane goes with its pieces: neighbours look less alike than they are
        fitted = min(len(_GROUND) / len(heights), 0.5)
        alike = alike * (1 - fitted) + fitted
        return float(np.clip(1 + 2 * len(pairs) / len(heights) * alike, 1, 3))

    def linearise(self, state: FloatArray) -> list[Block]:
        turned = self.points_m @ self.answer(state).rotation.T
        slopes = np.stack([np.ones(len(turned)), turned[:, 1], -turned[:, 0]], axis=1)
        heights = self.heights_m(state)
        return shared_blocks(heights[:, None], slopes[:, None], np.arange(len(heights)))


def _even_squares(level_m: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """Square metres that hold nothing but ground, int [S, 2], and the mean of their points."""
    cell = np.floor(level_m[:, :2] / _SQUARE_M).astype(np.int64)
    cells, index, counts = np.unique(cell, axis=0, return_inverse=True, return_counts=True)
    index = index.ravel()
    means = _mean_by(level_m, index)
    away = (level_m[:, 2] - means[index, 2]) ** 2
    spread = np.sqrt(np.bincount(index, weights=away) / np.maximum(counts - 1, 1))
    even = counts >= _LEAST_IN_SQUARE
    if even.any():  # the foot of a wall makes a square higher than its ground is
        even &= spread <= _ROUGH * np.median(spread[even])
    return cells[even], means[even]


def _mean_by(rows: FloatArray, index: NDArray[np.intp]) -> FloatArray:
    """Means of the rows of each group, [G, 3]."""
    sums = [np.bincount(index, weights=column) for column in rows.T]
    return np.stack(sums, axis=1) / np.bincount(index)[:, None]


def _first_plane(
    points: FloatArray, initial: RigidTransform, ground_z_m: float
) -> tuple[RigidTransform, FloatArray]:
    """The transform that lays the largest nearly level plane on the ground, and its points.

    Raises:
        CalibrationError: there is none.
    """
    if len(points) < _LEAST_POINTS:
        raise CalibrationError(f"{len(points)} points between 0.5 and 25 m are no ground")
    up = initial.rotation[2]  # the base's z axis in the LiDAR
    low = points[points @ up < np.quantile(points @ up, 0.7)]
    normals, offsets, distance_m = drawn_planes(
        low, most_points=3000, num=_NUM_TRIED, least_area_m2=_LEAST_AREA_M2
    )
    votes = (distance_m < _INLIER_M).sum(axis=0) * (np.abs(normals @ up) > _MOST_TILTED)
    best = int(np.argmax(votes))
    if votes[best] < max(_LEAST_POINTS, 0.1 * len(distance_m)):
        text = "no ground is found below the LiDAR within 35° of the initial orientation"
        raise CalibrationError(f"{text}; give roughly how '{initial.source}' is mounted")
    normal, offset = normals[best], float(offsets[best])
    for _ in range(3):
        ground = points[np.abs(points @ normal - offset) < _INLIER_M]
        middle = ground.mean(axis=0)
        normal = np.linalg.svd(ground - middle, full_matrices=False)[2][2]
        normal = normal * np.sign(normal @ up)
        offset = float(normal @ middle)
    ground = points[np.abs(points @ normal - offset) < 2 * _INLIER_M]
    # the shortest turn that makes the normal the base's z axis leaves yaw as it was
    up = np.array([0.0, 0.0, 1.0])
    rotation = shortest_turn(initial.rotation @ normal, up) @ initial.rotation
    place = initial.translation_m.copy()
    place[2] = ground_z_m - offset
    return replace(initial, rotation=rotation, translation_m=place), ground


def _held_out(
    problem: _Ground, fit: Fit[FloatArray]
) -> tuple[FloatArray, tuple[Observation, ...]]:
    """Height of each piece of ground under what the others give."""
    num = len(problem.points_m)
    folds = np.arange(num) % min(num, _MOST_FOLDS)
    heights = np.empty(num)
    for fold in np.unique(folds):
        rest = replace(problem, points_m=problem.points_m[folds != fold])
        state = solve(rest, fit.state).state
        heights[folds == fold] = problem.heights_m(state)[folds == fold]
    told = tuple(
        Observation(name=f"ground at ({x:.0f}, {y:.0f}) m", used=True, error=abs(float(height)))
        for (x, y, _), height in zip(problem.start.apply(problem.points_m), heights, strict=True)
    )
    return heights, told
