"""Where the LiDARs were during their scans, and whether it is worth waiting for that.

A scan whose points have times needs its pose in the fixed frame until its last point, and the scan
of a further LiDAR the poses at both stamps. Until the record of transforms reaches there a scan
waits, and those behind it. Since that delays everything that follows, it must not be in vain:

* Where nothing is to be moved, nothing is looked up and nothing waits.
* What the record has already passed and does not hold (a scan from before the first transform)
  will not come and is not waited for.
* When time has run out, the same state of the record is not waited for again. A fixed frame that
  nobody publishes costs one wait, once; when its record begins or goes on, so does the waiting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud
from perception_stack.errors import TransformUnavailableError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.lidar.deskew import SensorMotion, pose_stamps_ns

_ALWAYS_NS = 2**63

Found = SensorMotion | TransformUnavailableError | None
"""How the points of a cloud are to be moved; why that is not known; None: not at all."""


class ScanMotion:
    """Looks up the motion of the LiDARs.

    Args:
        config: Parameters of the LiDAR detector.
        frames: Where the sensors were.
    """

    def __init__(self, config: LidarDetectorConfig, frames: FrameTree) -> None:
        self._config = config
        self._frames = frames
        self._in_vain: dict[str, int | None] = {}

    def find(self, clouds: dict[str, PointCloud], *, may_wait: bool) -> dict[str, Found] | None:
        """How each cloud of a set is to be moved.

        Args:
            clouds: By LiDAR, the leading one's first.
            may_wait: Whether there is time left.

        Returns:
            For each cloud its motion, None where nothing is to be moved, or why it is not known;
            None for all while that may yet come.
        """
        leading = next(iter(clouds.values()))
        found: dict[str, Found] = {}
        for name, cloud in clouds.items():
            try:
                found[name] = self._motion(cloud, leading)
                if self._config.robot_box_m:
                    self.robot_from(cloud)  # only whether it is known
            except TransformUnavailableError as error:
                record_ns = self._record_end_ns(cloud.frame_id, leading.frame_id)
                if not may_wait:
                    self._in_vain[cloud.frame_id] = record_ns
                elif self._may_come(cloud, leading, record_ns):
                    return None
                found.setdefault(name, error)
        return found

    def _may_come(self, cloud: PointCloud, leading: PointCloud, record_ns: int | None) -> bool:
        if cloud.frame_id in self._in_vain and self._in_vain[cloud.frame_id] == record_ns:
            return False
        end_ns = max(int(self._stamps_ns(cloud)[-1]), leading.stamp_ns)
        return record_ns is None or record_ns < end_ns

    def _record_end_ns(self, *frames: str) -> int | None:
        """Until when the motion of these frames is recorded; None where it never was."""
        ends_ns = []
        for frame in frames:
            try:
                end_ns = self._frames.latest_common_stamp(self._config.fixed_frame, frame)
            except TransformUnavailableError:
                return None
            ends_ns.append(_ALWAYS_NS if end_ns is None else end_ns)
        return min(ends_ns)

    def _motion(self, cloud: PointCloud, leading: PointCloud) -> SensorMotion | None:
        """Where a LiDAR was during its scan, seen from the leading one at its stamp.

        Raises:
            TransformUnavailableError: not all of it is known.
        """
        stamps_ns = self._stamps_ns(cloud)
        if not self._config.motion_correction or (stamps_ns == leading.stamp_ns).all():
            return self.standing(cloud, leading)
        fixed = self._config.fixed_frame
        # what is missing is most likely the newest
        fixed_from_cloud = [
            self._frames.lookup(fixed, cloud.frame_id, int(stamp_ns))
            for stamp_ns in stamps_ns[::-1]
        ]
        fixed_from_leading = self._frames.lookup(fixed, leading.frame_id, leading.stamp_ns)
        leading_from_fixed = fixed_from_leading.inverse()
        poses = tuple(leading_from_fixed @ one for one in reversed(fixed_from_cloud))
        return SensorMotion(stamps_ns=stamps_ns, target_from_sensor=poses)

    def _stamps_ns(self, cloud: PointCloud) -> NDArray[np.int64]:
        if self._config.motion_correction:
            return pose_stamps_ns(cloud)
        return np.array([cloud.stamp_ns])

    def standing(self, cloud: PointCloud, leading: PointCloud) -> SensorMotion | None:
        """The same for a robot that does not move.

        Raises:
            TransformUnavailableError: where one LiDAR is from the other is not known.
        """
        if cloud.frame_id == leading.frame_id:
            return None
        pose = self._frames.lookup(leading.frame_id, cloud.frame_id, leading.stamp_ns)
        return SensorMotion(stamps_ns=np.array([leading.stamp_ns]), target_from_sensor=(pose,))

    def robot_from(self, cloud: PointCloud) -> RigidTransform:
        """Where a LiDAR is on the robot.

        Raises:
            TransformUnavailableError: that is not known.
        """
        return self._frames.lookup(self._config.robot_frame, cloud.frame_id, cloud.stamp_ns)
