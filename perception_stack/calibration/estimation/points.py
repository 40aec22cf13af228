"""What several calibrations do with the points of a scan before they fit anything to them."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray


def drawn_planes(
    points_m: FloatArray, *, most_points: int, num: int, least_area_m2: float = 1e-9
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Planes through triples of some of the points (RANSAC, Fischler and Bolles 1981).

    Args:
        points_m: float64 [N, 3].
        most_points: M at most, so many are looked at.
        num: T, planes to draw.
        least_area_m2: Of the parallelogram of a triple, to be a plane.

    Returns:
        Unit normals float64 [T, 3], zero where a triple is none; offsets n . p float64 [T];
        distances float64 [M, T] of the points looked at.
    """
    rng = np.random.default_rng(0)
    few = points_m[rng.permutation(len(points_m))[:most_points]]
    one, two, three = (few[rng.integers(len(few), size=num)] for _ in range(3))
    normal = np.cross(two - one, three - one)
    area_m2 = np.linalg.norm(normal, axis=1, keepdims=True)
    normal *= (area_m2 > least_area_m2) / np.maximum(area_m2, least_area_m2)
    offset = np.einsum("ti,ti->t", normal, one)
    return normal, offset, np.abs(few @ normal.T - offset)


def thinned(points_m: FloatArray, *, edge_m: float) -> FloatArray:
    """One point of each cube, the first, float64 [K, 3]."""
    cell = np.floor(points_m / edge_m).astype(np.int64)
    _, first = np.unique(cell, axis=0, return_index=True)
    return np.asarray(points_m[np.sort(first)])
