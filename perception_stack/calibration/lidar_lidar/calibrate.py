"""Where one LiDAR is in another, from surfaces that both see at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from perception_stack.calibration.estimation.normal_equations import (
    inverse,
)
from perception_stack.calibration.estimation.rotations import cross_matrix
from perception_stack.calibration.estimation.solver import (
    Fit,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Provenance,
    ResidualSummary,
)
from perception_stack.calibration.grading.transform import (
    Limits,
    Weakness,
    direction_of,
    few_blocks_factor,
    judge,
    name_of_axis,
    parameters_of,
    weaknesses_of,
    with_shared_error,
    without_knowledge_of,
)
from perception_stack.calibration.lidar_lidar.register import Matches, fit_matches, register
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_LIMITS = Limits(
    good_m=0.01,
    good_rad=float(np.deg2rad(0.2)),
    usable_m=0.05,
    usable_rad=float(np.deg2rad(1.0)),
)
_EDGES = (0.2, 1.0)
_RANGE_SHARE = 0.05
_NEAREST_M, _FARTHEST_M = 0.5, 80.0
_NUM_FOLDS = 5
_REAL = 0.5
"""Share of the hold in a direction that must be more than noise of normals makes."""
_UNEVEN_RAD = np.deg2rad(3.0)
"""By how much normals of patches are off where surfaces are not quite flat."""
_WANTED_OVERLAP = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarLidar:
    """The result.

    Attributes:
        target_from_source: Where the source is in the target.
        covariance: float64 [6, 6].
        grade: How good it is; its errors are distances of points from planes.
        matches: What it rests on.
        initial_gap_m: Mean distance of the same points from the same planes before.
    """

    target_from_source: RigidTransform
    covariance: FloatArray
    grade: Grade
    matches: Matches
    initial_gap_m: float


def calibrate_lidar_lidar(
    source_m: FloatArray, target_m: FloatArray, *, initial: RigidTransform, now: datetime
) -> LidarLidar:
    """Place of a LiDAR in another, with a grade.

    Args:
        source_m: float [N, 3], one scan or several joined, in ``initial.source``; NaN is passed
            over.
        target_m: float [M, 3], of the same time, in ``initial.target``; the denser of the two.
        initial: Rough ``target_from_source``: up to a metre and some ten degrees off, more where
            both see much of the floor.
        now: For the provenance.

    Raises:
        CalibrationError: hardly any points, or hardly any overlap.
    """
    source, target = _usable(source_m, initial.source), _usable(target_m, initial.target)
    edge_m = _edge_m(source, target)
    rough, matches = register(source, target, initial=initial, edge_m=edge_m)
    result, fit = fit_matches(matches, rough)
    covariance, weak = _without_false_hold(fit, matches, result)
    weak = [*weak, *weaknesses_of(covariance, _LIMITS)]
    weak = [_with_advice(one, initial.target) for one in _distinct(weak)]
    gaps = matches.gaps_m(result)
    held_out, folds = _held_out(matches, result)
    fitted, of_held_out = (ResidualSummary.of(one, unit="m") for one in (gaps, held_out))
    used = np.ones(len(folds), dtype=np.bool_)
    verdict, why, advice = judge(
        covariance,
        weak,
        limits=_LIMITS,
        target=initial.target,
        used=used,
        what="surfaces",
        fitted=fitted,
        held_out=of_held_out,
    )
    before = float(np.mean(np.abs(matches.gaps_m(initial))))
    after = float(np.mean(np.abs(gaps)))
    why.append(
        f"points of surfaces that both see lie {after * 1000:.0f} mm from their planes on "
        f"average, {before * 1000:.0f} mm under the initial values"
    )
    overlap = len(matches) / matches.num_offered
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
        coverage={"overlap": min(overlap / _WANTED_OVERLAP, 1.0)},
        provenance=Provenance.of(
            "LiDAR-LiDAR, points on planes", source, target, initial.matrix, now=now
        ),
    )
    return LidarLidar(
        target_from_source=result,
        covariance=covariance,
        grade=grade,
        matches=matches,
        initial_gap_m=before,
    )


def _usable(points_m: FloatArray, frame: str) -> FloatArray:
    all_points = np.asarray(points_m, dtype=np.float64)
    finite = all_points[np.isfinite(all_points).all(axis=1)]
    range_m = np.linalg.norm(finite, axis=1)
    points: FloatArray = finite[(range_m > _NEAREST_M) & (range_m < _FARTHEST_M)]
    if len(points) < 100:
        text = f"the cloud of '{frame}' has {len(points)} points between 0.5 and 80 m"
        raise CalibrationError(f"{text}; are its units metres?")
    return points


def _edge_m(source: FloatArray, target: FloatArray) -> float:
    """Edge of the smallest patches: a twentieth of the distance that most is seen at."""
    usual = min(float(np.median(np.linalg.norm(one, axis=1))) for one in (source, target))
    return float(np.clip(_RANGE_SHARE * usual, *_EDGES))


def _without_false_hold(
    fit: Fit[FloatArray], matches: Matches, result: RigidTransform
) -> tuple[FloatArray, list[Weakness]]:
    """The covariance, and directions that only noise of normals seems to hold.

    A floor with noisy normals seems to hold against shifts along it. What the noise of points and
    what unevenness and corners do to normals adds to the information in the mean is taken off
    (errors-in-variables regression, Fuller 1987); directions of which little is left then are not
    known at all.
    """
    moved = result.apply(matches.points_m)
    lever = np.zeros((len(moved), 6, 3))
    lever[:, :3] = np.eye(3)
    lever[:, 3:] = cross_matrix(moved)
    weights = np.concatenate(fit.weights) / matches.steep**2
    normal = matches.patches.normal[matches.patch]
    across = np.eye(3) - normal[:, :, None] * normal[:, None]
    tilt = matches.patches.tilt_variance[matches.patch] + _UNEVEN_RAD**2 * across
    tilt = tilt * weights[:, None, None]
    false_hold = np.einsum("nia,nab,njb->ij", lever, tilt, lever)
    slopes = matches.slopes(result)
    hold = slopes.T @ (slopes * weights[:, None])
    root = np.linalg.cholesky(inverse(hold))
    values, axes = np.linalg.eigh(root.T @ (hold - false_hold) @ root)
    reach_m = float(np.sqrt(np.mean(np.sum(moved**2, axis=1))))
    weak = []
    for value, axis in zip(values, axes.T, strict=True):
        if value < _REAL:
            step = root @ axis
            shift, turn = step[:3], step[3:]
            is_turn = float(np.linalg.norm(turn)) * reach_m > float(np.linalg.norm(shift))
            part = turn if is_turn else shift
            weak.append(
                Weakness(axis=part / np.linalg.norm(part), is_turn=is_turn, std=float(np.inf))
            )
    covariance = with_shared_error(fit.covariance * few_blocks_factor(len(fit.blocks)))
    return without_knowledge_of(covariance, weak), weak


def _distinct(weak: list[Weakness]) -> list[Weakness]:
    """Each direction once."""
    kept: list[Weakness] = []
    for one in weak:
        same = (
            one.is_turn == other.is_turn and abs(float(one.axis @ other.axis)) > 0.9
            for other in kept
        )
        if not any(same):
            kept.append(one)
    return kept


def _with_advice(weak: Weakness, frame: str) -> Weakness:
    axis = name_of_axis(weak.axis, frame)
    text = f"record where both see a wall or another surface across {axis}"
    if weak.is_turn:
        text = f"record where both see far walls or other surfaces along {axis}"
    return Weakness(axis=weak.axis, is_turn=weak.is_turn, std=weak.std, advice=text)


def _held_out(
    matches: Matches, result: RigidTransform
) -> tuple[FloatArray, tuple[Observation, ...]]:
    """Gaps of each fifth of the scene under what the others give."""
    folds = matches.block % _NUM_FOLDS
    gaps = np.empty(len(matches))
    told = []
    for fold in range(_NUM_FOLDS):
        rest = folds != fold
        if rest.all():
            continue
        without = fit_matches(matches.rows(np.flatnonzero(rest)), result)[0]
        gaps[~rest] = matches.gaps_m(without)[~rest]
        rms = float(np.sqrt(np.mean(gaps[~rest] ** 2)))
        told.append(Observation(name=f"part {fold + 1} of the scene", used=True, error=rms))
    return gaps, tuple(told)
