"""Fusion over time: who is waited for, where the sensors were, and what happens when one fails."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, Detections2D, Obstacles, PointCloud
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.fusion_stage import DEPTH, LIDAR, FusionStage

MS = 1_000_000
AHEAD = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # optical from body
BACK = np.array([[0.0, 1, 0], [0, 0, -1], [-1, 0, 0]])


def camera(frame_id: str = "camera") -> CameraModel:
    return CameraModel.pinhole(
        frame_id=frame_id,
        width_px=640,
        height_px=480,
        k=np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]]),
    )


def mounted(frame_id: str, rotation: np.ndarray) -> RigidTransform:
    return RigidTransform(
        target=frame_id, source="lidar", rotation=rotation, translation_m=np.zeros(3)
    )


def stage(*, linked: bool = True, **params) -> tuple[FusionStage, FrameTree, Journal]:
    frames, journal = FrameTree(), Journal()
    if linked:
        frames.add(mounted("camera", AHEAD).inverse(), stamp_ns=0, static=True)
    one = FusionStage(FusionConfig(**params), frames, journal)
    one.expect_depth(False)
    return one, frames, journal


def boxes(stamp_ns: int, *centers: tuple[float, float, float], frame_id: str = "lidar") -> Boxes3D:
    num = len(centers)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=np.array(centers, dtype=np.float64).reshape(-1, 3),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (num, 1)),
        size_lwh_m=np.tile([4.0, 2, 1.5], (num, 1)),
        covariance=np.tile(np.eye(6) * 0.01, (num, 1, 1)),
        score=np.full(num, 0.9),
        classes=("car", "unknown"),
        class_probs=np.tile([0.5, 0.5], (num, 1)),
        sensors=(("lidar",),) * num,
    )


def car(stamp_ns: int) -> Obstacles:
    return Obstacles.of(boxes(stamp_ns, (10, 0, 0)))


def seen(stamp_ns: int, frame_id: str = "camera", *, shift_px: float = 0.0) -> Detections2D:
    return Detections2D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        xyxy_px=np.array([[265.0 + shift_px, 200, 375 + shift_px, 280]]),
        score=np.array([0.9]),
        labels=("car",),
    )


def test_both_sensors_agree() -> None:
    """Nobody has spoken of masks, so nothing waits for one."""
    one, _, journal = stage()
    one.set_camera(camera())
    assert one.push_obstacles(car(5), arrival_ns=0) == []
    (fused,) = one.push_detections(seen(5), arrival_ns=0)
    assert fused.sensors == (("camera", "lidar"),)
    assert fused.labels == ("car",)
    assert journal.counts == {}


@pytest.mark.parametrize(
    ("linked", "calibrated", "frame_id", "reason"),
    [
        pytest.param(True, True, "other", Reason.FRAME_MISMATCH, id="of-another-camera"),
        pytest.param(False, True, "camera", Reason.NO_TRANSFORM, id="no-extrinsics"),
        pytest.param(True, False, "camera", Reason.NO_CALIBRATION, id="no-intrinsics"),
    ],
)
def test_where_the_camera_fails_it_is_counted_and_the_lidar_goes_on(
    linked: bool, calibrated: bool, frame_id: str, reason: Reason
) -> None:
    one, _, journal = stage(linked=linked)
    if calibrated:
        one.set_camera(camera())
    one.push_obstacles(car(5), arrival_ns=0)
    fused = one.push_detections(seen(5, frame_id), arrival_ns=0)
    fused += one.expire(10**10)
    assert [each.sensors for each in fused] == [(("lidar",),)]
    assert journal.counts == {reason: 1}


def test_nothing_waits_for_a_camera_that_nobody_sends() -> None:
    one, _, journal = stage()
    one.expect_detections(False)
    assert len(one.push_obstacles(car(5), arrival_ns=0)) == 1
    assert journal.counts == {}


def test_ego_motion_between_the_stamps_is_taken_out() -> None:
    """A turning robot: between the scan and the image the car wanders through the picture."""
    rate_radps, late_ns = 1.0, 30 * MS
    turned_px = 400 * np.tan(rate_radps * late_ns * 1e-9)

    def fused(shift_px: float) -> Boxes3D:
        one, frames, _ = stage(min_iou=0.8)
        one.set_camera(camera())
        for stamp_ns in (0, 100 * MS):
            frames.add(
                RigidTransform.from_quat(
                    target="odom",
                    source="lidar",
                    quat_xyzw=quat_from_yaw(rate_radps * stamp_ns * 1e-9),
                    translation_m=np.zeros(3),
                ),
                stamp_ns=stamp_ns,
            )
        one.push_obstacles(car(10 * MS), arrival_ns=0)
        (found,) = one.push_detections(seen(10 * MS + late_ns, shift_px=shift_px), arrival_ns=0)
        return found

    # the robot turns left, so what is ahead of it moves to the right in its image
    assert fused(turned_px).sensors == (("camera", "lidar"),)
    assert fused(-turned_px).sensors == (("lidar",),)


def test_the_offset_of_a_camera_clock_is_taken_out_of_pairing_and_of_motion() -> None:
    """Its stamps are 200 ms behind; the robot turns, so an image of another time fits nothing."""
    behind_ns, rate_radps = 200 * MS, 1.0

    def fused(offset_s: float) -> tuple[Boxes3D, Journal]:
        one, frames, journal = stage(camera_offsets_s=(offset_s,), min_iou=0.8)
        one.set_camera(camera())
        for stamp_ns in range(0, 1000 * MS, 100 * MS):
            frames.add(
                RigidTransform.from_quat(
                    target="odom",
                    source="lidar",
                    quat_xyzw=quat_from_yaw(rate_radps * stamp_ns * 1e-9),
                    translation_m=np.zeros(3),
                ),
                stamp_ns=stamp_ns,
            )
        one.push_obstacles(car(500 * MS), arrival_ns=0)
        found = one.push_detections(seen(500 * MS - behind_ns), arrival_ns=0)
        (boxes,) = found or one.expire(10**10)
        return boxes, journal

    boxes, journal = fused(0.2)
    assert boxes.sensors == (("camera", "lidar"),)
    assert journal.counts == {}
    boxes, journal = fused(0.0)
    assert boxes.sensors == (("lidar",),)
    assert "gap -200.0 ms" in journal.last(Reason.SYNC_TIMEOUT).detail


def test_an_old_scan_is_placed_by_the_transform_of_its_time() -> None:
    """A peer takes the latest one: the robot has long turned away from what it saw then."""
    one, frames, _ = stage()
    one.set_camera(camera())
    for stamp_ns, yaw_rad in ((0, 0.0), (100 * MS, 0.0), (200 * MS, 1.5), (900 * MS, 1.5)):
        frames.add(
            RigidTransform.from_quat(
                target="odom",
                source="lidar",
                quat_xyzw=quat_from_yaw(yaw_rad),
                translation_m=np.zeros(3),
            ),
            stamp_ns=stamp_ns,
        )
    one.push_obstacles(car(10 * MS), arrival_ns=0)
    (found,) = one.push_detections(seen(40 * MS), arrival_ns=0)
    assert found.sensors == (("camera", "lidar"),)


def test_a_late_transform_is_waited_for() -> None:
    one, frames, journal = stage()
    one.set_camera(camera())
    pose = RigidTransform(
        target="odom", source="lidar", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    frames.add(pose, stamp_ns=0)
    one.push_obstacles(car(5), arrival_ns=0)
    assert one.push_detections(seen(5 + 20 * MS), arrival_ns=0) == []
    frames.add(pose, stamp_ns=100 * MS)
    (fused,) = one.ready(0)
    assert fused.sensors == (("camera", "lidar"),)
    assert journal.counts == {}


def test_two_cameras_look_in_two_directions() -> None:
    one, frames, _ = stage(cameras=("front", "rear"), linked=False)
    for name, rotation in (("front", AHEAD), ("rear", BACK)):
        frames.add(mounted(name, rotation).inverse(), stamp_ns=0, static=True)
        one.set_camera(camera(name), name=name)
    both = Obstacles.of(boxes(5, (10, 0, 0), (-10, 0, 0), (0, 10, 0)))
    one.push_obstacles(both, arrival_ns=0)
    assert one.push_detections(seen(5, "front"), camera="front", arrival_ns=0) == []
    (fused,) = one.push_detections(seen(5, "rear"), camera="rear", arrival_ns=0)
    assert fused.sensors == (("camera/front", "lidar"), ("camera/rear", "lidar"), ("lidar",))
    assert fused.score[2] == pytest.approx(0.9)  # nobody looked there


def test_one_camera_of_two_that_fails_costs_only_its_own() -> None:
    one, frames, journal = stage(cameras=("front", "rear"), linked=False)
    frames.add(mounted("front", AHEAD).inverse(), stamp_ns=0, static=True)
    for name in ("front", "rear"):
        one.set_camera(camera(name), name=name)
    one.push_obstacles(car(5), arrival_ns=0)
    one.push_detections(seen(5, "front"), camera="front", arrival_ns=0)
    one.push_detections(seen(5, "rear"), camera="rear", arrival_ns=0)
    (fused,) = one.expire(10**10)
    assert fused.sensors == (("camera/front", "lidar"),)
    assert journal.counts == {Reason.NO_TRANSFORM: 1}
    assert "rear" in journal.last(Reason.NO_TRANSFORM).detail


def test_boxes_and_points_of_one_scan_meet_in_any_order() -> None:
    points = PointCloud(frame_id="lidar", stamp_ns=5, xyz_m=np.full((3, 3), 9, np.float32))
    of_box = np.array([0, 0, -1], np.int32)
    results = []
    for order in itertools.permutations(("boxes", "points", "detections")):
        one, _, journal = stage()
        one.set_camera(camera())
        done: list[Boxes3D] = []
        for what in order:
            if what == "boxes":
                done += one.push_boxes(boxes(5, (10, 0, 0)), arrival_ns=0)
            elif what == "points":
                done += one.push_points(points, of_box, arrival_ns=0)
            else:
                done += one.push_detections(seen(5), arrival_ns=0)
        assert journal.counts == {}
        results.append(done)
    assert all(len(done) == 1 for done in results)
    for (fused,) in results[1:]:
        np.testing.assert_array_equal(fused.center_m, results[0][0].center_m)
        assert fused.sensors == results[0][0].sensors


def test_points_of_another_frame_are_counted_and_the_boxes_go_on() -> None:
    one, _, journal = stage()
    one.expect_detections(False)
    points = PointCloud(frame_id="other", stamp_ns=5, xyz_m=np.full((1, 3), 9, np.float32))
    one.push_points(points, np.zeros(1, np.int32), arrival_ns=0)
    assert len(one.push_boxes(boxes(5, (10, 0, 0)), arrival_ns=0)) == 1
    assert journal.counts == {Reason.FRAME_MISMATCH: 1}


def test_points_that_name_a_box_that_is_not_there_are_counted() -> None:
    one, _, journal = stage()
    one.expect_detections(False)
    points = PointCloud(frame_id="lidar", stamp_ns=5, xyz_m=np.full((1, 3), 9, np.float32))
    one.push_points(points, np.array([1], np.int32), arrival_ns=0)
    assert len(one.push_boxes(boxes(5, (10, 0, 0)), arrival_ns=0)) == 1
    assert journal.counts == {Reason.BAD_SHAPE: 1}


def test_a_mask_joins_the_detections_of_its_image() -> None:
    one, _, journal = stage()
    one.expect_masks(True)
    one.set_camera(camera())
    one.push_obstacles(car(5), arrival_ns=0)
    assert one.push_detections(seen(5), arrival_ns=0) == []
    mask = np.zeros((480, 640), np.uint16)
    mask[200:280, 265:375] = 1
    (fused,) = one.push_mask(mask, stamp_ns=5, arrival_ns=0)
    assert fused.sensors == (("camera", "lidar"),)
    assert journal.counts == {}


def test_a_mask_of_the_wrong_size_costs_the_camera_and_nothing_else() -> None:
    one, _, journal = stage()
    one.expect_masks(True)
    one.set_camera(camera())
    one.push_obstacles(car(5), arrival_ns=0)
    one.push_detections(seen(5), arrival_ns=0)
    (fused,) = one.push_mask(np.ones((2, 2), np.uint16), stamp_ns=5, arrival_ns=0)
    assert fused.sensors == (("lidar",),)
    assert journal.counts == {Reason.BAD_SHAPE: 1}


def near(stamp_ns: int, *centers: tuple[float, float, float]) -> Obstacles:
    """What a depth camera found, in its optical frame."""
    found = boxes(stamp_ns, *centers, frame_id="camera")
    return Obstacles.of(
        replace(
            found,
            quat_xyzw=np.tile([-0.5, 0.5, -0.5, 0.5], (len(found), 1)),
            sensors=(("depth",),) * len(found),
        )
    )


def test_depth_leads_where_the_lidar_is_silent() -> None:
    one, _, _ = stage()
    one.set_camera(camera())
    one.expect_detections(False)
    one.push_obstacles(car(0), arrival_ns=0)
    # within the silence the depth camera says nothing of its own
    assert one.push_obstacles(near(100 * MS, (0, 0, 2)), sensor=DEPTH, arrival_ns=0) == []
    (alone,) = one.push_obstacles(near(700 * MS, (0, 0, 2)), sensor=DEPTH, arrival_ns=0)
    assert (alone.frame_id, alone.sensors) == ("camera", (("depth",),))


def test_what_only_the_depth_camera_sees_joins_the_lidar_list() -> None:
    one, _, journal = stage()
    one.expect_depth(True)
    one.expect_detections(False)
    assert one.push_obstacles(car(5), sensor=LIDAR, arrival_ns=0) == []
    found = near(5, (0.2, 0, 10.1), (3, 0, 2))
    (fused,) = one.push_obstacles(found, sensor=DEPTH, arrival_ns=0)
    assert (fused.frame_id, fused.stamp_ns) == ("lidar", 5)
    assert fused.sensors == (("depth", "lidar"), ("depth",))
    np.testing.assert_allclose(fused.center_m, [[10, 0, 0], [2, -3, 0]], atol=1e-9)
    assert journal.counts == {}


def test_without_the_depth_camera_the_lidar_goes_on() -> None:
    one, _, journal = stage(timeout_s=0.1)
    one.expect_depth(True)
    one.expect_detections(False)
    assert one.push_obstacles(car(5), arrival_ns=0) == []
    (fused,) = one.expire(200 * MS)
    assert fused.sensors == (("lidar",),)
    assert journal.counts == {Reason.SYNC_TIMEOUT: 1}


def test_flush_gives_everything_that_waits() -> None:
    one, _, _ = stage()
    one.set_camera(camera())
    one.push_boxes(boxes(5, (10, 0, 0)), arrival_ns=0)
    one.push_detections(seen(5), arrival_ns=0)
    (fused,) = one.flush()
    assert fused.sensors == (("camera", "lidar"),)
    assert one.flush() == []
