"""The chain without ROS: what the offline tools, the evaluation and the one-process node run.

It has no clock and no threads. Messages are pushed in the order they arrive, with their arrival
time, and each push returns what became known by it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    DepthImage,
    Detections2D,
    FrameResult,
    Latency,
    PointCloud,
)
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal
from perception_stack.lidar.detector import LidarDetector
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.fusion_stage import FusionStage
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pipeline.tracking_stage import TrackingStage

STEPS = ("lidar_detector", "detector", "fusion", "tracker", "pose_estimator")


class Chain:
    """From sensor data to the tracked list, one call per message.

    Args:
        config: Parameters of all steps.
        journals: One for each of :data:`STEPS`; told of everything dropped.

    Attributes:
        frames: Where every sensor was.
    """

    def __init__(self, config: ChainConfig, journals: dict[str, Journal]) -> None:
        self.frames = FrameTree(reset_s=config.tracker.reset_s)
        self._latencies: list[Latency] = []
        self._poses: list[Boxes3D] = []
        self._lidar = LidarDetector(config.lidar_detector, journals["lidar_detector"])
        self._detector = None
        if config.detector.enabled:
            from perception_stack.detection.detector import Detector

            self._detector = Detector(config.detector, journals["detector"])
        self._fusion = FusionStage(config.fusion, self.frames, journals["fusion"])
        self._tracking = TrackingStage(config.tracker, self.frames, journals["tracker"])
        self._pose = None
        if config.pose_estimator.enabled:
            self._pose = PoseStage(
                config.pose_estimator, config.fusion, journals["pose_estimator"]
            )

    def warm_up(self) -> None:
        """Compile and load what the first frame would otherwise have to wait for."""
        self._lidar.warm_up()
        self._fusion.warm_up()
        self._tracking.warm_up()

    @property
    def detects_in_images(self) -> bool:
        """Whether a model is configured."""
        return self._detector is not None

    def expect_detections(self, expected: bool) -> None:
        """Say whether image detections come at all, from a model or from outside."""
        self._fusion.expect_detections(expected)

    def add_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera."""
        self._fusion.set_camera(camera)
        if self._pose is not None:
            self._pose.set_camera(camera)

    def add_transform(
        self, transform: RigidTransform, *, stamp_ns: int, static: bool = False
    ) -> None:
        """One transform; :meth:`tracking_ready` gives what waited for it."""
        self.frames.add(transform, stamp_ns=stamp_ns, static=static)

    def add_cloud(self, cloud: PointCloud, *, arrival_ns: int) -> list[FrameResult]:
        """One LiDAR scan."""
        with self._timed("lidar_detector", cloud.stamp_ns):
            clusters = self._lidar.detect(cloud).boxes
        with self._timed("fusion", cloud.stamp_ns):
            boxes = self._fusion.push_clusters(clusters, arrival_ns=arrival_ns)
        return self._track(boxes, arrival_ns)

    def add_image(self, image: ColorImage, *, arrival_ns: int) -> list[FrameResult]:
        """One colour image; nothing comes of it where no model is configured."""
        if self._detector is None:
            return []
        with self._timed("detector", image.stamp_ns):
            detections = self._detector.detect(image)
        return self.add_detections(detections, arrival_ns=arrival_ns)

    def add_detections(self, detections: Detections2D, *, arrival_ns: int) -> list[FrameResult]:
        """2-D detections of one image, from this chain's model or from outside."""
        if self._pose is not None:
            with self._timed("pose_estimator", detections.stamp_ns):
                self._poses += self._pose.push_detections(detections, arrival_ns=arrival_ns)
        with self._timed("fusion", detections.stamp_ns):
            boxes = self._fusion.push_detections(detections, arrival_ns=arrival_ns)
        return self._track(boxes, arrival_ns)

    def add_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[FrameResult]:
        """One depth image."""
        if self._pose is not None:
            with self._timed("pose_estimator", depth.stamp_ns):
                self._poses += self._pose.push_depth(depth, arrival_ns=arrival_ns)
        with self._timed("fusion", depth.stamp_ns):
            boxes = self._fusion.push_depth(depth, arrival_ns=arrival_ns)
        return self._track(boxes, arrival_ns)

    def tracking_ready(self, now_ns: int) -> list[FrameResult]:
        """Frames whose transform has become known, at an arrival time of now."""
        return self._tracking.ready(now_ns)

    def expire(self, now_ns: int) -> list[FrameResult]:
        """What has waited too long, at an arrival time of now."""
        if self._pose is not None:
            self._poses += self._pose.expire(now_ns)
        return self._track(self._fusion.expire(now_ns), now_ns) + self._tracking.ready(now_ns)

    def flush(self, now_ns: int) -> list[FrameResult]:
        """Everything that still waits; nothing more will come."""
        if self._pose is not None:
            self._poses += self._pose.flush()
        return self._track(self._fusion.flush(), now_ns) + self._tracking.ready(None)

    def take_poses(self) -> list[Boxes3D]:
        """Object poses found since the last call, each in its camera's frame."""
        poses, self._poses = self._poses, []
        return poses

    def take_latencies(self) -> list[Latency]:
        """Processing times of every call of a step since the last call of this."""
        latencies, self._latencies = self._latencies, []
        return latencies

    def _track(self, frames: list[Boxes3D], arrival_ns: int) -> list[FrameResult]:
        results: list[FrameResult] = []
        for boxes in frames:
            with self._timed("tracker", boxes.stamp_ns):
                results += self._tracking.push(boxes, arrival_ns=arrival_ns)
        return results

    @contextmanager
    def _timed(self, step: str, stamp_ns: int) -> Iterator[None]:
        start_ns = time.perf_counter_ns()
        yield
        duration_ns = time.perf_counter_ns() - start_ns
        self._latencies.append(Latency(step=step, stamp_ns=stamp_ns, duration_ns=duration_ns))
