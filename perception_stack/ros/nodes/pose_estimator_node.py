"""Node ``pose_estimator``: depth images in, 6-DoF poses of known objects out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection2DArray, Detection3DArray

from perception_stack.datatypes import Detections2D
from perception_stack.errors import DecodeError, PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.io import messages
from perception_stack.journal import Reason
from perception_stack.pipeline.pose_requests import PendingImage
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pose.config import PoseEstimatorConfig, PoseTrackerConfig
from perception_stack.pose.estimates import PoseEstimates
from perception_stack.ros import conversions, qos
from perception_stack.ros.frames import FrameListener
from perception_stack.ros.step_node import StepNode, arrival_ns, run
from perception_stack.srv import EstimatePoses

_EXPIRE_PERIOD_S = 0.05


class PoseEstimatorNode(StepNode):
    """Turns ``detections`` and ``depth`` into ``object_poses``; without meshes it says so.

    On demand: the service ``estimate_poses`` answers with poses in the newest depth image, at
    boxes, masks, a cluster or anywhere; ``find_objects`` and ``regions`` do so for tools that
    know standard types only. ``look_for`` chooses the objects, names separated by commas.
    """

    def __init__(self, **node_options: Any) -> None:
        sections = ("pose_estimator", "pose_tracker", "fusion")
        super().__init__("pose_estimator", sections, **node_options)
        config = self.config("pose_estimator", PoseEstimatorConfig)
        journal = self.journals["pose_estimator"]
        if not config.enabled:
            text = "no meshes configured (parameter pose_estimator.mesh_dir); no poses"
            self.get_logger().warning(text)
            journal.count(Reason.NO_MESH, stamp_ns=0, detail=text)
            return
        pairing = self.config("fusion", FusionConfig)
        frames = FrameTree(reset_s=pairing.reset_s)
        following = self.config("pose_tracker", PoseTrackerConfig)
        self._stage = PoseStage(config, following, pairing, frames, journal)
        self._stage.warm_up()
        messages.warm_up()
        self._listener = FrameListener(self, frames, journal, on_change=self._on_transform)
        self._poses = self.advertise(Detection3DArray, "object_poses", qos.RESULT)
        self._others = self.advertise(Detection3DArray, "object_pose_alternatives", qos.RESULT)
        self._tf = self.advertise(TFMessage, "/tf", qos.RESULT)
        self._always_tf = config.publish_tf
        self.subscribe(CameraInfo, "camera_info", self._on_camera_info, qos.SENSOR)
        self.subscribe(CameraInfo, "depth_camera_info", self._on_depth_camera_info, qos.SENSOR)
        self.subscribe(Detection2DArray, "detections", self._on_detections, qos.RESULT)
        self.subscribe(Image, "masks", self._on_mask, qos.RESULT)
        self.subscribe(Detection2DArray, "regions", self._on_regions, qos.RESULT)
        self.subscribe(String, "look_for", self._on_look_for, qos.RESULT)
        self.subscribe(Image, "image", self._on_image, qos.SENSOR)
        self.subscribe(Image, "depth", self._on_depth, qos.SENSOR)
        self.create_service(Trigger, "find_objects", self._on_find_objects)
        self.create_service(EstimatePoses, "estimate_poses", self._on_estimate_poses)
        self.every(_EXPIRE_PERIOD_S, self._expire)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_camera(messages.camera_from_msg(msg))

    def _on_depth_camera_info(self, msg: CameraInfo) -> None:
        self._stage.set_depth_camera(messages.camera_from_msg(msg))

    def _on_image(self, msg: Image) -> None:
        self._stage.push_image(
            PendingImage(
                frame_id=msg.header.frame_id,
                stamp_ns=messages.stamp_ns(msg.header),
                decode=partial(messages.image_from_msg, msg),
            )
        )

    def _on_detections(self, msg: Detection2DArray) -> None:
        self._update_expectations()
        detections = messages.detections2d_from_msg(msg)
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.push_detections(detections, arrival_ns=arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _on_mask(self, msg: Image) -> None:
        mask, stamp_ns = messages.mask_from_msg(msg), messages.stamp_ns(msg.header)
        with self.timed("pose_estimator"):
            poses = self._stage.push_mask(mask, stamp_ns=stamp_ns, arrival_ns=arrival_ns())
            num = self._publish(poses)
        self.frames_done("pose_estimator", num)

    def _on_depth(self, msg: Image) -> None:
        depth = messages.depth_from_msg(msg)
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.push_depth(depth, arrival_ns=arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _on_regions(self, msg: Detection2DArray) -> None:
        regions = messages.detections2d_from_msg(msg)
        with self.timed("pose_estimator"):
            num = self._publish([self._stage.request(regions)])
        self.frames_done("pose_estimator", num)

    def _on_look_for(self, msg: String) -> None:
        self._stage.look_for([name.strip() for name in msg.data.split(",") if name.strip()])

    def _on_find_objects(self, _request: Any, response: Any) -> Any:
        try:
            with self.timed("pose_estimator"):
                found = self._stage.request()
                num = self._publish([found])
        except PerceptionError as error:
            response.success, response.message = False, str(error)
            return response
        self.frames_done("pose_estimator", num)
        named = zip(found.boxes.labels, found.boxes.score, strict=True)
        response.success = len(found) > 0
        response.message = ", ".join(f"{name} {score:.2f}" for name, score in named)
        return response

    def _on_estimate_poses(self, request: Any, response: Any) -> Any:
        try:
            with self.timed("pose_estimator"):
                found = self._stage.request(
                    _regions_of(request),
                    cluster=messages.cloud_from_msg(request.cluster)
                    if request.cluster.width
                    else None,
                    names=tuple(request.objects),
                )
        except PerceptionError as error:
            response.success, response.message = False, str(error)
            return response
        self.frames_done("pose_estimator", 1)
        if request.send_tf:
            self._send_transforms(found)
        response.success = True
        response.poses = conversions.boxes3d_msg(found.boxes)
        response.alternatives = conversions.boxes3d_msg(found.alternative_boxes())
        return response

    def _on_transform(self) -> None:
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.ready(arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _expire(self) -> None:
        self._update_expectations()
        with self.timed("pose_estimator"):
            num = self._publish(self._stage.expire(arrival_ns()))
        self.frames_done("pose_estimator", num)

    def _update_expectations(self) -> None:
        self._stage.expect_masks(self.has_publisher("masks"))

    def _publish(self, frames: list[PoseEstimates]) -> int:
        for found in frames:
            self._poses.publish(messages.boxes3d_to_bytes(found.boxes))
            self._others.publish(messages.boxes3d_to_bytes(found.alternative_boxes()))
            if self._always_tf:
                self._send_transforms(found)
        return len(frames)

    def _send_transforms(self, found: PoseEstimates) -> None:
        if len(found):
            stamp_ns = found.boxes.stamp_ns
            self._tf.publish(conversions.transforms_msg(found.transforms(), stamp_ns=stamp_ns))


def _regions_of(request: Any) -> Detections2D | None:
    """The regions of a request, with their mask; None where it has none."""
    if not request.regions.detections:
        if request.mask.width:
            raise DecodeError("a mask without regions; add a region for each number in it")
        return None
    regions = messages.detections2d_from_msg(request.regions)
    if not request.mask.width:
        return regions
    return replace(regions, mask=messages.mask_from_msg(request.mask))


def main() -> None:
    """Entry point of ``ros2 run perception_stack pose_estimator``."""
    run(PoseEstimatorNode)
