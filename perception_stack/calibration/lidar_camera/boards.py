"""A rectangular board as each sensor saw it, and which corner is which.

A board has a frame: x along its long side, y along the short one, z towards the sensor. What is
left open, a half turn about z (a quarter turn if the board is square), is decided by which fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import nearest_rotation
from perception_stack.datatypes import FloatArray, check_rows, check_shape
from perception_stack.errors import CalibrationError

_SQUARE = 0.02
_WRONG_SIZE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoardPoses:
    """Poses of one board in the frame of one sensor.

    Attributes:
        rotation: float64 [N, 3, 3], sensor from board.
        center_m: float64 [N, 3].
        misfit_m: float64 [N], root mean square distance of measured corners from the board's.
    """

    rotation: FloatArray
    center_m: FloatArray
    misfit_m: FloatArray

    def __post_init__(self) -> None:
        check_shape("rotation", self.rotation, None, 3, 3)
        check_shape("center_m", self.center_m, len(self.rotation), 3)
        check_rows("misfit_m", self.misfit_m, len(self.rotation))

    def __len__(self) -> int:
        return len(self.rotation)

    def corners_m(self, size_m: tuple[float, float]) -> FloatArray:
        """Corners and, last, the centre, float64 [N, 5, 3]."""
        points = np.concatenate([corners_of(size_m), np.zeros((1, 3))])
        return points @ self.rotation.swapaxes(1, 2) + self.center_m[:, None]

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> BoardPoses:
        """The picked boards."""
        return BoardPoses(
            rotation=self.rotation[index],
            center_m=self.center_m[index],
            misfit_m=self.misfit_m[index],
        )


def joined(parts: Sequence[BoardPoses]) -> BoardPoses:
    """All boards of some collections."""
    return BoardPoses(
        rotation=np.concatenate([one.rotation for one in parts]),
        center_m=np.concatenate([one.center_m for one in parts]),
        misfit_m=np.concatenate([one.misfit_m for one in parts]),
    )


def corners_of(size_m: tuple[float, float]) -> FloatArray:
    """Corners in the board's frame, counter-clockwise seen from the sensor, float64 [4, 3].

    Args:
        size_m: Both sides, in any order.
    """
    x, y = max(size_m) / 2, min(size_m) / 2
    return np.array([[-x, -y, 0], [x, -y, 0], [x, y, 0], [-x, y, 0]])


def levers_of(size_m: tuple[float, float]) -> FloatArray:
    """What shifts [m] and turns [rad] are multiplied by to weigh like one corner, float64 [6].

    Of the board that fits best to four corners with independent errors, the centre has half the
    error of a corner; a turn has it divided by the root of the sum of squares of their levers.
    """
    x, y = max(size_m), min(size_m)
    return np.array([2, 2, 2, y, x, np.hypot(x, y)])


def turns_of(size_m: tuple[float, float]) -> FloatArray:
    """Turns about z after which the board looks the same, float64 [S, 3, 3]."""
    square = abs(size_m[0] - size_m[1]) < _SQUARE * max(size_m)
    angles = np.arange(0, 360, 90 if square else 180)
    result = np.zeros((len(angles), 3, 3))
    result[:, 0, 0] = result[:, 1, 1] = np.round(np.cos(np.deg2rad(angles)))
    result[:, 1, 0] = np.round(np.sin(np.deg2rad(angles)))
    result[:, 0, 1] = -result[:, 1, 0]
    result[:, 2, 2] = 1
    return result


def poses_of_corners(corners_m: FloatArray, size_m: tuple[float, float]) -> BoardPoses:
    """Poses of the board of known size that fits four measured corners best.

    Args:
        corners_m: float64 [N, 4, 3] in the sensor's frame, in any order and sense.
        size_m: Both sides.

    Raises:
        CalibrationError: corners whose distances are far from those of the board.
    """
    check_shape("corners_m", corners_m, None, 4, 3)
    model = corners_of(size_m)
    rotations, misfits = [], []
    centers = corners_m.mean(axis=1)
    for index, (corners, center) in enumerate(zip(corners_m, centers, strict=True)):
        ordered = _ordered(corners - center)
        sides = np.linalg.norm(np.roll(ordered, -1, axis=0) - ordered, axis=1)
        if sides[0] + sides[2] < sides[1] + sides[3]:  # begin with a long side
            ordered = np.roll(ordered, -1, axis=0)
        _check_size(sides, size_m, index)
        rotation = nearest_rotation(ordered.T @ model)
        rotations.append(rotation)
        misfits.append(np.sqrt(np.mean(np.sum((ordered - model @ rotation.T) ** 2, axis=1))))
    return BoardPoses(
        rotation=np.array(rotations).reshape(-1, 3, 3),
        center_m=centers,
        misfit_m=np.array(misfits),
    )


def _ordered(corners: FloatArray) -> FloatArray:
    """Counter-clockwise about the normal that points to the sensor (the board is ahead)."""
    _, _, axes = np.linalg.svd(corners)
    around = np.arctan2(corners @ axes[1], corners @ axes[0])
    return np.asarray(corners[np.argsort(around)])


def facing(poses: BoardPoses) -> BoardPoses:
    """The same boards with z towards the sensor: what was seen from behind is turned over."""
    away = np.einsum("ni,ni->n", poses.rotation[:, :, 2], poses.center_m) > 0
    over = np.where(away[:, None], np.array([1.0, -1, -1]), np.ones(3))
    return BoardPoses(
        rotation=poses.rotation * over[:, None, :],
        center_m=poses.center_m,
        misfit_m=poses.misfit_m,
    )


def _check_size(sides: FloatArray, size_m: tuple[float, float], index: int) -> None:
    long, short = max(size_m), min(size_m)
    found = np.sort([(sides[0] + sides[2]) / 2, (sides[1] + sides[3]) / 2])
    if np.abs(found / [short, long] - 1).max() > _WRONG_SIZE:
        text = f"board {index + 1} measures {found[1]:.3f} x {found[0]:.3f} m, not "
        raise CalibrationError(text + f"{long:.3f} x {short:.3f} m; are the units and size right?")
