"""Fusion over time where something is wrong: it is counted and the frame comes out."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.fusion_stage import FusionStage

CAMERA = CameraModel.pinhole(
    frame_id="camera",
    width_px=640,
    height_px=480,
    k=np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]]),
)


def stage(*, linked: bool = True) -> tuple[FusionStage, Journal]:
    frames, journal = FrameTree(), Journal()
    if linked:
        camera_from_lidar = RigidTransform(
            target="camera",
            source="lidar",
            rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
            translation_m=np.zeros(3),
        )
        frames.add(camera_from_lidar, stamp_ns=0, static=True)
    return FusionStage(FusionConfig(), frames, journal), journal


def box(stamp_ns: int) -> Boxes3D:
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=stamp_ns,
        center_m=np.array([[10.0, 0, 0]]),
        quat_xyzw=np.array([[0.0, 0, 0, 1]]),
        size_lwh_m=np.array([[4.0, 2, 1.5]]),
        covariance=np.eye(6)[None] * 0.01,
        score=np.array([0.9]),
        classes=("car", "unknown"),
        class_probs=np.array([[0.5, 0.5]]),
        sensors=(("lidar",),),
    )


def seen(stamp_ns: int, frame_id: str = "camera") -> Detections2D:
    return Detections2D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        xyxy_px=np.array([[265.0, 200, 375, 280]]),
        score=np.array([0.9]),
        labels=("car",),
    )


def test_both_sensors_agree() -> None:
    one, journal = stage()
    one.set_camera(CAMERA)
    assert one.push_clusters(box(5), arrival_ns=0) == []
    (fused,) = one.push_detections(seen(5), arrival_ns=0)
    assert fused.sensors == (("camera", "lidar"),)
    assert fused.labels == ("car",)
    assert journal.counts == {}


def test_detections_of_another_camera_are_counted_and_the_lidar_goes_on() -> None:
    one, journal = stage()
    one.set_camera(CAMERA)
    one.push_clusters(box(5), arrival_ns=0)
    (fused,) = one.push_detections(seen(5, "other"), arrival_ns=0)
    assert fused.sensors == (("lidar",),)
    assert journal.counts == {Reason.FRAME_MISMATCH: 1}
    assert "'camera', got 'other'" in journal.last(Reason.FRAME_MISMATCH).detail


def test_missing_extrinsics_are_counted_and_the_lidar_goes_on() -> None:
    one, journal = stage(linked=False)
    one.set_camera(CAMERA)
    one.push_clusters(box(5), arrival_ns=0)
    (fused,) = one.push_detections(seen(5), arrival_ns=0)
    assert fused.sensors == (("lidar",),)
    assert journal.counts == {Reason.NO_TRANSFORM: 1}


def test_without_intrinsics_the_lidar_goes_on() -> None:
    one, journal = stage()
    one.push_clusters(box(5), arrival_ns=0)
    (fused,) = one.push_detections(seen(5), arrival_ns=0)
    assert fused.sensors == (("lidar",),)
    assert journal.counts == {Reason.NO_CALIBRATION: 1}


def test_depth_leads_where_the_lidar_is_silent() -> None:
    one, _ = stage()
    one.set_camera(CAMERA)
    depth_m = np.full((480, 640), 3.0, np.float32)
    depth_m[200:280, 265:375] = 2.0

    def depth(stamp_ns: int) -> DepthImage:
        return DepthImage(frame_id="camera", stamp_ns=stamp_ns, depth_m=depth_m)

    one.push_clusters(box(0), arrival_ns=0)
    one.push_detections(seen(0), arrival_ns=0)
    # within the silence the depth image says nothing of its own
    one.push_depth(depth(100_000_000), arrival_ns=0)
    assert one.push_detections(seen(100_000_000), arrival_ns=0) == []
    one.push_depth(depth(700_000_000), arrival_ns=0)
    (lifted,) = one.push_detections(seen(700_000_000), arrival_ns=0)
    assert lifted.frame_id == "camera"
    assert lifted.sensors == (("camera", "depth"),)
    np.testing.assert_allclose(lifted.center_m[0, 2], 2.0, atol=0.2)


def test_nothing_waits_for_a_camera_that_nobody_sends() -> None:
    one, journal = stage()
    one.expect_detections(False)
    assert len(one.push_clusters(box(5), arrival_ns=0)) == 1
    assert journal.counts == {}
