"""Undoes what the sensor's own motion did to a scan: every point as seen at one instant.

A scanner takes a tenth of a second for a turn. At 10 m/s that is a metre between its first and
its last point, and one wall comes out as two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import PointCloud, check_array, check_rows
from perception_stack.errors import DecodeError
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import RigidTransform

_LONGEST_S = 1.0
_POSE_PERIOD_US = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorMotion:
    """Where a sensor was during a scan, in a target frame as it stands at one instant.

    Attributes:
        stamps_ns: int64 [K], evenly rising.
        target_from_sensor: The K poses; a single one moves all points alike.
    """

    stamps_ns: NDArray[np.int64]
    target_from_sensor: tuple[RigidTransform, ...]

    def __post_init__(self) -> None:
        check_array("stamps_ns", self.stamps_ns, np.int64, None)
        check_rows("target_from_sensor", self.target_from_sensor, len(self.stamps_ns))


def pose_stamps_ns(cloud: PointCloud) -> NDArray[np.int64]:
    """When the sensor's pose has to be known to move the points of a cloud.

    Between two poses it is taken to move evenly. At their distance of at most 25 ms an
    acceleration of 5 m/s² makes that wrong by 0.4 mm, one of 5 rad/s² by 0.4 mrad.

    Returns:
        int64 [K], evenly from the first point's to the last one's; the cloud's stamp alone where
        its points have no times.

    Raises:
        DecodeError: the times cannot be those of one scan.
    """
    if cloud.time_offset_s is None or len(cloud) == 0:
        return np.array([cloud.stamp_ns])
    low_s, high_s = float(cloud.time_offset_s.min()), float(cloud.time_offset_s.max())
    # written so that NaN fails
    if not (low_s >= -_LONGEST_S and high_s <= _LONGEST_S):
        span = f"{low_s:+.4g} to {high_s:+.4g} s after the stamp"
        raise DecodeError(f"points measured {span}, a scan takes at most {_LONGEST_S} s")
    # no finer than times are sent: a scan's end must not be a rounding after the pose at its end
    low_us, high_us = round(low_s * 1e6), round(high_s * 1e6)
    num = 1 + -(-(high_us - low_us) // _POSE_PERIOD_US)
    return cloud.stamp_ns + 1000 * np.linspace(low_us, high_us, num, dtype=np.int64)


def timed_by_azimuth(cloud: PointCloud, *, turn_s: float, ahead_rad: float = 0.0) -> PointCloud:
    """The cloud with the times at which a steadily spinning scanner met its points.

    For recordings that lack them. They are exact for an upright scanner that stands; on a moving
    one points are met in directions that differ from those of its beams by little.

    Args:
        cloud: In the scanner's frame, z up.
        turn_s: A turn takes that long; clockwise seen from above, negative if anticlockwise.
        ahead_rad: Azimuth, atan2(y, x), that it faces at the cloud's stamp, halfway in the turn.
    """
    x, y = cloud.xyz_m[:, 0].astype(np.float64), cloud.xyz_m[:, 1].astype(np.float64)
    past_rad = np.remainder(ahead_rad - np.arctan2(y, x) + np.pi, 2 * np.pi) - np.pi
    return replace(cloud, time_offset_s=(turn_s * past_rad / (2 * np.pi)).astype(np.float32))


def deskew(cloud: PointCloud, motion: SensorMotion, *, stamp_ns: int) -> PointCloud:
    """The points as a sensor at the target sees them that has not moved meanwhile.

    Args:
        cloud: N points, with times unless there is only one pose.
        motion: Where their sensor was.
        stamp_ns: Of the result.

    Returns:
        N points in the target frame, without times; NaN stays NaN.
    """
    poses = motion.target_from_sensor
    if cloud.time_offset_s is None or len(poses) == 1:
        xyz_m = poses[0].apply(cloud.xyz_m)
    else:
        pose = np.stack([np.append(one.quat_xyzw, one.translation_m) for one in poses])
        # both signs are the same rotation, but the mean of both is not
        cosine = np.einsum("ki,ki->k", pose[:-1, :4], pose[1:, :4])
        pose[1:, :4] *= np.cumprod(np.where(cosine < 0, -1.0, 1.0))[:, None]
        start_ns, end_ns = int(motion.stamps_ns[0]), int(motion.stamps_ns[-1])
        xyz_m = _move(
            np.require(cloud.xyz_m, requirements=["C", "W"]),
            np.require(cloud.time_offset_s, requirements=["C", "W"]),
            (start_ns - cloud.stamp_ns) * 1e-9,
            (len(poses) - 1) / ((end_ns - start_ns) * 1e-9),
            pose,
        )
    return PointCloud(
        frame_id=poses[0].target,
        stamp_ns=stamp_ns,
        xyz_m=xyz_m,
        intensity=cloud.intensity,
        ring=cloud.ring,
    )


@compiled
def _move(xyz_m: Any, offset_s: Any, start_s: float, per_s: float, pose: Any) -> Any:
    """Points turned and shifted by the pose at their time.

    Poses are quaternion and translation, float64 [K, 7]. Quaternions are mixed linearly and
    normed, which between poses 0.1 rad apart differs from evenly turning (slerp) by less than
    0.01 mrad and needs no sine per point.
    """
    moved_m = np.empty_like(xyz_m)
    last = len(pose) - 2
    for i in range(len(xyz_m)):
        position = (offset_s[i] - start_s) * per_s
        k = min(max(int(position), 0), last)
        b = position - k
        a = 1.0 - b
        p, q = pose[k], pose[k + 1]
        qx, qy = a * p[0] + b * q[0], a * p[1] + b * q[1]
        qz, qw = a * p[2] + b * q[2], a * p[3] + b * q[3]
        x, y, z = xyz_m[i, 0], xyz_m[i, 1], xyz_m[i, 2]
        # v + 2 q × (q × v + w v) / |q|², the rotation of v by a quaternion of any length
        cx = qy * z - qz * y + qw * x
        cy = qz * x - qx * z + qw * y
        cz = qx * y - qy * x + qw * z
        twice = 2.0 / (qx * qx + qy * qy + qz * qz + qw * qw)
        moved_m[i, 0] = x + twice * (qy * cz - qz * cy) + a * p[4] + b * q[4]
        moved_m[i, 1] = y + twice * (qz * cx - qx * cz) + a * p[5] + b * q[5]
        moved_m[i, 2] = z + twice * (qx * cy - qy * cx) + a * p[6] + b * q[6]
    return moved_m
