"""The fusion step: what camera, LiDAR and depth camera say of the same objects.

:meth:`Fusion.fuse` gives LiDAR boxes the classes of 2-D detections and weighs their existence;
:meth:`Fusion.lift` makes 3-D boxes of 2-D detections and a depth image.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D, FloatArray
from perception_stack.errors import FrameMismatchError, ShapeError
from perception_stack.fusion import belief
from perception_stack.fusion.association import View, assign, view_of
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.lifting import lift_boxes
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason


class Fusion:
    """Brings the sensors of one instant together.

    Args:
        config: Gates and the stated sensor models.
        journal: Gets a reason for everything that could not be brought together.
    """

    def __init__(self, config: FusionConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal

    def fuse(
        self,
        boxes: Boxes3D,
        detections: Detections2D,
        *,
        camera: CameraModel,
        camera_from_boxes: RigidTransform,
    ) -> Boxes3D:
        """LiDAR boxes with what the camera adds to the belief in each.

        A box that a detection belongs to gains existence and class; one in full view without a
        detection loses both, as far as the detector knows its class and could have seen it; one
        out of view stays as it is. Poses and sizes are the LiDAR's.

        Args:
            boxes: N boxes of the LiDAR.
            detections: 2-D boxes of the camera; that there are none is evidence, too.
            camera: Intrinsics of the camera.
            camera_from_boxes: From the frame of the boxes to that of the camera.

        Returns:
            The N boxes in the order and the frame they came in; ``sensors`` of those matched gain
            "camera". Detections without a box produce none and are counted.

        Raises:
            FrameMismatchError: boxes, transform, detections and camera do not fit together.
        """
        _check_frame(detections, camera)
        view = view_of(transform_boxes(boxes, camera_from_boxes), camera)
        box_idx, detection_idx = assign(view, detections, min_iou=self._config.min_iou)
        self._count(boxes, detections, view=view, num_pairs=len(box_idx))

        probs, classes = belief.widened(
            boxes.class_probs, boxes.classes, (*self._config.camera_classes, *detections.labels)
        )
        existence = boxes.score.copy()
        label_idx = np.array([classes.index(one) for one in detections.labels], dtype=np.intp)
        existence[box_idx], probs[box_idx] = belief.seen(
            existence[box_idx],
            probs[box_idx],
            label_idx=label_idx[detection_idx],
            score=detections.score[detection_idx],
        )
        lost = view.in_view.copy()
        lost[box_idx] = False
        existence[lost], probs[lost] = belief.missed(
            existence[lost], probs[lost], self._recall(view, classes)[lost]
        )
        sensors = list(boxes.sensors)
        for row in box_idx:
            sensors[row] = tuple(sorted({*sensors[row], "camera"}))
        return replace(
            boxes, score=existence, classes=classes, class_probs=probs, sensors=tuple(sensors)
        )

    def lift(self, detections: Detections2D, depth: DepthImage, *, camera: CameraModel) -> Boxes3D:
        """3-D boxes of 2-D detections, from the depth inside of them.

        Args:
            detections: 2-D boxes.
            depth: Depth registered to the same camera, pixel by pixel.
            camera: Intrinsics of the camera.

        Returns:
            Boxes in the camera's frame with the sensors ``("camera", "depth")``, in the order of
            the detections; those without usable depth are left out and counted.

        Raises:
            FrameMismatchError: detections, depth and camera are not of one frame.
            ShapeError: the depth image has not the size of the camera's.
        """
        _check_frame(detections, camera)
        if depth.frame_id != camera.frame_id:
            raise FrameMismatchError(
                "depth image", expected=camera.frame_id, received=depth.frame_id
            )
        if depth.depth_m.shape != (camera.height_px, camera.width_px):
            expected = f"[{camera.height_px}, {camera.width_px}]"
            raise ShapeError("depth_m", expected=expected, received=str(list(depth.depth_m.shape)))
        return lift_boxes(
            detections, depth, camera=camera, config=self._config, journal=self._journal
        )

    def _recall(self, view: View, classes: tuple[str, ...]) -> FloatArray:
        """Probability that each box, if of each class, would have been detected, [N, C]."""
        known = np.isin(classes, self._config.camera_classes)
        height_px = np.nan_to_num(view.xyxy_px[:, 3] - view.xyxy_px[:, 1])
        clear = (1 - view.hidden) * np.clip(height_px / self._config.min_height_px, 0, 1)
        recall: FloatArray = self._config.camera_recall * clear[:, None] * known
        return recall

    def _count(
        self, boxes: Boxes3D, detections: Detections2D, *, view: View, num_pairs: int
    ) -> None:
        num_hidden = int(np.count_nonzero(~view.in_view))
        detail = f"{num_hidden} of {len(boxes)} boxes outside of the image"
        self._journal.count(
            Reason.OUT_OF_VIEW, stamp_ns=boxes.stamp_ns, detail=detail, num=num_hidden
        )
        num_alone = len(detections) - num_pairs
        detail = f"no cluster for {num_alone} of {len(detections)} 2-D boxes"
        self._journal.count(Reason.NO_DEPTH, stamp_ns=boxes.stamp_ns, detail=detail, num=num_alone)


def _check_frame(detections: Detections2D, camera: CameraModel) -> None:
    if detections.frame_id != camera.frame_id:
        raise FrameMismatchError(
            "2-D detections", expected=camera.frame_id, received=detections.frame_id
        )
