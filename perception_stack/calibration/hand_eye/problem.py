"""Hand and eye at the same times, and by what an answer misses what the eye saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.estimation.rotations import (
    corrected,
    cross_matrix,
    log,
    mean_rotation,
)
from perception_stack.calibration.hand_eye.pairs import PosePairs, Poses
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import RigidTransform

LEAST_POSES = 3
_MOST_POSES = 2000
_NUDGE_S = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paired:
    """The eye's poses with a hand that is known at their times."""

    hand: PoseStream
    eye: PoseStream
    since_ns: int
    offset_s: float
    times_s: FloatArray
    seen: Poses
    notes: tuple[str, ...]

    @classmethod
    def of(cls, hand: PoseStream, eye: PoseStream, offset_s: float) -> Paired:
        """Of two streams, the clock of the eye being ``offset_s`` behind.

        Raises:
            CalibrationError: fewer than three poses of the eye lie between poses of the hand.
        """
        since_ns = int(eye.stamps_ns[0])
        times_s = eye.seconds(since_ns=since_ns) + offset_s
        rows = np.flatnonzero(hand.knows(times_s, since_ns=since_ns))
        num_alone = len(eye) - len(rows)
        if len(rows) < LEAST_POSES:
            spans = [one.seconds(since_ns=since_ns)[[0, -1]] for one in (hand, eye)]
            text = "; ".join(f"{a:.1f} to {b:.1f} s" for a, b in spans)
            raise CalibrationError(
                f"only {len(rows)} poses of the eye lie between poses of the hand; "
                f"hand and eye: {text}. If the clocks differ, allow a larger offset"
            )
        if len(rows) > _MOST_POSES:
            rows = rows[np.linspace(0, len(rows) - 1, _MOST_POSES).astype(np.intp)]
        notes = [
            f"{num} {what} were left out"
            for num, what in (
                (hand.num_repeated + eye.num_repeated, "poses that repeat a stamp"),
                (hand.num_invalid + eye.num_invalid, "poses that are not finite or no rotation"),
                (num_alone, "poses of the eye at whose time the hand is not known"),
            )
            if num
        ]
        return cls(
            hand=hand,
            eye=eye,
            since_ns=since_ns,
            offset_s=offset_s,
            times_s=times_s[rows],
            seen=(eye.rotation[rows], eye.translation_m[rows]),
            notes=tuple(notes),
        )

    def at(self, offset_s: float) -> PosePairs:
        """With the hand at a further offset."""
        poses = self.hand.at(self.times_s + offset_s, since_ns=self.since_ns)
        return PosePairs(base_from_hand=poses, eye_from_target=self.seen)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Residuals of a step: of the eye's place (6), of the target's (6) and of the time (1)."""

    paired: Paired
    mount_from_eye: RigidTransform
    fixed_from_target: RigidTransform
    timed: bool

    @classmethod
    def of(cls, paired: Paired, start: Poses, *, timed: bool) -> Problem:
        """About a first answer; with ``timed`` the time between the clocks is sought as well."""
        rotation, translation = start
        pairs = paired.at(0.0)
        (hand_r, hand_t), (eye_r, eye_t) = pairs.base_from_hand, pairs.eye_from_target
        turns = hand_r @ rotation @ eye_r
        places = np.einsum("nij,nj->ni", hand_r, eye_t @ rotation.T + translation) + hand_t
        middle = np.median(places, axis=0)
        # what lies near the middle is right
        far = np.linalg.norm(places - middle, axis=1)
        hand, eye = paired.hand, paired.eye
        return cls(
            paired=paired,
            mount_from_eye=RigidTransform(
                target=hand.source, source=eye.target, rotation=rotation, translation_m=translation
            ),
            fixed_from_target=RigidTransform(
                target=hand.target,
                source=eye.source,
                rotation=mean_rotation(turns, (far <= np.median(far)).astype(np.float64)),
                translation_m=middle,
            ),
            timed=timed,
        )

    @property
    def num_params(self) -> int:
        """Numbers that are sought."""
        return 13 if self.timed else 12

    def answer(self, step: FloatArray) -> tuple[RigidTransform, RigidTransform, float]:
        """Place of the eye, place of the target, further offset, after a step."""
        offset_s = float(step[12]) if self.timed else 0.0
        mount = corrected(self.mount_from_eye, step[:6])
        return mount, corrected(self.fixed_from_target, step[6:12]), offset_s

    def model(self, step: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Errors of place [m] and orientation [rad] of the target in the eye, [N, 6]."""
        mount, fixed, offset_s = self.answer(step)
        hand_r = self.paired.at(offset_s).base_from_hand[0]
        errors, in_mount = self._errors(mount, fixed, offset_s)
        slope = np.zeros((len(errors), 6, len(step)))
        back = mount.rotation.T
        slope[:, :3, :3] = -back
        slope[:, :3, 3:6] = back @ cross_matrix(in_mount - mount.translation_m)
        slope[:, :3, 6:9] = back @ hand_r.swapaxes(1, 2)
        # turns of the right-hand side of the orientation's error, to first order of that error
        bent = np.eye(3) + cross_matrix(errors[:, 3:]) / 2
        slope[:, 3:, 3:6] = -bent @ (fixed.rotation.T @ hand_r)
        slope[:, 3:, 9:12] = bent @ fixed.rotation.T
        if self.timed:
            later = self._errors(mount, fixed, offset_s + _NUDGE_S)[0]
            sooner = self._errors(mount, fixed, offset_s - _NUDGE_S)[0]
            slope[:, :, 12] = (later - sooner) / (2 * _NUDGE_S)
        return errors, slope

    def _errors(
        self, mount: RigidTransform, fixed: RigidTransform, offset_s: float
    ) -> tuple[FloatArray, FloatArray]:
        """The errors, and the place of the target in the mount."""
        pairs = self.paired.at(offset_s)
        (hand_r, hand_t), (eye_r, eye_t) = pairs.base_from_hand, pairs.eye_from_target
        in_mount = ((fixed.translation_m - hand_t)[:, None] @ hand_r)[:, 0]
        place = (in_mount - mount.translation_m) @ mount.rotation
        turn = mount.rotation.T @ hand_r.swapaxes(1, 2) @ fixed.rotation
        errors = np.concatenate([place - eye_t, log(eye_r.swapaxes(1, 2) @ turn)], axis=1)
        return errors, in_mount

    def place_errors(self, step: FloatArray) -> FloatArray:
        """By how much each pose puts the target elsewhere in its fixed frame, [N, 3]."""
        mount, fixed, offset_s = self.answer(step)
        pairs = self.paired.at(offset_s)
        (hand_r, hand_t), (_, eye_t) = pairs.base_from_hand, pairs.eye_from_target
        place = np.einsum("nij,nj->ni", hand_r, mount.apply(eye_t)) + hand_t
        errors: FloatArray = place - fixed.translation_m
        return errors
