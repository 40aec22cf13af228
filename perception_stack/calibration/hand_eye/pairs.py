"""Poses of hand and eye that belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_rows, check_shape

Poses = tuple[FloatArray, FloatArray]
"""Rotation float64 [N, 3, 3] and translation float64 [N, 3]."""


def inverted(poses: Poses) -> Poses:
    """The other way round."""
    rotation = poses[0].swapaxes(1, 2)
    return rotation, -np.einsum("nij,nj->ni", rotation, poses[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosePairs:
    """Row i of both was true at the same time.

    "Base" is what the target is fixed to, "hand" what the eye is fixed to. With the eye beside
    the robot they are the robot's hand and base: the other way round, but the same equations.

    Attributes:
        base_from_hand: Of the hand.
        eye_from_target: Of the target, as the eye saw it.
    """

    base_from_hand: Poses
    eye_from_target: Poses

    def __post_init__(self) -> None:
        for name in ("base_from_hand", "eye_from_target"):
            rotation, translation = getattr(self, name)
            check_shape(name, rotation, None, 3, 3)
            check_rows(name, rotation, len(self.base_from_hand[0]))
            check_shape(name, translation, len(rotation), 3)

    def __len__(self) -> int:
        return len(self.base_from_hand[0])

    @property
    def target_from_eye(self) -> Poses:
        """Of the eye in the target."""
        return inverted(self.eye_from_target)

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> PosePairs:
        """The picked pairs."""
        return PosePairs(
            base_from_hand=(self.base_from_hand[0][index], self.base_from_hand[1][index]),
            eye_from_target=(self.eye_from_target[0][index], self.eye_from_target[1][index]),
        )
