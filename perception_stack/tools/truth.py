"""What a recording knows of the truth, in the frame of what is to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from perception_stack.datatypes import Boxes3D, PointCloud
from perception_stack.errors import DataFileError, TransformUnavailableError
from perception_stack.evaluation.scene import CameraView
from perception_stack.evaluation.truth import LabelledView, TruthFrame
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.recording import TOPIC_TYPES

DataT = TypeVar("DataT")
_EVER_S = 1e9
_COUNTS_FROM = 0.5


@dataclass(slots=True)
class Truth:
    """Reads truth, and pictures to show it in, from a recording.

    Attributes:
        reader: The recording; ``/ground_truth`` has a score of 0 where a box does not count.
        frame_id: Frame of everything that is returned.
        only_in_image: What the camera does not see was not labelled.
    """

    reader: BagReader
    frame_id: str
    only_in_image: bool = False
    _frames: FrameTree = field(default_factory=lambda: FrameTree(history_s=_EVER_S))
    _camera: CameraModel | None = None
    _sensor_frame: str = ""

    def __post_init__(self) -> None:
        self.reader.require({"/ground_truth": TOPIC_TYPES["/ground_truth"]})
        for message in self.reader.messages(["/tf", "/tf_static"]):
            for transform, stamp_ns in messages.transforms_from_msg(message.message):
                static = message.topic == "/tf_static"
                self._frames.add(transform, stamp_ns=stamp_ns, static=static)
        for message in self.reader.messages(["/camera_info"]):
            self._camera = messages.camera_from_msg(message.message)
            break
        for topic in ("/points", "/depth"):
            for message in self.reader.messages([topic]):
                self._sensor_frame = self._sensor_frame or message.message.header.frame_id
                break
        if self.only_in_image and self._camera is None:
            raise DataFileError(self.reader.path, "no /camera_info says what the camera sees")

    def frames(self) -> list[TruthFrame]:
        """All true frames.

        Raises:
            DataFileError: the recording does not say where its truth is in :attr:`frame_id`.
        """
        return [
            self._frame(*messages.truth_from_msg(one.message))
            for one in self.reader.messages(["/ground_truth"])
        ]

    def in_camera(self) -> list[Boxes3D]:
        """All true boxes in the camera's frame; only those that count."""
        if self._camera is None:
            raise DataFileError(self.reader.path, "no /camera_info")
        found = []
        for one in self.reader.messages(["/ground_truth"]):
            boxes, _ = messages.truth_from_msg(one.message)
            moved = self._moved(boxes, self._camera.frame_id)
            found.append(moved.rows(boxes.score >= _COUNTS_FROM))
        return found

    def clouds(self, stamps_ns: set[int]) -> dict[int, PointCloud]:
        """Points of some stamps, finite ones only."""
        found = {}
        for cloud in self._at("/points", stamps_ns, messages.cloud_from_msg):
            xyz_m = cloud.xyz_m[np.isfinite(cloud.xyz_m).all(axis=1)]
            moved = self._frames.lookup(self.frame_id, cloud.frame_id, cloud.stamp_ns).apply(xyz_m)
            found[cloud.stamp_ns] = PointCloud(
                frame_id=self.frame_id, stamp_ns=cloud.stamp_ns, xyz_m=moved
            )
        return found

    def views(self, stamps_ns: set[int]) -> dict[int, CameraView]:
        """Images of some stamps."""
        if self._camera is None:
            return {}
        found = {}
        for image in self._at("/image", stamps_ns, messages.image_from_msg):
            found[image.stamp_ns] = CameraView(
                image=image,
                camera=self._camera,
                camera_from_scene=self._frames.lookup(
                    self._camera.frame_id, self.frame_id, image.stamp_ns
                ),
            )
        return found

    def _at(
        self, topic: str, stamps_ns: set[int], decode: Callable[[Any], DataT]
    ) -> Iterator[DataT]:
        for one in self.reader.messages([topic]):
            if one.log_time_ns in stamps_ns:
                yield decode(one.message)

    def _frame(self, boxes: Boxes3D, ids: tuple[str, ...]) -> TruthFrame:
        stamp_ns = boxes.stamp_ns
        sensor = self._sensor_frame or boxes.frame_id
        try:
            here = self._frames.lookup(self.frame_id, sensor, stamp_ns).translation_m
            view = None
            if self.only_in_image and self._camera is not None:
                view = LabelledView(
                    camera=self._camera,
                    camera_from_truth=self._frames.lookup(
                        self._camera.frame_id, self.frame_id, stamp_ns
                    ),
                    regions_px=np.empty((0, 4)),
                )
        except TransformUnavailableError as error:
            raise DataFileError(self.reader.path, str(error)) from error
        return TruthFrame(
            boxes=self._moved(boxes, self.frame_id),
            ids=ids,
            ignored=boxes.score < _COUNTS_FROM,
            sensor_m=here,
            view=view,
        )

    def _moved(self, boxes: Boxes3D, target: str) -> Boxes3D:
        if boxes.frame_id == target:
            return boxes
        try:
            transform = self._frames.lookup(target, boxes.frame_id, boxes.stamp_ns)
        except TransformUnavailableError as error:
            raise DataFileError(self.reader.path, str(error)) from error
        return transform_boxes(boxes, transform)
