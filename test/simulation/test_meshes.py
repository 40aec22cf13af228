"""Builders make closed bodies of the right volume; bodies have the extents they claim."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from perception_stack.simulation import actors
from perception_stack.simulation.builders import ball, box, lathe, prism, sheet, tube, turn
from perception_stack.simulation.mesh import Material, Mesh, fitted, merge, write_ply
from perception_stack.simulation.table_objects import known_objects, write_meshes

GREY = Material(bgr=(128, 128, 128), reflectance=0.5)
L_OUTLINE = [(1.0, 1.0), (1.0, 3.0), (0.0, 3.0), (0.0, 0.0), (2.0, 0.0), (2.0, 1.0)]


def volume_m3(mesh: Mesh) -> float:
    a, b, c = np.moveaxis(mesh.triangles_m, 1, 0)
    return float(np.einsum("ni,ni->n", a, np.cross(b, c)).sum() / 6)


def is_closed(mesh: Mesh) -> bool:
    """Each edge is walked as often in one direction as in the other."""
    corners = np.round(mesh.triangles_m, 9) + 0.0
    edges: Counter[tuple[bytes, bytes]] = Counter()
    for a, b, c in corners:
        for start, end in ((a, b), (b, c), (c, a)):
            edges[start.tobytes(), end.tobytes()] += 1
    return all(edges[end, start] == count for (start, end), count in edges.items())


@pytest.mark.parametrize(
    ("mesh", "expected_m3"),
    [
        (box((2.0, 3.0, 4.0), GREY, center_m=(5.0, 0.0, 0.0)), 24.0),
        (box((2.0, 2.0, 3.0), GREY, top_scale=(0.5, 0.5), top_shift_m=0.3), 7.0),
        (prism(L_OUTLINE, np.array([-1.0, 1.0]), GREY), 8.0),
        (lathe([(1.0, 0.0), (1.0, 2.0)], GREY, num_sides=720), 2 * np.pi),
        (lathe([(1, 0), (1, 2), (0.5, 2), (0.5, 1), (0, 1)], GREY, num_sides=720), 1.75 * np.pi),
        (ball((1.0, 2.0, 3.0), GREY, num_sides=200), 8 * np.pi),
        (tube([(0, 0, 0), (0, 0, 1), (0, 0, 3)], 0.5, GREY, num_sides=720), 0.75 * np.pi),
    ],
    ids=["box", "frustum", "L", "cylinder", "cup", "ellipsoid", "tube"],
)
def test_solids_are_closed_and_of_the_right_volume(mesh, expected_m3):
    assert is_closed(mesh)
    assert volume_m3(mesh) == pytest.approx(expected_m3, rel=2e-3)


def test_sheet_faces_where_its_axes_say():
    grid = np.array([[[x, y, 0.0] for y in (0.0, 1.0, 3.0)] for x in (0.0, 2.0)])
    a, b, c = np.moveaxis(sheet(grid, GREY).triangles_m, 1, 0)
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(axis=0) / 2, [0, 0, 6])


def test_moved_turns_first():
    moved = box((2.0, 4.0, 6.0), GREY).moved(1.0, 2.0, 3.0, rotation=turn(2, np.pi / 2))
    np.testing.assert_allclose(moved.bounds_m, [[-1, 1, 0], [3, 3, 6]], atol=1e-12)


def test_fitted_keeps_meshes_in_step():
    low, high = box((1, 1, 1), GREY), box((1, 1, 1), GREY, center_m=(0.0, 0.0, 1.0))
    first, second = fitted([low, high], np.array([3.0, 4.0, 4.0]))
    np.testing.assert_allclose(first.bounds_m, [[-1.5, -2, -2], [1.5, 2, 0]])
    np.testing.assert_allclose(second.bounds_m, [[-1.5, -2, 0], [1.5, 2, 2]])


SIZE_M = np.array([1.9, 0.7, 1.8])
ACTORS = {
    "car": actors.car(np.array([4.2, 1.8, 1.5]), GREY),
    "truck": actors.truck(np.array([7.0, 2.3, 3.0]), GREY),
    "walking": actors.pedestrian(SIZE_M, GREY, walking=True),
    "standing": actors.pedestrian(SIZE_M, GREY, walking=False),
    "cyclist": actors.cyclist(SIZE_M, GREY),
}


@pytest.mark.parametrize("name", ACTORS)
def test_road_users_fill_their_box_and_are_the_right_way_out(name):
    size = {"car": [4.2, 1.8, 1.5], "truck": [7.0, 2.3, 3.0]}.get(name, SIZE_M)
    union = merge(*ACTORS[name]).bounds_m
    np.testing.assert_allclose(union, np.outer([-0.5, 0.5], size), atol=1e-9)
    assert all(volume_m3(mesh) > 0 for mesh in ACTORS[name])
    assert all(is_closed(mesh) for mesh in ACTORS[name])


@pytest.mark.parametrize("known", known_objects(), ids=lambda known: known.name)
def test_known_objects_are_closed_and_centred(known):
    assert is_closed(known.mesh)
    assert volume_m3(known.mesh) > 0
    np.testing.assert_allclose(known.mesh.bounds_m.sum(axis=0), 0, atol=1e-12)
    assert (known.mesh.size_lwh_m > 0.04).all()
    assert (known.mesh.size_lwh_m < 0.25).all()


def test_names_of_known_objects_are_sorted():
    names = [known.name for known in known_objects()]
    assert names == sorted(set(names))


def test_ply_holds_the_mesh_with_shared_corners(tmp_path):
    mesh = box((1.0, 2.0, 3.0), GREY)
    write_ply(mesh, tmp_path / "box.ply")
    lines = (tmp_path / "box.ply").read_text().splitlines()
    assert "element vertex 8" in lines
    assert "element face 12" in lines
    body = lines[lines.index("end_header") + 1 :]
    vertices = np.array([line.split() for line in body[:8]], dtype=float)
    faces = np.array([line.split() for line in body[8:]], dtype=int)
    assert (faces[:, 0] == 3).all()
    np.testing.assert_allclose(vertices[faces[:, 1:]], mesh.triangles_m, atol=1e-8)


def test_every_known_object_gets_a_file(tmp_path):
    paths = write_meshes(tmp_path / "meshes")
    assert [path.stem for path in paths] == [known.name for known in known_objects()]
    again = write_meshes(tmp_path / "again")
    assert [one.read_bytes() for one in paths] == [one.read_bytes() for one in again]
