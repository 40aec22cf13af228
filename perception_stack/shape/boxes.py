"""From rectangles to boxes: hidden sides completed, uncertainty stated.

The sensor, at the origin, sees the near sides; what it cannot see, or what something nearer hides,
is extended to the length that :mod:`perception_stack.shape.size_classes` expects, towards the end
that is less certain to be one. The covariance is the sum of

* the placing of a seen side: range noise and beam spread, and a share of the size,
* along each axis a quarter of the variance of the box's length, since the near side stays put,
* across what was added, the angle of the fitted sides times how far the centre moved,
* the angle of the fitted sides, from their roughness over the longer one's length,
* the direction: a box looks the same turned by half a turn, and where length and width cannot be
  told apart by a quarter turn too.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.shape.rectangles import Rectangles
from perception_stack.shape.size_classes import CLASSES, believe

_SIDE_NOISE_M = 0.07
_SIDE_NOISE = 0.04  # of the size; bumpers, mirrors and wheels make a large thing's sides vague
_GROUND_NOISE_M = 0.1
_TILT_RAD = 0.05  # roll and pitch of things that stand on the ground
_ANGLE_RAD = np.deg2rad(2.0)  # of the search over directions
_FULL_VIEW = np.sin(np.deg2rad(20.0))  # a face seen under this angle shows all of its length
_MOST_WHOLE = 0.95  # the rest gave no echo or fell into another cluster
HIDDEN = 0.1  # where nobody looked
_HEIGHT_WHOLE = 0.9
_HALF_TRUSTED_POINTS = 10.0
_LEAST_SIZE_M = 0.05


def boxes_from_rectangles(
    rectangles: Rectangles,
    ground_m: FloatArray,
    *,
    frame_id: str,
    stamp_ns: int,
    class_likelihood: FloatArray | None = None,
    hidden: FloatArray | None = None,
    stands: FloatArray | None = None,
) -> Boxes3D:
    """One box per rectangle.

    The score is ``n / (n + 10)`` for n points: what is seen once may be dust.

    Args:
        rectangles: M of them, in the sensor's frame.
        ground_m: float64 [M], z of the ground below each.
        frame_id: Of the sensor.
        stamp_ns: Of the scan.
        class_likelihood: float64 [M, 5] over :data:`~perception_stack.shape.size_classes.CLASSES`,
            what another sensor says of each; it decides the hidden sides, too.
        hidden: float64 [M, 2], probability that something nearer hides how each goes on to its
            right and to its left; :data:`HIDDEN` if None.
        stands: float64 [M], probability that each reaches down to the ground; 1 if None.
    """
    if len(rectangles) == 0:
        return Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    if hidden is None:
        hidden = np.full((len(rectangles), 2), HIDDEN)
    extent_m, shown, whole, side = _view(
        rectangles.low_m, rectangles.high_m, rectangles.z_m, ground_m, hidden
    )
    belief = believe(extent_m, shown, whole, class_likelihood, stands)
    center_m, quat_xyzw, size_lwh_m, covariance = _place(
        rectangles.yaw_rad,
        (rectangles.low_m + rectangles.high_m) / 2,
        rectangles.sharpness_m,
        ground_m,
        extent_m,
        side,
        belief.size_m,
        belief.size_variance_m2,
        belief.swapped,
        belief.swap_probability,
    )
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=center_m,
        quat_xyzw=quat_xyzw,
        size_lwh_m=size_lwh_m,
        covariance=covariance,
        score=rectangles.num_points / (rectangles.num_points + _HALF_TRUSTED_POINTS),
        classes=CLASSES,
        class_probs=belief.class_probs,
        sensors=(("lidar",),) * len(rectangles),
    )


@compiled
def _view(low_m: Any, high_m: Any, z_m: Any, ground_m: Any, hidden: Any) -> Any:
    """The extents of M rectangles, and how much of them can be seen from the origin.

    The face that shows the extent along one axis looks along the other axis; it is seen under
    the angle by which the sensor stands out of it.

    Returns:
        extent_m: float64 [M, 3], along the first axis, the second axis and z.
        shown: float64 [M, 3], probability that a face shows the extent along the axis.
        whole: float64 [M, 3], probability that the extent along the axis is seen whole.
        side: float64 [M, 2], where a missing length is: 1 at the upper end of the axis, -1 at the
            lower one.
    """
    num = len(low_m)
    extent_m, side = np.empty((num, 3)), np.empty((num, 2))
    shown, whole = np.empty((num, 3)), np.empty((num, 3))
    middle, half, far, out = np.empty(2), np.empty(2), np.empty(2), np.empty(2)
    for i in range(num):
        for axis in range(2):
            middle[axis] = (low_m[i, axis] + high_m[i, axis]) / 2
            extent_m[i, axis] = max(high_m[i, axis] - low_m[i, axis], _LEAST_SIZE_M)
            half[axis] = extent_m[i, axis] / 2
            far[axis] = -1.0 if middle[axis] < 0 else 1.0
            out[axis] = max(abs(middle[axis]) - half[axis], 0.0)
        extent_m[i, 2] = max(z_m[i, 1] - ground_m[i], _LEAST_SIZE_M)
        shown[i, 2], whole[i, 2] = 1.0, _HEIGHT_WHOLE
        range_m = max(np.sqrt(middle[0] ** 2 + middle[1] ** 2), _LEAST_SIZE_M)
        for axis in range(2):
            other = 1 - axis
            face = min(out[other] / range_m / _FULL_VIEW, 1.0)
            shown[i, axis] = face
            whole[i, axis] = 1.0
            # a face lies on the near side of the other axis, between its own far and near end
            across = middle[other] - far[other] * half[other]
            missing_far = missing_near = 0.0
            for end in (1.0, -1.0):
                along = middle[axis] + end * far[axis] * half[axis]
                turn = middle[axis] * across - middle[other] * along
                left = turn > 0 if axis == 0 else turn < 0
                seen = _MOST_WHOLE * face * (1 - hidden[i, 1 if left else 0])
                if end > 0:
                    missing_far = 1 - seen
                else:
                    # where the near end of a face meets the other face, it is known
                    seen = 1.0 if out[axis] > 0 else seen
                    missing_near = 1 - seen
                whole[i, axis] *= seen
            missing = missing_far + missing_near
            side[i, axis] = far[axis] * (missing_far - missing_near) / missing
    return extent_m, shown, whole, side


@compiled
def _place(
    yaw_rad: Any,
    middle_m: Any,
    sharpness_m: Any,
    ground_m: Any,
    extent_m: Any,
    side: Any,
    size_m: Any,
    size_variance_m2: Any,
    swapped: Any,
    swap_probability: Any,
) -> Any:
    """Centre, direction, length, width and height of the completed boxes, and their covariance."""
    num = len(yaw_rad)
    center_m, size_lwh_m = np.empty((num, 3)), np.empty((num, 3))
    quat_xyzw, covariance = np.zeros((num, 4)), np.zeros((num, 6, 6))
    for i in range(num):
        length, width = (1, 0) if swapped[i] else (0, 1)
        half_rad = (yaw_rad[i] + (np.pi / 2 if swapped[i] else 0.0)) / 2
        quat_xyzw[i, 2], quat_xyzw[i, 3] = np.sin(half_rad), np.cos(half_rad)
        size_lwh_m[i, 0], size_lwh_m[i, 1] = size_m[i, length], size_m[i, width]
        size_lwh_m[i, 2] = size_m[i, 2]

        c, s = np.cos(yaw_rad[i]), np.sin(yaw_rad[i])
        moved_a = side[i, 0] * (size_m[i, 0] - extent_m[i, 0]) / 2
        moved_b = side[i, 1] * (size_m[i, 1] - extent_m[i, 1]) / 2
        a, b = middle_m[i, 0] + moved_a, middle_m[i, 1] + moved_b
        center_m[i, 0], center_m[i, 1] = c * a - s * b, s * a + c * b
        center_m[i, 2] = ground_m[i] + size_m[i, 2] / 2

        longer_m = max(extent_m[i, 0], extent_m[i, 1])
        of_sides = _ANGLE_RAD**2 + min(sharpness_m[i] / longer_m, 0.5) ** 2
        # an error of the angle swings what was added about what was seen
        swing_x, swing_y = -c * moved_b - s * moved_a, c * moved_a - s * moved_b
        along = _SIDE_NOISE_M**2 + (_SIDE_NOISE * size_m[i, 0]) ** 2
        along += size_variance_m2[i, 0] / 4
        across = _SIDE_NOISE_M**2 + (_SIDE_NOISE * size_m[i, 1]) ** 2
        across += size_variance_m2[i, 1] / 4
        one = covariance[i]
        one[0, 0] = c * c * along + s * s * across + of_sides * swing_x * swing_x
        one[1, 1] = s * s * along + c * c * across + of_sides * swing_y * swing_y
        one[0, 1] = one[1, 0] = c * s * (along - across) + of_sides * swing_x * swing_y
        one[0, 5] = one[5, 0] = of_sides * swing_x
        one[1, 5] = one[5, 1] = of_sides * swing_y
        one[2, 2] = _GROUND_NOISE_M**2 + size_variance_m2[i, 2] / 4
        one[3, 3] = one[4, 4] = _TILT_RAD**2
        # a guess among two opposite directions, or two at right angles
        swap = swap_probability[i]
        one[5, 5] = of_sides + (1 - swap) * np.pi**2 / 2 + swap * (np.pi / 2) ** 2
    return center_m, quat_xyzw, size_lwh_m, covariance
