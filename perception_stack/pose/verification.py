"""How well poses explain the depth image, counting also where there is nothing.

A fit of points alone cannot tell a can from its mirror image upside down. The model's visible
surface must be where the camera measured it; where the camera looked past it into free space
the pose is contradicted; where something stands before it nothing is known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.camera import CameraModel
from perception_stack.pose.alignment import closest
from perception_stack.pose.surface import GriddedSurface, Surface

_FACING = -0.15
_HIDDEN_WEIGHT, _UNMEASURED_WEIGHT = 0.3, 0.1
_AROUND = 5.0
_CELL_SPACINGS, _DEEPER_SPACINGS = 1.5, 2.5


def shown(
    model: Surface,
    poses: FloatArray,
    depth_m: NDArray[np.float32],
    camera: CameraModel,
    *,
    tolerance_m: float,
) -> FloatArray:
    """Share of the visible model surface that the depth image confirms, float64 [H] in [0, 1].

    Args:
        model: The object.
        poses: float64 [H, 4, 4], scene from model.
        depth_m: float32 [H, W], NaN where not measured.
        camera: Of the depth image.
        tolerance_m: Depths that differ by more disagree; the nearer, the more they agree.
    """
    turned = poses[:, :3, :3].transpose(0, 2, 1)
    points_m = model.points_m @ turned + poses[:, None, :3, 3]
    range_m = np.sqrt(np.einsum("hni,hni->hn", points_m, points_m))
    facing = np.einsum("hni,hni->hn", model.normals @ turned, points_m) < _FACING * range_m
    facing &= ~_behind_itself(points_m, model.spacing_m)
    pose, _ = np.nonzero(facing)
    projected = camera.project(points_m[facing])
    pose, uv_px = pose[projected.visible], projected.uv_px[projected.visible]
    column, row = np.rint(uv_px).astype(np.intp).T
    gap_m = depth_m[row, column] - projected.depth_m[projected.visible]
    agreement = np.fmax(1 - (gap_m / tolerance_m) ** 2, 0)  # 0 for NaN
    # what is hidden or not measured neither helps nor harms, but little evidence is little worth
    weight = np.where(gap_m >= -tolerance_m, 1.0, _HIDDEN_WEIGHT)
    weight[np.isnan(gap_m)] = _UNMEASURED_WEIGHT
    confirmed = np.bincount(pose, weights=agreement, minlength=len(poses))
    expected = np.bincount(pose, weights=weight, minlength=len(poses))
    share: FloatArray = confirmed / np.maximum(expected, 1.0)
    return share


def _behind_itself(points_m: FloatArray, spacing_m: float) -> NDArray[np.bool_]:
    """Points [H, N, 3] that nearer points of the same pose hide from the camera, bool [H, N].

    A z-buffer with cells wide enough that a closed surface leaves none empty.
    """
    cell_m = _CELL_SPACINGS * spacing_m
    middles_m = points_m.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):  # poses beside or behind the camera
        across_m = points_m[..., :2] / points_m[..., 2:] - middles_m[..., :2] / middles_m[..., 2:]
    cells = across_m * (middles_m[..., 2:] / cell_m)
    reach = int(np.ceil(np.ptp(points_m[0], axis=0).sum() / cell_m))
    column, row = np.moveaxis(np.clip(np.nan_to_num(cells), -reach, reach).astype(np.intp), -1, 0)
    pose = np.arange(len(points_m))[:, None]
    flat = (pose * (2 * reach + 1) + row + reach) * (2 * reach + 1) + column + reach
    nearest_m = np.full(len(points_m) * (2 * reach + 1) ** 2, np.inf)
    np.minimum.at(nearest_m, flat.ravel(), points_m[..., 2].ravel())
    hidden: NDArray[np.bool_] = points_m[..., 2] > nearest_m[flat] + _DEEPER_SPACINGS * spacing_m
    return hidden


def covered(
    model: GriddedSurface, poses: FloatArray, seen_m: FloatArray, *, tolerance_m: float
) -> FloatArray:
    """Share of the seen points around the model that lie on it, float64 [H] in [0, 1].

    Args:
        model: The object.
        poses: float64 [H, 4, 4], scene from model.
        seen_m: float64 [N, 3], in the camera's frame.
        tolerance_m: Points so near are on the model; those a few times as far are around it.
    """
    distance_m = closest(model, seen_m, poses).distance_m
    limit_m = tolerance_m + model.spacing_m / 2  # neighbouring model points are so far apart
    on_it = (distance_m < limit_m).sum(axis=1)
    around = (distance_m < limit_m + _AROUND * tolerance_m).sum(axis=1)
    share: FloatArray = on_it / np.maximum(around, 1)
    return share


def filled(
    model: Surface, poses: FloatArray, camera: CameraModel, xyxy_px: FloatArray
) -> FloatArray:
    """Share of a detection's box that the rectangle around the object covers, float64 [H].

    The box may be around the visible part only, so what the object covers besides is no fault.
    """
    points_m = model.points_m @ poses[:, :3, :3].transpose(0, 2, 1) + poses[:, None, :3, 3]
    uv_px = camera.project(points_m.reshape(-1, 3)).uv_px.reshape(len(poses), -1, 2)
    low = np.maximum(np.nan_to_num(uv_px.min(axis=1), nan=np.inf), xyxy_px[:2])
    high = np.minimum(np.nan_to_num(uv_px.max(axis=1), nan=-np.inf), xyxy_px[2:])
    share: FloatArray = np.maximum((high - low) / (xyxy_px[2:] - xyxy_px[:2]), 0).prod(axis=1)
    return share
