"""Height, roll and pitch of a LiDAR above the ground it stands on; the rest cannot be seen.

A flat ground fixes three of the six numbers of ``base_from_lidar``. x, y and yaw are kept as they
were given and told as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.extrinsic import (
    UNKNOWN_VARIANCE,
    Limits,
    direction_of,
    judge,
    parameters_of,
)
from perception_stack.calibration.grade import Grade, Observation, Provenance, ResidualSummary
from perception_stack.calibration.rotations import corrected, cross_matrix
from perception_stack.calibration.solver import Block, Fit, solve
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_LIMITS = Limits(
    good_m=0.01,
    good_rad=float(np.deg2rad(0.15)),
    usable_m=0.05,
    usable_rad=float(np.deg2rad(1.0)),
)
_CELL_M = 2.0
_FARTHEST_M = 25.0
_NEAREST_M = 0.5
_INLIER_M = 0.08
_NUM_TRIED = 500
_MOST_TILTED = np.cos(np.deg2rad(35.0))
_LEAST_POINTS = 100
_WANTED_CELLS = 60
_NUM_FOLDS = 5
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
    covariance[np.ix_(_GROUND, _GROUND)] = fit.covariance
    gaps = np.concatenate([one.residuals[:, 0] for one in problem.linearise(fit.state)])
    held_out, folds = _held_out(problem, fit)
    known = np.eye(6) * 1e-12
    known[np.ix_(_GROUND, _GROUND)] = fit.covariance
    verdict, why, advice = judge(
        known,
        [],
        limits=_LIMITS,
        target=initial.target,
        used=np.ones(len(folds), dtype=np.bool_),
        what="parts of the ground",
        held_out_ratio=float(np.sqrt(np.mean(held_out**2) / np.mean(gaps**2))),
    )
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
        fitted=ResidualSummary.of(gaps, unit="m"),
        held_out=ResidualSummary.of(held_out, unit="m"),
        parameters=parameters_of(result, covariance, _LIMITS),
        covariance=covariance,
        observations=folds,
        coverage={"ground around": min(len(problem.borders) / _WANTED_CELLS, 1.0)},
        provenance=Provenance.of("LiDAR to base, ground plane", points, initial.matrix, now=now),
    )
    return LidarBase(base_from_lidar=result, covariance=covariance, grade=grade, ground_m=ground)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ground:
    """Heights of ground points over a step of z, roll and pitch; one block a cell."""

    points_m: FloatArray
    borders: NDArray[np.intp]
    start: RigidTransform
    ground_z_m: float

    @classmethod
    def of(cls, points_m: FloatArray, start: RigidTransform, ground_z_m: float) -> _Ground:
        cell = np.floor(start.apply(points_m)[:, :2] / _CELL_M).astype(np.int64)
        _, index = np.unique(cell, axis=0, return_inverse=True)
        order = np.argsort(index.ravel(), kind="stable")
        borders = np.flatnonzero(np.diff(index.ravel()[order])) + 1
        return cls(points_m=points_m[order], borders=borders, start=start, ground_z_m=ground_z_m)

    def answer(self, state: FloatArray) -> RigidTransform:
        step = np.zeros(6)
        step[list(_GROUND)] = state
        return corrected(self.start, step)

    def linearise(self, state: FloatArray) -> list[Block]:
        transform = self.answer(state)
        turned = self.points_m @ transform.rotation.T
        height = turned[:, 2] + transform.translation_m[2] - self.ground_z_m
        slopes = np.stack([np.ones(len(turned)), turned[:, 1], -turned[:, 0]], axis=1)
        return [
            Block(residuals=one[:, None], shared=two[:, None], private=np.zeros((len(one), 1, 0)))
            for one, two in zip(
                np.split(height, self.borders), np.split(slopes, self.borders), strict=True
            )
        ]

    def moved(
        self, state: FloatArray, shared: FloatArray, private: list[FloatArray]
    ) -> FloatArray:
        del private
        return state + shared


def _first_plane(
    points: FloatArray, initial: RigidTransform, ground_z_m: float
) -> tuple[RigidTransform, FloatArray]:
    """The transform that lays the largest nearly level plane on the ground, and its points.

    Raises:
        CalibrationError: there is none.
    """
    rng = np.random.default_rng(0)
    if len(points) < _LEAST_POINTS:
        raise CalibrationError(f"{len(points)} points between 0.5 and 25 m are no ground")
    up = initial.rotation[2]  # the base's z axis in the LiDAR
    low = points[points @ up < np.quantile(points @ up, 0.7)]
    few = low[rng.permutation(len(low))[:3000]]
    one, two, three = (few[rng.integers(len(few), size=_NUM_TRIED)] for _ in range(3))
    normal = np.cross(two - one, three - one)
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(length, 1e-9)[:, None]
    normal = normal * np.sign(normal @ up)[:, None]
    near = np.abs(few @ normal.T - np.einsum("ti,ti->t", normal, one)) < _INLIER_M
    votes = near.sum(axis=0) * (normal @ up > _MOST_TILTED) * (length > 0.1)
    best = int(np.argmax(votes))
    if votes[best] < max(_LEAST_POINTS, 0.1 * len(few)):
        text = "no ground is found below the LiDAR within 35° of the initial orientation"
        raise CalibrationError(f"{text}; give roughly how '{initial.source}' is mounted")
    normal, offset = normal[best], float(normal[best] @ one[best])
    for _ in range(3):
        ground = points[np.abs(points @ normal - offset) < _INLIER_M]
        middle = ground.mean(axis=0)
        normal = np.linalg.svd(ground - middle, full_matrices=False)[2][2]
        normal = normal * np.sign(normal @ up)
        offset = float(normal @ middle)
    ground = points[np.abs(points @ normal - offset) < 2 * _INLIER_M]
    # the shortest turn that makes the normal the base's z axis leaves yaw as it was
    seen = initial.rotation @ normal
    cross = cross_matrix(np.cross(seen, [0.0, 0.0, 1.0]))
    rotation = (np.eye(3) + cross + cross @ cross / (1 + seen[2])) @ initial.rotation
    place = initial.translation_m.copy()
    place[2] = ground_z_m - offset
    return replace(initial, rotation=rotation, translation_m=place), ground


def _held_out(
    problem: _Ground, fit: Fit[FloatArray]
) -> tuple[FloatArray, tuple[Observation, ...]]:
    """Heights of each fifth of the cells under what the others give."""
    parts = np.split(problem.points_m, problem.borders)
    gaps, told = [], []
    num = min(_NUM_FOLDS, len(parts))
    for fold in range(num if num > 1 else 0):
        mine = [part for i, part in enumerate(parts) if i % num == fold]
        rest = [part for i, part in enumerate(parts) if i % num != fold]
        lengths = np.cumsum([len(part) for part in rest])[:-1]
        without = replace(problem, points_m=np.concatenate(rest), borders=lengths)
        moved = problem.answer(solve(without, fit.state).state).apply(np.concatenate(mine))
        height = moved[:, 2] - problem.ground_z_m
        gaps.append(height)
        told.append(
            Observation(
                name=f"part {fold + 1} of the ground",
                used=True,
                error=float(np.sqrt(np.mean(height**2))),
            )
        )
    return np.concatenate(gaps) if gaps else np.empty(0), tuple(told)
