"""How much boxes overlap: intersection over union in images, from above and in space.

All functions take N and M boxes and give [N, M] at once. A box without area or volume overlaps
nothing, not even itself; so does a box with a NaN coordinate.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, check_shape
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_yaw, yaw_from_quat


def intersection_2d_px2(a_xyxy_px: FloatArray, b_xyxy_px: FloatArray) -> FloatArray:
    """Common area of upright rectangles.

    Args:
        a_xyxy_px: float64 [N, 4]; left, top, right, bottom.
        b_xyxy_px: float64 [M, 4].

    Returns:
        float64 [N, M], px².

    Raises:
        ShapeError: an input is not [N, 4].
    """
    check_shape("a_xyxy_px", a_xyxy_px, None, 4)
    check_shape("b_xyxy_px", b_xyxy_px, None, 4)
    low = np.maximum(a_xyxy_px[:, None, :2], b_xyxy_px[None, :, :2])
    high = np.minimum(a_xyxy_px[:, None, 2:], b_xyxy_px[None, :, 2:])
    side = np.nan_to_num(np.maximum(high - low, 0.0), nan=0.0)
    area: FloatArray = side[..., 0] * side[..., 1]
    return area


def iou_2d(a_xyxy_px: FloatArray, b_xyxy_px: FloatArray) -> FloatArray:
    """Intersection over union of upright rectangles.

    Areas are continuous: no pixel is added to a width. A rectangle that is inside out is empty.

    Args:
        a_xyxy_px: float64 [N, 4]; left, top, right, bottom.
        b_xyxy_px: float64 [M, 4].

    Returns:
        float64 [N, M] in [0, 1].

    Raises:
        ShapeError: an input is not [N, 4].
    """
    common = intersection_2d_px2(a_xyxy_px, b_xyxy_px)
    return _over_union(common, _area_px2(a_xyxy_px), _area_px2(b_xyxy_px))


def iou_rotated(a_px: FloatArray, b_px: FloatArray) -> FloatArray:
    """Intersection over union of oriented rectangles in an image; the common area is exact.

    Args:
        a_px: float64 [N, 5]; centre, width, height, and the angle from x to the width, in radians.
        b_px: float64 [M, 5].

    Returns:
        float64 [N, M] in [0, 1].

    Raises:
        ShapeError: an input is not [N, 5].
    """
    check_shape("a_px", a_px, None, 5)
    check_shape("b_px", b_px, None, 5)
    if len(a_px) == 0 or len(b_px) == 0:
        return np.zeros((len(a_px), len(b_px)))
    from perception_stack.geometry import _overlap_kernels

    common = _overlap_kernels.rectangles_areas(
        np.ascontiguousarray(a_px, dtype=np.float64), np.ascontiguousarray(b_px, dtype=np.float64)
    )
    return _over_union(common, a_px[:, 2] * a_px[:, 3], b_px[:, 2] * b_px[:, 3])


def iou_3d(a: Boxes3D, b: Boxes3D) -> FloatArray:
    """Intersection over union of boxes with any rotation.

    The common volume is exact. Boxes whose z axes are parallel, in whatever frame, take the short
    way of footprint times height; others are cut plane by plane. So the result does not change
    when both sets of boxes are moved to another frame.

    Args:
        a: N boxes.
        b: M boxes.

    Returns:
        float64 [N, M] in [0, 1].

    Raises:
        FrameMismatchError: the boxes are not in one frame.
    """
    _check_one_frame(a, b)
    return _iou_of_boxes(a, b)


def iou_bev(a: Boxes3D, b: Boxes3D) -> FloatArray:
    """Intersection over union of the footprints in the x-y plane of the boxes' frame.

    A footprint is the rectangle length x width at the box's yaw; roll and pitch are taken as
    zero. The frame's z axis must point up.

    Args:
        a: N boxes.
        b: M boxes.

    Returns:
        float64 [N, M] in [0, 1].

    Raises:
        FrameMismatchError: the boxes are not in one frame.
    """
    _check_one_frame(a, b)
    return _iou_of_boxes(_flat(a), _flat(b))


def giou_3d(a: Boxes3D, b: Boxes3D) -> FloatArray:
    """Generalised intersection over union, which also tells near from far without overlap.

    ``IoU - (E - U) / E`` (Rezatofighi et al. 2019) with U the union and E the volume of a convex
    body around both boxes: the hull of the footprints times the extent in height, "up" being the
    z axis of either box, whichever gives the smaller volume. For upright boxes this is what
    trackers use (AB3DMOT). The result does not change with the frame.

    Args:
        a: N boxes.
        b: M boxes.

    Returns:
        float64 [N, M] in [-1, 1]; -1 where both boxes lack volume.

    Raises:
        FrameMismatchError: the boxes are not in one frame.
    """
    _check_one_frame(a, b)
    common = _common_volume_m3(a, b)
    union = _volume_m3(a)[:, None] + _volume_m3(b)[None, :] - common
    # rounding must not make the hull smaller than what it holds
    around = np.maximum(_enclosing_volume_m3(a, b), union)
    ratio: FloatArray = np.divide(union, around, out=np.zeros_like(union), where=around > 0)
    return _over_union(common, _volume_m3(a), _volume_m3(b)) - 1.0 + ratio


def _check_one_frame(a: Boxes3D, b: Boxes3D) -> None:
    if a.frame_id != b.frame_id:
        raise FrameMismatchError("boxes to compare", expected=a.frame_id, received=b.frame_id)


def _area_px2(xyxy_px: FloatArray) -> FloatArray:
    area: FloatArray = np.prod(np.maximum(xyxy_px[:, 2:] - xyxy_px[:, :2], 0.0), axis=1)
    return area


def _volume_m3(boxes: Boxes3D) -> FloatArray:
    volume: FloatArray = np.prod(boxes.size_lwh_m, axis=1)
    return volume


def _flat(boxes: Boxes3D) -> Boxes3D:
    """The footprints as boxes one metre high, all at the same height."""
    return replace(
        boxes,
        center_m=boxes.center_m * np.array([1.0, 1.0, 0.0]),
        quat_xyzw=quat_from_yaw(yaw_from_quat(boxes.quat_xyzw)),
        size_lwh_m=np.column_stack([boxes.size_lwh_m[:, :2], np.ones(len(boxes))]),
    )


def _iou_of_boxes(a: Boxes3D, b: Boxes3D) -> FloatArray:
    return _over_union(_common_volume_m3(a, b), _volume_m3(a), _volume_m3(b))


def _common_volume_m3(a: Boxes3D, b: Boxes3D) -> FloatArray:
    if len(a) == 0 or len(b) == 0:
        return np.zeros((len(a), len(b)))
    from perception_stack.geometry import _overlap_kernels

    return _overlap_kernels.common_volume_m3(_arrays(a), _arrays(b))


def _enclosing_volume_m3(a: Boxes3D, b: Boxes3D) -> FloatArray:
    if len(a) == 0 or len(b) == 0:
        return np.zeros((len(a), len(b)))
    from perception_stack.geometry import _overlap_kernels

    return _overlap_kernels.enclosing_volume_m3(_arrays(a), _arrays(b))


def _arrays(boxes: Boxes3D) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centres, axes and half extents, laid out as the kernels are compiled for."""
    center_m = np.ascontiguousarray(boxes.center_m, dtype=np.float64)
    half_m = np.ascontiguousarray(boxes.size_lwh_m / 2, dtype=np.float64)
    return center_m, matrix_from_quat(boxes.quat_xyzw), half_m


def _over_union(common: FloatArray, size_a: FloatArray, size_b: FloatArray) -> FloatArray:
    union = size_a[:, None] + size_b[None, :] - common
    ratio = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    clipped: FloatArray = np.clip(ratio, 0.0, 1.0)
    return clipped
