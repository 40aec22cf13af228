"""From rectangles to boxes: hidden sides completed, uncertainty stated.

The sensor, at the origin, sees the near sides; what it cannot see is extended away from it to the
length that :mod:`perception_stack.shape.size_classes` expects. The covariance is the sum of

* the placing of a seen side, ``_SIDE_NOISE_M`` each (range noise, beam spread, thinning),
* along each axis a quarter of the variance of the box's length, since the near side stays put,
* the angle of the fitted sides, from their roughness over the longer one's length,
* the direction: a box looks the same turned by half a turn, and where length and width cannot be
  told apart by a quarter turn too.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.shape.rectangles import Rectangles
from perception_stack.shape.size_classes import CLASSES, believe

_SIDE_NOISE_M = 0.08
_GROUND_NOISE_M = 0.1
_TILT_RAD = 0.05  # roll and pitch of things that stand on the ground
_ANGLE_RAD = np.deg2rad(2.0)  # of the search over directions
_FULL_VIEW = np.sin(np.deg2rad(20.0))  # a face seen under this angle shows all of its length
_MOST_WHOLE = 0.85  # the rest is hidden by other things
_HEIGHT_WHOLE = 0.8
_HALF_TRUSTED_POINTS = 10.0
_LEAST_SIZE_M = 0.05


def boxes_from_rectangles(
    rectangles: Rectangles,
    ground_m: FloatArray,
    *,
    frame_id: str,
    stamp_ns: int,
    class_likelihood: FloatArray | None = None,
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
    """
    if len(rectangles) == 0:
        return Boxes3D.empty(frame_id=frame_id, stamp_ns=stamp_ns)
    middle_m = (rectangles.low_m + rectangles.high_m) / 2
    extent_m = np.column_stack(
        [rectangles.high_m - rectangles.low_m, rectangles.z_m[:, 1] - ground_m]
    )
    extent_m = np.maximum(extent_m, _LEAST_SIZE_M)
    belief = believe(extent_m, _wholeness(middle_m, extent_m), class_likelihood)

    # a side beyond which the sensor stands stays, the other one moves away
    side = np.clip(2 * middle_m / extent_m[:, :2], -1, 1)
    middle_m = middle_m + side * (belief.size_m[:, :2] - extent_m[:, :2]) / 2
    cos, sin = np.cos(rectangles.yaw_rad), np.sin(rectangles.yaw_rad)
    turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    center_m = np.empty((len(rectangles), 3))
    center_m[:, :2] = np.einsum("nij,nj->ni", turn, middle_m)
    center_m[:, 2] = ground_m + belief.size_m[:, 2] / 2
    size_m = np.where(
        belief.swapped[:, None], belief.size_m[:, [1, 0, 2]], belief.size_m[:, [0, 1, 2]]
    )

    covariance = np.zeros((len(rectangles), 6, 6))
    axes_variance = _SIDE_NOISE_M**2 + belief.size_variance_m2[:, :2] / 4
    covariance[:, :2, :2] = np.einsum("nij,nj,nkj->nik", turn, axes_variance, turn)
    covariance[:, 2, 2] = _GROUND_NOISE_M**2 + belief.size_variance_m2[:, 2] / 4
    covariance[:, [3, 4], [3, 4]] = _TILT_RAD**2
    covariance[:, 5, 5] = _yaw_variance(rectangles, extent_m, belief.swap_probability)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=center_m,
        quat_xyzw=quat_from_yaw(rectangles.yaw_rad + np.where(belief.swapped, np.pi / 2, 0.0)),
        size_lwh_m=size_m,
        covariance=covariance,
        score=rectangles.num_points / (rectangles.num_points + _HALF_TRUSTED_POINTS),
        classes=CLASSES,
        class_probs=belief.class_probs,
        sensors=(("lidar",),) * len(rectangles),
    )


def _wholeness(middle_m: FloatArray, extent_m: FloatArray) -> FloatArray:
    """Probability that the extent along each axis is seen whole, float64 [M, 3].

    The face that shows the extent along one axis looks along the other axis; it is seen under
    the angle by which the sensor stands out of it.
    """
    out_m = np.maximum(np.abs(middle_m) - extent_m[:, :2] / 2, 0.0)
    range_m = np.maximum(np.linalg.norm(middle_m, axis=1, keepdims=True), _LEAST_SIZE_M)
    face = np.clip(out_m / range_m / _FULL_VIEW, 0.0, 1.0)
    return np.column_stack([_MOST_WHOLE * face[:, ::-1], np.full(len(face), _HEIGHT_WHOLE)])


def _yaw_variance(
    rectangles: Rectangles, extent_m: FloatArray, swap_probability: FloatArray
) -> FloatArray:
    rough = rectangles.sharpness_m / np.maximum(extent_m[:, :2].max(axis=1), _LEAST_SIZE_M)
    of_sides = _ANGLE_RAD**2 + np.minimum(rough, 0.5) ** 2
    # mean squared error of a guess among two opposite directions, and among two at right angles
    half_turn, quarter_turn = np.pi**2 / 2, (np.pi / 2) ** 2
    variance: FloatArray = (
        of_sides + (1 - swap_probability) * half_turn + swap_probability * quarter_turn
    )
    return variance
