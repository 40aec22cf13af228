"""Scans over time: waits for the sensors' motion, undoes it, joins the scans of several LiDARs.

What is waited for is said in :mod:`perception_stack.pipeline.scan_motion`. A LiDAR whose motion is
not known after that passes its scan as it is; a further one is put in place as if the robot had
stood. Both are counted. A scan that cannot be placed at all is left out and counted, never joined
where it lies.

As long as no time runs out, what comes out depends on the messages and not on when they arrive.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from perception_stack.datatypes import PointCloud
from perception_stack.errors import DecodeError, TransformUnavailableError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.deskew import SensorMotion, deskew, pose_stamps_ns
from perception_stack.lidar.self_filter import outside_robot
from perception_stack.pipeline.scan_motion import Found, ScanMotion
from perception_stack.pipeline.scan_sets import ScanSets

_MOST_WAITING = 20


class ScanStage:
    """Clouds of one or several LiDARs in, scans for the detector out.

    A scan that comes out has the frame and stamp of the leading LiDAR; where its motion was undone
    no times, since everything is where that LiDAR saw it, or would have, at its stamp.

    Args:
        config: Parameters of the LiDAR detector.
        frames: Where the sensors were.
        journal: Told of everything dropped and everything not corrected.
    """

    def __init__(self, config: LidarDetectorConfig, frames: FrameTree, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._box_m = np.array(config.robot_box_m).reshape(-1, 6)
        self._sets = ScanSets(config, journal)
        self._motion = ScanMotion(config, frames)
        self._waiting: deque[tuple[dict[str, PointCloud], int]] = deque()

    def warm_up(self) -> None:
        """Compile what the first scan would otherwise have to wait for."""
        identity = RigidTransform(
            target="", source="", rotation=np.eye(3), translation_m=np.zeros(3)
        )
        cloud = PointCloud(
            frame_id="",
            stamp_ns=0,
            xyz_m=np.zeros((2, 3), dtype=np.float32),
            time_offset_s=np.array([0, 0.01], dtype=np.float32),
        )
        motion = SensorMotion(
            stamps_ns=pose_stamps_ns(cloud), target_from_sensor=(identity, identity)
        )
        deskew(cloud, motion, stamp_ns=0)
        outside_robot(cloud, np.zeros((1, 6)), robot_from_sensor=identity)

    def expect(self, lidar: str, expected: bool) -> None:
        """Say whether a LiDAR is there; what nobody sends is not waited for.

        Raises:
            KeyError: no such LiDAR.
        """
        self._sets.expect(lidar, expected)

    def push(self, lidar: str, cloud: PointCloud, *, arrival_ns: int) -> list[PointCloud]:
        """One cloud.

        Args:
            lidar: Who sends it, a key of ``config.cloud_topics``.
            cloud: Of one scan.
            arrival_ns: When it came, on the clock of :meth:`expire`.

        Returns:
            The scans that can be given now, in stamp order.

        Raises:
            KeyError: no such LiDAR.
        """
        cloud = self._with_possible_times(lidar, cloud)
        for clouds in self._sets.push(lidar, cloud, arrival_ns=arrival_ns):
            self._waiting.append((clouds, arrival_ns))
        return self._ready(arrival_ns)

    def expire(self, now_ns: int) -> list[PointCloud]:
        """What can be given at an arrival time of now: after a transform, and after a while."""
        for clouds in self._sets.expire(now_ns):
            self._waiting.append((clouds, now_ns))
        return self._ready(now_ns)

    def flush(self) -> list[PointCloud]:
        """Everything that still waits; nothing more will come."""
        for clouds in self._sets.flush():
            self._waiting.append((clouds, 0))
        return self._ready(None)

    def _with_possible_times(self, lidar: str, cloud: PointCloud) -> PointCloud:
        if not self._config.motion_correction:
            return cloud
        try:
            pose_stamps_ns(cloud)
        except DecodeError as error:
            detail = f"{lidar}: {error}"
            self._journal.count(
                Reason.NOT_MOTION_CORRECTED, stamp_ns=cloud.stamp_ns, detail=detail
            )
            return replace(cloud, time_offset_s=None)
        return cloud

    def _ready(self, now_ns: int | None) -> list[PointCloud]:
        """Scans from the front of the queue for as long as they have nothing to wait for."""
        timeout_ns = round(self._config.transform_timeout_s * 1e9)
        scans: list[PointCloud] = []
        while self._waiting:
            clouds, arrival_ns = self._waiting[0]
            may_wait = (
                now_ns is not None
                and now_ns - arrival_ns < timeout_ns
                and len(self._waiting) <= _MOST_WAITING
            )
            found = self._motion.find(clouds, may_wait=may_wait)
            if found is None:
                break
            scans.append(self._scan(clouds, found))
            self._waiting.popleft()
        return scans

    def _scan(self, clouds: dict[str, PointCloud], found: dict[str, Found]) -> PointCloud:
        """One scan of what can be put in place; the leading LiDAR's cloud always can."""
        leading = next(iter(clouds.values()))
        parts = []
        for name, cloud in clouds.items():
            motion = found[name]
            if isinstance(motion, TransformUnavailableError):
                why = f"{name}: {motion}"
                try:
                    motion = self._motion.standing(cloud, leading)
                except TransformUnavailableError as error:
                    self._count(Reason.NO_TRANSFORM, cloud, f"{name} left out: {error}")
                    continue
                self._count(Reason.NOT_MOTION_CORRECTED, cloud, why)
            part = self._without_robot(name, cloud)
            if motion is not None:
                part = deskew(part, motion, stamp_ns=leading.stamp_ns)
            parts.append(part)
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _without_robot(self, name: str, cloud: PointCloud) -> PointCloud:
        if not len(self._box_m):
            return cloud
        try:
            robot_from_cloud = self._motion.robot_from(cloud)
        except TransformUnavailableError as error:
            self._count(Reason.NO_TRANSFORM, cloud, f"{name}: points on the robot kept: {error}")
            return cloud
        rest = outside_robot(cloud, self._box_m, robot_from_sensor=robot_from_cloud)
        num = len(cloud) - len(rest)
        detail = f"{name}: {num} of {len(cloud)} points"
        self._journal.count(Reason.ROBOT_POINTS, stamp_ns=cloud.stamp_ns, detail=detail, num=num)
        return rest

    def _count(self, reason: Reason, cloud: PointCloud, detail: str) -> None:
        self._journal.count(reason, stamp_ns=cloud.stamp_ns, detail=detail)


def _joined(parts: list[PointCloud]) -> PointCloud:
    """Points of several LiDARs; a beam number would not say whose."""
    intensities = [part.intensity for part in parts if part.intensity is not None]
    return PointCloud(
        frame_id=parts[0].frame_id,
        stamp_ns=parts[0].stamp_ns,
        xyz_m=np.concatenate([part.xyz_m for part in parts]),
        intensity=np.concatenate(intensities) if len(intensities) == len(parts) else None,
    )
