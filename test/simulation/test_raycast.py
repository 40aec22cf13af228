"""Rays against triangles, compared with formulas that know nothing of triangles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.simulation.builders import ball, box, sheet
from perception_stack.simulation.mesh import Material
from perception_stack.simulation.raycast import (
    Hits,
    PinholeRays,
    RayGrid,
    SpinningRays,
    View,
    cast,
)
from perception_stack.simulation.scene import pinhole

GREY = Material(bgr=(128, 128, 128), reflectance=0.5)
CAMERA = PinholeRays(pinhole(width_px=64, height_px=48, focal_px=40.0))
ELEVATION_RAD = np.deg2rad(np.linspace(20, -40, 24))
SCANNER = SpinningRays(ELEVATION_RAD, num_azimuths=90)
GRIDS = pytest.mark.parametrize("rays", [CAMERA, SCANNER], ids=["pinhole", "spinning"])

coordinate = st.floats(-6, 6, allow_nan=False)
point = st.tuples(coordinate, coordinate, coordinate).map(np.array)
quat = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1).map(np.array)
extents = st.tuples(*[st.floats(0.2, 5)] * 3).map(np.array)


class Unbounded:
    """The rays of a grid that tries each of them on each triangle."""

    def __init__(self, rays: RayGrid) -> None:
        self.directions = rays.directions

    def bounds(self, triangles_m: FloatArray) -> np.ndarray:
        rows, cols = self.directions.shape[:2]
        return np.tile([0, rows, 0, cols], (len(triangles_m), 1))


def cast_all(rays: RayGrid, triangles_m: FloatArray, *, farthest: float = 100.0) -> Hits:
    body_idx = np.zeros(len(triangles_m), dtype=np.int64)
    return cast(rays, triangles_m, body_idx, num_bodies=1, farthest=farthest)


def distance_to_box(directions, size_m, rotation, center_m):
    """Slab method (Kay and Kajiya 1986); infinite where missed, inside or nearer than 0.02."""
    start, along = -center_m @ rotation, directions @ rotation
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = (np.array([[-0.5], [0.5]]) * size_m - start) / along[..., None, :]
    enter = np.nanmax(walls.min(axis=-2), axis=-1)
    leave = np.nanmin(walls.max(axis=-2), axis=-1)
    return np.where((enter <= leave) & (enter >= 0.02), enter, np.inf)


@GRIDS
@given(size_m=extents, quat_xyzw=quat, center_m=point)
@settings(max_examples=60, deadline=None)
def test_box_is_hit_where_the_slab_method_says(rays, size_m, quat_xyzw, center_m):
    rotation = matrix_from_quat(quat_xyzw)
    mesh = box(size_m, GREY).moved(*center_m, rotation=rotation)
    hits = cast_all(rays, mesh.triangles_m)
    expected = distance_to_box(rays.directions, size_m, rotation, center_m)
    # a ray within rounding of the silhouette may go either way
    larger, smaller = (
        np.isfinite(distance_to_box(rays.directions, size_m * factor, rotation, center_m))
        for factor in (1 + 1e-9, 1 - 1e-9)
    )
    sure = larger == smaller
    np.testing.assert_allclose(hits.distance[sure], expected[sure], rtol=1e-7, atol=1e-7)


@GRIDS
@given(corners=st.lists(st.tuples(point, point, point), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_bounds_lose_no_ray(rays, corners):
    triangles = np.array(corners)
    both_sides = np.concatenate([triangles, triangles[:, ::-1]])
    bounded, tried = cast_all(rays, both_sides), cast_all(Unbounded(rays), both_sides)
    np.testing.assert_array_equal(bounded.face, tried.face)
    np.testing.assert_array_equal(bounded.distance, tried.distance)
    np.testing.assert_array_equal(bounded.num_alone, tried.num_alone)


def test_ground_below_a_scanner_is_as_far_as_trigonometry_says():
    corners = np.array([[[x, y, -1.7] for y in (-50.0, 50.0)] for x in (-50.0, 50.0)])
    hits = cast_all(SCANNER, sheet(corners, GREY).triangles_m, farthest=40.0)
    with np.errstate(divide="ignore"):
        expected = np.where(ELEVATION_RAD < 0, -1.7 / np.sin(ELEVATION_RAD), np.inf)
    expected[expected > 40] = np.inf
    np.testing.assert_allclose(hits.distance, np.tile(expected[:, None], 90), rtol=1e-12)


def test_wall_that_runs_past_the_camera_is_seen_up_to_the_image_border():
    wall = np.array([[[1.0, y, z] for z in (-5.0, 50.0)] for y in (-30.0, 30.0)])
    facing = sheet(wall.swapaxes(0, 1), GREY).triangles_m
    hits = cast_all(CAMERA, np.concatenate([facing, facing[:, ::-1]]))
    slope = CAMERA.directions[..., 0]
    expected = np.where(slope > 1 / 50, 1 / np.maximum(slope, 1e-9), np.inf)
    np.testing.assert_allclose(hits.distance, expected, rtol=1e-12)


@pytest.mark.parametrize("center_m", [(-4, 0, 0), (4, 0, 0), (0, 4, 0)], ids=str)
def test_ball_is_hit_between_its_facets_and_its_sphere(center_m):
    mesh = ball((1.0, 1.0, 1.0), GREY, num_sides=64).moved(*center_m)
    hits = cast_all(SCANNER, mesh.triangles_m)
    middle = SCANNER.directions @ np.array(center_m, dtype=float)
    inside = middle**2 - 16 + 1
    touched = (middle > 0) & (inside > 0.05)
    exact = middle - np.sqrt(np.maximum(inside, 0))
    assert touched.any()
    assert np.isfinite(hits.distance[touched]).all()
    too_far = (hits.distance - exact)[touched]
    assert too_far.min() > -1e-9
    assert too_far.max() < 0.03
    assert not np.isfinite(hits.distance[(inside < 0) | (middle < 0)]).any()


@GRIDS
def test_no_ray_slips_between_faces(rays):
    room = ball((5.0, 5.0, 5.0), GREY, num_sides=40).triangles_m[:, ::-1]
    hits = cast_all(rays, room)
    assert np.isfinite(hits.distance).all()


@GRIDS
def test_inner_sides_are_not_seen(rays):
    assert not np.isfinite(cast_all(rays, box((4, 4, 4), GREY).triangles_m).distance).any()


@GRIDS
def test_nothing_there(rays):
    hits = cast(
        rays, np.empty((0, 3, 3)), np.empty(0, dtype=np.int64), num_bodies=0, farthest=10.0
    )
    assert not np.isfinite(hits.distance).any()
    assert (hits.face == -1).all()
    assert (hits.body == -1).all()


@GRIDS
def test_hidden_body_counts_as_if_it_stood_alone(rays):
    ahead = (0.0, 0.0, 4.0) if rays is CAMERA else (4.0, 0.0, 0.0)
    far, near = np.array(ahead) * 2, np.array(ahead)
    shapes = [box((3.0, 3.0, 3.0), GREY, center_m=far), box((1.0, 1.0, 1.0), GREY, center_m=near)]
    triangles = np.concatenate([shape.triangles_m for shape in shapes])
    body_idx = np.repeat([0, 1], [len(shape) for shape in shapes])
    both = cast(rays, triangles, body_idx, num_bodies=2, farthest=100.0)
    alone = cast_all(rays, shapes[0].triangles_m)
    assert both.num_alone[0] == alone.num_alone[0] == np.isfinite(alone.distance).sum()
    assert both.num_alone[1] == (both.body == 1).sum()
    np.testing.assert_array_equal(both.extent[0], alone.extent[0])
    view = View(sensor="camera", hits=both, rows=both.body)
    hidden = np.isfinite(alone.distance) & (both.body == 1)
    assert 0 < hidden.sum() < alone.num_alone[0]
    np.testing.assert_allclose(view.occluded, [hidden.sum() / alone.num_alone[0], 0.0])
    np.testing.assert_array_equal(view.num_measured, [(both.body == 0).sum(), hidden.sum()])


def test_extent_frames_the_pixels_of_a_body():
    hits = cast_all(CAMERA, box((1.0, 0.5, 1.0), GREY, center_m=(0.3, 0.1, 4.0)).triangles_m)
    rows, cols = np.nonzero(hits.body == 0)
    np.testing.assert_array_equal(hits.extent, [[rows.min(), rows.max(), cols.min(), cols.max()]])
