"""The command ``pose bop`` on a data set that is made of a simulated table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.io.bop import read_results
from perception_stack.simulation.mesh import write_ply
from perception_stack.simulation.table import TableConfig, table_scene
from perception_stack.simulation.table_objects import known_objects
from perception_stack.tools.main import main

pytest.importorskip("trimesh")

OBJ_IDS = {"bracket": 3, "wedge": 7}
SCENE, IMAGE = 2, 5


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two of the objects on the table are in the data set."""
    folder = tmp_path_factory.mktemp("bop")
    scene = table_scene(TableConfig(seed=11))
    frame = scene.frame(1)
    truth = transform_boxes(frame.truth, scene.camera_from_truth(frame))
    (folder / "models").mkdir()
    sizes = {}
    for known in known_objects():
        if known.name in OBJ_IDS:
            number = OBJ_IDS[known.name]
            mesh = replace(known.mesh, triangles_m=1000 * known.mesh.triangles_m)
            write_ply(mesh, folder / "models" / f"obj_{number:06d}.ply")
            low, size = mesh.bounds_m[0], np.ptp(mesh.bounds_m, axis=0)
            entry = {f"min_{axis}": low[i] for i, axis in enumerate("xyz")}
            entry |= {f"size_{axis}": size[i] for i, axis in enumerate("xyz")}
            sizes[str(number)] = entry | {"diameter": float(np.linalg.norm(size))}
    (folder / "models" / "models_info.json").write_text(json.dumps(sizes))
    images = folder / "test" / f"{SCENE:06d}"
    (images / "depth").mkdir(parents=True)
    depth_mm = np.nan_to_num(10000 * frame.depth.depth_m, posinf=0).round().astype(np.uint16)
    cv2.imwrite(str(images / "depth" / f"{IMAGE:06d}.png"), depth_mm)
    objects, seen = [], []
    for name, number in OBJ_IDS.items():
        row = truth.labels.index(name)
        left, top, right, bottom = frame.visibility.xyxy_px[row].tolist()
        seen.append({"bbox_visib": [left, top, right - left, bottom - top], "visib_fract": 0.9})
        rotation = matrix_from_quat(truth.quat_xyzw[row]).ravel().tolist()
        at_mm = (1000 * truth.center_m[row]).tolist()
        objects.append({"obj_id": number, "cam_R_m2c": rotation, "cam_t_m2c": at_mm})
    camera = {"cam_K": frame.camera.k.ravel().tolist(), "depth_scale": 0.1}
    for name, content in (("camera", camera), ("gt", objects), ("gt_info", seen)):
        (images / f"scene_{name}.json").write_text(json.dumps({str(IMAGE): content}))
    detections = [
        {"scene_id": SCENE, "image_id": IMAGE, "category_id": one["obj_id"]}
        | {"bbox": box["bbox_visib"], "score": 0.8}
        for one, box in zip(objects, seen, strict=True)
    ]
    (folder / "detections.json").write_text(json.dumps(detections))
    target = {"scene_id": SCENE, "im_id": IMAGE, "obj_id": OBJ_IDS["wedge"], "inst_count": 1}
    (folder / "targets.json").write_text(json.dumps([target]))
    return folder


def assert_right(path: Path, root: Path, obj_ids: set[int]) -> None:
    """The surest pose of each; what stands there besides may look like one of them, too."""
    surest = {one.obj_id: one for one in sorted(read_results(path), key=lambda one: one.score)}
    assert set(surest) == obj_ids
    truth = json.loads((root / "test" / f"{SCENE:06d}" / "scene_gt.json").read_text())
    for one in surest.values():
        assert (one.scene_id, one.im_id) == (SCENE, IMAGE)
        assert one.time_s > 0
        (true,) = [each for each in truth[str(IMAGE)] if each["obj_id"] == one.obj_id]
        at_m = np.array(true["cam_t_m2c"]) / 1000
        assert np.linalg.norm(one.camera_from_model[:3, 3] - at_m) < 0.005
        rotation = np.array(true["cam_R_m2c"]).reshape(3, 3)
        cosine = (np.trace(one.camera_from_model[:3, :3].T @ rotation) - 1) / 2
        assert np.rad2deg(np.arccos(np.clip(cosine, -1, 1))) < 5


@pytest.mark.parametrize("where", ["boxes", "detections.json", "anywhere"])
def test_poses_are_found_and_written(root: Path, tmp_path: Path, where: str) -> None:
    out = tmp_path / "ours_test.csv"
    given = str(root / where) if where.endswith("json") else where
    assert main(["pose", "bop", "--root", str(root), "--where", given, "--out", str(out)]) == 0
    assert_right(out, root, set(OBJ_IDS.values()))


def test_only_targets_are_looked_for(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours_test.csv"
    arguments = ["pose", "bop", "--root", str(root), "--where", "boxes", "--out", str(out)]
    assert main([*arguments, "--targets", str(root / "targets.json")]) == 0
    assert_right(out, root, {OBJ_IDS["wedge"]})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--split", "val"], "--split names"),
        (["--where", "nowhere"], "neither anywhere, boxes, masks nor a file"),
        (["--where", "masks"], "mask_visib"),
        (["--models", "models_eval"], "models_info.json"),
    ],
)
def test_what_is_absent_is_named(
    root: Path,
    tmp_path: Path,
    arguments: list[str],
    text: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = str(tmp_path / "a.csv")
    assert main(["pose", "bop", "--root", str(root), "--out", out, *arguments]) == 2
    assert text in capsys.readouterr().err
