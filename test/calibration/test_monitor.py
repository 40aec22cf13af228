"""The monitor's test of change, its watches, and what it says of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_stack.calibration.monitor import (
    AlignmentWatch,
    CalibrationMonitor,
    ChangeDetector,
    GroundWatch,
    MonitorConfig,
    Reading,
    State,
    StereoWatch,
    ground_watch,
)
from perception_stack.calibration.monitor.monitor import CAMERA_LIDAR, GROUND, STEREO
from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.lidar.deskew import timed_by_azimuth
from perception_stack.simulation.rig import Mount
from perception_stack.simulation.scene import BASE_FRAME


def bumped(pose: RigidTransform, vector: list[float]) -> RigidTransform:
    """A sensor turned about, then shifted along, its own axes; rad and m."""
    return pose @ RigidTransform(
        target=pose.source,
        source=pose.source,
        rotation=Rotation.from_rotvec(vector[:3]).as_matrix(),
        translation_m=np.array(vector[3:]),
    )


def detector(num: int, rate: float = 1e5, *, lasting: int = 5) -> ChangeDetector:
    return ChangeDetector(
        num,
        learn=60,
        readings_per_false_alarm=rate,
        lasting=lasting,
        blind_after=5,
        floor=np.full(num, 1e-6),
    )


@pytest.mark.parametrize("num", [1, 3, 6])
def test_false_alarms_come_no_oftener_than_designed(num: int) -> None:
    """Under the stated model: 40 detectors that learn anew, 2000 readings, 4 alarms expected."""
    rng = np.random.default_rng(num)
    alarms = 0
    for _ in range(40):
        one = detector(num, 20000.0, lasting=1)
        for x in rng.normal(size=(2060, num)):
            one.add(Reading(values=x))
        alarms += one.state is State.MOVED
    assert alarms <= 10


@pytest.mark.parametrize("num", [1, 3, 6])
def test_a_jump_of_four_sigma_is_noticed_soon_and_named(num: int) -> None:
    rng = np.random.default_rng(0)
    one = detector(num)
    for x in rng.normal(size=(260, num)):
        one.add(Reading(values=x))
    assert one.state is State.STEADY
    jump = 4.0 * np.eye(num)[-1]
    for _ in range(15):
        one.add(Reading(values=rng.normal(size=num) + jump))
    assert one.state is State.MOVED
    assert int(np.argmax(np.abs(one.shift))) == num - 1
    one.reset()
    assert one.state is State.LEARNING


@pytest.mark.parametrize("lasting", [1, 5])
def test_what_passes_is_no_move(lasting: int) -> None:
    """A street that looks shifted by three sigma until the sum is full, and no longer."""
    rng = np.random.default_rng(0)
    one = detector(3, lasting=lasting)
    for x in rng.normal(size=(100, 3)):
        one.add(Reading(values=x))
    while one.level < 1:
        one.add(Reading(values=np.array([3.0, 0, 0])))
    for x in rng.normal(size=(20, 3)):
        one.add(Reading(values=0.1 * x))
    assert one.state is (State.MOVED if lasting == 1 else State.STEADY)
    assert one.level == 0


def test_wild_readings_do_not_alarm_and_blindness_is_said() -> None:
    rng = np.random.default_rng(0)
    one = detector(2)
    for i, x in enumerate(rng.normal(size=(400, 2))):
        one.add(Reading(values=x * (1000 if i > 60 and i % 50 == 0 else 1)))
    assert one.state is State.STEADY
    for _ in range(5):
        one.add(Reading.none("it is dark"))
    assert one.state is State.BLIND
    one.add(Reading(values=np.zeros(2)))
    assert one.state is State.STEADY


@pytest.mark.parametrize("axis", range(3))
def test_target_free_reads_a_turned_camera(road_rig, road_mount, road_camera, axis: int) -> None:
    turn = np.deg2rad(0.5) * np.eye(6)[axis]
    moved = Mount(
        base_from_camera=bumped(road_mount.base_from_camera, list(turn)),
        base_from_lidar=road_mount.base_from_lidar,
    )
    watch = AlignmentWatch(road_camera, road_mount.camera_from_lidar)
    values = []
    for t in (2.0, 5.0):
        cloud = road_rig.turn(t, road_mount)
        straight = watch.read(road_rig.picture(t, road_mount), cloud)
        off = watch.read(road_rig.picture(t, moved), cloud)
        values.append(off.values - straight.values)
    # what turns the camera one way turns the scan in it the other
    np.testing.assert_allclose(np.mean(values, axis=0)[:3], -turn[:3], atol=np.deg2rad(0.2))


def test_target_free_reads_a_scan_with_times_as_of_one_moment(
    road_rig, road_mount, road_camera
) -> None:
    watch = AlignmentWatch(road_camera, road_mount.camera_from_lidar)
    image, cloud = road_rig.picture(2.0, road_mount), road_rig.turn(2.0, road_mount)
    timed = timed_by_azimuth(cloud, turn_s=0.1)
    np.testing.assert_array_equal(watch.read(image, timed).values, watch.read(image, cloud).values)


def test_target_free_cannot_judge_without_structure(road_rig, road_mount, road_camera) -> None:
    watch = AlignmentWatch(road_camera, road_mount.camera_from_lidar)
    fog = np.random.default_rng(0).normal(128, 3, (214, 640, 3)).clip(0, 255).astype(np.uint8)
    image = ColorImage(frame_id=road_camera.frame_id, stamp_ns=0, bgr=fog)
    assert "agree" in watch.read(image, road_rig.turn(2.0, road_mount)).why_not
    nothing = PointCloud(
        frame_id="velodyne", stamp_ns=0, xyz_m=np.full((4, 3), np.nan, dtype=np.float32)
    )
    assert "0 edges" in watch.read(image, nothing).why_not


def test_ground_reads_roll_pitch_and_height(road_rig, road_mount) -> None:
    bump = [np.deg2rad(0.5), np.deg2rad(-0.7), 0.0, 0.0, 0.0, 0.05]
    moved = Mount(
        base_from_camera=road_mount.base_from_camera,
        base_from_lidar=bumped(road_mount.base_from_lidar, bump),
    )
    before = GroundWatch(road_mount.base_from_lidar).read(road_rig.turn(3.0, road_mount))
    after = GroundWatch(road_mount.base_from_lidar).read(road_rig.turn(3.0, moved))
    off = after.values - before.values
    np.testing.assert_allclose(np.abs(off[:2]), np.abs(bump[:2]), atol=np.deg2rad(0.1))
    assert off[2] == pytest.approx(0.05, abs=0.015)
    assert ground_watch.NAMES == ("roll", "pitch", "height")


def test_ground_reads_the_same_beside_points_without_height(road_rig, road_mount) -> None:
    cloud = road_rig.turn(3.0, road_mount)
    holes = cloud.xyz_m[::7].copy()
    holes[:, 2] = np.nan
    holed = PointCloud(
        frame_id=cloud.frame_id,
        stamp_ns=0,
        xyz_m=np.insert(cloud.xyz_m, np.arange(0, len(cloud), 7), holes, axis=0),
    )
    expected = GroundWatch(road_mount.base_from_lidar).read(cloud).values
    found = GroundWatch(road_mount.base_from_lidar).read(holed).values
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_stereo_reads_a_turned_camera(road_rig, road_mount, road_camera) -> None:
    beside = bumped(road_mount.base_from_camera, [0, 0, 0, 0.5, 0, 0])
    turn = [np.deg2rad(0.4), 0.0, np.deg2rad(0.3)]
    left = road_rig.picture(2.0, road_mount)

    def seen(pose: RigidTransform) -> ColorImage:
        return road_rig.picture(
            2.0, Mount(base_from_camera=pose, base_from_lidar=road_mount.base_from_lidar)
        )

    watch = StereoWatch(road_camera, road_camera, beside.inverse() @ road_mount.base_from_camera)
    straight = watch.read(left, seen(beside))
    off = watch.read(left, seen(bumped(beside, [*turn, 0, 0, 0])))
    values = off.values - straight.values
    np.testing.assert_allclose(values[[0, 2]], [turn[0], turn[2]], atol=np.deg2rad(0.1))
    flat = ColorImage(
        frame_id=left.frame_id, stamp_ns=0, bgr=np.full((214, 640, 3), 90, dtype=np.uint8)
    )
    assert "0 matches" in watch.read(flat, flat).why_not
    one_place = RigidTransform(
        target="right", source="left", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    with pytest.raises(CalibrationError, match="at one place"):
        StereoWatch(road_camera, road_camera, one_place)


def test_the_suspect_is_the_sensor_that_two_watches_share() -> None:
    config = MonitorConfig(learn_frames=20)
    monitor = CalibrationMonitor((CAMERA_LIDAR, GROUND, STEREO), config)
    rng = np.random.default_rng(1)
    sizes = {CAMERA_LIDAR: 6, GROUND: 3, STEREO: 3}

    def readings(jumped: set[str]) -> dict[str, Reading]:
        return {
            name: Reading(values=0.01 * rng.normal(size=num) + (0.2 if name in jumped else 0))
            for name, num in sizes.items()
        }

    for _ in range(30):
        findings = monitor.add(readings(set()))
    assert {one.state for one in findings} == {State.STEADY}
    for _ in range(30):
        findings = monitor.add(readings({CAMERA_LIDAR, GROUND}))
    by_name = {one.watch: one for one in findings}
    assert by_name[STEREO].state is State.STEADY
    assert by_name[CAMERA_LIDAR].state is by_name[GROUND].state is State.MOVED
    assert by_name[GROUND].text.startswith("the LiDAR has moved")
    assert MonitorConfig().base_frame == BASE_FRAME
