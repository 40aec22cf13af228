"""Colour decides where shape leaves several poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_stack.datatypes import DepthImage, Detections2D
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.journal import Journal
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.models import PoseModel
from perception_stack.pose.scene import Scene
from perception_stack.simulation.builders import box
from perception_stack.simulation.mesh import Material

CAMERA = CameraModel.pinhole(
    frame_id="camera",
    width_px=640,
    height_px=480,
    k=np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]),
)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> PoseEstimator:
    """A carton whose upper half is red and whose lower half is blue."""
    folder: Path = tmp_path_factory.mktemp("printed")
    mesh = box((0.12, 0.07, 0.17), Material(bgr=(0, 0, 0), reflectance=0.5))
    halves = []
    for sign in (-1, 1):  # each half is the box, squeezed to one side of the middle
        corners = mesh.triangles_m.reshape(-1, 3).copy()
        corners[:, 2] = corners[:, 2] / 2 + sign * 0.17 / 4
        halves.append(corners)
    corners = np.concatenate(halves)
    colours = np.repeat([[40, 60, 200], [210, 50, 40]], len(halves[0]), axis=0)
    lines = ["ply", "format ascii 1.0", f"element vertex {len(corners)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
    lines += [f"element face {len(corners) // 3}", "property list uchar int vertex_indices"]
    lines += ["end_header"]
    lines += [
        f"{x:.6f} {y:.6f} {z:.6f} {r} {g} {b}"
        for (x, y, z), (r, g, b) in zip(corners, colours, strict=True)
    ]
    lines += [f"3 {i} {i + 1} {i + 2}" for i in range(0, len(corners), 3)]
    (folder / "carton.ply").write_text("\n".join(lines) + "\n")
    return PoseEstimator(PoseEstimatorConfig(mesh_dir=str(folder)), Journal())


def picture(model: PoseModel, pose: np.ndarray) -> tuple[DepthImage, np.ndarray]:
    """Depths and colours of an object before a wall, of its points drawn as squares."""
    points = model.fine.points_m @ pose[:3, :3].T + pose[:3, 3]
    facing = np.einsum("ni,ni->n", model.fine.normals @ pose[:3, :3].T, points) < 0
    uv_px = np.rint(CAMERA.project(points[facing]).uv_px).astype(int)
    depth_m = np.full((480, 640), 1.3, dtype=np.float32)
    bgr = np.full((480, 640, 3), 128, dtype=np.uint8)
    order = np.argsort(-points[facing, 2])
    for u, v, z, rgb in zip(
        *uv_px[order].T, points[facing, 2][order], model.known.rgb[facing][order], strict=True
    ):
        depth_m[v - 3 : v + 4, u - 3 : u + 4] = z
        bgr[v - 3 : v + 4, u - 3 : u + 4] = rgb[::-1] // 2 + 20  # in the shade
    return DepthImage(frame_id="camera", stamp_ns=0, depth_m=depth_m), bgr


@pytest.mark.parametrize("seed", range(3))
def test_print_tells_which_end_is_up(printed: PoseEstimator, seed: int) -> None:
    (model,) = printed.models
    assert len(model.known.symmetries.turns) == 4  # by shape
    pose = np.eye(4)
    pose[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    pose[:3, 3] = [0.02, -0.01, 0.8]
    depth, bgr = picture(model, pose)
    rows, cols = np.nonzero(depth.depth_m < 1.2)
    box_px = np.array([[cols.min(), rows.min(), cols.max(), rows.max()]], dtype=np.float64)
    detections = Detections2D(
        frame_id="camera",
        stamp_ns=0,
        xyxy_px=box_px,
        score=np.ones(1),
        labels=("carton",),
    )
    blind = printed.estimate(detections, Scene.of(depth, CAMERA))
    seeing = printed.estimate(detections, Scene.of(depth, CAMERA, bgr=bgr))
    assert len(blind.alternatives[0]) >= 3
    up = pose[:3, 2]  # the print is the same after half a turn about the carton's z axis
    found = matrix_from_quat(seeing.boxes.quat_xyzw[0])[:, 2]
    assert up @ found > 0.99
    assert all(up @ other[:3, 2] > 0.9 for other in seeing.alternatives[0])
