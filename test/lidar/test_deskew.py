"""Scans of a sensor that drives and turns, with the scene as truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import FloatArray, PointCloud
from perception_stack.errors import DecodeError
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_multiply
from perception_stack.lidar.deskew import (
    SensorMotion,
    deskew,
    pose_stamps_ns,
    timed_by_azimuth,
)

STAMP_NS = 1_700_000_000_000_000_000
# walls, floor and ceiling of a hall: unit normal and distance from the origin
PLANES = np.array(
    [[1, 0, 0, 20], [-1, 0, 0, 20], [0, 1, 0, 12], [0, -1, 0, 12], [0, 0, 1, 6], [0, 0, -1, 2.0]]
)


class Motion:
    """Speeds and accelerations in the world, and turning about all axes of the sensor."""

    def __init__(self, speed: FloatArray, acceleration: FloatArray, turn_radps: FloatArray):
        self.speed, self.acceleration, self.turn_radps = speed, acceleration, turn_radps

    def world_from_sensor(self, stamp_ns: int, frame: str = "lidar") -> RigidTransform:
        t = (stamp_ns - STAMP_NS) * 1e-9
        angle = float(np.linalg.norm(self.turn_radps)) * t
        axis = self.turn_radps / max(float(np.linalg.norm(self.turn_radps)), 1e-12)
        start = np.array([0.1, 0.0, 0.2, 1.0]) / np.linalg.norm([0.1, 0.0, 0.2, 1.0])
        turned = np.append(axis * np.sin(angle / 2), np.cos(angle / 2))
        return RigidTransform(
            target="world",
            source=frame,
            rotation=matrix_from_quat(quat_multiply(start, turned)),
            translation_m=np.array([1.0, -2, 0]) + self.speed * t + self.acceleration * t * t / 2,
        )


def scan_of(motion: Motion, *, offset_s: FloatArray, seed: int = 0) -> PointCloud:
    """Each beam is cast at its own time, from where the sensor is then."""
    rng = np.random.default_rng(seed)
    around = np.linspace(0, 2 * np.pi, len(offset_s))
    up = rng.uniform(-0.4, 0.4, len(offset_s))
    beams = np.stack([np.cos(around) * np.cos(up), np.sin(around) * np.cos(up), np.sin(up)], 1)
    points = np.empty_like(beams)
    for i, offset in enumerate(offset_s):
        pose = motion.world_from_sensor(STAMP_NS + round(offset * 1e9))
        beam = pose.rotation @ beams[i]
        with np.errstate(divide="ignore"):
            range_m = (PLANES[:, 3] - PLANES[:, :3] @ pose.translation_m) / (PLANES[:, :3] @ beam)
        points[i] = beams[i] * range_m[range_m > 0].min()
    return PointCloud(
        frame_id="lidar",
        stamp_ns=STAMP_NS,
        xyz_m=points.astype(np.float32),
        intensity=rng.random(len(points)).astype(np.float32),
        time_offset_s=offset_s.astype(np.float32),
    )


def sampled(cloud: PointCloud, motion: Motion) -> SensorMotion:
    now_from_world = motion.world_from_sensor(cloud.stamp_ns, "now").inverse()
    stamps_ns = pose_stamps_ns(cloud)
    poses = tuple(now_from_world @ motion.world_from_sensor(int(at)) for at in stamps_ns)
    return SensorMotion(stamps_ns=stamps_ns, target_from_sensor=poses)


def off_walls_m(cloud: PointCloud, motion: Motion) -> FloatArray:
    """Distance of each point from the nearest plane, when all are taken as seen at the stamp."""
    world = motion.world_from_sensor(cloud.stamp_ns).apply(cloud.xyz_m.astype(np.float64))
    error: FloatArray = np.abs(world @ PLANES[:, :3].T - PLANES[:, 3]).min(axis=1)
    return error


def vectors(most: float) -> st.SearchStrategy[FloatArray]:
    one = st.floats(-most, most)
    return st.tuples(one, one, one).map(np.array)


@settings(deadline=None, max_examples=25)
@given(
    speed=vectors(20.0),
    acceleration=vectors(4.0),
    turn_radps=vectors(1.5),
    start_s=st.sampled_from([0.0, -0.05, -0.1]),
    seed=st.integers(0, 99),
)
def test_the_scene_stands_still_again(
    speed: FloatArray, acceleration: FloatArray, turn_radps: FloatArray, start_s: float, seed: int
) -> None:
    motion = Motion(speed, acceleration, turn_radps)
    offset_s = start_s + np.linspace(0, 0.1, 120)
    np.random.default_rng(seed).shuffle(offset_s)  # drivers do not sort points by time
    cloud = scan_of(motion, offset_s=offset_s, seed=seed)
    corrected = deskew(cloud, sampled(cloud, motion), stamp_ns=STAMP_NS)
    assert off_walls_m(corrected, motion).max() < 0.01
    assert (corrected.frame_id, corrected.stamp_ns) == ("now", STAMP_NS)
    assert corrected.time_offset_s is None
    np.testing.assert_array_equal(corrected.intensity, cloud.intensity)


def test_without_it_walls_are_off_by_decimetres() -> None:
    motion = Motion(np.array([15.0, 2, 0]), np.zeros(3), np.array([0, 0, 0.8]))
    cloud = scan_of(motion, offset_s=np.linspace(0, 0.1, 300))
    assert off_walls_m(cloud, motion).max() > 0.3
    corrected = deskew(cloud, sampled(cloud, motion), stamp_ns=STAMP_NS)
    assert off_walls_m(corrected, motion).max() < 0.002


def test_turning_far_between_two_poses_is_turning_evenly() -> None:
    # half a turn a second: 0.08 rad between poses, and quaternions that change their sign
    motion = Motion(np.zeros(3), np.zeros(3), np.array([0, 0, np.pi]))
    cloud = scan_of(motion, offset_s=np.linspace(-0.9, 0.1, 600))
    corrected = deskew(cloud, sampled(cloud, motion), stamp_ns=STAMP_NS)
    assert off_walls_m(corrected, motion).max() < 0.002


def test_points_that_are_no_points_stay_so_and_few_are_enough() -> None:
    motion = Motion(np.array([15.0, 2, 0]), np.zeros(3), np.array([0, 0, 0.8]))
    whole = scan_of(motion, offset_s=np.linspace(0, 0.1, 300))
    whole.xyz_m[7] = np.nan
    corrected = deskew(whole, sampled(whole, motion), stamp_ns=STAMP_NS)
    assert np.flatnonzero(np.isnan(corrected.xyz_m).any(axis=1)).tolist() == [7]
    # what was found for the whole scan serves any part of it
    part = deskew(whole.rows(np.arange(3, 6)), sampled(whole, motion), stamp_ns=STAMP_NS)
    np.testing.assert_array_equal(part.xyz_m, corrected.xyz_m[3:6])


def test_an_empty_cloud_and_one_without_times_need_one_pose() -> None:
    motion = Motion(np.array([10.0, 0, 0]), np.zeros(3), np.zeros(3))
    nothing = PointCloud(
        frame_id="lidar",
        stamp_ns=STAMP_NS,
        xyz_m=np.empty((0, 3), dtype=np.float32),
        time_offset_s=np.empty(0, dtype=np.float32),
    )
    assert len(deskew(nothing, sampled(nothing, motion), stamp_ns=STAMP_NS)) == 0
    point = PointCloud(
        frame_id="lidar", stamp_ns=STAMP_NS + 10**8, xyz_m=np.array([[5, 0, 0]], dtype=np.float32)
    )
    assert pose_stamps_ns(point).tolist() == [STAMP_NS + 10**8]
    then_from_world = motion.world_from_sensor(STAMP_NS, "then").inverse()
    pose = then_from_world @ motion.world_from_sensor(point.stamp_ns)
    moved = deskew(
        point,
        SensorMotion(stamps_ns=pose_stamps_ns(point), target_from_sensor=(pose,)),
        stamp_ns=STAMP_NS,
    )
    seen_m = motion.world_from_sensor(STAMP_NS).apply(moved.xyz_m)
    true_m = motion.world_from_sensor(point.stamp_ns).apply(point.xyz_m)
    np.testing.assert_allclose(seen_m, true_m, atol=1e-5)


@pytest.mark.parametrize(
    "offset_s", [[0, 1.2], [-3, -2.9], [0, np.nan]], ids=["too long", "too far", "not a number"]
)
def test_times_that_are_not_those_of_a_scan(offset_s: list[float]) -> None:
    cloud = PointCloud(
        frame_id="lidar",
        stamp_ns=STAMP_NS,
        xyz_m=np.zeros((2, 3), dtype=np.float32),
        time_offset_s=np.array(offset_s, dtype=np.float32),
    )
    with pytest.raises(DecodeError, match="a scan takes at most"):
        pose_stamps_ns(cloud)


@pytest.mark.parametrize("turn_s", [0.1, -0.05])
@pytest.mark.parametrize("ahead_rad", [0.0, 2.0, -3.0])
def test_times_by_azimuth_are_those_of_a_scanner_that_spins(turn_s, ahead_rad) -> None:
    offset_s = np.linspace(-0.499, 0.499, 37) * abs(turn_s)
    azimuth_rad = ahead_rad - 2 * np.pi * offset_s / turn_s  # clockwise: from left to right
    points = np.stack([np.cos(azimuth_rad), np.sin(azimuth_rad), 0.3 * azimuth_rad], axis=1)
    cloud = PointCloud(frame_id="lidar", stamp_ns=STAMP_NS, xyz_m=(5 * points).astype(np.float32))
    timed = timed_by_azimuth(cloud, turn_s=turn_s, ahead_rad=ahead_rad)
    np.testing.assert_allclose(timed.time_offset_s, offset_s, atol=1e-7)
