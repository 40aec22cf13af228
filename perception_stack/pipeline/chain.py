"""The chain without ROS: what the offline tools, the evaluation and the one-process node run.

It has no clock and no threads. Messages are pushed in the order they arrive, with their arrival
time, and each push returns what became known by it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    DepthImage,
    Detections2D,
    FrameResult,
    LabelImage,
    Latency,
    Obstacles,
    PointCloud,
    TrackedObjects,
)
from perception_stack.depth.detector import DepthDetector
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.drift_stage import DriftStage
from perception_stack.pipeline.fusion_stage import DEPTH, LIDAR, FusionStage
from perception_stack.pipeline.lidar_stage import LidarStage
from perception_stack.pipeline.pose_stage import PoseStage
from perception_stack.pipeline.scan_stage import ScanStage
from perception_stack.pipeline.tracking_stage import FUSED, POSES, TrackingStage
from perception_stack.pose.estimates import PoseEstimates
from perception_stack.watch.drift import Finding

STEPS = ("lidar_detector", "depth_detector", "detector", "fusion", "tracker", "pose_estimator")


class _Stamped(Protocol):
    @property
    def stamp_ns(self) -> int: ...


class Chain:
    """From sensor data to the tracked list, one call per message.

    Args:
        config: Parameters of all steps.
        journals: One for each of :data:`STEPS`; told of everything dropped.
        on_obstacles: Told of what each sensor, "lidar" or "depth", has found by itself.

    Attributes:
        frames: Where every sensor was.
    """

    def __init__(
        self,
        config: ChainConfig,
        journals: dict[str, Journal],
        *,
        on_obstacles: Callable[[str, Obstacles], None] = lambda _sensor, _obstacles: None,
    ) -> None:
        self._on_obstacles = on_obstacles
        self.frames = FrameTree(reset_s=config.tracker.reset_s)
        self._latencies: list[Latency] = []
        self._spent_ns: Counter[str] = Counter()
        self._poses: list[Boxes3D] = []
        self._scans = ScanStage(config.lidar_detector, self.frames, journals["lidar_detector"])
        self._lidar = LidarStage(
            config.lidar_detector, config.lidar_network, journals["lidar_detector"]
        )
        self._depth = DepthDetector(config.depth_detector, journals["depth_detector"])
        self._depth_journal = journals["depth_detector"]
        self._camera_of_frame: dict[str, CameraModel] = {}
        self._first_lidar = next(iter(config.lidar_detector.cloud_topics))
        self._cloud_drift = DriftStage(
            config.lidar_detector.reference, ("points",), journals["lidar_detector"]
        )
        self._image_drift = DriftStage(
            config.detector.reference, ("image", "detections"), journals["detector"]
        )
        self._detector = None
        if config.detector.enabled:
            from perception_stack.detection.detector import Detector

            self._detector = Detector(config.detector, journals["detector"])
        self._fusion = FusionStage(config.fusion, self.frames, journals["fusion"])
        self._tracking = TrackingStage(config.tracker, self.frames, journals["tracker"])
        self._tracker_config = config.tracker
        self._fusion_config = config.fusion
        self._pose_camera = config.fusion.camera_names[0]
        self._pose = None
        if config.pose_estimator.enabled:
            self._pose = PoseStage(
                config.pose_estimator,
                config.pose_tracker,
                config.fusion,
                self.frames,
                journals["pose_estimator"],
            )

    def warm_up(self) -> None:
        """Compile and load what the first frame would otherwise have to wait for."""
        self._scans.warm_up()
        self._lidar.warm_up()
        self._depth.warm_up()
        self._fusion.warm_up()
        self._tracking.warm_up()
        if self._pose is not None:
            self._pose.warm_up()

    @property
    def detects_in_images(self) -> bool:
        """Whether a model is configured."""
        return self._detector is not None

    def expect_lidar(self, expected: bool, *, lidar: str = "lidar") -> None:
        """Say whether scans of a LiDAR come; what nobody sends is not waited for."""
        self._scans.expect(lidar, expected)

    def expect_depth(self, expected: bool) -> None:
        """Say whether depth images come."""
        self._fusion.expect_depth(expected)

    def expect_detections(self, expected: bool, *, camera: str = "camera") -> None:
        """Say whether detections in a camera's images come, from a model or from outside."""
        self._fusion.expect_detections(expected, camera=camera)

    def expect_masks(self, expected: bool, *, camera: str = "camera") -> None:
        """Say whether masks come with a camera's detections."""
        self._fusion.expect_masks(expected, camera=camera)
        if self._pose is not None and camera == self._pose_camera:
            self._pose.expect_masks(expected)

    def add_camera(self, camera: CameraModel, *, name: str = "camera") -> None:
        """Intrinsics of a camera, by the name of its detections."""
        self.add_depth_camera(camera)
        self._fusion.set_camera(camera, name=name)
        self._tracking.set_camera(camera, topic=self._detections_topic(name))
        if self._pose is not None and name == self._pose_camera:
            self._pose.set_camera(camera)

    def add_depth_camera(self, camera: CameraModel) -> None:
        """Intrinsics of depth images, where they are not a camera's own."""
        self._camera_of_frame[camera.frame_id] = camera
        if self._pose is not None:
            self._pose.set_depth_camera(camera)

    def add_transform(
        self, transform: RigidTransform, *, stamp_ns: int, static: bool = False
    ) -> None:
        """One transform; :meth:`ready` gives what waited for it."""
        self.frames.add(transform, stamp_ns=stamp_ns, static=static)

    def add_cloud(
        self, cloud: PointCloud, *, lidar: str = "lidar", arrival_ns: int
    ) -> list[FrameResult]:
        """One LiDAR scan."""
        with self._timed("lidar_detector"):
            if lidar == self._first_lidar:
                self._cloud_drift.add_cloud(cloud)
            scans = self._scans.push(lidar, cloud, arrival_ns=arrival_ns)
        return self._detect(scans, arrival_ns)

    def add_image(
        self, image: ColorImage, *, camera: str = "camera", arrival_ns: int
    ) -> list[FrameResult]:
        """One colour image; nothing comes of it where no model is configured."""
        if self._detector is None:
            return []
        with self._timed("detector"):
            detections = self._detector.detect(image)
            if camera == self._pose_camera:
                self._image_drift.add_image(image, detections)
        self._done("detector", [detections])
        return self.add_detections(detections, camera=camera, arrival_ns=arrival_ns)

    def add_detections(
        self, detections: Detections2D, *, camera: str = "camera", arrival_ns: int
    ) -> list[FrameResult]:
        """2-D detections of one image, from this chain's model or from outside."""
        results: list[FrameResult] = []
        if camera == self._pose_camera:
            results += self._find_poses(
                lambda stage: stage.push_detections(detections, arrival_ns=arrival_ns), arrival_ns
            )
        topic = self._detections_topic(camera)
        if topic in self._tracker_config.image_topics:
            with self._timed("tracker"):
                lists = self._tracking.push_detections(
                    detections, arrival_ns=arrival_ns, topic=topic
                )
            self._done("tracker", lists)
            return results + lists
        with self._timed("fusion"):
            boxes = self._fusion.push_detections(detections, camera=camera, arrival_ns=arrival_ns)
        return results + self._track(boxes, arrival_ns)

    def add_mask(
        self, mask: LabelImage, *, stamp_ns: int, camera: str = "camera", arrival_ns: int
    ) -> list[FrameResult]:
        """Which pixels belong to which of the detections of the same stamp."""
        results: list[FrameResult] = []
        if camera == self._pose_camera:
            results += self._find_poses(
                lambda stage: stage.push_mask(mask, stamp_ns=stamp_ns, arrival_ns=arrival_ns),
                arrival_ns,
            )
        with self._timed("fusion"):
            boxes = self._fusion.push_mask(
                mask, stamp_ns=stamp_ns, camera=camera, arrival_ns=arrival_ns
            )
        return results + self._track(boxes, arrival_ns)

    def add_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[FrameResult]:
        """One depth image."""
        results = self._find_poses(
            lambda stage: stage.push_depth(depth, arrival_ns=arrival_ns), arrival_ns
        )
        camera = self._camera_of_frame.get(depth.frame_id)
        if camera is None:
            detail = f"depth images of '{depth.frame_id}' wait for a first camera_info"
            self._depth_journal.count(
                Reason.NO_CALIBRATION, stamp_ns=depth.stamp_ns, detail=detail
            )
            return results
        with self._timed("depth_detector"):
            obstacles = self._depth.detect(depth, camera)
        self._done("depth_detector", [obstacles])
        return results + self._fuse(DEPTH, obstacles, arrival_ns)

    def add_boxes(self, boxes: Boxes3D, *, topic: str, arrival_ns: int) -> list[FrameResult]:
        """3-D boxes from outside, of one of the tracker's sources."""
        return self._track([boxes], arrival_ns, topic=topic)

    def ready(self, now_ns: int) -> list[FrameResult]:
        """What transforms that came since make possible, at an arrival time of now."""
        results = self._find_poses(lambda stage: stage.ready(now_ns), now_ns)
        with self._timed("lidar_detector"):
            scans = self._scans.expire(now_ns)
        results += self._detect(scans, now_ns)
        with self._timed("fusion"):
            boxes = self._fusion.ready(now_ns)
        return results + self._track(boxes, now_ns) + self._track_waiting(now_ns)

    def expire(self, now_ns: int) -> list[FrameResult]:
        """What has waited too long, at an arrival time of now."""
        results = self._find_poses(lambda stage: stage.expire(now_ns), now_ns)
        with self._timed("lidar_detector"):
            scans = self._scans.expire(now_ns)
        results += self._detect(scans, now_ns)
        with self._timed("fusion"):
            boxes = self._fusion.expire(now_ns)
        return results + self._track(boxes, now_ns) + self._track_waiting(now_ns)

    def flush(self, now_ns: int) -> list[FrameResult]:
        """Everything that still waits; nothing more will come."""
        results = self._find_poses(lambda stage: stage.flush(), now_ns)
        with self._timed("lidar_detector"):
            scans = self._scans.flush()
        results += self._detect(scans, now_ns)
        with self._timed("fusion"):
            boxes = self._fusion.flush()
        return results + self._track(boxes, now_ns) + self._track_waiting(None)

    def predicted(self) -> list[TrackedObjects]:
        """The newest list as it is expected to be in a while; see the tracker's parameters."""
        return self._tracking.predicted()

    @property
    def drift(self) -> list[Finding]:
        """Whether what comes in and goes out is as usual; empty without a reference."""
        return [*self._image_drift.findings, *self._cloud_drift.findings]

    def take_poses(self) -> list[Boxes3D]:
        """Object poses found since the last call, each in its camera's frame."""
        poses, self._poses = self._poses, []
        return poses

    def take_latencies(self) -> list[Latency]:
        """Processing time of every frame of a step since the last call of this."""
        latencies, self._latencies = self._latencies, []
        return latencies

    def _find_poses(
        self, ask: Callable[[PoseStage], list[PoseEstimates]], arrival_ns: int
    ) -> list[FrameResult]:
        """Poses of what is asked of the pose estimator, if there is one, kept and tracked."""
        if self._pose is None:
            return []
        with self._timed("pose_estimator"):
            poses = [one.boxes for one in ask(self._pose)]
        self._done("pose_estimator", poses)
        self._poses += poses
        if POSES not in self._tracker_config.box_topics:
            return []
        return self._track(poses, arrival_ns, topic=POSES)

    def _detections_topic(self, camera: str) -> str:
        return self._fusion_config.camera_topic(camera, "detections")

    def _detect(self, scans: list[PointCloud], arrival_ns: int) -> list[FrameResult]:
        results: list[FrameResult] = []
        for scan in scans:
            with self._timed("lidar_detector"):
                obstacles, _ = self._lidar.detect(scan)
            self._done("lidar_detector", [obstacles])
            results += self._fuse(LIDAR, obstacles, arrival_ns)
        return results

    def _fuse(self, sensor: str, obstacles: Obstacles, arrival_ns: int) -> list[FrameResult]:
        self._on_obstacles(sensor, obstacles)
        with self._timed("fusion"):
            boxes = self._fusion.push_obstacles(obstacles, sensor=sensor, arrival_ns=arrival_ns)
        return self._track(boxes, arrival_ns)

    def _track(
        self, frames: list[Boxes3D], arrival_ns: int, *, topic: str = FUSED
    ) -> list[FrameResult]:
        if topic == FUSED:
            self._done("fusion", frames)
        results: list[FrameResult] = []
        with self._timed("tracker"):
            for boxes in frames:
                results += self._tracking.push(boxes, arrival_ns=arrival_ns, topic=topic)
        self._done("tracker", results)
        return results

    def _track_waiting(self, now_ns: int | None) -> list[FrameResult]:
        with self._timed("tracker"):
            results = self._tracking.ready(now_ns)
        self._done("tracker", results)
        return results

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        """Add to the processing time of the frame that a step works at."""
        start_ns = time.perf_counter_ns()
        yield
        self._spent_ns[step] += time.perf_counter_ns() - start_ns

    def _done(self, step: str, frames: Sequence[_Stamped]) -> None:
        """Note that frames have come out of a step, with the time spent since the last ones."""
        if frames:
            duration_ns = self._spent_ns.pop(step) // len(frames)
            self._latencies += [
                Latency(step=step, stamp_ns=one.stamp_ns, duration_ns=duration_ns)
                for one in frames
            ]
