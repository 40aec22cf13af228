"""Boxes under change of frame, in images, and around points; also faults known from peers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.boxes import corners, points_inside, project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_angles = st.tuples(*[st.floats(-3.1, 3.1)] * 3)


def box(
    center: tuple[float, float, float] = (0, 0, 0),
    size: tuple[float, float, float] = (4, 2, 1),
    rotation: Rotation | None = None,
    frame_id: str = "lidar",
) -> Boxes3D:
    turned = rotation or Rotation.identity()
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=7,
        center_m=np.array([center], float),
        quat_xyzw=turned.as_quat()[None],
        size_lwh_m=np.array([size], float),
        covariance=np.diag([1.0, 2, 3, 4, 5, 6])[None],
        score=np.array([0.5]),
        classes=("car", "unknown"),
        class_probs=np.array([[0.7, 0.3]]),
        sensors=(("lidar",),),
    )


def turn(angles: tuple[float, float, float], translation: tuple[float, ...]) -> RigidTransform:
    return RigidTransform(
        target="odom",
        source="lidar",
        rotation=Rotation.from_euler("xyz", angles).as_matrix(),
        translation_m=np.array(translation),
    )


def test_corners_of_an_upright_box() -> None:
    found = corners(box(center=(10, 0, 0)))[0]
    np.testing.assert_array_equal(found[0], [12, 1, -0.5])
    np.testing.assert_array_equal(found.min(axis=0), [8, -1, -0.5])
    np.testing.assert_array_equal(found.max(axis=0), [12, 1, 0.5])


@given(_angles, _angles)
def test_corners_move_as_points_do(own: tuple[float, ...], change: tuple[float, ...]) -> None:
    one = box(center=(3, -2, 1), rotation=Rotation.from_euler("xyz", own))
    odom_from_lidar = turn(change, (5, 6, 7))
    np.testing.assert_allclose(
        corners(transform_boxes(one, odom_from_lidar)),
        odom_from_lidar.apply(corners(one)),
        atol=1e-9,
    )


@given(_angles)
def test_size_is_never_rotated(angles: tuple[float, ...]) -> None:
    moved = transform_boxes(box(size=(1, 1, 1)), turn(angles, (0, 0, 0)))
    np.testing.assert_array_equal(moved.size_lwh_m, [[1, 1, 1]])


@given(_angles)
def test_covariance_turns_with_the_frame(angles: tuple[float, ...]) -> None:
    odom_from_lidar = turn(angles, (1, 2, 3))
    moved = transform_boxes(box(), odom_from_lidar).covariance[0]
    rotation = odom_from_lidar.rotation
    np.testing.assert_allclose(
        moved[:3, :3], rotation @ np.diag([1, 2, 3]) @ rotation.T, atol=1e-12
    )
    np.testing.assert_allclose(
        moved[3:, 3:], rotation @ np.diag([4, 5, 6]) @ rotation.T, atol=1e-12
    )


def test_boxes_of_another_frame_are_refused() -> None:
    with pytest.raises(FrameMismatchError, match="expected frame 'lidar', got 'camera'"):
        transform_boxes(box(frame_id="camera"), turn((0, 0, 0), (0, 0, 0)))


def test_nothing_stays_nothing() -> None:
    none = Boxes3D.empty(frame_id="lidar", stamp_ns=1)
    moved = transform_boxes(none, turn((0, 0, 1), (0, 0, 0)))
    assert (len(moved), moved.frame_id, moved.stamp_ns, moved.labels) == (0, "odom", 1, ())
    assert points_inside(np.zeros((4, 3)), none).shape == (0, 4)
    xyxy_px, visible = project_boxes(none, CAMERA)
    assert (xyxy_px.shape, visible.shape) == ((0, 4), (0,))


def test_points_inside_a_turned_box() -> None:
    one = box(rotation=Rotation.from_euler("z", np.pi / 2))
    points = np.array([[0, 1.9, 0], [1.9, 0, 0], [0, 0, 0.5], [0, 0, 0.51], [np.nan, 0, 0]])
    assert points_inside(points, one).tolist() == [[True, False, True, False, False]]
    assert points_inside(points[3:4], one, margin_m=0.02).tolist() == [[True]]


CAMERA = CameraModel.pinhole(
    frame_id="lidar",
    width_px=640,
    height_px=480,
    k=np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]]),
)


def test_image_rectangle_of_a_box_ahead() -> None:
    xyxy_px, visible = project_boxes(box(center=(0, 0, 10), size=(2, 2, 2)), CAMERA)
    half = 400 / 9
    np.testing.assert_allclose(xyxy_px[0], [320 - half, 240 - half, 320 + half, 240 + half])
    assert visible.tolist() == [True]


@pytest.mark.parametrize(
    ("center", "size"),
    [((0, 0, -10), (2, 2, 2)), ((50, 0, 5), (2, 2, 2))],
    ids=["behind", "beside"],
)
def test_box_out_of_view(center: tuple[float, ...], size: tuple[float, ...]) -> None:
    xyxy_px, visible = project_boxes(box(center=center, size=size), CAMERA)  # type: ignore[arg-type]
    assert visible.tolist() == [False]
    assert np.isnan(xyxy_px).all()


def test_box_around_the_camera_fills_the_image() -> None:
    xyxy_px, visible = project_boxes(box(size=(4, 4, 4)), CAMERA)
    assert visible.tolist() == [True]
    np.testing.assert_array_equal(xyxy_px[0], [-0.5, -0.5, 639.5, 479.5])


@given(st.tuples(st.floats(-6, 6), st.floats(-6, 6), st.floats(-4, 12)), _angles)
def test_rectangle_holds_every_visible_point_of_the_box(
    center: tuple[float, float, float], angles: tuple[float, ...]
) -> None:
    one = box(center=center, rotation=Rotation.from_euler("xyz", angles))
    local = np.random.default_rng(1).uniform(-0.5, 0.5, (200, 3)) * one.size_lwh_m
    points = local @ Rotation.from_quat(one.quat_xyzw[0]).as_matrix().T + one.center_m
    seen = CAMERA.project(points[points[:, 2] > 0.05])
    xyxy_px, visible = project_boxes(one, CAMERA)
    if seen.visible.any():
        assert visible[0]
        inside = seen.uv_px[seen.visible]
        assert (inside >= xyxy_px[0, :2] - 1e-6).all()
        assert (inside <= xyxy_px[0, 2:] + 1e-6).all()
