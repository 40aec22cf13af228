"""What poses are asked for with: images not decoded yet, regions, points of one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray
from perception_stack.errors import ShapeError
from perception_stack.pose.scene import Scene

_LEAST_POINTS = 3
_AROUND_M = 0.03  # of the points of a cluster, which are few and thin


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingImage:
    """A colour image that is decoded when its colours are looked at.

    Attributes:
        frame_id: Optical frame of the camera.
        stamp_ns: Of the image.
        decode: Gives it, or raises DecodeError.
    """

    frame_id: str
    stamp_ns: int
    decode: Callable[[], ColorImage]


def check_mask(regions: Detections2D, scene: Scene) -> None:
    """Refuse a mask that is not of the frame's size.

    Raises:
        ShapeError: it is not.
    """
    if regions.mask is not None and regions.mask.shape != scene.depth_m.shape:
        height, width = scene.depth_m.shape
        raise ShapeError(
            "mask", expected=f"[{height}, {width}]", received=f"{list(regions.mask.shape)}"
        )


def region_of_points(points_m: FloatArray, scene: Scene) -> Detections2D:
    """The region of a frame at which points of one thing are seen, of no class.

    Its mask is of the pixels within the outline of the points whose depth is that of the points.

    Args:
        points_m: float64 [N, 3], in the frame of the scene; those that are not finite or not in
            view are left out.
        scene: The frame.

    Returns:
        One region; none where fewer than three points are in view.
    """
    import cv2

    rows, cols, inside = scene.pixels_of(points_m)
    mask = np.zeros(scene.depth_m.shape, dtype=np.uint8)
    num = int(len(rows) >= _LEAST_POINTS)
    box = np.zeros((num, 4))
    if num:
        depth_m = points_m[inside, 2]
        outline = cv2.convexHull(np.stack([cols, rows], axis=1).astype(np.int32))
        cv2.fillConvexPoly(mask, outline, 1)
        reach_px = int(np.ceil(scene.pinhole[0] * _AROUND_M / np.median(depth_m)))
        grown = np.ones((2 * reach_px + 1,) * 2, dtype=np.uint8)
        mask[:] = cv2.dilate(mask, grown)
        with np.errstate(invalid="ignore"):  # NaN is not of the thing
            of_it = (scene.depth_m > depth_m.min() - _AROUND_M) & (
                scene.depth_m < depth_m.max() + _AROUND_M
            )
        mask[~of_it] = 0
        box[0] = [cols.min(), rows.min(), cols.max(), rows.max()]
        box[0] += [-reach_px, -reach_px, reach_px, reach_px]
    return Detections2D(
        frame_id=scene.frame_id,
        stamp_ns=scene.stamp_ns,
        xyxy_px=box,
        score=np.ones(num),
        labels=("",) * num,
        mask=mask.astype(np.uint16),
    )
