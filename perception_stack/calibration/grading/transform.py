"""What all calibrations of a transform have in common: its six numbers, how well each is known.

Covariances are over x, y, z and the rotation about the axes of the target frame, as in the
extrinsics file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import log
from perception_stack.calibration.grading.grade import Parameter, ResidualSummary, Verdict, worst
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform

UNKNOWN_VARIANCE = 1e6
"""Stands for infinity in covariances, m² or rad²."""
_SHARED_M, _SHARED_RAD = 0.0003, float(np.deg2rad(0.003))
_ALONG_AXIS = 0.95
_MUCH_WORSE = 2.0
_MANY_OUTLIERS = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How well the weakest direction must be known, standard deviations.

    Attributes:
        good_m: For "good".
        good_rad: For "good".
        usable_m: For "usable"; a direction known worse counts as not observable.
        usable_rad: For "usable".
    """

    good_m: float = 0.005
    good_rad: float = float(np.deg2rad(0.25))
    usable_m: float = 0.03
    usable_rad: float = float(np.deg2rad(1.5))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weakness:
    """A direction that the data do not fix well enough.

    Attributes:
        axis: float64 [3], unit, in the target frame.
        is_turn: Whether it is a rotation about the axis or a shift along it.
        std: Standard deviation, m or rad; infinite if nothing is known.
        advice: What to do about it.
    """

    axis: FloatArray
    is_turn: bool
    std: float
    advice: str = ""


def name_of_axis(axis: FloatArray, frame: str) -> str:
    """A direction in words, such as ``the z axis of hand``."""
    largest = int(np.argmax(np.abs(axis)))
    if abs(axis[largest]) > _ALONG_AXIS:
        return f"the {'xyz'[largest]} axis of {frame}"
    x, y, z = axis if axis[largest] > 0 else -axis
    return f"the direction ({x:.2f}, {y:.2f}, {z:.2f}) in {frame}"


def direction_of(transform: RigidTransform) -> str:
    """What the transform takes where, in words."""
    return (
        f"takes points of {transform.source} to {transform.target}: "
        f"p_{transform.target} = R p_{transform.source} + t; "
        f"t is where {transform.source} is in {transform.target}"
    )


def weaknesses_of(covariance: FloatArray, limits: Limits) -> list[Weakness]:
    """The directions known worse than usable, the weakest first."""
    found = []
    for is_turn, limit in ((False, limits.usable_m), (True, limits.usable_rad)):
        part = covariance[3:, 3:] if is_turn else covariance[:3, :3]
        values, axes = np.linalg.eigh(part)
        for value, axis in zip(values, axes.T, strict=True):
            if value > limit**2:
                std = np.inf if value >= UNKNOWN_VARIANCE / 10 else float(np.sqrt(value))
                found.append(Weakness(axis=axis, is_turn=is_turn, std=std))
    return sorted(found, key=lambda one: -one.std)


def without_knowledge_of(covariance: FloatArray, weak: Sequence[Weakness]) -> FloatArray:
    """The covariance after what is known of some directions was forgotten."""
    forgotten = covariance.copy()
    for one in weak:
        row = np.zeros(len(covariance))
        row[3:6] = one.axis if one.is_turn else 0
        row[:3] = 0 if one.is_turn else one.axis
        forgotten += min(one.std**2, UNKNOWN_VARIANCE) * np.outer(row, row)
    return forgotten


def with_shared_error(covariance: FloatArray) -> FloatArray:
    """The covariance after what no disagreement of surfaces shows was added, float64 [6, 6].

    Thousands of points seem to tell a tenth of a millimetre; but ranges of a LiDAR are off by
    more than that in a way that surfaces share, and neighbours are not quite independent.
    """
    return covariance + np.diag(np.repeat([_SHARED_M, _SHARED_RAD], 3) ** 2)


def few_blocks_factor(num_blocks: int, num_params: int = 1) -> float:
    """What a covariance is multiplied by so that 1.96 standard deviations hold 95 % of truths.

    A spread that was estimated from few independent blocks is itself uncertain, so intervals are
    those of Student's distribution.
    """
    from scipy.stats import norm, t

    freedom = max(num_blocks - num_params, 1)
    return float((t.ppf(0.975, freedom) / norm.ppf(0.975)) ** 2)


def parameters_of(
    transform: RigidTransform, covariance: FloatArray, limits: Limits
) -> tuple[Parameter, ...]:
    """The six numbers, named by the frames."""
    source, target = transform.source, transform.target
    return six_parameters(
        transform,
        covariance,
        names=[
            *(f"{axis} of {source} in {target}" for axis in "xyz"),
            *(f"turn about {axis} of {target}" for axis in "xyz"),
        ],
        limits=np.repeat([limits.usable_m, limits.usable_rad], 3),
    )


def six_parameters(
    transform: RigidTransform, covariance: FloatArray, *, names: Sequence[str], limits: FloatArray
) -> tuple[Parameter, ...]:
    """x, y, z and the rotation vector, each with its standard deviation.

    Args:
        transform: What was found.
        covariance: float64 [6, 6].
        names: Six.
        limits: float64 [6], standard deviations above which a number is not fixed; m and rad.
    """
    values = np.concatenate([transform.translation_m, log(transform.rotation)])
    return tuple(
        Parameter(
            name=name,
            value=float(value),
            std=float(std) if std < np.sqrt(UNKNOWN_VARIANCE) / 100 else np.inf,
            unit="m" if i < 3 else "rad",
            observable=bool(std <= limit),
        )
        for i, (name, value, std, limit) in enumerate(
            zip(names, values, np.sqrt(np.diag(covariance)), limits, strict=True)
        )
    )


def judge(
    covariance: FloatArray,
    weak: Sequence[Weakness],
    *,
    limits: Limits,
    target: str,
    used: NDArray[np.bool_],
    what: str,
    fitted: ResidualSummary,
    held_out: ResidualSummary,
) -> tuple[Verdict, list[str], list[str]]:
    """Verdict, why, and what to do.

    Args:
        covariance: float64 [6, 6].
        weak: Directions that are not fixed; any makes the result "not enough".
        limits: What is good.
        target: Frame the directions are in.
        used: bool [N], which observations were used.
        what: What the observations are called, plural.
        fitted: Errors of the observations.
        held_out: Errors of each under a result that was found without it.
    """
    why, advice = [], []
    for one in weak:
        kind = "rotation about" if one.is_turn else "position along"
        known = "is not fixed by the data"
        if np.isfinite(one.std):
            known = f"is known only to {_size(one.std, one.is_turn)}"
        why.append(
            f"the {kind} {name_of_axis(one.axis, target)} {known} (standard deviation)"
            if np.isfinite(one.std)
            else f"the {kind} {name_of_axis(one.axis, target)} {known}"
        )
        if one.advice and one.advice not in advice:
            advice.append(one.advice)
    verdict = Verdict.NOT_ENOUGH if weak else Verdict.GOOD
    shift_m, turn_rad = weakest(covariance)
    if not weak:
        text = f"the weakest direction is known to {_size(shift_m, is_turn=False)} and "
        why.append(text + f"{_size(turn_rad, is_turn=True)} (standard deviation)")
        if shift_m > limits.good_m or turn_rad > limits.good_rad:
            verdict = Verdict.USABLE
            advice.append(f"record more {what}, farther apart and more tilted to each other")
    left_out = int(len(used) - used.sum())
    if left_out:
        share = left_out / len(used)
        why.append(f"{left_out} of {len(used)} {what} ({share:.0%}) contradict the others")
        if share > _MANY_OUTLIERS:
            verdict = Verdict.NOT_ENOUGH
            advice.append(f"find out why so many {what} are wrong before using the result")
    ratio = held_out.rms / max(fitted.rms, 1e-9)
    if ratio > _MUCH_WORSE:
        why.append(f"{what} that were held out fit {ratio:.1f} times worse")
        verdict = worst(verdict, Verdict.USABLE)
        advice.append(f"record more {what}: there are too few for so many unknowns")
    return verdict, why, advice


def weakest(covariance: FloatArray) -> tuple[float, float]:
    """Standard deviation of the least known shift and turn, m and rad."""
    shift = float(np.linalg.eigvalsh(covariance[:3, :3])[-1])
    turn = float(np.linalg.eigvalsh(covariance[3:6, 3:6])[-1])
    return float(np.sqrt(shift)), float(np.sqrt(turn))


def _size(std: float, is_turn: bool) -> str:
    return f"{np.rad2deg(std):.2f}°" if is_turn else f"{std * 1000:.1f} mm"
