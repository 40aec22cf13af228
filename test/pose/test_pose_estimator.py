from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_stack.datatypes import Boxes3D, DepthImage
from perception_stack.errors import ConfigError, FrameMismatchError, ShapeError
from perception_stack.evaluation.pose import Poses, add_s_m
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.journal import Journal, Reason
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.models import PoseModel
from perception_stack.pose.scene import Scene
from perception_stack.simulation.mesh import write_ply
from perception_stack.simulation.table_objects import known_objects

_ROOT = Path(__file__).resolve().parents[2]


def matrix(boxes: Boxes3D, row: int = 0) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quat(boxes.quat_xyzw[row])
    pose[:3, 3] = boxes.center_m[row]
    return pose


def angle_rad(a: np.ndarray, b: np.ndarray) -> float:
    cosine = (np.trace(a[:3, :3].T @ b[:3, :3]) - 1) / 2
    return float(np.arccos(np.clip(cosine, -1, 1)))


def content(boxes: Boxes3D) -> bytes:
    arrays = (boxes.center_m, boxes.quat_xyzw, boxes.covariance, boxes.score, boxes.size_lwh_m)
    return b"".join(one.tobytes() for one in arrays)


def rendered(model: PoseModel, pose: np.ndarray, camera: CameraModel) -> DepthImage:
    """Depths of an object alone, of its points drawn as small squares."""
    points = model.fine.points_m @ pose[:3, :3].T + pose[:3, 3]
    uv_px = np.rint(camera.project(points).uv_px).astype(int)
    depth_m = np.full((480, 640), np.inf)
    for dv in range(-2, 3):
        for du in range(-2, 3):
            np.minimum.at(depth_m, (uv_px[:, 1] + dv, uv_px[:, 0] + du), points[:, 2])
    depth_m[np.isinf(depth_m)] = 1.2  # a wall behind
    return DepthImage(frame_id=camera.frame_id, stamp_ns=0, depth_m=depth_m.astype(np.float32))


def add_s_of_diameter(model: PoseModel, truth: np.ndarray, found: np.ndarray) -> float:
    poses = [
        Poses(rotation=one[None, :3, :3], translation_m=one[None, :3, 3]) for one in (truth, found)
    ]
    return float(add_s_m(*poses, model.fine.points_m)[0] / model.diameter_m)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", ["bracket", "wedge"])
def test_object_without_symmetry_is_found(estimator, table, name: str, seed: int) -> None:
    view = table(seed)
    boxes = estimator.estimate(view.detection(name), view.scene).boxes
    assert boxes.labels == (name,)
    found, truth = matrix(boxes), view.pose(name)
    assert np.linalg.norm(found[:3, 3] - truth[:3, 3]) < 0.005
    assert np.rad2deg(angle_rad(found, truth)) < 5


@pytest.mark.parametrize("name", ["ball", "bottle", "can", "carton", "mug"])
def test_object_that_looks_alike_from_sides_is_found(estimator, models, table, name: str) -> None:
    view = table(0)
    boxes = estimator.estimate(view.detection(name), view.scene).boxes
    assert add_s_of_diameter(models[name], view.pose(name), matrix(boxes)) < 0.03


def test_handle_in_view_fixes_the_turn_of_a_mug(estimator, table) -> None:
    view = table(1)
    boxes = estimator.estimate(view.detection("mug"), view.scene).boxes
    assert np.rad2deg(angle_rad(matrix(boxes), view.pose("mug"))) < 5


def test_boxes_follow_the_contract(estimator, table, models) -> None:
    view = table(0)
    boxes = estimator.estimate(view.detection("wedge", "can"), view.scene).boxes
    assert boxes.frame_id == view.camera.frame_id
    assert boxes.stamp_ns == view.depth.stamp_ns
    assert boxes.labels == ("wedge", "can")
    assert boxes.sensors == (("camera", "depth"),) * 2
    assert np.allclose(boxes.size_lwh_m, [models[one].box_lwh_m for one in boxes.labels])
    assert ((boxes.score > 0.5) & (boxes.score <= 1)).all()
    assert np.allclose(boxes.covariance, boxes.covariance.transpose(0, 2, 1))
    assert (np.linalg.eigvalsh(boxes.covariance) > 0).all()


def test_detections_do_not_influence_each_other(estimator, table) -> None:
    view = table(0)
    both = estimator.estimate(view.detection("can", "wedge"), view.scene).boxes
    alone = estimator.estimate(view.detection("wedge"), view.scene).boxes
    assert content(both.rows(np.array([1]))) == content(alone)


_SCRIPT = """
import sys
import numpy as np
from perception_stack.datatypes import DepthImage, Detections2D
from perception_stack.geometry.camera import CameraModel
from perception_stack.journal import Journal
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.scene import Scene
folder = sys.argv[1]
given = np.load(folder + "/view.npz")
depth = DepthImage(frame_id="camera", stamp_ns=0, depth_m=given["depth_m"])
height, width = depth.depth_m.shape
camera = CameraModel.pinhole(frame_id="camera", width_px=width, height_px=height, k=given["k"])
detections = Detections2D(frame_id="camera", stamp_ns=0, xyxy_px=given["xyxy_px"],
                          score=np.ones(1), labels=("bracket",))
estimator = PoseEstimator(PoseEstimatorConfig(mesh_dir=folder), Journal())
boxes = estimator.estimate(detections, Scene.of(depth, camera)).boxes
assert len(boxes) == 1
for array in (boxes.center_m, boxes.quat_xyzw, boxes.covariance, boxes.score):
    print(array.tobytes().hex())
"""


def test_result_is_the_same_for_any_number_of_threads(table, tmp_path: Path) -> None:
    view = table(1)
    (bracket,) = (one for one in known_objects() if one.name == "bracket")
    write_ply(bracket.mesh, tmp_path / "bracket.ply")
    np.savez(
        tmp_path / "view.npz",
        depth_m=view.depth.depth_m,
        k=view.camera.k,
        xyxy_px=view.detection("bracket").xyxy_px,
    )
    outputs = set()
    for threads in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(tmp_path)],
            cwd=_ROOT,
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_crop_of_the_image_changes_nothing(estimator, table) -> None:
    view = table(1)
    detection = view.detection("bracket")
    offset = np.array([30, 20])
    assert (detection.xyxy_px[0, :2] > 3 * offset).all()
    k = view.camera.k.copy()
    k[:2, 2] -= offset
    camera = CameraModel.pinhole(
        frame_id=view.camera.frame_id,
        width_px=view.camera.width_px - int(offset[0]),
        height_px=view.camera.height_px - int(offset[1]),
        k=k,
    )
    depth = replace(view.depth, depth_m=view.depth.depth_m[offset[1] :, offset[0] :])
    moved = replace(detection, xyxy_px=detection.xyxy_px - np.tile(offset, 2))
    expected = estimator.estimate(detection, view.scene).boxes
    found = estimator.estimate(moved, Scene.of(depth, camera)).boxes
    assert np.allclose(matrix(found), matrix(expected), atol=1e-6)


def test_pose_moves_with_the_frame_and_unit_of_the_mesh(table, tmp_path: Path) -> None:
    view = table(1)
    (bracket,) = (one for one in known_objects() if one.name == "bracket")
    turn = matrix_from_quat(np.array([0.5, -0.5, 0.5, 0.5]))
    shift_m = np.array([0.02, -0.01, 0.03])
    # v' = T v in millimetres, so a pose that takes v to the scene is that of v' after T
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = turn, shift_m
    triangles = 1000 * (bracket.mesh.triangles_m @ turn.T + shift_m)
    write_ply(replace(bracket.mesh, triangles_m=triangles), tmp_path / "bracket.ply")
    (tmp_path / "bracket.yaml").write_text("unit: mm")
    config = PoseEstimatorConfig(mesh_dir=str(tmp_path))
    found = PoseEstimator(config, Journal()).estimate(view.detection("bracket"), view.scene)
    boxes = found.boxes
    found = matrix(boxes) @ moved
    assert np.linalg.norm(found[:3, 3] - view.pose("bracket")[:3, 3]) < 0.005
    assert np.rad2deg(angle_rad(found, view.pose("bracket"))) < 5


def test_half_hidden_object_is_found(estimator, table) -> None:
    view = table(1)
    detection = view.detection("bracket")
    left, top, right, bottom = detection.xyxy_px[0].astype(int)
    depth_m = view.depth.depth_m.copy()
    depth_m[top - 20 : bottom + 20, left - 20 : left + int(0.35 * (right - left))] = 0.45
    depth = replace(view.depth, depth_m=depth_m)
    boxes = estimator.estimate(detection, Scene.of(depth, view.camera)).boxes
    assert np.linalg.norm(boxes.center_m[0] - view.pose("bracket")[:3, 3]) < 0.01
    assert np.rad2deg(angle_rad(matrix(boxes), view.pose("bracket"))) < 8


@pytest.mark.parametrize(
    ("name", "xyxy_px", "reason"),
    [
        pytest.param("spoon", (10, 10, 90, 90), Reason.NO_MESH, id="unknown class"),
        pytest.param("can", (900, 100, 990, 200), Reason.NO_DEPTH, id="right of the image"),
        pytest.param("can", (-200, -90, -100, -20), Reason.NO_DEPTH, id="left above the image"),
        pytest.param("can", (100, 100, 100, 200), Reason.NO_DEPTH, id="no width"),
        pytest.param("can", (200, 200, 100, 100), Reason.NO_DEPTH, id="inside out"),
        pytest.param("can", (np.nan, 0, 50, 50), Reason.NO_DEPTH, id="NaN"),
        pytest.param("can", (100, 100, 103, 103), Reason.NO_DEPTH, id="too small"),
        pytest.param("ball", (0, 0, 640, 480), Reason.POSE_NOT_FOUND, id="whole image"),
    ],
)
def test_detection_without_pose_is_counted(
    estimator, journal, table, name: str, xyxy_px: tuple[float, ...], reason: Reason
) -> None:
    view = table(0)
    detections = view.asked((name,), np.array([xyxy_px], dtype=float))
    boxes = estimator.estimate(detections, view.scene).boxes
    assert len(boxes) == 0
    assert boxes.frame_id == view.camera.frame_id
    assert journal.counts == {reason: 1}
    assert name in journal.last(reason).detail


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf], ids=["NaN", "zero", "infinite"])
def test_image_without_depth_is_counted(estimator, journal, table, value: float) -> None:
    view = table(0)
    depth = replace(view.depth, depth_m=np.full_like(view.depth.depth_m, value))
    boxes = estimator.estimate(view.detection("can", "mug"), Scene.of(depth, view.camera)).boxes
    assert len(boxes) == 0
    assert journal.counts == {Reason.NO_DEPTH: 2}


def test_flat_wall_is_no_object(estimator, journal, table) -> None:
    view = table(0)
    depth = replace(view.depth, depth_m=np.full_like(view.depth.depth_m, 0.8))
    assert len(estimator.estimate(view.detection("wedge"), Scene.of(depth, view.camera))) == 0
    assert journal.counts == {Reason.NO_DEPTH: 1}


def test_no_detections_give_no_boxes(estimator, journal, table) -> None:
    view = table(0)
    boxes = estimator.estimate(view.detection(), view.scene).boxes
    assert len(boxes) == 0
    assert boxes.stamp_ns == view.depth.stamp_ns
    assert journal.counts == {}


def test_detections_of_another_frame_are_an_error(estimator, table) -> None:
    view = table(0)
    elsewhere = replace(view.detection("can"), frame_id="elsewhere")
    with pytest.raises(FrameMismatchError, match="elsewhere"):
        estimator.estimate(elsewhere, view.scene)


def test_depth_of_another_size_than_the_camera_is_an_error(table) -> None:
    view = table(0)
    depth = replace(view.depth, depth_m=view.depth.depth_m[::2, ::2])
    with pytest.raises(ShapeError, match=r"depth_m must be \[480, 640\]"):
        Scene.of(depth, view.camera)


def test_mask_takes_the_place_of_the_box(estimator, table, models) -> None:
    """The box is that of the whole image; only the mask says where the can is."""
    view = table(0)
    truth = view.pose("can")
    v, u = np.mgrid[:480, :640]
    points = models["can"].fine.points_m @ truth[:3, :3].T + truth[:3, 3]
    left, top, right, bottom = view.detection("can").xyxy_px[0]
    mask = (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
    mask &= np.abs(view.depth.depth_m - points[:, 2].mean()) < 0.06
    detections = replace(
        view.detection("can"), mask=mask.astype(np.uint16), xyxy_px=view.detection("can").xyxy_px
    )
    boxes = estimator.estimate(detections, view.scene).boxes
    assert add_s_of_diameter(models["can"], truth, matrix(boxes)) < 0.03


def test_symmetric_objects_list_their_other_poses(estimator, table) -> None:
    view = table(0)
    found = estimator.estimate(view.detection("carton", "bracket"), view.scene)
    assert [len(one) > 0 for one in found.alternatives] == [True, False]
    listed = np.concatenate([matrix(found.boxes)[None], found.alternatives[0]])
    nearest = min(angle_rad(one, view.pose("carton")) for one in listed)
    assert np.rad2deg(nearest) < 5
    others = found.alternative_boxes()
    assert len(others) == len(found.alternatives[0])
    assert set(others.sensors) == {("0",)}
    assert np.allclose(matrix(others, 1), found.alternatives[0][1])


def test_hidden_handle_leaves_a_range_of_turns(estimator, table, models) -> None:
    """Depths of a mug whose handle points away: it may be anywhere behind."""
    model, pose = models["mug"], np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", [-110, 0, 0], degrees=True).as_matrix()
    pose[:3, :3] = pose[:3, :3] @ Rotation.from_euler("z", 90, degrees=True).as_matrix()
    pose[:3, 3] = [0.0, 0.0, 0.6]
    view = table(0)
    depth = rendered(model, pose, view.camera)
    box = np.array([[320 - 70, 240 - 80, 320 + 70, 240 + 80]], dtype=float)
    found = estimator.estimate(view.asked(("mug",), box), Scene.of(depth, view.camera))
    listed = np.concatenate([matrix(found.boxes)[None], found.alternatives[0]])
    turns = [np.rad2deg(angle_rad(one, pose)) for one in listed]
    assert len(found.alternatives[0])
    assert min(turns) < 15


def test_whole_frame_is_searched_without_detections(estimator, table, models) -> None:
    view = table(1)
    found = estimator.search(view.scene)
    seen = set()
    for row, name in enumerate(found.boxes.labels):
        error = add_s_of_diameter(models[name], view.pose(name), matrix(found.boxes, row))
        assert error < 0.1
        seen.add(name)
    assert len(seen) == len(found.boxes) >= 6
    assert (np.diff(found.boxes.score) <= 0).all()


def test_only_the_objects_looked_for_are_found(estimator, table) -> None:
    view = table(0)
    estimator.look_for(["can"])
    try:
        found = estimator.estimate(view.detection("can", "wedge"), view.scene)
        assert found.boxes.labels == ("can",)
        with pytest.raises(ConfigError, match="no mesh of spoon; known: ball"):
            estimator.look_for(["spoon"])
        assert [model.name for model in estimator.models] == ["can"]
    finally:
        estimator.look_for([])


@pytest.mark.parametrize("name", ["bracket", "mug"])
def test_rough_pose_is_refined(estimator, table, name: str) -> None:
    view = table(1)
    truth = view.pose(name)
    start = truth.copy()
    start[:3, :3] = truth[:3, :3] @ Rotation.from_rotvec([0.15, -0.1, 0.12]).as_matrix()
    start[:3, 3] += [0.01, -0.01, 0.01]
    found = estimator.refine(name, start, view.scene)
    assert np.linalg.norm(found.pose[:3, 3] - truth[:3, 3]) < 0.004
    assert np.rad2deg(angle_rad(found.pose, truth)) < 3
    assert found.score > 0.5


def test_nothing_to_refine_is_counted(estimator, journal, table) -> None:
    pose = np.eye(4)
    pose[:3, 3] = [0.0, 0.0, 0.2]
    assert estimator.refine("can", pose, table(0).scene) is None
    pose[2, 3] = -1.0
    assert estimator.refine("can", pose, table(0).scene) is None
    assert journal.counts == {Reason.NO_DEPTH: 2}


def test_region_of_no_class_is_taken_for_what_fits_best(estimator, table) -> None:
    view = table(0)
    boxes = view.detection("bracket", "bottle").xyxy_px
    found = estimator.estimate(view.asked(("", ""), boxes), view.scene)
    assert found.boxes.labels == ("bracket", "bottle")


def test_other_objects_are_looked_for_once_only(estimator, table) -> None:
    view = table(0)
    asked = view.detection("bracket", "bottle")
    before = estimator.active
    with estimator.looking_for(("bottle",)):
        assert estimator.estimate(asked, view.scene).boxes.labels == ("bottle",)
    assert estimator.active == before
    with pytest.raises(ConfigError, match="no mesh of spoon"), estimator.looking_for(("spoon",)):
        pass
    assert estimator.active == before
