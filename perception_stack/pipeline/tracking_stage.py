"""Tracking over time: takes boxes of any sensor frame to the fixed frame at their own stamp."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Boxes3D, FrameResult
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal
from perception_stack.pipeline.transform_queue import TransformQueue
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.sight import Sight
from perception_stack.tracking.tracker import Tracker


class TrackingStage:
    """3-D boxes in, the tracked list out, one for each frame whose transform is known.

    Args:
        config: Parameters of the tracker step.
        frames: Where the sensors were in the fixed frame.
        journal: Told of everything dropped.
    """

    def __init__(self, config: TrackerConfig, frames: FrameTree, journal: Journal) -> None:
        self._tracker = Tracker(config, journal)
        self._fixed_frame = config.fixed_frame
        self._frames = frames
        self._waiting: TransformQueue[Boxes3D, RigidTransform] = TransformQueue(
            self._fixed_from, journal, timeout_s=config.transform_timeout_s
        )

    def warm_up(self) -> None:
        """Compile what the first frame would otherwise have to wait for."""
        self._tracker.warm_up()

    @property
    def waiting(self) -> int:
        """Number of frames that wait for their transform."""
        return len(self._waiting)

    def push(self, boxes: Boxes3D, *, arrival_ns: int) -> list[FrameResult]:
        """Boxes of one frame; returns every list that can be given now."""
        self._waiting.push(boxes, stamp_ns=boxes.stamp_ns, arrival_ns=arrival_ns)
        return self.ready(arrival_ns)

    def ready(self, now_ns: int | None) -> list[FrameResult]:
        """Lists of the frames whose transform has become known; ``None``: nothing more comes."""
        results = []
        for boxes, fixed_from_boxes in self._waiting.ready(now_ns):
            if fixed_from_boxes is None:
                continue
            fixed = transform_boxes(boxes, fixed_from_boxes)
            sight = Sight(
                origin_m=fixed_from_boxes.translation_m,
                # all round: what a camera does not see, a LiDAR may
                ahead=np.array([1.0, 0.0, 0.0]),
            )
            objects = self._tracker.update(fixed, sight=sight)
            if objects is not None:
                results.append(FrameResult(objects=objects, detections=fixed))
        return results

    def _fixed_from(self, boxes: Boxes3D) -> RigidTransform:
        return self._frames.lookup(self._fixed_frame, boxes.frame_id, boxes.stamp_ns)
