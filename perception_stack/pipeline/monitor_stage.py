"""The calibration monitor over time: pairs images with scans, and tells what has moved."""

from __future__ import annotations

from perception_stack.calibration.monitor import (
    AlignmentWatch,
    CalibrationMonitor,
    Finding,
    GroundWatch,
    MonitorConfig,
    Reading,
    State,
)
from perception_stack.calibration.monitor.monitor import CAMERA_LIDAR, GROUND
from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.journal import Journal, Reason

_IMAGE, _CLOUD = "image", "points"


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
        self._config, self._base_frame = config, base_frame
        self._frames, self._journal = frames, journal
        self._camera: CameraModel | None = None
        self._edges: AlignmentWatch | None = None
        self._ground: GroundWatch | None = None
        self._next_ns: int | None = None
        self._monitor = CalibrationMonitor((CAMERA_LIDAR, GROUND), config)
        self._told: set[str] = set()
        self._pairing = Pairing(
            _CLOUD,
            (Companion(name=_IMAGE, tolerance_s=config.pair_tolerance_s),),
            timeout_s=pairing.timeout_s,
            queue_size=pairing.queue_size,
            reset_s=pairing.reset_s,
            journal=journal,
        )

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the camera."""
        self._camera = camera

    def push_image(self, image: ColorImage, *, arrival_ns: int) -> int:
        """One image; returns how many frames were looked at."""
        return self._look_at(
            self._pairing.push(_IMAGE, image.stamp_ns, image, arrival_ns=arrival_ns)
        )

    def push_cloud(self, cloud: PointCloud, *, arrival_ns: int) -> int:
        """One scan; returns how many frames were looked at."""
        return self._look_at(
            self._pairing.push(_CLOUD, cloud.stamp_ns, cloud, arrival_ns=arrival_ns)
        )

    def expire(self, now_ns: int) -> int:
        """What has waited too long for a partner; returns how many frames were looked at."""
        return self._look_at(self._pairing.expire(now_ns))

    @property
    def findings(self) -> list[Finding]:
        """What each watch says."""
        return self._monitor.findings()

    def _look_at(self, sets: list[PairedSet]) -> int:
        num = 0
        for one in sets:
            if self._next_ns is not None and one.stamp_ns < self._next_ns:
                jumped_back = one.stamp_ns < self._next_ns - 2 * self._period_ns
                if not jumped_back:
                    continue
            self._next_ns = one.stamp_ns + self._period_ns
            self._watch(one.reference, one.companions[_IMAGE])
            num += 1
        return num

    @property
    def _period_ns(self) -> int:
        return round(self._config.period_s * 1e9)

    def _watch(self, cloud: PointCloud, image: ColorImage | None) -> None:
        if self._ground is None:
            pose = self._frames.lookup(self._base_frame, cloud.frame_id, cloud.stamp_ns)
            self._ground = GroundWatch(pose)
        readings = {GROUND: self._ground.read(cloud), CAMERA_LIDAR: self._read(cloud, image)}
        for finding in self._monitor.add(readings):
            if finding.state is State.MOVED and finding.watch not in self._told:
                self._told.add(finding.watch)
                self._journal.count(
                    Reason.SENSOR_MOVED, stamp_ns=cloud.stamp_ns, detail=finding.text
                )

    def _read(self, cloud: PointCloud, image: ColorImage | None) -> Reading:
        if image is None:
            return Reading.none("no image at the time of the scan")
        if self._camera is None:
            return Reading.none("no camera_info yet")
        if self._edges is None:
            pose = self._frames.lookup(self._camera.frame_id, cloud.frame_id, cloud.stamp_ns)
            self._edges = AlignmentWatch(self._camera, pose)
        return self._edges.read(image, cloud)
