"""From rectangles to boxes: hidden sides completed, uncertainty stated.

The sensor, at the origin, sees the near sides; what it cannot see, or what something nearer hides,
is extended to the length that :mod:`perception_stack.shape.size_classes` expects, towards the end
that is less certain to be one. The covariance is the sum of

* the placing of a seen side, ``_SIDE_NOISE_M`` each (range noise, beam spread, thinning),
* along each axis a quarter of the variance of the box's length, since the near side stays put,
* across what was added, the angle of the fitted sides times how far the centre moved,
* the angle of the fitted sides, from their roughness over the longer one's length,
* the direction: a box looks the same turned by half a turn, and where length and width cannot be
  told apart by a quarter turn too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.shape.rectangles import Rectangles
from perception_stack.shape.size_classes import CLASSES, believe

_SIDE_NOISE_M = 0.12
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
    middle_m = (rectangles.low_m + rectangles.high_m) / 2
    extent_m = np.column_stack(
        [rectangles.high_m - rectangles.low_m, rectangles.z_m[:, 1] - ground_m]
    )
    extent_m = np.maximum(extent_m, _LEAST_SIZE_M)
    if hidden is None:
        hidden = np.full((len(rectangles), 2), HIDDEN)
    view = _view(middle_m, extent_m[:, :2], hidden)
    belief = believe(
        extent_m,
        np.column_stack([view.shown, np.ones(len(extent_m))]),
        np.column_stack([view.whole, np.full(len(extent_m), _HEIGHT_WHOLE)]),
        class_likelihood,
        stands,
    )

    moved_m = view.side * (belief.size_m[:, :2] - extent_m[:, :2]) / 2
    cos, sin = np.cos(rectangles.yaw_rad), np.sin(rectangles.yaw_rad)
    turn = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)
    center_m = np.empty((len(rectangles), 3))
    center_m[:, :2] = np.einsum("nij,nj->ni", turn, middle_m + moved_m)
    center_m[:, 2] = ground_m + belief.size_m[:, 2] / 2
    size_m = np.where(
        belief.swapped[:, None], belief.size_m[:, [1, 0, 2]], belief.size_m[:, [0, 1, 2]]
    )

    covariance = np.zeros((len(rectangles), 6, 6))
    axes_variance = _SIDE_NOISE_M**2 + belief.size_variance_m2[:, :2] / 4
    covariance[:, :2, :2] = np.einsum("nij,nj,nkj->nik", turn, axes_variance, turn)
    covariance[:, 2, 2] = _GROUND_NOISE_M**2 + belief.size_variance_m2[:, 2] / 4
    covariance[:, [3, 4], [3, 4]] = _TILT_RAD**2
    of_sides = _side_variance(rectangles, extent_m)
    covariance[:, 5, 5] = of_sides + _turn_variance(belief.swap_probability)
    # an error of the angle swings what was added about what was seen
    swing_m = np.einsum("nij,nj->ni", turn, moved_m[:, ::-1] * [-1, 1])
    covariance[:, :2, :2] += np.einsum("n,ni,nj->nij", of_sides, swing_m, swing_m)
    covariance[:, :2, 5] = covariance[:, 5, :2] = of_sides[:, None] * swing_m
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """How much of M rectangles the sensor saw, along both axes.

    Attributes:
        shown: float64 [M, 2], probability that a face shows the extent along the axis.
        whole: float64 [M, 2], probability that the extent along the axis is seen whole.
        side: float64 [M, 2], where a missing length is: 1 at the upper end of the axis, -1 at the
            lower one.
    """

    shown: FloatArray
    whole: FloatArray
    side: FloatArray


def _view(middle_m: FloatArray, extent_m: FloatArray, hidden: FloatArray) -> _View:
    """What can be seen from the origin of the two axes.

    The face that shows the extent along one axis looks along the other axis; it is seen under
    the angle by which the sensor stands out of it.
    """
    out_m = np.maximum(np.abs(middle_m) - extent_m / 2, 0.0)
    range_m = np.maximum(np.linalg.norm(middle_m, axis=1, keepdims=True), _LEAST_SIZE_M)
    face = np.clip(out_m / range_m / _FULL_VIEW, 0.0, 1.0)[:, ::-1]

    far = np.where(middle_m < 0, -1.0, 1.0)
    # the two ends of the face that shows the first axis, and of that which shows the second one
    ends_m = middle_m[:, None, None, :] + 0.5 * extent_m[:, None, None, :] * np.stack(
        [
            np.stack([far * [1, -1], -far], axis=1),
            np.stack([far * [-1, 1], -far], axis=1),
        ],
        axis=1,
    )  # [M, axis, far or near end, coordinate]
    turn = (
        middle_m[:, None, None, 0] * ends_m[..., 1] - middle_m[:, None, None, 1] * ends_m[..., 0]
    )
    left = turn > 0
    goes_on = np.where(left, hidden[:, None, None, 1], hidden[:, None, None, 0])
    ends = _MOST_WHOLE * face[:, :, None] * (1 - goes_on)
    # where the near end of a face meets the other face, it is known
    ends[:, :, 1] = np.where(out_m > 0, 1.0, ends[:, :, 1])
    missing = 1 - ends
    side = far * (missing[:, :, 0] - missing[:, :, 1]) / missing.sum(axis=2)
    return _View(shown=face, whole=ends.prod(axis=2), side=side)


def _side_variance(rectangles: Rectangles, extent_m: FloatArray) -> FloatArray:
    """Of the angle of the sides, rad²."""
    rough = rectangles.sharpness_m / np.maximum(extent_m[:, :2].max(axis=1), _LEAST_SIZE_M)
    variance: FloatArray = _ANGLE_RAD**2 + np.minimum(rough, 0.5) ** 2
    return variance


def _turn_variance(swap_probability: FloatArray) -> FloatArray:
    """Mean squared error of a guess among two opposite directions, or two at right angles."""
    half_turn, quarter_turn = np.pi**2 / 2, (np.pi / 2) ** 2
    variance: FloatArray = (1 - swap_probability) * half_turn + swap_probability * quarter_turn
    return variance
