from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.depth.rays import organised_cloud
from perception_stack.depth.registration import register
from perception_stack.errors import FrameMismatchError, ShapeError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.builders import box, turn


@pytest.fixture(scope="module")
def depth_camera(scene):
    return scene.camera(160, 120, 140.0, "depth")


@pytest.fixture(scope="module")
def things(scene):
    return [
        scene.table,
        box((0.2, 0.2, 0.2), scene.paint, center_m=(0, 0, 0.1)),
        box((0.04, 0.04, 0.3), scene.paint, center_m=(-0.2, 0.1, 0.15)),
    ]


@pytest.fixture(scope="module")
def image(scene, things, depth_camera):
    return scene.photograph(things, depth_camera, look(scene))[0]


def look(scene):
    return scene.pose((-0.7, 0.2, 0.6), source="depth")


def moved(shift_m, tilt_rad=0.0) -> RigidTransform:
    return RigidTransform(
        target="color", source="depth", rotation=turn(1, tilt_rad), translation_m=np.array(shift_m)
    )


def test_same_camera_gives_the_same_image(image, depth_camera) -> None:
    color = replace(depth_camera, frame_id="color")
    seen = register(image, depth_camera, color, moved((0, 0, 0)))
    np.testing.assert_array_equal(seen.depth_m, image.depth_m)
    assert (seen.frame_id, seen.stamp_ns) == ("color", image.stamp_ns)


@settings(max_examples=10)
@given(
    shift_m=st.tuples(*[st.floats(-0.06, 0.06)] * 3),
    tilt_rad=st.floats(-0.05, 0.05),
    finer=st.floats(0.5, 3.0),
)
def test_agrees_with_what_the_colour_camera_would_measure(
    scene, things, image, depth_camera, shift_m, tilt_rad, finer
) -> None:
    color = scene.camera(int(160 * finer), int(120 * finer), 140.0 * finer, "color")
    color_from_depth = moved(shift_m, tilt_rad)
    world_from_color = look(scene) @ color_from_depth.inverse()
    truth, _ = scene.photograph(things, color, world_from_color)
    seen = register(image, depth_camera, color, color_from_depth)
    v, u = np.nonzero(np.isfinite(truth.depth_m))
    rays = color.rays(np.column_stack([u, v]).astype(float))
    expected_m = truth.depth_m[v, u].astype(float)
    found_m = seen.depth_m[v, u].astype(float)
    # where the depth camera sees the same point, well inside of its image
    points = color_from_depth.inverse().apply(rays * expected_m[:, None])
    at = depth_camera.project(points)
    col, row = np.round(np.where(at.visible[:, None], at.uv_px, 0.0)).astype(int).T
    inside = at.visible & (col > 0) & (row > 0) & (col < 159) & (row < 119)
    around = np.stack(
        [
            image.depth_m[np.clip(row + i, 0, 119), np.clip(col + j, 0, 159)]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        ]
    )
    same = inside & (np.abs(around - at.depth_m) < 0.03).all(axis=0)
    assert same.sum() > 0.4 * len(v)
    assert np.isfinite(found_m[same]).mean() > 0.998  # no holes
    # the table reaches over 2 cm of depth within a pixel of the depth camera
    assert np.mean(np.abs(found_m[same] - expected_m[same]) < 0.02) > 0.98
    # nothing hidden shines through: what is there is nowhere farther than the truth
    filled = np.isfinite(found_m) & inside
    assert np.mean(found_m[filled] < expected_m[filled] + 0.03) > 0.99


def test_holes_stay_holes(image, depth_camera) -> None:
    depth_m = image.depth_m.copy()
    depth_m[40:60, 50:80] = [[np.nan], [0.0], [np.inf], [-1.0]] * 5
    holed, color = replace(image, depth_m=depth_m), replace(depth_camera, frame_id="color")
    seen = register(holed, depth_camera, color, moved((0, 0, 0)))
    assert np.isnan(seen.depth_m[40:60, 50:80]).all()


def test_wrong_frames_and_sizes_are_errors(image, depth_camera) -> None:
    color = replace(depth_camera, frame_id="color")
    with pytest.raises(FrameMismatchError, match="depth image"):
        register(replace(image, frame_id="other"), depth_camera, color, moved((0, 0, 0)))
    with pytest.raises(FrameMismatchError, match="target of the transform"):
        register(image, depth_camera, replace(color, frame_id="other"), moved((0, 0, 0)))
    with pytest.raises(ShapeError):
        register(replace(image, depth_m=image.depth_m[::2]), depth_camera, color, moved((0, 0, 0)))


def test_organised_cloud_projects_onto_its_pixels(image, depth_camera) -> None:
    depth_m = image.depth_m.copy()
    depth_m[40:60, 50:80] = [[np.nan], [0.0], [np.inf], [-1.0]] * 5
    k = depth_camera.k
    lens = replace(
        depth_camera, distortion_model="plumb_bob", distortion=np.array([0.1, -0.05, 1e-3, 0, 0])
    )
    for camera in (depth_camera, lens):
        cloud = organised_cloud(replace(image, depth_m=depth_m), camera)
        hole = np.isnan(cloud).any(axis=2)
        assert hole[40:60, 50:80].all()
        assert (np.isnan(cloud).all(axis=2) == hole).all()
        v, u = np.nonzero(~hole)
        np.testing.assert_array_equal(cloud[v, u, 2], depth_m[v, u])
        uv_px = camera.project(cloud[v, u].astype(np.float64)).uv_px
        np.testing.assert_allclose(uv_px, np.column_stack([u, v]), atol=1e-3 * k[0, 0] / 100)
    with pytest.raises(FrameMismatchError):
        organised_cloud(image, replace(depth_camera, frame_id="other"))
    with pytest.raises(ShapeError):
        organised_cloud(replace(image, depth_m=depth_m[::2]), depth_camera)
