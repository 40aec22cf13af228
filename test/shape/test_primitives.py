"""Shapes fitted to one side of bodies whose place and size are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.io.pcd import read_pcd_fields
from perception_stack.shape.primitives import Primitive, fit_primitive
from perception_stack.shape.primitives.robust import covariance
from perception_stack.simulation.builders import ball, box, lathe, turn
from perception_stack.simulation.mesh import Material

PAINT = Material(bgr=(0, 0, 0), reflectance=0.5)
UP = np.array([0.0, 0.0, 1.0])
TABLE_M = -0.45  # below the sensor, which looks from 0.75 m aside
NOISE = 0.002


def seen_side(
    triangles_m: FloatArray, *, seed: int = 0, noise: float = NOISE, num: int = 6000
) -> FloatArray:
    """Points of a convex body on the table, of the faces that the origin sees, with noise."""
    rng = np.random.default_rng(seed)
    low = triangles_m[..., 2].min()
    placed = triangles_m + np.array([0.75, 0.0, TABLE_M - low])
    a, b, c = np.moveaxis(placed, 1, 0)
    cross = np.cross(b - a, c - a)
    # as many points as the solid angle asks for
    share = np.maximum(-np.einsum("ti,ti->t", cross, (a + b + c) / 3), 0)
    face = rng.choice(len(share), num, p=share / share.sum())
    u, v = rng.random((2, num, 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points = a[face] + u * (b - a)[face] + v * (c - a)[face]
    range_m = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points * (1 + noise * range_m * rng.standard_normal((num, 1))))


def fitted(points_m: FloatArray, support_m: float = TABLE_M) -> Primitive:
    return fit_primitive(points_m, up=UP, support_m=support_m, noise=NOISE).primitives[0]


@settings(max_examples=8)
@given(
    length_m=st.floats(0.05, 0.2),
    width_m=st.floats(0.05, 0.15),
    height_m=st.floats(0.05, 0.2),
    yaw_rad=st.floats(0.3, 1.2),  # two sides and the top are seen
)
def test_box(length_m: float, width_m: float, height_m: float, yaw_rad: float) -> None:
    mesh = box((length_m, width_m, height_m), PAINT).triangles_m @ turn(2, yaw_rad).T
    found = fitted(seen_side(mesh))
    assert found.kind == ShapeKind.BOX
    np.testing.assert_allclose(found.center_m, [0.75, 0, TABLE_M + height_m / 2], atol=0.006)
    np.testing.assert_allclose(
        np.sort(found.size_m), np.sort([length_m, width_m, height_m]), atol=0.008
    )
    off_rad = np.arccos(np.abs(found.rotation[:, :2].T @ turn(2, yaw_rad)[:, :2]).max(axis=0))
    assert off_rad.max() < np.deg2rad(3)
    assert found.score > 0.95


@settings(max_examples=8)
@given(
    radius_m=st.floats(0.025, 0.06), height_m=st.floats(0.06, 0.2), yaw_rad=st.floats(-1.5, 1.5)
)
@pytest.mark.parametrize("lying", [False, True])
def test_cylinder(lying: bool, radius_m: float, height_m: float, yaw_rad: float) -> None:
    profile = [(radius_m, -height_m / 2), (radius_m, height_m / 2)]
    mesh = lathe(profile, PAINT, num_sides=64).triangles_m
    rotation = turn(2, yaw_rad) @ (turn(1, np.pi / 2) if lying else np.eye(3))
    found = fitted(seen_side(mesh @ rotation.T))
    middle_m = radius_m if lying else height_m / 2
    assert found.kind == ShapeKind.CYLINDER
    np.testing.assert_allclose(found.center_m, [0.75, 0, TABLE_M + middle_m], atol=0.008)
    np.testing.assert_allclose(found.size_m[:2], 2 * radius_m, atol=0.005)
    np.testing.assert_allclose(found.size_m[2], height_m, atol=0.01)
    assert abs(found.rotation[:, 2] @ rotation[:, 2]) > np.cos(np.deg2rad(4))


@settings(max_examples=8)
@given(radius_m=st.floats(0.02, 0.08), seed=st.integers(0, 100))
def test_sphere(radius_m: float, seed: int) -> None:
    mesh = ball((radius_m,) * 3, PAINT, num_sides=48).triangles_m
    found = fitted(seen_side(mesh, seed=seed))
    assert found.kind == ShapeKind.SPHERE
    np.testing.assert_allclose(found.center_m, [0.75, 0, TABLE_M + radius_m], atol=0.003)
    np.testing.assert_allclose(found.size_m, 2 * radius_m, atol=0.003)


def test_turned_body_keeps_its_profile() -> None:
    profile = [(0.036, 0.0), (0.036, 0.13), (0.015, 0.185), (0.015, 0.235)]
    points = seen_side(lathe(profile, PAINT, num_sides=48).triangles_m, num=8000)
    found = fitted(points)
    assert found.kind == ShapeKind.CYLINDER
    np.testing.assert_allclose(found.size_m, [0.072, 0.072, 0.235], atol=0.008)
    height = found.surface.points_m[:, 2] - TABLE_M
    far = np.linalg.norm(found.surface.points_m[:, :2] - [0.75, 0], axis=1)
    neck = (height > 0.19) & (height < 0.23)
    np.testing.assert_allclose(far[neck].max(), 0.015, atol=0.004)


def test_leaning_box() -> None:
    rotation = turn(2, 0.5) @ turn(1, 0.4)
    mesh = box((0.03, 0.1, 0.16), PAINT).triangles_m @ rotation.T
    found = fitted(seen_side(mesh))
    assert found.kind == ShapeKind.BOX
    np.testing.assert_allclose(np.sort(found.size_m), [0.03, 0.1, 0.16], atol=0.012)
    assert np.abs(found.rotation.T @ rotation).max(axis=0).min() > np.cos(np.deg2rad(5))


def test_one_face_leaves_the_depth_unsure() -> None:
    """Seen level, a box shows nothing of how deep it is: the covariance must say so."""
    mesh = box((0.08, 0.1, 0.12), PAINT).triangles_m
    points = seen_side(mesh)
    front = points[np.abs(points[:, 0] - 0.71) < 0.006]
    found = fitted(front)
    assert found.kind == ShapeKind.BOX
    ahead = int(np.argmax(np.abs(found.rotation[0])))
    sigma_m = np.sqrt(np.diag(found.size_covariance))
    assert sigma_m[ahead] > 0.015
    assert np.delete(sigma_m, ahead).max() < 0.008
    assert abs(found.size_m[ahead] - 0.08) < 3 * sigma_m[ahead]


def test_without_support_nothing_reaches_down() -> None:
    points = seen_side(box((0.08, 0.1, 0.12), PAINT).triangles_m @ turn(2, 0.6).T)
    lifted = fitted(points, support_m=TABLE_M - 0.5)
    unknown = fitted(points, support_m=float("nan"))
    for one in (lifted, unknown):
        assert one.kind == ShapeKind.BOX
        assert abs(one.center_m[2] - one.size_m[2] / 2 - TABLE_M) < 0.01


@pytest.mark.parametrize(
    "points_m",
    [np.empty((0, 3)), np.full((500, 3), np.nan), np.ones((10, 3)), np.ones((500, 3))],
    ids=["empty", "NaN", "few", "one place"],
)
def test_too_little_gives_nothing(points_m: FloatArray) -> None:
    assert fit_primitive(points_m, up=UP, support_m=0.0, noise=NOISE).primitives == ()


def test_nan_is_left_out_and_order_does_not_matter() -> None:
    points = seen_side(box((0.08, 0.1, 0.12), PAINT).triangles_m @ turn(2, 0.6).T, num=2500)
    with_nan = np.insert(points, [5, 1000], np.nan, axis=0)
    first, again = fitted(points), fitted(with_nan)
    np.testing.assert_array_equal(first.center_m, again.center_m)
    shuffled = fitted(np.random.default_rng(0).permutation(points))
    np.testing.assert_allclose(shuffled.center_m, first.center_m, atol=1e-4)


@settings(max_examples=8)
@given(quat=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: sum(v * v for v in q) > 0.1))
def test_turning_the_sensor_turns_the_shape(quat: tuple[float, ...]) -> None:
    rotation = matrix_from_quat(np.array(quat))
    points = seen_side(box((0.08, 0.1, 0.12), PAINT).triangles_m @ turn(2, 0.6).T)
    level = fitted(points)
    (turned, *_) = fit_primitive(
        points @ rotation.T, up=rotation @ UP, support_m=TABLE_M, noise=NOISE
    ).primitives
    motion = RigidTransform(target="b", source="a", rotation=rotation, translation_m=np.zeros(3))
    expected = level.moved(motion)
    assert turned.kind == expected.kind
    np.testing.assert_allclose(turned.center_m, expected.center_m, atol=0.003)
    np.testing.assert_allclose(np.sort(turned.size_m), np.sort(expected.size_m), atol=0.005)


def test_covariance_holds_the_truth() -> None:
    """Nine in ten centres lie within the ellipsoid of nine in ten, give or take."""
    inside = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        size = rng.uniform(0.05, 0.15, 3)
        mesh = box(size.tolist(), PAINT).triangles_m @ turn(2, rng.uniform(0.3, 1.2)).T
        found = fitted(seen_side(mesh, seed=seed))
        off = found.center_m - [0.75, 0.0, TABLE_M + size[2] / 2]
        inside.append(off @ np.linalg.solve(found.covariance[:3, :3], off) < 6.251)
    assert np.mean(inside) > 0.7


def test_real_tables(data_dir: Path) -> None:
    """Boxes and cylinders of a Kinect: the README of the data says which are which."""
    wanted = {"learn0": [ShapeKind.BOX] * 2, "learn17": [ShapeKind.BOX] * 2}
    wanted["learn33"] = [ShapeKind.CYLINDER] * 5
    right, num = 0, 0
    for name, kinds in wanted.items():
        fields = read_pcd_fields(data_dir / "tabletop_mosd" / f"{name}.pcd")
        xyz_m = np.stack([fields[axis] for axis in "xyz"], axis=1).astype(np.float64)
        label = fields["label"].astype(int)
        table = xyz_m[(label >= 1) & (label <= 9) & np.isfinite(xyz_m[:, 2])]
        middle = np.median(table, axis=0)
        normal = np.linalg.svd(table[::50] - middle, full_matrices=False)[2][2]
        up = -normal * np.sign(normal @ middle)
        for kind, one in zip(kinds, np.unique(label[label >= 20] // 10), strict=True):
            found = fit_primitive(
                xyz_m[label // 10 == one], up=up, support_m=float(up @ middle), noise=NOISE
            )
            right += found.primitives[0].kind == kind
            num += 1
    assert (right, num) == (8, 9)


def test_what_no_point_tells_is_uncertain_by_the_size_of_the_thing() -> None:
    spread = covariance(np.ones((5, 2)), np.zeros(5), np.array([0.04, 1.0]))
    np.testing.assert_allclose(spread, np.diag([0.04**2, 1.0]))
