"""The calibration monitor over time: pairs images with scans and images, tells what has moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perception_stack.calibration.monitor import (
    AlignmentWatch,
    CalibrationMonitor,
    Finding,
    GroundWatch,
    MonitorConfig,
    Reading,
    State,
    StereoWatch,
)
from perception_stack.calibration.monitor.monitor import CAMERA_LIDAR, GROUND, STEREO
from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.journal import Journal, Reason

_IMAGE, _RIGHT_IMAGE, _CLOUD = "image", "right_image", "points"


class MonitorStage:
    """Images and scans in, what is known of the mounts out.

    Args:
        config: Parameters of the monitor.
        pairing: How long a scan waits for its image.
        base_frame: Level frame of the robot.
        frames: The calibration as it is published.
        journal: Told of everything dropped and of each alarm.
    """

    def __init__(
        self,
        config: MonitorConfig,
        pairing: FusionConfig,
        *,
        base_frame: str,
        frames: FrameTree,
        journal: Journal,
    ) -> None:
        self._base_frame, self._frames, self._journal = base_frame, frames, journal
        self._camera: CameraModel | None = None
        self._right_camera: CameraModel | None = None
        self._edges: AlignmentWatch | None = None
        self._ground: GroundWatch | None = None
        self._stereo: StereoWatch | None = None
        watches = (CAMERA_LIDAR, GROUND, STEREO) if config.stereo else (CAMERA_LIDAR, GROUND)
        self._monitor = CalibrationMonitor(watches, config)
        self._told: set[str] = set()
        self._scans, self._pairs = (
            _Sets(reference, companion, config, pairing, journal)
            for reference, companion in ((_CLOUD, _IMAGE), (_IMAGE, _RIGHT_IMAGE))
        )
        self._with_pairs = config.stereo

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera, the left one of a stereo pair."""
        self._camera = camera

    def set_right_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the right camera."""
        self._right_camera = camera

    def push_image(self, image: ColorImage, *, arrival_ns: int) -> int:
        """One image; returns how many frames were looked at."""
        num = self._watch_scans(self._scans.push(_IMAGE, image, arrival_ns))
        if self._with_pairs:
            num += self._watch_pairs(self._pairs.push(_IMAGE, image, arrival_ns))
        return num

    def push_right_image(self, image: ColorImage, *, arrival_ns: int) -> int:
        """One image of the right camera; returns how many frames were looked at."""
        return self._watch_pairs(self._pairs.push(_RIGHT_IMAGE, image, arrival_ns))

    def push_cloud(self, cloud: PointCloud, *, arrival_ns: int) -> int:
        """One scan; returns how many frames were looked at."""
        return self._watch_scans(self._scans.push(_CLOUD, cloud, arrival_ns))

    def expire(self, now_ns: int) -> int:
        """What has waited too long for a partner; returns how many frames were looked at."""
        num = self._watch_scans(self._scans.expire(now_ns))
        return num + self._watch_pairs(self._pairs.expire(now_ns))

    @property
    def findings(self) -> list[Finding]:
        """What each watch says."""
        return self._monitor.findings()

    def _watch_scans(self, sets: list[PairedSet]) -> int:
        for one in sets:
            cloud = one.reference
            if self._ground is None:
                pose = self._frames.lookup(self._base_frame, cloud.frame_id, cloud.stamp_ns)
                self._ground = GroundWatch(pose)
            edges = self._read_edges(cloud, one.companions[_IMAGE])
            self._take({GROUND: self._ground.read(cloud), CAMERA_LIDAR: edges}, one.stamp_ns)
        return len(sets)

    def _watch_pairs(self, sets: list[PairedSet]) -> int:
        for one in sets:
            reading = self._read_pair(one.reference, one.companions[_RIGHT_IMAGE])
            self._take({STEREO: reading}, one.stamp_ns)
        return len(sets)

    def _take(self, readings: Mapping[str, Reading], stamp_ns: int) -> None:
        for finding in self._monitor.add(readings):
            if finding.state is State.MOVED and finding.watch not in self._told:
                self._told.add(finding.watch)
                self._journal.count(Reason.SENSOR_MOVED, stamp_ns=stamp_ns, detail=finding.text)

    def _read_edges(self, cloud: PointCloud, image: ColorImage | None) -> Reading:
        if image is None:
            return Reading.none("no image at the time of the scan")
        if self._camera is None:
            return Reading.none("no camera_info yet")
        if self._edges is None:
            pose = self._frames.lookup(self._camera.frame_id, cloud.frame_id, cloud.stamp_ns)
            self._edges = AlignmentWatch(self._camera, pose)
        return self._edges.read(image, cloud)

    def _read_pair(self, left: ColorImage, right: ColorImage | None) -> Reading:
        if right is None:
            return Reading.none("no right image at the time of the left one")
        if self._camera is None or self._right_camera is None:
            return Reading.none("no camera_info of both cameras yet")
        if self._stereo is None:
            frames = self._right_camera.frame_id, self._camera.frame_id
            pose = self._frames.lookup(*frames, left.stamp_ns)
            self._stereo = StereoWatch(self._camera, self._right_camera, pose)
        return self._stereo.read(left, right)


class _Sets:
    """A reference with its companion, no more often than the period of the monitor."""

    def __init__(
        self,
        reference: str,
        companion: str,
        config: MonitorConfig,
        pairing: FusionConfig,
        journal: Journal,
    ) -> None:
        self._period_ns = round(config.period_s * 1e9)
        self._next_ns: int | None = None
        self._pairing = Pairing(
            reference,
            (Companion(name=companion, tolerance_s=config.pair_tolerance_s),),
            timeout_s=pairing.timeout_s,
            queue_size=pairing.queue_size,
            reset_s=pairing.reset_s,
            journal=journal,
        )

    def push(self, name: str, item: Any, arrival_ns: int) -> list[PairedSet]:
        return self._due(self._pairing.push(name, item.stamp_ns, item, arrival_ns=arrival_ns))

    def expire(self, now_ns: int) -> list[PairedSet]:
        return self._due(self._pairing.expire(now_ns))

    def _due(self, sets: list[PairedSet]) -> list[PairedSet]:
        due = []
        for one in sets:
            if self._next_ns is not None and one.stamp_ns < self._next_ns:
                jumped_back = one.stamp_ns < self._next_ns - 2 * self._period_ns
                if not jumped_back:
                    continue
            self._next_ns = one.stamp_ns + self._period_ns
            due.append(one)
        return due
