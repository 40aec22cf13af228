"""Node ``fusion``: obstacles of LiDAR and depth camera, 2-D detections in, fused 3-D boxes out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Boxes3D
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.pipeline.fusion_stage import DEPTH, LIDAR, FusionStage
from perception_stack.ros import qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.step_node import StepNode, arrival_ns, run

_EXPIRE_PERIOD_S = 0.05
_BOXES = {LIDAR: "clusters", DEPTH: "depth_clusters"}
_POINTS = {LIDAR: "obstacle_points", DEPTH: "depth_obstacle_points"}


class FusionNode(StepNode):
    """Turns clusters with their points and ``detections`` into ``detections_3d``."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("fusion", ("fusion",), **node_options)
        config, journal = self.config("fusion", FusionConfig), self.journals["fusion"]
        frames = FrameTree(reset_s=config.reset_s)
        self._topics = {
            name: {
                kind: config.camera_topic(name, kind)
                for kind in ("camera_info", "detections", "masks")
            }
            for name in config.camera_names
        }
        self._stage = FusionStage(config, frames, journal)
        self._stage.warm_up()
        messages.warm_up()
        self._update_expectations()
        self._listener = FrameListener(self, frames, journal, on_change=self._on_transform)
        self._detections_3d = self.advertise(Detection3DArray, "detections_3d", qos.RESULT)
        for name, topics in self._topics.items():
            self.subscribe(
                CameraInfo, topics["camera_info"], partial(self._on_camera_info, name), qos.SENSOR
            )
            self.subscribe(
                Detection2DArray,
                topics["detections"],
                partial(self._on_detections, name),
                qos.RESULT,
            )
            self.subscribe(Image, topics["masks"], partial(self._on_mask, name), qos.RESULT)
        for sensor in (LIDAR, DEPTH):
            self.subscribe(
                Detection3DArray,
                _BOXES[sensor],
                partial(self._on_boxes, sensor),
                qos.RESULT,
                raw=True,
            )
            self.subscribe(
                PointCloud2, _POINTS[sensor], partial(self._on_points, sensor), qos.RESULT
            )
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, name: str, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg), name=name)

    def _on_boxes(self, sensor: str, raw: bytes) -> None:
        self._update_expectations()
        self._push(
            lambda: self._stage.push_boxes(
                messages.boxes3d_from_bytes(raw), sensor=sensor, arrival_ns=arrival_ns()
            )
        )

    def _on_points(self, sensor: str, msg: PointCloud2) -> None:
        self._push(
            lambda: self._stage.push_points(
                *messages.obstacle_points_from_msg(msg), sensor=sensor, arrival_ns=arrival_ns()
            )
        )

    def _on_detections(self, name: str, msg: Detection2DArray) -> None:
        self._update_expectations()
        self._push(
            lambda: self._stage.push_detections(
                messages.detections2d_from_msg(msg), camera=name, arrival_ns=arrival_ns()
            )
        )

    def _on_mask(self, name: str, msg: Image) -> None:
        self._push(
            lambda: self._stage.push_mask(
                messages.mask_from_msg(msg),
                stamp_ns=messages.stamp_ns(msg.header),
                camera=name,
                arrival_ns=arrival_ns(),
            )
        )

    def _on_transform(self) -> None:
        self._push(lambda: self._stage.ready(arrival_ns()))

    def _expire(self) -> None:
        self._update_expectations()
        self._push(lambda: self._stage.expire(arrival_ns()))

    def _push(self, push: Callable[[], list[Boxes3D]]) -> None:
        with self.timed("fusion"):
            frames = push()
            for boxes in frames:
                self._detections_3d.publish(messages.boxes3d_to_bytes(boxes))
        self.frames_done("fusion", len(frames))

    def _update_expectations(self) -> None:
        for name, topics in self._topics.items():
            self._stage.expect_detections(self.has_publisher(topics["detections"]), camera=name)
            self._stage.expect_masks(self.has_publisher(topics["masks"]), camera=name)
        for sensor, topic in _POINTS.items():
            self._stage.expect_points(self.has_publisher(topic), sensor=sensor)
        self._stage.expect_depth(self.has_publisher(_BOXES[DEPTH]))


def main() -> None:
    """Entry point of ``ros2 run perception_stack fusion``."""
    run(FusionNode)
