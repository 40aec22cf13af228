from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.objects.library import ObjectModel, load_library, load_object
from perception_stack.objects.rotations import angle_of

pytest.importorskip("trimesh")

CUBE = """\
v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1
f 1 3 2\nf 1 4 3\nf 5 6 7\nf 5 7 8\nf 1 2 6\nf 1 6 5
f 3 4 8\nf 3 8 7\nf 2 3 7\nf 2 7 6\nf 1 5 8\nf 1 8 4
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def ball_points(num: int = 500) -> str:
    points = np.random.default_rng(0).standard_normal((num, 3))
    points *= 0.1 / np.linalg.norm(points, axis=1, keepdims=True)
    return "\n".join(" ".join(f"{x:.6f}" for x in point) for point in points)


# the search for symmetries takes seconds: only for tests that are about what it finds
PLAIN = "symmetries: none"
PLAIN_CUBE = f"{{unit: dm, {PLAIN}}}"


def cube(folder: Path, text: str = "unit: dm") -> ObjectModel:
    (folder / "cube.obj").write_text(CUBE)
    (folder / "cube.yaml").write_text(text)
    return load_object(folder / "cube.obj")


def test_mesh_becomes_even_points_with_outward_normals(tmp_path: Path) -> None:
    model = cube(tmp_path, PLAIN_CUBE)
    assert model.diameter_m == pytest.approx(0.1 * np.sqrt(3))
    assert np.allclose(model.middle_m, 0.05)
    assert np.allclose(model.size_lwh_m, 0.1)
    for surface in (model.surface, model.surface.thinned(0.01)):
        offset = surface.points_m - model.middle_m
        assert np.allclose(np.abs(offset).max(axis=1), 0.05)
        assert np.allclose(np.einsum("ni,ni->n", surface.normals, offset), 0.05)
        apart_m = np.sqrt(6 * 0.1**2 / len(surface))
        assert 0.5 < apart_m / surface.spacing_m < 1.5


def test_points_become_a_surface_with_outward_normals(tmp_path: Path) -> None:
    (tmp_path / "ball.xyz").write_text(ball_points())
    (tmp_path / "ball.yaml").write_text(PLAIN)
    surface = load_library(tmp_path)["ball"].surface
    assert (np.einsum("ni,ni->n", surface.normals, surface.points_m) / 0.1 > 0.9).all()


def test_inner_wall_of_points_looks_inwards(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(-np.pi, np.pi, 4000), rng.uniform(0, 0.06, 4000)
    radius = np.where(np.arange(4000) % 2, 0.05, 0.04)
    ring = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])
    np.savetxt(tmp_path / "ring.xyz", ring)
    (tmp_path / "ring.yaml").write_text(PLAIN)
    surface = load_library(tmp_path)["ring"].surface
    outward = np.einsum("ni,ni->n", surface.normals[:, :2], surface.points_m[:, :2])
    inner = np.linalg.norm(surface.points_m[:, :2], axis=1) < 0.045
    assert (outward[inner] < 0).mean() > 0.95
    assert (outward[~inner] > 0).mean() > 0.95


def test_grid_finds_nearly_the_nearest_point(tmp_path: Path) -> None:
    (tmp_path / "ball.xyz").write_text(ball_points())
    (tmp_path / "ball.yaml").write_text(PLAIN)
    surface = load_library(tmp_path)["ball"].surface.thinned(0.02)
    queries = np.random.default_rng(1).uniform(-0.13, 0.13, (500, 3))
    exact = np.linalg.norm(queries[:, None] - surface.points_m, axis=2).min(axis=1)
    found, rows = surface.distances(queries, np.eye(4)[None])
    assert np.allclose(found[0], np.linalg.norm(queries - surface.points_m[rows[0]], axis=1))
    assert (found[0] - exact <= surface.spacing_m / 2 * np.sqrt(3) + 1e-12).all()


def test_colours_of_vertices_reach_the_samples(tmp_path: Path) -> None:
    colours = ["1 0 0"] * 4 + ["0 0 1"] * 4
    lines = CUBE.split("\n")
    lines[:8] = [f"{line} {one}" for line, one in zip(lines[:8], colours, strict=True)]
    (tmp_path / "cube.obj").write_text("\n".join(lines))
    (tmp_path / "cube.yaml").write_text(PLAIN_CUBE)
    model = load_object(tmp_path / "cube.obj")
    assert len(model.rgb) == len(model.surface)
    low, high = model.surface.points_m[:, 2] < 1e-9, model.surface.points_m[:, 2] > 0.1 - 1e-9
    assert (model.rgb[low] == [255, 0, 0]).all()
    assert (model.rgb[high] == [0, 0, 255]).all()


@pytest.mark.parametrize(
    ("name", "turns", "axes"),
    [
        ("ball", 1, 3),
        ("bottle", 1, 1),
        ("bracket", 1, 0),
        ("can", 2, 1),
        ("carton", 4, 0),
        ("mug", 1, 0),
        ("wedge", 1, 0),
    ],
)
def test_symmetries_of_the_table_objects(
    table_objects: dict[str, ObjectModel], name: str, turns: int, axes: int
) -> None:
    found = table_objects[name].symmetries
    assert (len(found.turns), len(found.axes)) == (turns, axes)
    assert np.array_equal(found.turns[0], np.eye(4))
    model = table_objects[name]
    distance_m, _ = model.surface.distances(model.surface.points_m, found.equivalents())
    assert np.quantile(distance_m, 0.99) < 0.05 * model.diameter_m
    if axes == 1:
        assert abs(found.axes[0].direction[2]) > 0.999


def test_a_cube_has_its_24_turns(tmp_path: Path) -> None:
    turns = cube(tmp_path).symmetries.turns
    assert len(turns) == 24
    apart = angle_of(np.swapaxes(turns[:, None, :3, :3], 2, 3) @ turns[None, :, :3, :3])
    assert np.allclose(np.rad2deg(apart[0]), np.round(np.rad2deg(apart[0]) / 30) * 30, atol=1)
    assert (apart + 9 * np.eye(24) > np.deg2rad(80)).all()


@pytest.mark.parametrize("name", ["ball", "bottle", "can", "carton"])
def test_symmetries_leave_the_middle_where_it_is(
    table_objects: dict[str, ObjectModel], name: str
) -> None:
    """Samples are not quite even: their mean is up to 0.7 mm off the axis."""
    model = table_objects[name]
    moved_m = model.symmetries.equivalents()[:, :3, 3]
    # the ends of the can differ by 2 mm, so what turns it upside down may shift it along its axis
    along = [2] if name == "can" else []
    assert np.abs(np.delete(moved_m, along, axis=1)).max() < 0.0005 * model.diameter_m
    assert np.abs(moved_m).max() < 0.5e-3


@pytest.mark.parametrize(
    ("name", "turns", "axes"),
    [
        ("002_master_chef_can", 2, 1),
        ("003_cracker_box", 4, 0),
        ("011_banana", 1, 0),
        ("019_pitcher_base", 1, 0),
        ("025_mug", 1, 0),
        ("035_power_drill", 1, 0),
        ("036_wood_block", 8, 0),
    ],
)
def test_symmetries_of_scanned_objects(data_dir: Path, name: str, turns: int, axes: int) -> None:
    found = load_object(data_dir / "pose_ycb" / "models" / f"{name}.xyz").symmetries
    assert (len(found.turns), len(found.axes)) == (turns, axes)


def test_declared_symmetries_take_the_place_of_those_found(tmp_path: Path) -> None:
    assert cube(tmp_path, "{unit: dm, symmetries: none}").symmetries.is_trivial
    text = "{unit: dm, symmetries: [{axis: [0, 0, 2], angle_deg: 90}]}"
    declared = cube(tmp_path, text).symmetries
    assert len(declared.turns) == 4
    middle = np.append(0.05 * np.ones(3), 1.0)
    assert np.allclose(declared.turns @ middle, middle)


def test_second_time_nothing_is_read_but_the_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cube(tmp_path)
    monkeypatch.setattr("perception_stack.objects.library.read_shape", None)
    again = load_object(tmp_path / "cube.obj")
    assert again.digest == first.digest
    assert np.array_equal(again.surface.points_m, first.surface.points_m)
    assert np.array_equal(again.symmetries.turns, first.symmetries.turns)
    (tmp_path / "cube.obj").write_text(CUBE + "\n")
    with pytest.raises(TypeError):  # other bytes are another object
        load_object(tmp_path / "cube.obj")


def test_cut_off_cache_is_made_anew(tmp_path: Path) -> None:
    first = cube(tmp_path, PLAIN_CUBE)
    import os

    (kept,) = (Path(os.environ["XDG_CACHE_HOME"]) / "perception_stack" / "objects").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    again = cube(tmp_path, PLAIN_CUBE)
    assert np.array_equal(again.surface.points_m, first.surface.points_m)


def test_other_files_in_the_folder_do_not_matter(tmp_path: Path) -> None:
    cube(tmp_path, PLAIN_CUBE)
    (tmp_path / "cube.mtl").write_text("")
    (tmp_path / "README.md").write_text("meshes")
    assert list(load_library(tmp_path)) == ["cube"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "no mesh in it", id="empty folder"),
        pytest.param({"a.ply": ""}, "no mesh", id="empty file"),
        pytest.param({"a.ply": "ply\nformat asc"}, "no mesh", id="cut off"),
        pytest.param({"a.stl": "\0\1\2" * 50}, "no mesh", id="no mesh"),
        pytest.param({"a.obj": "v 0 0 0\nv 1 0 0"}, "no mesh|no faces", id="no triangles"),
        pytest.param(
            {"a.obj": "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3"}, "no mesh with a surface", id="no area"
        ),
        pytest.param({"a.xyz": "1 2 3\n"}, "fewer than 10 points", id="one point"),
        pytest.param({"a.xyz": "1 2\n" * 20}, "three coordinates", id="two coordinates"),
        pytest.param({"a.xyz": "1 2 3\n" * 20}, "fewer than 10 points", id="one place"),
        pytest.param({"a.xyz": "one two three\n"}, "no points", id="words"),
        pytest.param({"a.xyz": "1 nan 3\n4 5 6\n" * 9}, "finite", id="NaN"),
        pytest.param({"a.obj": CUBE, "a.xyz": ball_points()}, "name 'a'", id="two of one name"),
    ],
)
def test_unusable_folder_is_an_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], files: dict[str, str], message: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        (tmp_path / "a.yaml").write_text(PLAIN_CUBE)
    with pytest.raises(DataFileError, match=message):
        load_library(tmp_path)
    assert capfd.readouterr().out == ""


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="mesh_dir"):
        load_library(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unit: mm", r"0\.001732 m .* write 'unit: in'"),
        ("{unit: m, size_m: [0.1, 0.1, 0.1]}", "write 'unit: dm'"),
        ("{unit: dm, size_m: [0.1, 0.1, 0.2]}", "no unit fits"),
        ("unit: furlong", "not one of m, dm"),
        ("units: mm", "did you mean 'unit'"),
        ("symmetries: [{angle_deg: 90}]", "each symmetry has an axis"),
        ("symmetries: [{axis: [0, 0, 0]}]", "axis of length 0"),
        ("symmetries: [{axis: [0, 0, 1], angle_deg: 0}]", "angle_deg must be"),
        ("{unit: dm, symmetries: [{axis: [1, 2, 3]}]}", "not symmetric about"),
        ("size_m: [1, 2]", "three numbers"),
        ("[1, 2]", "expected entries"),
        ("a: [", "cube.yaml"),
    ],
)
def test_wrong_description_is_an_error_that_says_so(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        cube(tmp_path, text)


def test_description_names_the_file_of_grasps(tmp_path: Path) -> None:
    assert cube(tmp_path, PLAIN_CUBE).grasps is None
    text = f"{{unit: dm, {PLAIN}, grasps: grasps/cube.yaml}}"
    assert cube(tmp_path, text).grasps == tmp_path / "grasps" / "cube.yaml"
