"""Tracking over time: what each source saw, taken to the fixed frame at its own stamp."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D, FrameResult, TrackedObjects
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.transform_queue import TransformQueue
from perception_stack.tracking.space.camera_view import CameraView
from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.history import Frame
from perception_stack.tracking.space.sight import Sight
from perception_stack.tracking.space.tracker import Tracker

FUSED = "detections_3d"
"""Topic of what fusion makes."""

POSES = "object_poses"
"""Topic of what the pose estimator makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    """What a source of boxes can see."""

    offset_ns: int = 0
    half_angle_rad: float = np.pi
    range_m: float = np.inf
    classes: tuple[str, ...] = ()

    def sight(self, fixed_from_boxes: RigidTransform) -> Sight:
        """From where it looked."""
        # REP 103: bodies look along x, optical frames along z
        axis = 2 if fixed_from_boxes.source.endswith(("_optical", "_optical_frame")) else 0
        return Sight(
            origin_m=fixed_from_boxes.translation_m,
            ahead=np.ascontiguousarray(fixed_from_boxes.rotation[:, axis]),
            half_angle_rad=self.half_angle_rad,
            range_m=self.range_m,
            classes=self.classes,
        )


class TrackingStage:
    """Boxes and detections in, the tracked list out, one for each frame that can be placed.

    Args:
        config: Parameters of the tracker step.
        frames: Where the sensors were in the fixed frame.
        journal: Told of everything dropped.
    """

    def __init__(self, config: TrackerConfig, frames: FrameTree, journal: Journal) -> None:
        self._tracker = Tracker(config, journal)
        self._config = config
        self._frames = frames
        self._journal = journal
        self._limits = _limits(config)
        self._cameras: dict[str, CameraModel] = {}
        # a source whose transforms are missing must not hold back the others
        self._boxes = {
            topic: TransformQueue(self._fixed_from, journal, timeout_s=config.transform_timeout_s)
            for topic in config.box_topics
        }
        self._images = {
            topic: TransformQueue(
                partial(self._camera_from_fixed, topic),
                journal,
                timeout_s=config.transform_timeout_s,
            )
            for topic in config.image_topics
        }

    def warm_up(self) -> None:
        """Compile what the first frame would otherwise have to wait for."""
        self._tracker.warm_up()

    @property
    def waiting(self) -> int:
        """Number of frames that wait for their transform."""
        return sum(len(one) for one in (*self._boxes.values(), *self._images.values()))

    def set_camera(self, camera: CameraModel, *, topic: str) -> None:
        """Intrinsics of the camera whose detections come under a topic."""
        self._cameras[topic] = camera

    def push(self, boxes: Boxes3D, *, arrival_ns: int, topic: str = FUSED) -> list[FrameResult]:
        """Boxes of one frame; returns every list that can be given now."""
        stamp_ns = boxes.stamp_ns + self._limits[topic].offset_ns
        boxes = replace(boxes, stamp_ns=stamp_ns)
        self._boxes[topic].push(boxes, stamp_ns=stamp_ns, arrival_ns=arrival_ns)
        return self.ready(arrival_ns)

    def push_detections(
        self, detections: Detections2D, *, arrival_ns: int, topic: str
    ) -> list[FrameResult]:
        """Detections in one image that no boxes were made with.

        Raises:
            FrameMismatchError: they are of another frame than the camera_info beside them.
        """
        camera = self._cameras.get(topic)
        if camera is None:
            detail = f"{topic} waits for a first camera_info"
            self._journal.count(Reason.NO_CALIBRATION, stamp_ns=detections.stamp_ns, detail=detail)
            return []
        if detections.frame_id != camera.frame_id:
            raise FrameMismatchError(topic, expected=camera.frame_id, received=detections.frame_id)
        self._images[topic].push(detections, stamp_ns=detections.stamp_ns, arrival_ns=arrival_ns)
        return self.ready(arrival_ns)

    def ready(self, now_ns: int | None) -> list[FrameResult]:
        """Lists of the frames whose transform has become known; ``None``: nothing more comes."""
        given = [frame for topic in self._boxes for frame in self._placed_boxes(topic, now_ns)]
        given += [frame for topic in self._images for frame in self._placed_views(topic, now_ns)]
        results = []
        for frame in sorted(given, key=lambda one: one.when):
            objects = self._tracker.take(frame)
            if objects is not None:
                seen = frame.seen
                none = Boxes3D.empty(frame_id=self._config.fixed_frame, stamp_ns=seen.stamp_ns)
                detections = none if isinstance(seen, CameraView) else seen
                results.append(FrameResult(objects=objects, detections=detections))
        return results

    def predicted(self) -> list[TrackedObjects]:
        """The newest list as it is expected to be after each of the ``prediction_horizons_s``.

        With covariance, at stamps to come; none before the first frame.
        """
        if self._tracker.known.stamp_ns is None:
            return []
        return [self._tracker.predicted(one) for one in self._config.prediction_horizons_s]

    def _placed_boxes(self, topic: str, now_ns: int | None) -> list[Frame]:
        return [
            Frame(
                seen=transform_boxes(boxes, fixed_from_boxes),
                sight=self._limits[topic].sight(fixed_from_boxes),
                source=topic,
            )
            for boxes, fixed_from_boxes in self._boxes[topic].ready(now_ns)
            if fixed_from_boxes is not None
        ]

    def _placed_views(self, topic: str, now_ns: int | None) -> list[Frame]:
        return [
            Frame(
                seen=CameraView(
                    detections=detections,
                    camera=self._cameras[topic],
                    camera_from_fixed=camera_from_fixed,
                    classes=self._config.image_classes,
                )
            )
            for detections, camera_from_fixed in self._images[topic].ready(now_ns)
            if camera_from_fixed is not None
        ]

    def _fixed_from(self, boxes: Boxes3D) -> RigidTransform:
        return self._frames.lookup(self._config.fixed_frame, boxes.frame_id, boxes.stamp_ns)

    def _camera_from_fixed(self, topic: str, detections: Detections2D) -> RigidTransform:
        frame_id = self._cameras[topic].frame_id
        return self._frames.lookup(frame_id, self._config.fixed_frame, detections.stamp_ns)


def _limits(config: TrackerConfig) -> dict[str, _Limits]:
    num = len(config.box_topics)
    columns = zip(
        config.box_topics,
        config.box_offsets_s or (0.0,) * num,
        config.box_views_rad or (2 * np.pi,) * num,
        config.box_ranges_m or (np.inf,) * num,
        config.box_classes or ("",) * num,
        strict=True,
    )
    return {
        topic: _Limits(
            offset_ns=round(offset_s * 1e9),
            half_angle_rad=min(view_rad / 2, np.pi),
            range_m=range_m,
            classes=tuple(classes.split()),
        )
        for topic, offset_s, view_rad, range_m, classes in columns
    }
