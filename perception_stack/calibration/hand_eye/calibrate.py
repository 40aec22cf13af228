"""Where a camera (the eye) sits on a moving hand, or beside the robot, and how its clock differs.

Hand and eye see the same motion. With the eye in the hand, ``base_from_hand · hand_from_eye ·
eye_from_target`` is where the target is in the base, which never moves; with the eye beside the
robot and the target in the hand the same holds with the robot turned round. All that is unknown,
the place of the eye, that of the target and the time between both clocks, is found together by
least squares over what the eye measured: the place and orientation of the target in its frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

import numpy as np

from perception_stack.calibration.estimation.whitened import (
    Noise,
    WhitenedFit,
    fit_whitened,
    refit,
)
from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Parameter,
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
    without_knowledge_of,
)
from perception_stack.calibration.hand_eye.motion import motion_of
from perception_stack.calibration.hand_eye.offset import likely_offsets_s
from perception_stack.calibration.hand_eye.pairs import Poses
from perception_stack.calibration.hand_eye.problem import LEAST_POSES, Paired, Problem
from perception_stack.calibration.hand_eye.start import first_answer
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import RigidTransform

_NUM_BLOCKS = 20
_NUM_FOLDS = 5
_NOISE = Noise(kinds=(3, 3), guess=(0.003, 0.005))
_LIMITS = Limits()


class Setup(str, Enum):
    """Where the eye is."""

    IN_HAND = "in-hand"
    ON_BASE = "on-base"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HandEye:
    """The result.

    Attributes:
        mount_from_eye: Where the eye is on the hand, or on the base.
        fixed_from_target: Where the target is on the base, or on the hand.
        offset_s: To be added to the eye's stamps to get those of the hand.
        offset_std_s: Its standard deviation; NaN if it was not asked for.
        covariance: float64 [6, 6], of ``mount_from_eye``.
        grade: How good it is.
        place_error_m: float64 [N, 3], of the target in its fixed frame under each pose.
    """

    mount_from_eye: RigidTransform
    fixed_from_target: RigidTransform
    offset_s: float
    offset_std_s: float
    covariance: FloatArray
    grade: Grade
    place_error_m: FloatArray


def calibrate_hand_eye(
    base_from_hand: PoseStream,
    eye_from_target: PoseStream,
    *,
    setup: Setup,
    now: datetime,
    farthest_offset_s: float | None = 5.0,
    seed: int = 0,
) -> HandEye:
    """Place of the eye, place of the target and time offset, with a grade.

    Args:
        base_from_hand: The robot's poses.
        eye_from_target: What the eye saw, at its own rate and by its own clock.
        setup: Where the eye is.
        now: For the provenance.
        farthest_offset_s: How far the clocks may differ; None: not at all, and no offset is
            looked for, as with poses that were taken at rest.
        seed: Of the search for the first answer.

    Raises:
        CalibrationError: fewer than three poses that belong together.
    """
    fixed_from_mount = base_from_hand if setup is Setup.IN_HAND else base_from_hand.inverse
    paired, start = _first(fixed_from_mount, eye_from_target, farthest_offset_s, seed)
    problem = Problem.of(paired, start, timed=farthest_offset_s is not None)
    num = len(paired.times_s)
    blocks = np.arange(num) * min(_NUM_BLOCKS, num) // num
    fit = fit_whitened(problem.model, problem.num_params, noise=_NOISE, blocks=blocks)
    covariance = fit.covariance * few_blocks_factor(len(np.unique(blocks)))
    mount, fixed, further_s = problem.answer(fit.step)
    offset_s = paired.offset_s + further_s
    motion = motion_of(paired.at(further_s).rows(fit.used), fit, paired.hand.source, _LIMITS)
    six = without_knowledge_of(covariance[:6, :6], motion.weak)
    weak = motion.explained(weaknesses_of(six, _LIMITS), _LIMITS)
    errors = problem.place_errors(fit.step)
    held_out = _held_out(problem, fit)
    fitted, of_held_out = (
        ResidualSummary.of(np.linalg.norm(one[fit.used], axis=1), unit="m")
        for one in (errors, held_out)
    )
    offset_std = float(np.sqrt(covariance[-1, -1])) if problem.timed else np.nan
    verdict, why, advice = judge(
        six,
        weak,
        limits=_LIMITS,
        target=mount.target,
        used=fit.used,
        what="poses",
        fitted=fitted,
        held_out=of_held_out,
    )
    grade = Grade(
        verdict=verdict,
        why=(*why, *paired.notes),
        advice=tuple(advice),
        direction=direction_of(mount),
        fitted=fitted,
        held_out=of_held_out,
        parameters=(*parameters_of(mount, six, _LIMITS), *_offset(problem, offset_s, offset_std)),
        covariance=_with_offset(six, covariance, problem.timed),
        observations=_observations(paired, fit, held_out),
        coverage=motion.coverage,
        provenance=Provenance.of(
            "hand-eye, robust least squares over all poses",
            base_from_hand.seconds(),
            base_from_hand.translation_m,
            eye_from_target.seconds(),
            eye_from_target.translation_m,
            now=now,
        ),
    )
    return HandEye(
        mount_from_eye=mount,
        fixed_from_target=fixed,
        offset_s=offset_s,
        offset_std_s=offset_std,
        covariance=six,
        grade=grade,
        place_error_m=errors,
    )


def _first(
    hand: PoseStream, eye: PoseStream, farthest_offset_s: float | None, seed: int
) -> tuple[Paired, Poses]:
    """Both streams at the likely offset under which the median pose fits best, and the answer.

    Raises:
        CalibrationError: see :func:`calibrate_hand_eye`.
    """
    for one in (hand, eye):
        if len(one) < LEAST_POSES:
            text = f"{len(one)} poses {one.target} <- {one.source}; at least 3 are needed"
            raise CalibrationError(text)
    offsets_s = [0.0]
    if farthest_offset_s is not None:
        offsets_s = likely_offsets_s(hand, eye, farthest_s=farthest_offset_s)
    tried = []
    for offset_s in offsets_s:
        paired = Paired.of(hand, eye, offset_s)
        start, miss = first_answer(paired.at(0.0), rng=np.random.default_rng(seed))
        tried.append((miss, paired, start))
    _, paired, start = min(tried, key=lambda one: one[0])
    return paired, start


def _held_out(problem: Problem, fit: WhitenedFit) -> FloatArray:
    """Errors of place of each fifth of the time under what the other four give."""
    num = len(fit.used)
    folds = (np.arange(num) * min(_NUM_FOLDS, num)) // num
    errors = np.empty((num, 3))
    for fold in np.unique(folds):
        step = refit(problem.model, fit, folds != fold)
        errors[folds == fold] = problem.place_errors(step)[folds == fold]
    return errors


def _observations(
    paired: Paired, fit: WhitenedFit, held_out: FloatArray
) -> tuple[Observation, ...]:
    size_m = np.linalg.norm(held_out, axis=1)
    angle_rad = np.linalg.norm(fit.residuals[:, 3:], axis=1)
    return tuple(
        Observation(
            name=f"{paired.times_s[i]:.3f} s",
            used=bool(fit.used[i]),
            error=float(size_m[i]),
            reason=""
            if fit.used[i]
            else f"{fit.distance[i]:.0f} standard deviations off: {size_m[i] * 1000:.0f} mm and "
            f"{np.rad2deg(angle_rad[i]):.1f}°",
        )
        for i in range(len(size_m))
    )


def _offset(problem: Problem, offset_s: float, std_s: float) -> tuple[Parameter, ...]:
    if not problem.timed:
        return ()
    return (
        Parameter(
            name="time to add to the stamps of the eye",
            value=offset_s,
            std=std_s,
            unit="s",
            observable=std_s < 0.05,
        ),
    )


def _with_offset(six: FloatArray, covariance: FloatArray, timed: bool) -> FloatArray:
    if not timed:
        return six
    rows = [*range(6), 12]
    full = covariance[np.ix_(rows, rows)]
    full[:6, :6] = six
    return full
