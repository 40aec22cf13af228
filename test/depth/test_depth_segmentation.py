from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import DepthImage
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.detector import DepthDetector
from perception_stack.depth.grid import build_grid, without_flying
from perception_stack.depth.rays import organised_cloud, pixel_rays
from perception_stack.depth.support import find_supports
from perception_stack.errors import ShapeError
from perception_stack.io.pcd import read_pcd_fields
from perception_stack.journal import Journal
from perception_stack.simulation.builders import ball, box, lathe, turn
from perception_stack.simulation.mesh import Material
from perception_stack.simulation.table import TableConfig, table_scene

PAINT = Material(bgr=(100, 100, 100), reflectance=0.5)
FROM_M = (-0.65, 0.1, 0.55)


def detector(**config) -> DepthDetector:
    return DepthDetector(DepthDetectorConfig(**config), Journal())


def labels_of(scene, *things):
    camera = scene.camera(640, 480, 560.0)
    image, body = scene.photograph([scene.table, *things], camera, scene.pose(FROM_M), noise=1.0)
    return detector().segment(image, camera), body


def standing(size_m, x_m, y_m, yaw_rad=0.0, z_m=0.0):
    return box(size_m, PAINT).moved(x_m, y_m, z_m + size_m[2] / 2, rotation=turn(2, yaw_rad))


@pytest.mark.parametrize(
    "things",
    [
        pytest.param(
            [standing((0.16, 0.12, 0.1), 0, 0, 0.3), standing((0.1, 0.08, 0.07), 0, 0, 0.8, 0.1)],
            id="stacked",
        ),
        pytest.param(
            [standing((0.12, 0.1, 0.15), 0, 0), standing((0.1, 0.1, 0.1), -0.11, 0.02)],
            id="one_before_the_other",
        ),
        pytest.param(
            [
                ball((0.05, 0.05, 0.05), PAINT, num_sides=32).moved(0, 0, 0.05),
                ball((0.05, 0.05, 0.05), PAINT, num_sides=32).moved(0, 0.1, 0.05),
            ],
            id="two_balls",
        ),
        pytest.param(
            [standing((0.12, 0.1, 0.15), 0, -0.06, 0.7), standing((0.1, 0.1, 0.1), 0, 0.07, 0.2)],
            id="edge_to_side",
        ),
    ],
)
def test_touching_things_are_kept_apart_and_whole(scene, things) -> None:
    label, body = labels_of(scene, *things)
    assert label.max() == len(things)
    for row in range(len(things)):
        assert scene.best_iou(label, body == row + 1) > 0.9


def test_inside_of_a_cup_belongs_to_the_cup(scene) -> None:
    profile = [(0.045, 0.0), (0.045, 0.1), (0.041, 0.1), (0.041, 0.005), (0.0, 0.005)]
    label, body = labels_of(scene, lathe(profile, PAINT, num_sides=48))
    assert label.max() == 1
    assert scene.best_iou(label, body == 1) > 0.9


def test_box_behind_a_standing_book_is_not_its_inside(scene) -> None:
    book, behind = standing((0.02, 0.18, 0.12), -0.1, 0), standing((0.08, 0.1, 0.1), 0.05, 0)
    label, body = labels_of(scene, book, behind)
    assert label.max() == 2
    assert scene.best_iou(label, body == 2) > 0.8


def test_paper_on_the_table_and_a_bent_table_are_no_objects(scene) -> None:
    camera = scene.camera(640, 480, 560.0)
    image, _ = scene.photograph([scene.table], camera, scene.pose(FROM_M), noise=1.0)
    u = np.linspace(-1, 1, 640, dtype=np.float32)
    bent = image.depth_m * (1 + np.float32(0.008) * u**2)
    bent[200:300, 200:300] -= 0.002
    bent_image = DepthImage(frame_id="camera", stamp_ns=0, depth_m=bent)
    assert detector().segment(bent_image, camera).max() == 0


@settings(max_examples=8)
@given(
    around=st.floats(-np.pi, np.pi),
    above=st.floats(0.5, 1.4),
    roll_rad=st.floats(-np.pi, np.pi),
    seed=st.integers(0, 1000),
)
def test_any_look_at_the_table_gives_plane_and_objects(
    scene, around, above, roll_rad, seed
) -> None:
    camera = scene.camera()
    place = 0.8 * np.array(
        [np.cos(around) * np.cos(above), np.sin(around) * np.cos(above), np.sin(above)]
    )
    look = scene.pose(place, roll_rad)
    things = [standing((0.15, 0.1, 0.12), 0.1, 0, 0.5), standing((0.1, 0.1, 0.08), -0.1, 0.1)]
    image, body = scene.photograph([scene.table, *things], camera, look, noise=0.5, seed=seed)
    config = DepthDetectorConfig()
    inverse = np.nan_to_num(1 / image.depth_m)
    grid = build_grid(inverse, pixel_rays(camera), noise=config.depth_noise, cell_px=2)
    plane = find_supports(grid, config)[0][0]
    up = look.rotation.T @ [0, 0, 1]
    assert plane.up @ up > np.cos(np.deg2rad(1.5))
    assert plane.height_m(np.zeros((1, 3)))[0] == pytest.approx(place[2], abs=0.006)
    label = detector().segment(image, camera)
    for row in (1, 2):
        assert scene.best_iou(label, body == row) > 0.75


def test_flying_pixels_go_and_steep_surfaces_stay(scene) -> None:
    camera = scene.camera(40, 30, 35.0)
    rays = pixel_rays(camera)
    depth_m = np.where(np.arange(40) < 20, 0.8, 1.4) * np.ones((30, 1))
    depth_m[:, 20] = 1.1
    inverse = (1 / depth_m).astype(np.float32)
    kept, num = without_flying(inverse, rays, noise=0.002)
    assert num == 30
    np.testing.assert_array_equal(kept[:, 20], 0)
    np.testing.assert_array_equal(np.delete(kept, 20, axis=1), np.delete(inverse, 20, axis=1))
    steep = 1 - np.tan(np.deg2rad(75)) * rays[..., 0] * 0.3  # a plane, in inverse depth
    steep = np.maximum(steep, 0.2).astype(np.float32)
    assert without_flying(steep, rays, noise=0.002)[1] == 0


def test_two_levels_and_a_wall_are_all_supports(scene) -> None:
    shelf = box((0.5, 0.9, 0.02), PAINT, center_m=(0.35, 0, 0.15))
    wall = box((0.02, 1.2, 1.0), PAINT, center_m=(0.6, 0, 0.5))
    thing = standing((0.1, 0.1, 0.1), -0.25, 0)
    camera = scene.camera(640, 480, 560.0)
    image, body = scene.photograph(
        [scene.table, shelf, wall, thing], camera, scene.pose((-0.9, 0, 0.7)), noise=0.5
    )
    label = detector().segment(image, camera)
    assert scene.best_iou(label, body == 3) > 0.9
    for row in (0, 1, 2):
        assert np.mean(label[body == row] == 0) > 0.9


def test_organised_cloud_and_depth_image_agree(scene) -> None:
    camera = scene.camera(640, 480, 560.0)
    image, _ = scene.photograph(
        [scene.table, standing((0.1, 0.1, 0.1), 0, 0)], camera, scene.pose(FROM_M), noise=1.0
    )
    xyz_m = organised_cloud(image, camera)
    ours = detector()
    same = ours.segment_organised(xyz_m) == ours.segment(image, camera)
    assert same.mean() > 0.999
    with pytest.raises(ShapeError):
        ours.segment_organised(xyz_m.reshape(-1, 3))


@pytest.mark.parametrize("seed", [100, 101, 102])
def test_piles_of_fifteen_touching_things(scene, seed) -> None:
    frame = table_scene(TableConfig(seed=seed, num_piled=15)).frame(seed % 30)
    label = detector().segment(frame.depth, frame.camera)
    valid = np.isfinite(frame.depth.depth_m)
    ious = []
    for one in np.unique(frame.pixel_ids[frame.pixel_ids >= 0]):
        mask = (frame.pixel_ids == one) & valid
        if mask.sum() >= 400:
            ious.append(scene.best_iou(np.where(valid, label, 0), mask))
    assert len(ious) >= 8
    assert np.mean(ious) > 0.75


@pytest.mark.parametrize(
    ("name", "least"), [("learn0", 0.97), ("learn17", 0.94), ("learn33", 0.95)]
)
def test_real_tables(scene, data_dir: Path, name: str, least: float) -> None:
    path = data_dir / "tabletop_mosd" / f"{name}.pcd"
    if not path.exists():
        pytest.skip(f"no {path}")
    points = read_pcd_fields(path)
    xyz_m = np.stack([points[axis] for axis in "xyz"], axis=1).reshape(480, 640, 3)
    truth = points["label"].reshape(480, 640).astype(int)
    truth = np.where(truth >= 20, truth // 10, 0)
    label = np.where(np.isfinite(xyz_m[..., 2]), detector().segment_organised(xyz_m), 0)
    objects = np.unique(truth[truth > 0])
    assert np.mean([scene.best_iou(label, truth == one) for one in objects]) > least
    main = [np.bincount(label[truth == one]).argmax() for one in objects]
    assert len(set(main)) == len(objects)


def test_real_kitchen(scene, data_dir: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    path = data_dir / "rgbd_7scenes" / "frame-000000.depth.png"
    if not path.exists():
        pytest.skip(f"no {path}")
    depth_m = cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1e3
    depth_m[(depth_m == 0) | (depth_m > 60)] = np.nan
    camera = scene.camera(640, 480, 585.0)
    found = detector().detect(DepthImage(frame_id="camera", stamp_ns=0, depth_m=depth_m), camera)
    assert 10 < len(found.boxes) < 60
    # the free-standing chair at the left, by its place in the picture
    label = detector().segment(DepthImage(frame_id="camera", stamp_ns=0, depth_m=depth_m), camera)
    chair = label[130:200, 170:190]
    assert np.mean(chair == np.bincount(chair[chair > 0]).argmax()) > 0.9
