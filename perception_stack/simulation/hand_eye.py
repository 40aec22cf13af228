"""Robots that move a camera before a target, or a target before a camera, with exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_matrix,
    quat_multiply,
)

_S = 1_000_000_000


class Turning(str, Enum):
    """About which axes the hand turns."""

    ALL = "all"
    ONE_AXIS = "one axis"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HandEyeRecording:
    """What was recorded, and what is true.

    Attributes:
        base_from_hand: The robot's poses.
        eye_from_target: What the camera saw.
        on_base: Whether the camera stands beside the robot.
        mount_from_eye: True place of the camera on the hand, or on the base.
        offset_s: To be added to the camera's stamps.
        wrong: bool, which of the camera's poses are gross errors.
        turning: How the hand turned.
    """

    base_from_hand: PoseStream
    eye_from_target: PoseStream
    on_base: bool
    mount_from_eye: RigidTransform
    offset_s: float
    wrong: NDArray[np.bool_]
    turning: Turning


def record_hand_eye(
    rng: np.random.Generator,
    *,
    turning: Turning = Turning.ALL,
    on_base: bool = False,
    outliers: float = 0.0,
    correlated: bool = False,
) -> HandEyeRecording:
    """A recording with random motion, rates, noise, offset between the clocks, and errors.

    Args:
        rng: Draws everything.
        turning: About which axes the hand turns.
        on_base: Whether the camera stands beside the robot and the target is in the hand.
        outliers: Share of the camera's poses that are gross errors.
        correlated: Whether errors of the camera last some tenths of a second, as those of a
            target seen under one angle do.
    """
    seconds = rng.uniform(25, 60)
    motion = _Motion(rng, turning)
    hand_s = _times(rng, 0.0, seconds, rate_hz=rng.uniform(40, 120))
    eye_s = _times(rng, 0.5, seconds - 0.5, rate_hz=rng.uniform(10, 30))
    eye_s = eye_s[rng.random(len(eye_s)) > 0.1]
    mount_from_eye = _random_transform(rng, "mount", "eye", far_m=0.15)
    fixed_from_target = _random_transform(rng, "fixed", "target", far_m=1.0)

    quat, place = motion.at(eye_s)
    rotation = matrix_from_quat(quat)
    # eye_from_target = eye_from_mount · mount_from_fixed · fixed_from_target
    seen_r = np.einsum(
        "ji,nkj,kl->nil", mount_from_eye.rotation, rotation, fixed_from_target.rotation
    )
    in_mount = np.einsum("nji,nj->ni", rotation, fixed_from_target.translation_m - place)
    seen_t = (in_mount - mount_from_eye.translation_m) @ mount_from_eye.rotation
    lasting = rng.uniform(0.1, 0.5) if correlated else 0.0
    place_sigma = rng.uniform(0.0005, 0.003) * np.array([1.0, 1.0, rng.uniform(1, 4)])
    turn_sigma = np.deg2rad(rng.uniform(0.05, 0.5)) * np.array([1.0, 1.0, rng.uniform(0.3, 1)])
    seen_t = seen_t + place_sigma * _noise(rng, eye_s, lasting)
    turn = turn_sigma * _noise(rng, eye_s, lasting)
    wrong = rng.random(len(eye_s)) < outliers
    seen_t[wrong] += rng.normal(size=(wrong.sum(), 3)) * 0.3
    turn[wrong] += rng.normal(size=(wrong.sum(), 3)) * 0.7
    seen_q = quat_multiply(quat_from_matrix(seen_r), _small_quat(turn))

    hand_q, hand_t = motion.at(hand_s)
    hand_q = quat_multiply(hand_q, _small_quat(1e-4 * rng.normal(size=(len(hand_s), 3))))
    hand_t = hand_t + 5e-5 * rng.normal(size=hand_t.shape)
    if on_base:  # the robot reports the hand in its base; what moves here is the base
        hand_r = matrix_from_quat(hand_q).swapaxes(1, 2)
        hand_q, hand_t = quat_from_matrix(hand_r), -np.einsum("nij,nj->ni", hand_r, hand_t)
    names = ("mount", "fixed") if on_base else ("fixed", "mount")
    offset_s = rng.uniform(-0.3, 0.3)
    since = 1_700_000_000 * _S
    repeated = np.sort(rng.integers(len(hand_s), size=len(hand_s) // 50))
    rows = np.sort(np.concatenate([np.arange(len(hand_s)), repeated]))
    return HandEyeRecording(
        base_from_hand=PoseStream.of(
            target=names[0],
            source=names[1],
            stamps_ns=since + np.round(hand_s[rows] * _S).astype(np.int64),
            quat_xyzw=hand_q[rows],
            translation_m=hand_t[rows],
        ),
        eye_from_target=PoseStream.of(
            target="eye",
            source="target",
            stamps_ns=since + np.round((eye_s - offset_s) * _S).astype(np.int64),
            quat_xyzw=seen_q,
            translation_m=seen_t,
        ),
        on_base=on_base,
        mount_from_eye=mount_from_eye,
        offset_s=offset_s,
        wrong=wrong,
        turning=turning,
    )


class _Motion:
    """Smooth motion of the mount in the fixed frame: sums of a few sines."""

    def __init__(self, rng: np.random.Generator, turning: Turning) -> None:
        self._rate = 2 * np.pi * rng.uniform(0.03, 0.35, size=(4, 6))
        self._phase = rng.uniform(0, 2 * np.pi, size=(4, 6))
        self._size = rng.uniform(0.1, 1.0, size=(4, 6)) / 2
        self._size[:, :3] *= np.deg2rad(rng.uniform(15, 50))
        self._size[:, 3:] *= rng.uniform(0.1, 0.3)
        axis = rng.normal(size=3)
        self._only = np.outer(axis, axis) / (axis @ axis)
        if turning is Turning.ALL:
            self._only = np.eye(3)
        elif turning is Turning.NONE:
            self._only = np.zeros((3, 3))
        self._first = rng.normal(size=4)
        self._first /= np.linalg.norm(self._first)

    def at(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Quaternions [N, 4] and places [N, 3] at times."""
        waves = np.sin(times_s[:, None, None] * self._rate + self._phase) * self._size
        six = waves.sum(axis=1)
        quat = quat_multiply(self._first, _small_quat(six[:, :3] @ self._only))
        return quat, six[:, 3:]


def _times(rng: np.random.Generator, start: float, stop: float, *, rate_hz: float) -> FloatArray:
    """Stamps of a sensor that is a little irregular."""
    times = np.arange(start, stop, 1 / rate_hz)
    return times + rng.uniform(-0.2, 0.2, size=len(times)) / rate_hz


def _noise(rng: np.random.Generator, times_s: FloatArray, lasting_s: float) -> FloatArray:
    """Noise of standard deviation 1 [N, 3] whose correlation falls over a time."""
    from scipy.signal import lfilter

    white = rng.normal(size=(len(times_s), 3))
    if lasting_s == 0:
        return white
    keep = float(np.exp(-np.median(np.diff(times_s)) / lasting_s))
    white[1:] *= np.sqrt(1 - keep**2)
    kept: FloatArray = lfilter([1.0], [1.0, -keep], white, axis=0)
    return kept


def _small_quat(turn_rad: FloatArray) -> FloatArray:
    """Quaternions [N, 4] of rotation vectors [N, 3]."""
    half = np.linalg.norm(turn_rad, axis=1, keepdims=True) / 2
    return np.concatenate([np.sinc(half / np.pi) * turn_rad / 2, np.cos(half)], axis=1)


def _random_transform(
    rng: np.random.Generator, target: str, source: str, *, far_m: float
) -> RigidTransform:
    quat = rng.normal(size=4)
    return RigidTransform.from_quat(
        target=target,
        source=source,
        quat_xyzw=quat / np.linalg.norm(quat),
        translation_m=rng.uniform(-far_m, far_m, size=3),
    )
