from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_stack.errors import DataFileError
from perception_stack.io.bop import (
    BopResult,
    Target,
    read_detected,
    read_models,
    read_results,
    read_scene,
    read_targets,
    true_boxes,
    true_masks,
    write_results,
)

TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def scene(folder: Path, **changes: object) -> Path:
    folder = folder / "000002"
    (folder / "depth").mkdir(parents=True)
    camera = {"cam_K": [500, 0, 2, 0, 500, 1, 0, 0, 1], "depth_scale": 0.1}
    truth = {"obj_id": 5, "cam_R_m2c": TURN.ravel().tolist(), "cam_t_m2c": [10.0, 20.0, 900.0]}
    truth.update(changes)
    info = {"bbox_visib": [1, 1, 2, 3], "visib_fract": 0.75}
    for name, entry in (
        ("scene_camera", {"7": camera}),
        ("scene_gt", {"7": [truth]}),
        ("scene_gt_info", {"7": [info]}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(entry))
    raw = np.array([[0, 9000, 9001, 3], [1, 2, 3, 4]], dtype=np.uint16)
    cv2.imwrite(str(folder / "depth" / "000007.png"), raw)
    return folder


def test_scene_is_in_metres(tmp_path: Path) -> None:
    found = read_scene(scene(tmp_path))
    assert found.scene_id == 2
    depth, camera = found.depth(7)
    assert np.allclose(depth.depth_m[0, 1:3], [0.9, 0.9001])
    assert np.isnan(depth.depth_m[0, 0])
    assert (camera.width_px, camera.height_px, camera.k[0, 0]) == (4, 2, 500)
    (one,) = found.objects[7]
    assert one.obj_id == 5
    assert np.allclose(one.camera_from_model[:3, 3], [0.01, 0.02, 0.9])
    assert np.allclose(one.camera_from_model[:3, :3], TURN)
    assert one.xyxy_px.tolist() == [1, 1, 3, 4]
    assert one.visible == 0.75


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"cam_t_m2c": [1, 2]}, "not 3 finite numbers"), ({"cam_R_m2c": None}, "cam_R_m2c")],
)
def test_incomplete_entry_is_an_error(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(DataFileError, match=message):
        read_scene(scene(tmp_path, **changes))


def test_absent_image_is_an_error(tmp_path: Path) -> None:
    found = read_scene(scene(tmp_path))
    with pytest.raises(DataFileError, match="no image 8; known: 7 to 7"):
        found.depth(8)
    with pytest.raises(DataFileError, match="000007"):
        found.bgr(7)


def test_models_say_their_symmetries(tmp_path: Path) -> None:
    from perception_stack.objects.description import read_description

    half = np.diag([-1.0, -1, 1, 1])
    half[:3, 3] = [20, 0, 0]  # about x = 10 mm
    entry = {"diameter": 120.0, "min_x": -1, "min_y": -2, "min_z": -3}
    entry |= {"size_x": 60, "size_y": 70, "size_z": 80}
    entry["symmetries_discrete"] = [half.ravel().tolist()]
    entry["symmetries_continuous"] = [{"axis": [0, 0, 1], "offset": [1, 2, 3]}]
    (tmp_path / "models_info.json").write_text(json.dumps({"5": entry}))
    model = read_models(tmp_path)[5]
    assert model.path.name == "obj_000005.ply"
    assert model.diameter_m == pytest.approx(0.12)
    assert model.low_m.tolist() == pytest.approx([-0.001, -0.002, -0.003])
    assert model.size_m.tolist() == pytest.approx([0.06, 0.07, 0.08])
    assert np.allclose(model.axes, [[[0, 0, 1], [0.001, 0.002, 0.003]]])
    assert np.allclose(model.turns[0, :3, 3], [0.02, 0, 0])
    (tmp_path / "a.yaml").write_text(json.dumps(model.description()))
    declared = read_description(tmp_path / "a.yaml").symmetries
    assert np.allclose(declared[1]["through_m"], [0.01, 0, 0])
    assert np.allclose(np.abs(declared[1]["axis"]), [0, 0, 1])
    assert declared[1]["angle_deg"] == pytest.approx(180)


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = TURN, [0.1, -0.2, 0.9]
    result = BopResult(
        scene_id=2, im_id=7, obj_id=5, score=0.25, camera_from_model=pose, time_s=0.5
    )
    write_results(tmp_path / "a.csv", [result, result])
    text = (tmp_path / "a.csv").read_text().splitlines()
    assert text[0] == "scene_id,im_id,obj_id,score,R,t,time"
    assert text[1] == "2,7,5,0.25,0 -1 0 1 0 0 0 0 1,100.000000 -200.000000 900.000000,0.5"
    back = read_results(tmp_path / "a.csv")
    assert len(back) == 2
    assert np.allclose(back[1].camera_from_model, pose)
    (tmp_path / "b.csv").write_text("1,2,3,0.5,1 2 3,1 2 3,-1\n")
    with pytest.raises(DataFileError, match="result 1"):
        read_results(tmp_path / "b.csv")


def test_published_results_are_read_and_written_alike(data_dir: Path, tmp_path: Path) -> None:
    (path,) = (data_dir / "pose_bop_results").glob("gt-*.csv")
    results = read_results(path)
    assert len(results) == 1445
    rotations = np.array([one.camera_from_model[:3, :3] for one in results])
    assert np.allclose(rotations @ rotations.transpose(0, 2, 1), np.eye(3), atol=1e-2)
    depths_m = np.array([one.camera_from_model[2, 3] for one in results])
    assert ((depths_m > 0.2) & (depths_m < 2.0)).all()
    write_results(tmp_path / "again.csv", results)
    again = read_results(tmp_path / "again.csv")
    assert [(one.im_id, one.obj_id) for one in again] == [
        (one.im_id, one.obj_id) for one in results
    ]
    assert np.allclose(
        [one.camera_from_model for one in again], [o.camera_from_model for o in results], atol=1e-7
    )


def test_true_masks_become_one_label_image(tmp_path: Path) -> None:
    folder = scene(tmp_path)
    (folder / "mask_visib").mkdir()
    mask = np.zeros((2, 4), dtype=np.uint8)
    mask[1, 1:3] = 255
    cv2.imwrite(str(folder / "mask_visib" / "000007_000000.png"), mask)
    target = Target(scene_id=2, im_id=7, obj_ids=(5,))
    found = true_masks(read_scene(folder), target, shape=(2, 4))
    assert found.labels == ("obj_000005",)
    assert found.xyxy_px.tolist() == [[1, 1, 3, 2]]
    np.testing.assert_array_equal(found.mask, mask > 0)
    nobody = Target(scene_id=2, im_id=7, obj_ids=(6,))
    assert len(true_masks(read_scene(folder), nobody, shape=(2, 4))) == 0
    with pytest.raises(DataFileError, match="another size"):
        true_masks(read_scene(folder), target, shape=(4, 2))
    with pytest.raises(DataFileError, match="no objects of image 8"):
        true_boxes(read_scene(folder), Target(scene_id=2, im_id=8, obj_ids=(5,)))


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"score": 1.5}, "not in \\[0, 1\\]"),
        ({"bbox": [1, 2, 3]}, "not 4 finite numbers"),
        ({"category_id": None}, "category_id"),
    ],
)
def test_detections_that_do_not_hold_together(tmp_path: Path, entry: dict, text: str) -> None:
    whole = {"scene_id": 2, "image_id": 7, "category_id": 5, "bbox": [1, 2, 3, 4], "score": 0.5}
    path = tmp_path / "detections.json"
    path.write_text(json.dumps([whole]))
    (one,) = read_detected(path)[2, 7]
    assert (one.obj_id, one.xyxy_px.tolist(), one.score) == (5, [1, 2, 4, 6], 0.5)
    path.write_text(json.dumps([whole | entry]))
    with pytest.raises(DataFileError, match=text):
        read_detected(path)


def test_targets_join_the_objects_of_an_image(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    one = {"scene_id": 2, "im_id": 7, "inst_count": 1}
    path.write_text(json.dumps([one | {"obj_id": 5}, one | {"obj_id": 1}, one | {"obj_id": 5}]))
    assert read_targets(path) == [Target(scene_id=2, im_id=7, obj_ids=(1, 5))]
    path.write_text("{}")
    with pytest.raises(DataFileError, match="no list"):
        read_targets(path)
