"""Whether the hand moved enough, and if not, which motion is missing.

A shift of the eye along an axis that the hand never turned away from cannot be told from the same
shift of the target. How far the hand turned each axis away decides how well the shift is known: if
it was little, errors of orientation that change with the pose, as every arm and every detector has
and no statistics of one recording shows, look like a shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_stack.calibration.estimation.whitened import WhitenedFit
from perception_stack.calibration.grading.transform import Limits, Weakness, name_of_axis
from perception_stack.calibration.hand_eye.pairs import PosePairs
from perception_stack.datatypes import FloatArray

_ABOVE_NOISE = 4.0
"""An axis must be turned away by this many times the noise of an orientation."""
_ENOUGH_RAD = np.deg2rad(20.0)
_SYSTEMATIC_RAD = np.deg2rad(0.1)
"""Error of orientation of a usual arm or detector that lasts as long as the pose."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """How the hand turned.

    Attributes:
        hand: Name of its frame.
        axes: float64 [3, 3], columns in the hand's frame, the one turned away least first.
        turned_rad: float64 [3], root mean square angle by which each was turned away.
        weak: Axes that were hardly turned away: nothing is known along and about them.
    """

    hand: str
    axes: FloatArray
    turned_rad: FloatArray
    weak: tuple[Weakness, ...]

    @property
    def coverage(self) -> dict[str, float]:
        """Share of what is recommended."""
        return {"turning of the hand": float(min(self.turned_rad[0] / _ENOUGH_RAD, 1.0))}

    def explained(self, weak: Sequence[Weakness], limits: Limits) -> list[Weakness]:
        """The weaknesses with the motion that would mend each."""
        return [replace(one, advice=self._advice(one, limits)) for one in weak]

    def _advice(self, weak: Weakness, limits: Limits) -> str:
        along = np.abs(self.axes.T @ weak.axis)
        turned = float(np.sqrt(np.sum(along**2 * self.turned_rad**2)))
        wanted = _ENOUGH_RAD
        if np.isfinite(weak.std):
            good = limits.good_rad if weak.is_turn else limits.good_m
            wanted = max(wanted, min(turned * weak.std / good, np.pi / 2))
        return (
            f"turn the hand about axes other than {name_of_axis(weak.axis, self.hand)}, by "
            f"{np.rad2deg(wanted):.0f}° to both sides; so far it was {np.rad2deg(turned):.1f}°"
        )


def motion_of(pairs: PosePairs, fit: WhitenedFit, hand: str, limits: Limits) -> Motion:
    """How the hand turned in the poses that were used."""
    rotation = pairs.base_from_hand[0]
    reach_m = float(np.median(np.linalg.norm(pairs.eye_from_target[1], axis=1)))
    spread = rotation - rotation.mean(axis=0)
    values, axes = np.linalg.eigh(np.einsum("nij,nik->jk", spread, spread) / len(rotation))
    noise = float(np.sqrt(np.sum(fit.sigma[3:] ** 2)))
    turned = np.sqrt(np.maximum(values, 0))
    weak = []
    for axis, angle in zip(axes.T, turned, strict=True):
        std_m = _SYSTEMATIC_RAD * reach_m / max(angle, 1e-9)
        if angle < _ABOVE_NOISE * noise:
            std_m = np.inf
        if std_m > limits.usable_m:
            weak.append(Weakness(axis=axis, is_turn=False, std=float(std_m)))
    if turned[2] < _ABOVE_NOISE * noise:  # no turn at all
        weak += [Weakness(axis=axis, is_turn=True, std=np.inf) for axis in axes.T]
    return Motion(hand=hand, axes=axes, turned_rad=turned, weak=tuple(weak))
