"""What a camera sees of the obstacle points: which fall into the image, and into which 2-D box."""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.errors import ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform

Index = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

_NEAREST_M = 0.1
# a detector's border is this far off: simulation and KITTI's published detections, rounded up
_MARGIN_PX, _MARGIN_SHARE = 1.0, 0.02
_BORDER_STEPS = 17
_BORDER_MARGIN = 0.02  # of the tangent, between the border's rays and what is projected


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """What one camera contributes.

    Attributes:
        name: What ``sensors`` of the objects it saw will hold: "camera", or "camera/NAME" where
            there are several.
        camera: Intrinsics.
        detections: Its 2-D boxes, with masks or without; that there are none is evidence, too.
        camera_from_obstacles: From the obstacles' frame at their stamp to the camera's at its own.
    """

    name: str
    camera: CameraModel
    detections: Detections2D
    camera_from_obstacles: RigidTransform


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The V obstacle points in the image of one camera, of P in all.

    Attributes:
        index: int [V], row of each among all obstacle points, rising.
        place: int32 [P], where in ``index`` a point stands, -1 if out of the image.
        depth_m: float64 [V], along the optical axis.
        uv_px: float64 [V, 2], where in the image.
        inside: bool [D, V], the point lies in the mask of a detection or, without, in its box.
    """

    index: Index
    place: NDArray[np.int32]
    depth_m: FloatArray
    uv_px: FloatArray
    inside: BoolArray


def sight_of(xyz_m: NDArray[np.float32], view: CameraView) -> Sight:
    """Project all points once and sort them into the detections.

    A box is widened by a pixel and 2 % of its size, since its border is not exact; a mask is
    taken as it is. A box with NaN holds nothing.

    Args:
        xyz_m: float32 [P, 3], finite.
        view: Of a camera, with D detections.

    Raises:
        ShapeError: the mask has not the size of the camera's image.
    """
    camera, detections = view.camera, view.detections
    mask = detections.mask
    if mask is not None and mask.shape != (camera.height_px, camera.width_px):
        expected = f"[{camera.height_px}, {camera.width_px}]"
        raise ShapeError("mask", expected=expected, received=str(list(mask.shape)))
    low, high = _cone(camera)
    index, in_camera_m = _ahead(
        np.ascontiguousarray(xyz_m),
        np.ascontiguousarray(view.camera_from_obstacles.rotation),
        view.camera_from_obstacles.translation_m,
        low,
        high,
        _NEAREST_M,
    )
    projected = camera.project(in_camera_m)
    index = index[projected.visible]
    uv_px = projected.uv_px[projected.visible]
    if mask is None:
        inside = _inside_boxes(uv_px, detections.xyxy_px)
    else:
        u, v = np.rint(uv_px).astype(np.intp).T
        inside = mask[v, u] == np.arange(1, len(detections) + 1)[:, None]
    place = np.full(len(xyz_m), -1, dtype=np.int32)
    place[index] = np.arange(len(index))
    return Sight(
        index=index,
        place=place,
        depth_m=projected.depth_m[projected.visible],
        uv_px=uv_px,
        inside=inside,
    )


def median_depth_m(sight: Sight, place: NDArray[np.integer[Any]]) -> float:
    """The upper median of the depths of some of the V points; NaN of none."""
    depth_m = np.sort(sight.depth_m[place])
    return float(depth_m[len(depth_m) // 2]) if len(depth_m) else np.nan


@lru_cache(maxsize=16)
def _cone(camera: CameraModel) -> tuple[FloatArray, FloatArray]:
    """Least and greatest x / z and y / z that the image's border shows, float64 [2] each.

    A distortion model holds within the image only: beyond, it may fold points back into it.
    """
    size_px = np.array([camera.width_px, camera.height_px]) - 1.0
    step = np.linspace(0, 1, _BORDER_STEPS)
    zero, one = np.zeros(_BORDER_STEPS), np.ones(_BORDER_STEPS)
    border = np.stack(
        [np.concatenate([step, step, zero, one]), np.concatenate([zero, one, step, step])], axis=1
    )
    rays = camera.rays(border * size_px)
    shown_px = camera.project(rays).uv_px
    # where the model does not reach the border, or shows it at right angles, there is no limit
    if not (np.abs(shown_px - border * size_px) < 1).all():
        return np.full(2, -np.inf), np.full(2, np.inf)
    margin = _BORDER_MARGIN * (1 + np.abs(rays[:, :2]))
    low: FloatArray = (rays[:, :2] - margin).min(axis=0)
    high: FloatArray = (rays[:, :2] + margin).max(axis=0)
    return low, high


@compiled
def _ahead(
    xyz_m: Any, rotation: Any, translation_m: Any, low: Any, high: Any, nearest_m: float
) -> Any:
    """Points within a cone, in the camera's frame: their rows int64 [V], and float64 [V, 3]."""
    index = np.empty(len(xyz_m), dtype=np.int64)
    moved_m = np.empty((len(xyz_m), 3))
    num = 0
    for i in range(len(xyz_m)):
        x, y, z = np.float64(xyz_m[i, 0]), np.float64(xyz_m[i, 1]), np.float64(xyz_m[i, 2])
        depth = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation_m[2]
        if depth <= nearest_m:
            continue
        right = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation_m[0]
        if not low[0] * depth <= right <= high[0] * depth:
            continue
        down = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation_m[1]
        if not low[1] * depth <= down <= high[1] * depth:
            continue
        index[num] = i
        moved_m[num, 0], moved_m[num, 1], moved_m[num, 2] = right, down, depth
        num += 1
    return index[:num].copy(), moved_m[:num].copy()


def _inside_boxes(uv_px: FloatArray, xyxy_px: FloatArray) -> BoolArray:
    margin_px = _MARGIN_PX + _MARGIN_SHARE * (xyxy_px[:, 2:] - xyxy_px[:, :2])
    low, high = xyxy_px[:, :2] - margin_px, xyxy_px[:, 2:] + margin_px
    u, v = np.ascontiguousarray(uv_px.T)
    inside: BoolArray = u >= low[:, :1]
    inside &= u <= high[:, :1]
    inside &= v >= low[:, 1:]
    inside &= v <= high[:, 1:]
    return inside
