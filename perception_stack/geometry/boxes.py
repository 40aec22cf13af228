"""Oriented 3-D boxes: corners, change of frame, what lies inside, how they look in an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_matrix,
    quat_multiply,
)

_CORNER_SIGNS = np.array(
    [
        [x, y, z]
        for z in (-0.5, 0.5)
        for x, y in ((0.5, 0.5), (-0.5, 0.5), (-0.5, -0.5), (0.5, -0.5))
    ]
)
# edges as pairs of corners; for drawing and for clipping at the image plane
EDGES = np.array(
    [[i, (i + 1) % 4] for i in range(4)]
    + [[i + 4, (i + 1) % 4 + 4] for i in range(4)]
    + [[i, i + 4] for i in range(4)]
)
_NEAR_M = 0.05


def corners(boxes: Boxes3D) -> FloatArray:
    """The eight corners of each box.

    Returns:
        float64 [N, 8, 3] in ``boxes.frame_id``: the lower four counter-clockwise seen from above,
        starting ahead left, then the upper four.
    """
    local = _CORNER_SIGNS * boxes.size_lwh_m[:, None, :]
    turned: FloatArray = np.einsum("nij,nkj->nki", matrix_from_quat(boxes.quat_xyzw), local)
    return turned + boxes.center_m[:, None, :]


def transform_boxes(boxes: Boxes3D, target_from_boxes: RigidTransform) -> Boxes3D:
    """The same boxes in another frame: centre moved, orientation and covariance turned.

    The size belongs to the box's own axes and is never rotated.

    Raises:
        FrameMismatchError: the transform does not start in ``boxes.frame_id``.
    """
    if target_from_boxes.source != boxes.frame_id:
        raise FrameMismatchError(
            "boxes to transform", expected=target_from_boxes.source, received=boxes.frame_id
        )
    turn = np.zeros((6, 6))
    turn[:3, :3] = turn[3:, 3:] = target_from_boxes.rotation
    return replace(
        boxes,
        frame_id=target_from_boxes.target,
        center_m=target_from_boxes.apply(boxes.center_m),
        quat_xyzw=quat_multiply(quat_from_matrix(target_from_boxes.rotation), boxes.quat_xyzw),
        covariance=turn @ boxes.covariance @ turn.T,
    )


def points_inside(
    points_m: FloatArray, boxes: Boxes3D, *, margin_m: float = 0.0
) -> NDArray[np.bool_]:
    """Which points lie in which box, walls included.

    Args:
        points_m: float [M, 3] in ``boxes.frame_id``.
        boxes: N boxes.
        margin_m: Added to every side.

    Returns:
        bool [N, M].
    """
    offset = points_m[None, :, :] - boxes.center_m[:, None, :]
    local = np.einsum("nji,nmj->nmi", matrix_from_quat(boxes.quat_xyzw), offset)
    inside: NDArray[np.bool_] = (np.abs(local) <= boxes.size_lwh_m[:, None, :] / 2 + margin_m).all(
        axis=2
    )
    return inside


def project_boxes(boxes: Boxes3D, camera: CameraModel) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Smallest upright image rectangle around what the camera sees of each box.

    Edges that cross the image plane are cut at 5 cm ahead of the camera, so a box beside the
    camera gives a rectangle that is not inside out.

    Args:
        boxes: In the camera's optical frame.
        camera: The camera.

    Returns:
        xyxy_px float64 [N, 4], clipped to the image, NaN where not visible; visible bool [N].

    Raises:
        FrameMismatchError: the boxes are not in the camera's frame.
    """
    if boxes.frame_id != camera.frame_id:
        raise FrameMismatchError(
            "boxes to project", expected=camera.frame_id, received=boxes.frame_id
        )
    num = len(boxes)
    if num == 0:
        return np.empty((0, 4)), np.empty(0, dtype=np.bool_)
    ends = corners(boxes)[:, EDGES]  # [N, 12, 2, 3]
    depth = ends[..., 2]
    behind = (depth < _NEAR_M)[..., None]
    # the end behind the plane moves onto it along the edge; edges wholly behind go below
    drop = depth[..., ::-1] - depth
    along = (_NEAR_M - depth) / np.where(drop == 0, 1.0, drop)
    cut = np.where(behind, ends + along[..., None] * (ends[..., ::-1, :] - ends), ends)
    seen = np.any(depth >= _NEAR_M, axis=2)
    cut[~seen] = np.nan
    projected = camera.project(cut.reshape(-1, 3)).uv_px.reshape(num, -1, 2)
    visible = np.any(seen, axis=1)
    xyxy_px = np.full((num, 4), np.nan)
    if visible.any():
        xyxy_px[visible, :2] = np.nanmin(projected[visible], axis=1)
        xyxy_px[visible, 2:] = np.nanmax(projected[visible], axis=1)
    limit = np.array([camera.width_px, camera.height_px] * 2) - 0.5
    clipped = np.clip(xyxy_px, -0.5, limit)
    visible &= np.all(clipped[:, 2:] > clipped[:, :2], axis=1)
    clipped[~visible] = np.nan
    return clipped, visible
