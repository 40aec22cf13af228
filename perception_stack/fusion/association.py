"""Which 3-D box is which 2-D box: overlap in the image, exact assignment, and what hides what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, Detections2D, FloatArray
from perception_stack.geometry.boxes import project_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.overlap import intersection_2d_px2, iou_2d


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How 3-D boxes appear to a camera; row i speaks of box i.

    Attributes:
        in_view: bool [N], the centre of the box is inside the image.
        xyxy_px: float64 [N, 4], NaN where no part is in the image.
        hidden: float64 [N], share covered by the nearer box that covers most of it.
    """

    in_view: NDArray[np.bool_]
    xyxy_px: FloatArray
    hidden: FloatArray


def view_of(boxes: Boxes3D, camera: CameraModel) -> View:
    """Project boxes and find what stands in front of them.

    Raises:
        FrameMismatchError: the boxes are not in the camera's frame.
    """
    xyxy_px, visible = project_boxes(boxes, camera)
    middle = camera.project(boxes.center_m)
    areas = np.where(visible[:, None], xyxy_px, 0.0)
    cover = intersection_2d_px2(areas, areas)
    size_px2 = np.maximum(np.prod(areas[:, 2:] - areas[:, :2], axis=1), 1e-9)
    nearer = boxes.center_m[None, :, 2] < boxes.center_m[:, None, 2]
    hidden = np.max(np.where(nearer, cover, 0.0), axis=1, initial=0.0) / size_px2
    return View(in_view=visible & middle.visible, xyxy_px=xyxy_px, hidden=np.minimum(hidden, 1.0))


def assign(
    view: View, detections: Detections2D, *, min_iou: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of a 3-D box and a 2-D box, each in at most one, of the greatest total overlap.

    Args:
        view: N boxes as the camera sees them.
        detections: M boxes of the image.
        min_iou: Pairs that overlap less are none.

    Returns:
        int [K] rows of the view and int [K] rows of the detections, by rising row of the view.
    """
    from scipy.optimize import linear_sum_assignment

    shown = np.flatnonzero(~np.isnan(view.xyxy_px[:, 0]))
    overlap = iou_2d(view.xyxy_px[shown], detections.xyxy_px)
    # a forbidden pair is worth nothing, so it never costs a good one its place
    row, column = linear_sum_assignment(np.where(overlap >= min_iou, overlap, 0.0), maximize=True)
    good = overlap[row, column] >= min_iou
    return shown[row[good]], column[good]
