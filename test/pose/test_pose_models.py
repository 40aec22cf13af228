from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.pose.models import load_models

CUBE = """\
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 1 3 2\nf 1 4 3\nf 5 6 7\nf 5 7 8\nf 1 2 6\nf 1 6 5
f 3 4 8\nf 3 8 7\nf 2 3 7\nf 2 7 6\nf 1 5 8\nf 1 8 4
"""


def ball_points(num: int = 500) -> str:
    points = np.random.default_rng(0).standard_normal((num, 3))
    points *= 0.1 / np.linalg.norm(points, axis=1, keepdims=True)
    return "\n".join(" ".join(f"{x:.6f}" for x in point) for point in points)


def load(folder: Path, scale: float = 1.0):
    return load_models(folder, scale=scale, resolution=0.05)


def test_mesh_becomes_even_points_with_outward_normals(tmp_path: Path) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    cube = load(tmp_path, scale=0.2)["cube"]
    assert cube.diameter_m == pytest.approx(0.2 * np.sqrt(3))
    assert np.allclose(cube.middle_m, 0.1)
    assert np.allclose(cube.size_lwh_m, 0.4)  # centred on the origin, which is a corner
    for surface in (cube.fine, cube.surface, cube.rough):
        on_face = np.abs(surface.points_m / 0.1 - 1).max(axis=1)
        assert np.allclose(on_face, 1)
        offset = surface.points_m - cube.middle_m
        assert np.allclose(np.einsum("ni,ni->n", surface.normals, offset), 0.1)
    area_per_point = 6 * 0.2**2 / len(cube.surface)
    assert 0.5 < np.sqrt(area_per_point) / cube.surface.spacing_m < 1.5


def test_points_become_a_surface_with_outward_normals(tmp_path: Path) -> None:
    (tmp_path / "ball.xyz").write_text(ball_points())
    ball = load(tmp_path)["ball"]
    outward = np.einsum("ni,ni->n", ball.fine.normals, ball.fine.points_m) / 0.1
    assert (outward > 0.9).all()


def test_grid_finds_nearly_the_nearest_point(tmp_path: Path) -> None:
    (tmp_path / "ball.xyz").write_text(ball_points())
    surface = load(tmp_path)["ball"].surface
    queries = np.random.default_rng(1).uniform(-0.13, 0.13, (500, 3))
    exact = np.linalg.norm(queries[:, None] - surface.points_m, axis=2).min(axis=1)
    found = np.linalg.norm(queries - surface.points_m[surface.nearest(queries)], axis=1)
    assert (found - exact <= surface.spacing_m / 2 * np.sqrt(3) + 1e-12).all()
    far = surface.nearest(np.array([[9.0, 9.0, 9.0], [-9.0, 0.0, 0.0]]))
    assert surface.points_m[far[0]].sum() > 0
    assert surface.points_m[far[1], 0] < 0


def test_other_files_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    (tmp_path / "cube.mtl").write_text("")
    (tmp_path / "README.md").write_text("meshes")
    assert list(load(tmp_path)) == ["cube"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "no mesh in it", id="empty folder"),
        pytest.param({"a.ply": ""}, "no mesh with a surface", id="empty file"),
        pytest.param({"a.ply": "ply\nformat asc"}, "no mesh with a surface", id="cut off"),
        pytest.param({"a.stl": "\0\1\2" * 50}, "no mesh with a surface", id="no mesh"),
        pytest.param({"a.obj": "v 0 0 0\nv 1 0 0"}, "no mesh with a surface", id="no triangles"),
        pytest.param(
            {"a.obj": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3"}, "no mesh with a surface", id="no area"
        ),
        pytest.param({"a.xyz": "1 2 3\n"}, "fewer than 10 points", id="one point"),
        pytest.param({"a.xyz": "1 2\n" * 20}, "fewer than 10 points", id="two coordinates"),
        pytest.param({"a.xyz": "1 2 3\n" * 20}, "fewer than 10 points", id="one place"),
        pytest.param({"a.xyz": "one two three\n"}, "no points", id="words"),
        pytest.param({"a.xyz": "1 nan 3\n4 5 6\n" * 9}, "fewer than|finite", id="NaN"),
        pytest.param({"a.obj": CUBE, "a.xyz": ball_points()}, "name 'a'", id="two of one name"),
    ],
)
def test_unusable_folder_is_an_error(
    tmp_path: Path, capfd, files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataFileError, match=message):
        load(tmp_path)
    assert capfd.readouterr().out == ""


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="mesh_dir"):
        load(tmp_path / "nowhere")


def test_mesh_in_millimetres_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "cube.obj").write_text(CUBE)
    with pytest.raises(ConfigError, match=r"346\.4 m .* mesh_scale 0\.001"):
        load(tmp_path, scale=200.0)
