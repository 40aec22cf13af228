"""Which 3-D box is which 2-D box: overlap in the image, exact assignment, and what hides what.

A spinning LiDAR casts its rays evenly over the image, so a share of points is a share of area: the
rays that end on a cluster against those that pass through a 2-D box say how well both agree, also
where the cluster's box is cut, hidden or wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.fusion.sight import Sight
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.overlap import intersection_2d_px2, iou_2d
from perception_stack.geometry.transforms import RigidTransform

_LEAST = 1e-3  # a worthless detection still is one


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How 3-D boxes appear to a camera; row i speaks of box i.

    Attributes:
        in_view: bool [N], the centre of the box is inside the image.
        xyxy_px: float64 [N, 4], NaN where no part is in the image.
        hidden: float64 [N], share covered by the nearer box that covers most of it; where its
            points are known not more than the share of the rays that end nearer than they do.
    """

    in_view: NDArray[np.bool_]
    xyxy_px: FloatArray
    hidden: FloatArray


def view_of(boxes: Boxes3D, camera: CameraModel, camera_from_boxes: RigidTransform) -> View:
    """Project boxes and find what stands in front of them.

    Raises:
        FrameMismatchError: boxes, transform and camera do not fit together.
    """
    num = len(boxes)
    radius_m = np.linalg.norm(boxes.size_lwh_m, axis=1) / 2
    depth_m = camera_from_boxes.apply(boxes.center_m)[:, 2]
    ahead = np.flatnonzero(depth_m > -radius_m)
    near = transform_boxes(boxes.rows(ahead), camera_from_boxes)
    near_px, visible = project_boxes(near, camera)
    in_image = camera.project(near.center_m).visible
    shown = np.flatnonzero(visible)
    areas, depth_m = near_px[shown], near.center_m[shown, 2]
    cover = intersection_2d_px2(areas, areas)
    size_px2 = np.maximum(np.prod(areas[:, 2:] - areas[:, :2], axis=1), 1e-9)
    nearer = depth_m[None, :] < depth_m[:, None]
    cover = np.max(np.where(nearer, cover, 0.0), axis=1, initial=0.0) / size_px2

    in_view = np.zeros(num, dtype=np.bool_)
    in_view[ahead] = visible & in_image
    xyxy_px = np.full((num, 4), np.nan)
    xyxy_px[ahead] = near_px
    hidden = np.zeros(num)
    hidden[ahead[shown]] = np.minimum(cover, 1.0)
    return View(in_view=in_view, xyxy_px=xyxy_px, hidden=hidden)


def hidden_from(view: View, sight: Sight, row_of_point: NDArray[np.int32]) -> FloatArray:
    """What of each box is hidden, float64 [N], by boxes before it and by where rays end.

    A box says nothing of the gaps in what it is around: a hedge along the road does not hide all
    that stands behind its box. Of the rays within a box's rectangle those that end nearer than
    half of its own points do are hidden, whatever they meet.

    Args:
        view: Of N boxes.
        sight: V points in the image.
        row_of_point: int32 [P], box of each obstacle point, -1 for none.
    """
    row = row_of_point[sight.index]
    asked = view.hidden > 0
    own, nearer = _count_nearer(row, sight.depth_m, sight.uv_px, view.xyxy_px, asked)
    share = np.divide(nearer, own + nearer, out=np.ones(len(own)), where=own > 0)
    hidden: FloatArray = np.minimum(view.hidden, share)
    return hidden


@compiled
def _count_nearer(row: Any, depth_m: Any, uv_px: Any, xyxy_px: Any, asked: Any) -> Any:
    """Rays on each of N boxes, and those in its rectangle that end before half of those do."""
    num = len(xyxy_px)
    own, nearer = np.zeros(num, dtype=np.int64), np.zeros(num, dtype=np.int64)
    for one in row:
        if one >= 0:
            own[one] += 1
    start = np.zeros(num + 1, dtype=np.int64)
    start[1:] = np.cumsum(own)
    fill, mine_m = start[:-1].copy(), np.empty(start[-1])
    for i in range(len(row)):
        if row[i] >= 0:
            mine_m[fill[row[i]]] = depth_m[i]
            fill[row[i]] += 1
    for j in range(num):
        if own[j] == 0 or not asked[j] or np.isnan(xyxy_px[j, 0]):
            continue
        middle_m = np.median(mine_m[start[j] : start[j + 1]])
        for i in range(len(row)):
            if (
                depth_m[i] < middle_m
                and row[i] != j
                and xyxy_px[j, 0] <= uv_px[i, 0] <= xyxy_px[j, 2]
                and xyxy_px[j, 1] <= uv_px[i, 1] <= xyxy_px[j, 3]
            ):
                nearer[j] += 1
    return own, nearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rays:
    """How many of the rays that meet bodies pass through 2-D boxes.

    Attributes:
        common: int64 [N, D], those on body i and through box j.
        on_body: int64 [N].
        through_box: int64 [D], whatever they meet.
    """

    common: NDArray[np.int64]
    on_body: NDArray[np.int64]
    through_box: NDArray[np.int64]

    @property
    def overlap(self) -> FloatArray:
        """Intersection over union, float64 [N, D]; NaN where no ray meets the body."""
        union = self.on_body[:, None] + self.through_box - self.common
        known = np.broadcast_to(self.on_body[:, None] > 0, union.shape)
        overlap: FloatArray = np.divide(
            self.common, union, out=np.full(union.shape, np.nan), where=known
        )
        return overlap


def count_rays(sight: Sight, row_of_point: NDArray[np.int32], num_rows: int) -> Rays:
    """Count the rays.

    Args:
        sight: V points and D detections.
        row_of_point: int32 [P], body of each obstacle point, -1 for none.
        num_rows: N bodies.
    """
    row = row_of_point[sight.index]
    return Rays(
        common=_count(row, sight.inside, num_rows),
        on_body=np.bincount(row + 1, minlength=num_rows + 1)[1:],
        through_box=np.count_nonzero(sight.inside, axis=1),
    )


@compiled
def _count(row: Any, inside: Any, num_rows: int) -> Any:
    common = np.zeros((num_rows, len(inside)), dtype=np.int64)
    for j in range(len(inside)):
        for i in range(len(row)):
            if inside[j, i] and row[i] >= 0:
                common[row[i], j] += 1
    return common


def assign(
    view: View, xyxy_px: FloatArray, rays: FloatArray, score: FloatArray, *, min_overlap: float
) -> dict[int, int]:
    """Which 2-D box belongs to which 3-D box, each to at most one.

    The overlap of a pair is the intersection over union of the rectangles in the image, averaged
    with that of the rays where the points of the box are known: rectangles say what the box is
    believed to be, also where no ray met it; rays do not mind what hides a part or is joined to
    it. The sum of ``score x overlap`` is the greatest there is.

    Args:
        view: N boxes as the camera sees them.
        xyxy_px: float64 [D, 4], 2-D boxes.
        rays: float64 [N, D], as :attr:`Rays.overlap` gives them.
        score: float64 [D], of the 2-D boxes.
        min_overlap: Pairs that overlap less are none.

    Returns:
        Row of the 3-D box by row of the 2-D box.
    """
    from scipy.optimize import linear_sum_assignment

    shown = np.flatnonzero(~np.isnan(view.xyxy_px[:, 0]))
    overlap = iou_2d(view.xyxy_px[shown], xyxy_px)
    overlap = np.where(np.isnan(rays[shown]), overlap, (overlap + rays[shown]) / 2)
    good = overlap >= min_overlap
    # a forbidden pair is worth nothing, so it never costs a good one its place
    row, column = linear_sum_assignment(
        np.where(good, overlap * np.maximum(score, _LEAST), 0.0), maximize=True
    )
    kept = good[row, column]
    return dict(zip(column[kept].tolist(), shown[row[kept]].tolist(), strict=True))
