"""Piles: bodies touch without running into each other, and are the same each time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from perception_stack.simulation.table_pile import PILE_CLASSES, Placed, pile

SEEDS = [0, 1, 2]


def signed_distance_m(points_m: np.ndarray, body: Placed) -> np.ndarray:
    """How far points are outside of a convex body's farthest face; negative inside."""
    a, b, c = np.moveaxis(body.mesh.triangles_m, 1, 0)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    local = (points_m - body.position_m) @ body.rotation
    return (local @ normals.T - np.einsum("ti,ti->t", normals, a)).max(axis=1)


def surface(body: Placed) -> np.ndarray:
    """Points all over a body's faces."""
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=(len(body.mesh), 60))
    points = np.einsum("tnk,tki->tni", weights, body.mesh.triangles_m).reshape(-1, 3)
    corners = body.mesh.triangles_m.reshape(-1, 3)
    return np.vstack([points, corners]) @ body.rotation.T + body.position_m


@pytest.mark.parametrize("seed", SEEDS)
def test_bodies_touch_and_do_not_overlap(seed: int) -> None:
    bodies = pile(15, np.random.default_rng(seed))
    assert len(bodies) == 15
    assert {body.label for body in bodies} == set(PILE_CLASSES)
    touches = np.zeros(len(bodies), dtype=bool)
    for (i, one), (j, two) in combinations(enumerate(bodies), 2):
        apart_m = min(
            signed_distance_m(surface(one), two).min(), signed_distance_m(surface(two), one).min()
        )
        assert apart_m > -0.003  # the cells in which they are pushed are 2 mm wide
        touches[[i, j]] |= apart_m < 0.006
    assert touches.sum() >= 12


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_in_the_table_and_some_things_are_off_it(seed: int) -> None:
    lowest_m = [surface(body)[:, 2].min() for body in pile(15, np.random.default_rng(seed))]
    assert min(lowest_m) > -1e-9
    assert np.count_nonzero(np.array(lowest_m) < 1e-9) >= 5
    assert max(lowest_m) > 0.03


def test_same_seed_same_pile() -> None:
    one, two = (pile(8, np.random.default_rng(3)) for _ in range(2))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.position_m, second.position_m)
        np.testing.assert_array_equal(first.mesh.triangles_m, second.mesh.triangles_m)
