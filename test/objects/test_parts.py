from __future__ import annotations

import numpy as np
import pytest

from perception_stack.objects.parts import smooth_parts


def box() -> tuple[np.ndarray, np.ndarray]:
    """Eight corners and twelve triangles, two for each face in turn."""
    corners = np.array([[x, y, z] for x in (0.0, 0.1) for y in (0.0, 0.2) for z in (0.0, 0.3)])
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [tri for a, b, c, d in faces for tri in ((a, b, c), (a, c, d))]
    return corners, np.array(triangles)


def can(num: int) -> tuple[np.ndarray, np.ndarray]:
    """A side of ``num`` flat strips, two triangles each, then a bottom and a top."""
    angle = np.linspace(0, 2 * np.pi, num, endpoint=False)
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(num)])
    upper = ring + np.array([0, 0, 2])
    vertices = np.vstack([ring, upper, [[0, 0, 0], [0, 0, 2]]])
    i, j = np.arange(num), np.roll(np.arange(num), -1)
    bottom, top = np.full(num, 2 * num), np.full(num, 2 * num + 1)
    side = [np.column_stack([i, j, j + num]), np.column_stack([i, j + num, i + num])]
    ends = [np.column_stack([bottom, j, i]), np.column_stack([top, i + num, j + num])]
    return vertices, np.concatenate([*side, *ends])


def test_each_face_of_a_box_is_a_part() -> None:
    parts = smooth_parts(*box())
    assert (parts[::2] == parts[1::2]).all()
    assert len(set(parts[::2])) == 6


@pytest.mark.parametrize(("num", "expected"), [(24, 3), (8, 10)], ids=["round", "octagon"])
def test_strips_are_one_part_where_they_bend_little(num: int, expected: int) -> None:
    parts = smooth_parts(*can(num))
    assert len(set(parts)) == expected
    assert len(set(parts[2 * num : 3 * num])) == 1
    assert parts[2 * num] != parts[3 * num]


def test_corners_that_a_file_repeats_are_one() -> None:
    vertices, triangles = can(24)
    repeated = vertices[triangles].reshape(-1, 3)
    parts = smooth_parts(repeated, np.arange(len(repeated)).reshape(-1, 3))
    assert (parts == smooth_parts(vertices, triangles)).all()
