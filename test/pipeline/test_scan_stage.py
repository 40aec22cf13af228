"""Scans over time: what waits for what, what comes out without, and what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import PointCloud
from perception_stack.errors import ConfigError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_from_yaw
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.pipeline.scan_stage import ScanStage

MS = 1_000_000
SPEED_MPS = 10.0
SCAN_MS = 100
# a pole that stands still, in the fixed frame
POLE_M = np.array([30.0, 4.0, 1.0])


def transform(
    target: str, source: str, xyz_m: Sequence[float], yaw_rad: float = 0.0
) -> RigidTransform:
    return RigidTransform(
        target=target,
        source=source,
        rotation=matrix_from_quat(quat_from_yaw(yaw_rad)),
        translation_m=np.array(xyz_m, dtype=np.float64),
    )


MOUNTS = {
    "front": transform("base_link", "front", [1.0, 0, 1]),
    "rear": transform("base_link", "rear", [-1.0, 0, 1], np.pi),
}


def odom_from_base(at_ms: float) -> RigidTransform:
    return transform("odom", "base_link", [SPEED_MPS * at_ms / 1000, 0, 0])


class Rig:
    """A robot that drives straight ahead, with one or two LiDARs that see a pole."""

    def __init__(self, *, mounted: bool = True, **parameters: Any) -> None:
        self.frames, self.journal = FrameTree(), Journal()
        self.stage = ScanStage(LidarDetectorConfig(**parameters), self.frames, self.journal)
        for mount in MOUNTS.values() if mounted else ():
            self.frames.add(mount, stamp_ns=0, static=True)

    def know_motion(self, *at_ms: float) -> None:
        for at in at_ms:
            self.frames.add(odom_from_base(at), stamp_ns=round(at * MS))

    def push(
        self, lidar: str, cloud: PointCloud, *, arrival_ms: float | None = None
    ) -> list[PointCloud]:
        arrival_ns = cloud.stamp_ns if arrival_ms is None else round(arrival_ms * MS)
        return self.stage.push(lidar, cloud, arrival_ns=arrival_ns)


def cloud_at(lidar: str, stamp_ms: float, *, timed: bool = True) -> PointCloud:
    """The pole seen three times during a scan that begins at the stamp, or once at the stamp."""
    offset_s = np.array([0, 0.05, 0.1]) if timed else np.zeros(1)
    seen_m = []
    for offset in offset_s:
        odom_from_lidar = odom_from_base(stamp_ms + 1000 * offset) @ MOUNTS[lidar]
        seen_m.append(odom_from_lidar.inverse().apply(POLE_M))
    return PointCloud(
        frame_id=lidar,
        stamp_ns=round(stamp_ms * MS),
        xyz_m=np.array(seen_m, dtype=np.float32),
        time_offset_s=offset_s.astype(np.float32) if timed else None,
    )


def pole_seen_from_front(stamp_ms: float) -> np.ndarray:
    pole_m: np.ndarray = (odom_from_base(stamp_ms) @ MOUNTS["front"]).inverse().apply(POLE_M)
    return pole_m


def test_the_motion_during_a_scan_is_undone() -> None:
    rig = Rig()
    rig.know_motion(*range(0, 1200, 100))
    (scan,) = rig.push("lidar", cloud_at("front", 1000))
    assert (scan.frame_id, scan.stamp_ns) == ("front", 1000 * MS)
    np.testing.assert_allclose(scan.xyz_m, [pole_seen_from_front(1000)] * 3, atol=1e-5)
    assert rig.journal.counts == {}


def test_an_old_scan_is_moved_by_the_poses_of_its_own_time() -> None:
    """A peer takes the newest transform for any stamp."""
    rig = Rig(lidars=("front", "rear"))
    rig.know_motion(*range(0, 1300, 100))
    newest = transform("odom", "base_link", [500.0, -80, 0], 2.0)
    rig.frames.add(newest, stamp_ns=5000 * MS)
    rig.push("rear", cloud_at("rear", 1000))
    (scan,) = rig.push("front", cloud_at("front", 1000))
    np.testing.assert_allclose(scan.xyz_m, [pole_seen_from_front(1000)] * 6, atol=1e-5)
    assert rig.journal.counts == {}


@pytest.mark.parametrize(
    ("cloud", "correct"),
    [(cloud_at("front", 0, timed=False), True), (cloud_at("front", 0), False)],
    ids=["no times", "switched off"],
)
def test_where_nothing_is_to_be_moved_nothing_waits(cloud: PointCloud, correct: bool) -> None:
    rig = Rig(mounted=False, motion_correction=correct)
    (scan,) = rig.push("lidar", cloud)
    assert scan is cloud
    assert rig.journal.counts == {}


def test_a_scan_waits_for_the_pose_at_its_last_point() -> None:
    rig = Rig()
    rig.know_motion(900, 1000, 1050)
    assert rig.push("lidar", cloud_at("front", 1000), arrival_ms=1100) == []
    assert rig.push("lidar", cloud_at("front", 1100), arrival_ms=1200) == []
    rig.know_motion(1150)
    (first,) = rig.stage.expire(1210 * MS)
    rig.know_motion(1200)
    (second,) = rig.stage.expire(1220 * MS)
    np.testing.assert_allclose(first.xyz_m, [pole_seen_from_front(1000)] * 3, atol=1e-5)
    np.testing.assert_allclose(second.xyz_m, [pole_seen_from_front(1100)] * 3, atol=1e-5)
    assert rig.journal.counts == {}


def test_motion_that_never_comes_costs_one_wait_once() -> None:
    rig = Rig(transform_timeout_s=0.2)
    clouds = [cloud_at("front", at) for at in range(0, 600, 100)]
    assert rig.push("lidar", clouds[0], arrival_ms=100) == []
    assert rig.push("lidar", clouds[1], arrival_ms=200) == []
    assert rig.stage.expire(299 * MS) == []
    passed = rig.stage.expire(300 * MS)
    assert [one is cloud for one, cloud in zip(passed, clouds[:2], strict=True)] == [True, True]
    for cloud in clouds[2:4]:
        assert rig.push("lidar", cloud) == [cloud]
    assert rig.journal.counts == {Reason.NOT_MOTION_CORRECTED: 4}
    assert (
        "lidar: no transform odom <- front" in rig.journal.last(Reason.NOT_MOTION_CORRECTED).detail
    )
    # the record begins: worth waiting for again
    rig.know_motion(400, 450)
    assert rig.push("lidar", clouds[4], arrival_ms=500) == []
    rig.know_motion(500)
    (scan,) = rig.stage.expire(510 * MS)
    np.testing.assert_allclose(scan.xyz_m, [pole_seen_from_front(400)] * 3, atol=1e-5)


def test_what_the_record_has_passed_is_not_waited_for() -> None:
    rig = Rig()
    rig.know_motion(1050, 1200)  # begins during the scan
    cloud = cloud_at("front", 1000)
    assert rig.push("lidar", cloud) == [cloud]
    assert rig.journal.counts == {Reason.NOT_MOTION_CORRECTED: 1}
    assert "25.0 ms before the oldest" in rig.journal.last(Reason.NOT_MOTION_CORRECTED).detail
    # and that says nothing of the next one
    assert rig.push("lidar", cloud_at("front", 1150)) == []


def test_times_that_cannot_be_are_counted_with_their_numbers() -> None:
    rig = Rig()
    cloud = PointCloud(
        frame_id="front",
        stamp_ns=5,
        xyz_m=np.zeros((2, 3), dtype=np.float32),
        time_offset_s=np.array([36.9, 37.0], dtype=np.float32),
    )
    (scan,) = rig.push("lidar", cloud)
    assert scan.time_offset_s is None
    assert rig.journal.counts == {Reason.NOT_MOTION_CORRECTED: 1}
    assert "+36.9 to +37 s" in rig.journal.last(Reason.NOT_MOTION_CORRECTED).detail


def test_impossible_times_do_not_matter_where_nobody_asks_for_them() -> None:
    rig = Rig(lidars=("front", "rear"), mounted=False, motion_correction=False)
    impossible = np.array([0, 99, np.nan], dtype=np.float32)
    rig.push("rear", replace(cloud_at("rear", 1000), time_offset_s=impossible))
    front = replace(cloud_at("front", 1000), time_offset_s=impossible)
    assert rig.push("front", front) == []
    assert rig.stage.expire(1200 * MS) == [front]
    assert rig.journal.counts == {Reason.NO_TRANSFORM: 1}


@pytest.mark.parametrize("timed", [False, True], ids=["no times", "times"])
def test_two_lidars_see_one_pole(timed: bool) -> None:
    rig = Rig(lidars=("front", "rear"))
    rig.know_motion(*range(0, 1300, 100))
    assert rig.push("rear", cloud_at("rear", 970, timed=timed)) == []
    assert rig.push("front", cloud_at("front", 1000, timed=timed)) == []
    (scan,) = rig.push("rear", cloud_at("rear", 1070, timed=timed))
    num = 6 if timed else 2
    assert (scan.frame_id, scan.stamp_ns) == ("front", 1000 * MS)
    np.testing.assert_allclose(scan.xyz_m, [pole_seen_from_front(1000)] * num, atol=1e-5)
    assert rig.journal.counts == {}


def test_a_lidar_that_is_late_is_named_and_the_other_goes_on() -> None:
    rig = Rig(lidars=("front", "rear"), merge_timeout_s=0.1)
    rig.know_motion(*range(0, 2000, 100))
    rig.push("rear", cloud_at("rear", 900))
    assert rig.push("front", cloud_at("front", 1000)) == []
    (alone,) = rig.stage.expire(1100 * MS)
    np.testing.assert_allclose(alone.xyz_m, [pole_seen_from_front(1000)] * 3, atol=1e-5)
    assert rig.journal.counts == {Reason.SYNC_TIMEOUT: 1}
    assert "rear: gap -100.0 ms" in rig.journal.last(Reason.SYNC_TIMEOUT).detail


def test_a_lidar_that_nobody_sends_is_not_waited_for() -> None:
    rig = Rig(lidars=("front", "rear"), motion_correction=False)
    rig.stage.expect("rear", False)
    cloud = cloud_at("front", 1000)
    assert rig.push("front", cloud) == [cloud]
    with pytest.raises(KeyError):
        rig.stage.expect("side", True)


def test_where_the_first_lidar_is_not_there_the_next_one_leads() -> None:
    rig = Rig(lidars=("front", "rear"), motion_correction=False)
    rig.stage.expect("front", False)
    rear = cloud_at("rear", 1000)
    assert rig.push("rear", rear) == [rear]
    assert rig.journal.last(Reason.LEADER_CHANGED).detail == "rear leads; front is not there"
    rig.stage.expect("front", True)
    rig.push("front", cloud_at("front", 1100))
    (scan,) = rig.push("rear", cloud_at("rear", 1100))
    assert (scan.frame_id, len(scan)) == ("front", 6)
    assert rig.journal.last(Reason.LEADER_CHANGED).detail == "front leads again"


def test_a_lidar_that_cannot_be_placed_is_left_out() -> None:
    rig = Rig(lidars=("front", "rear"), mounted=False, transform_timeout_s=0.2)
    rig.frames.add(MOUNTS["front"], stamp_ns=0, static=True)
    rig.know_motion(*range(0, 1300, 100))
    rig.push("rear", cloud_at("rear", 1000))
    assert rig.push("front", cloud_at("front", 1000)) == []
    (scan,) = rig.stage.expire(1200 * MS)
    np.testing.assert_allclose(scan.xyz_m, [pole_seen_from_front(1000)] * 3, atol=1e-5)
    assert rig.journal.counts == {Reason.NO_TRANSFORM: 1}
    assert (
        "rear left out: no transform front <- rear" in rig.journal.last(Reason.NO_TRANSFORM).detail
    )


def test_without_motion_a_second_lidar_is_placed_as_if_the_robot_stood() -> None:
    rig = Rig(lidars=("front", "rear"))
    rig.push("rear", cloud_at("rear", 990, timed=False))
    rig.push("front", cloud_at("front", 1000, timed=False))
    rig.push("rear", cloud_at("rear", 1090, timed=False))
    (scan,) = rig.stage.expire(2000 * MS)
    # the robot drove 0.1 m between the two stamps
    expected = pole_seen_from_front(1000) + np.array([[0, 0, 0], [0.1, 0, 0]])
    np.testing.assert_allclose(scan.xyz_m, expected, atol=1e-5)
    assert rig.journal.counts == {Reason.NOT_MOTION_CORRECTED: 1}
    assert rig.journal.last(Reason.NOT_MOTION_CORRECTED).detail.startswith("rear: ")


def test_the_next_lidar_leads_while_the_first_is_silent() -> None:
    rig = Rig(lidars=("front", "rear"), motion_correction=False, silence_s=0.25)
    scans = []
    for at in range(0, 2000, 100):
        if not 400 <= at < 1500:
            scans += rig.push("front", cloud_at("front", at, timed=False))
        scans += rig.push("rear", cloud_at("rear", at, timed=False))
        scans += rig.stage.expire(at * MS)
    led = {scan.stamp_ns // MS: (scan.frame_id, len(scan)) for scan in scans}
    assert led == (
        dict.fromkeys(range(0, 400, 100), ("front", 2))
        | dict.fromkeys(range(600, 1500, 100), ("rear", 1))
        | dict.fromkeys(range(1500, 2000, 100), ("front", 2))
    )
    assert [scan.stamp_ns for scan in scans] == sorted(scan.stamp_ns for scan in scans)
    assert rig.journal.counts == {Reason.LEADER_CHANGED: 2}
    assert rig.journal.last(Reason.LEADER_CHANGED).detail == "front leads again"


def test_a_recording_that_begins_anew_is_no_silence() -> None:
    rig = Rig(lidars=("front", "rear"), motion_correction=False)
    for start in (50_000, 0):
        for at in (start, start + 100):
            first = rig.push("front", cloud_at("front", at, timed=False), arrival_ms=60_000)
            (scan,) = first + rig.push(
                "rear", cloud_at("rear", at, timed=False), arrival_ms=60_000
            )
            assert (scan.stamp_ns, len(scan)) == (at * MS, 2)
    assert set(rig.journal.counts) == {Reason.STAMP_JUMP}


def test_points_on_the_robot_are_left_out_before_they_are_moved() -> None:
    rig = Rig(robot_box_m=(-2.0, -1, 0, 2, 1, 2))
    rig.know_motion(*range(0, 1200, 100))
    cloud = cloud_at("front", 1000)
    # on the bonnet, at the scan's end, by when the robot has moved on by a metre
    bonnet = PointCloud(
        frame_id="front",
        stamp_ns=cloud.stamp_ns,
        xyz_m=np.concatenate([cloud.xyz_m, np.array([[0.9, 0, -0.1]], dtype=np.float32)]),
        time_offset_s=np.array([0, 0.05, 0.09, 0.1], dtype=np.float32),
    )
    (scan,) = rig.push("lidar", bonnet)
    assert len(scan) == 3
    assert rig.journal.counts == {Reason.ROBOT_POINTS: 1}
    assert rig.journal.last(Reason.ROBOT_POINTS).detail == "lidar: 1 of 4 points"


def test_where_the_robot_is_not_known_its_points_stay_and_that_is_counted() -> None:
    rig = Rig(mounted=False, robot_box_m=(-2.0, -1, 0, 2, 1, 2))
    cloud = cloud_at("front", 1000, timed=False)
    assert rig.push("lidar", cloud) == []
    assert rig.stage.expire(1200 * MS) == [cloud]
    assert rig.journal.counts == {Reason.NO_TRANSFORM: 1}
    assert "points on the robot kept" in rig.journal.last(Reason.NO_TRANSFORM).detail


def test_what_waits_comes_out_at_the_end() -> None:
    rig = Rig(lidars=("front", "rear"))
    rig.push("front", cloud_at("front", 1000))
    rig.push("front", cloud_at("front", 1100))
    assert [scan.stamp_ns for scan in rig.stage.flush()] == [1000 * MS, 1100 * MS]
    assert rig.stage.flush() == []


@settings(deadline=None, max_examples=30)
@given(order=st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(order: Any) -> None:
    """Streams are mixed in any way, each in its own order, and no time runs out."""
    streams: dict[str, list[Any]] = {
        "front": [cloud_at("front", at) for at in range(100, 600, 100)],
        "rear": [cloud_at("rear", at) for at in range(80, 700, 100)],
        "tf": list(range(0, 900, 50)),
    }
    labels = [name for name, items in streams.items() for _ in items]
    order.shuffle(labels)
    rig = Rig(lidars=("front", "rear"), silence_s=60.0)
    scans = []
    for name in labels:
        item = streams[name].pop(0)
        if name == "tf":
            rig.know_motion(item)
            scans += rig.stage.expire(0)
        else:
            scans += rig.push(name, item, arrival_ms=0)
    assert [scan.stamp_ns // MS for scan in scans] == list(range(100, 600, 100))
    for scan in scans:
        pole_m = pole_seen_from_front(scan.stamp_ns / MS)
        np.testing.assert_allclose(scan.xyz_m, [pole_m] * 6, atol=1e-4)
    assert rig.journal.counts == {}


@pytest.mark.parametrize("names", [("a", "a"), ("a", "")], ids=["twice", "empty"])
def test_names_of_lidars_differ(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="different names"):
        LidarDetectorConfig(lidars=names)


def test_topics_of_lidars() -> None:
    assert LidarDetectorConfig().cloud_topics == {"lidar": "points"}
    several = LidarDetectorConfig(lidars=("front", "rear")).cloud_topics
    assert several == {"front": "front/points", "rear": "rear/points"}
