"""What the benchmarks of poses share: simulated and real frames with known poses, and errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from perception_stack.datatypes import Boxes3D, DepthImage, FloatArray
from perception_stack.depth.registration import register
from perception_stack.evaluation.pose import Poses, add_m, add_s_m
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.pose.models import PoseModel
from perception_stack.pose.scene import Scene
from perception_stack.simulation.table import TableConfig, table_scene

YCB_FRAMES = ("000001", "000004")
FOUND = 0.1
"""ADD or ADD-S over the diameter below which a pose is right."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thing:
    """One object in a frame, and where it truly is.

    Attributes:
        name: Its class.
        pose: float64 [4, 4], camera from model.
        xyxy_px: float64 [4], box of its whole silhouette.
        visible: Share of the silhouette that is visible.
        num_pixels: Visible pixels.
        mask: bool [H, W], visible pixels.
    """

    name: str
    pose: FloatArray
    xyxy_px: FloatArray
    visible: float
    num_pixels: int
    mask: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One depth image with all objects in it."""

    depth: DepthImage
    camera: CameraModel
    scene: Scene
    things: tuple[Thing, ...]


def table_frame(seed: int, *, num: int = 10) -> Frame:
    """The first view of a simulated table with so many objects in clutter, 0 for one of each."""
    scene = table_scene(TableConfig(seed=seed, num_cluttered=num, num_frames=1))
    frame = scene.frame(0)
    truth = transform_boxes(frame.truth, scene.camera_from_truth(frame))
    things = [
        Thing(
            name=name,
            pose=pose_of(truth, row),
            xyxy_px=frame.visibility.xyxy_px[row],
            visible=1 - float(np.nan_to_num(frame.visibility.image_occluded[row], nan=1.0)),
            num_pixels=int(frame.visibility.num_pixels[row]),
            mask=frame.pixel_ids == frame.track_ids[row],
        )
        for row, name in enumerate(truth.labels)
    ]
    return Frame(
        depth=frame.depth,
        camera=frame.camera,
        scene=Scene.of(frame.depth, frame.camera, bgr=frame.image.bgr),
        things=tuple(things),
    )


def ycb_frames(folder: Path) -> Iterator[Frame]:
    """The labelled YCB-Video images of ``pose_ycb``."""
    labels = json.loads((folder / "rgbd" / "gt_poses.json").read_text(encoding="utf-8"))
    for frame in sorted(labels):
        path = folder / "rgbd" / f"{frame}-depth.png"
        if not path.is_file():
            continue
        label = labels[frame]
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        depth_m = np.where(raw > 0, raw / label["depth_scale"], np.nan).astype(np.float32)
        depth = DepthImage(frame_id="camera", stamp_ns=0, depth_m=depth_m)
        fx, fy, cx, cy = (label["intrinsics"][name] for name in ("fx", "fy", "cx", "cy"))
        camera = CameraModel.pinhole(
            frame_id="camera",
            width_px=raw.shape[1],
            height_px=raw.shape[0],
            k=np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]),
        )
        things = []
        for name, value in label["poses_model_to_camera"].items():
            pose = np.eye(4)
            pose[:3, :3] = matrix_from_quat(np.array([value[f"q{axis}"] for axis in "xyzw"]))
            pose[:3, 3] = [value[f"t{axis}"] for axis in "xyz"]
            things.append(_thing(name, pose, folder, depth, camera))
        yield Frame(
            depth=depth, camera=camera, scene=Scene.of(depth, camera), things=tuple(things)
        )


def _thing(
    name: str, pose: FloatArray, folder: Path, depth: DepthImage, camera: CameraModel
) -> Thing:
    """Box and mask of the model's points under the true pose."""
    points_m = np.loadtxt(folder / "models" / f"{name}.xyz") @ pose[:3, :3].T + pose[:3, 3]
    uv_px = camera.project(points_m).uv_px
    height, width = depth.depth_m.shape
    limit = np.array([width, height]) - 1.0
    inside = np.rint(np.clip(uv_px, 0, limit)).astype(int)
    silhouette = np.zeros((height, width), np.uint8)
    silhouette[inside[:, 1], inside[:, 0]] = 1
    silhouette = cv2.morphologyEx(silhouette, cv2.MORPH_CLOSE, np.ones((25, 25)))
    near = np.abs(depth.depth_m - np.median(points_m[:, 2])) < 0.15
    mask = (silhouette > 0) & near
    return Thing(
        name=name,
        pose=pose,
        xyxy_px=np.clip([uv_px.min(axis=0), uv_px.max(axis=0)], 0, limit).ravel(),
        visible=1.0,
        num_pixels=int(mask.sum()),
        mask=mask,
    )


def dlr_toy(folder: Path, number: int) -> tuple[Scene, Path, dict[str, FloatArray]]:
    """A frame of ``pose_dlr_m3t``, the toy's mesh, and poses of it: start, refined, tracked."""
    color, world_from_color = _dlr_camera(folder / "_sequence" / "color_camera.yaml", "color")
    own, world_from_depth = _dlr_camera(folder / "_sequence" / "depth_camera.yaml", "depth")
    images = folder / "_sequence"
    raw = cv2.imread(str(images / f"depth_camera_image_{number}.png"), cv2.IMREAD_UNCHANGED)
    depth = DepthImage(
        frame_id="depth",
        stamp_ns=0,
        depth_m=np.where(raw > 0, raw / 1000, np.nan).astype(np.float32),
    )
    color_from_depth = np.linalg.inv(world_from_color) @ world_from_depth
    left, _, right = np.linalg.svd(color_from_depth[:3, :3])  # the file's has six digits
    registered = register(
        depth,
        own,
        color,
        RigidTransform(
            target="color",
            source="depth",
            rotation=left @ right,
            translation_m=color_from_depth[:3, 3],
        ),
    )
    bgr = cv2.imread(str(images / f"color_camera_image_{number}.png"))
    body_from_mesh = _dlr_matrix(folder / "_body" / "triangle.yaml", "geometry2body_pose")
    files = {
        "start": "detector_test/detector_triangle_pose.txt",
        "refined": "refiner_test/triangle_pose.txt",
        "tracked": "tracker_test/triangle_pose.txt",
    }
    poses = {}
    for name, file in files.items():
        text = (folder / file).read_text(encoding="utf-8").replace(",", " ")
        rows = [line.split() for line in text.splitlines()]
        values = [float(one) for row in rows if len(row) == 4 for one in row]
        poses[name] = np.reshape(values, (4, 4)) @ body_from_mesh
    return Scene.of(registered, color, bgr=bgr), folder / "_body" / "triangle.obj", poses


def _dlr_camera(path: Path, frame_id: str) -> tuple[CameraModel, FloatArray]:
    """A camera of OpenCV's YAML, and its pose in the world."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)  # nodes do not outlive it
    node = storage.getNode("intrinsics")
    fx, fy, cx, cy, width, height = (
        node.getNode(name).real() for name in ("f_u", "f_v", "pp_x", "pp_y", "width", "height")
    )
    camera = CameraModel.pinhole(
        frame_id=frame_id,
        width_px=int(width),
        height_px=int(height),
        k=np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]),
    )
    return camera, _dlr_matrix(path, "camera2world_pose")


def _dlr_matrix(path: Path, name: str) -> FloatArray:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    return np.asarray(storage.getNode(name).mat(), dtype=np.float64)


def pose_of(boxes: Boxes3D, row: int) -> FloatArray:
    """Pose of a box, float64 [4, 4]."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = matrix_from_quat(boxes.quat_xyzw[row]), boxes.center_m[row]
    return pose


def perturbed(
    model: PoseModel, pose: FloatArray, rng: np.random.Generator, *, scale: float
) -> FloatArray:
    """A pose with an error as those from images have, largest along the line of sight.

    Standard deviations at a scale of 1: 8 degrees about each axis, 5 % of the diameter, and
    12 % along the line of sight.
    """
    middle_m = pose[:3, :3] @ model.known.middle_m + pose[:3, 3]
    off = np.eye(4)
    turn = scale * np.deg2rad(8) * rng.standard_normal(3)
    off[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ pose[:3, :3]
    sight = middle_m / np.linalg.norm(middle_m)
    shift = 0.05 * rng.standard_normal(3) + 0.12 * rng.standard_normal() * sight
    place_m = middle_m + scale * model.diameter_m * shift
    off[:3, 3] = place_m - off[:3, :3] @ model.known.middle_m
    return off


def errors_m(model: PoseModel, truth: FloatArray, found: FloatArray) -> tuple[float, float]:
    """ADD and ADD-S of one pose [4, 4]."""
    points_m = model.known.vertices_m if not len(model.known.triangles) else model.fine.points_m
    points_m = points_m[:: max(len(points_m) // 2000, 1)]
    poses = [
        Poses(rotation=one[None, :3, :3], translation_m=one[None, :3, 3]) for one in (truth, found)
    ]
    return float(add_m(*poses, points_m)[0]), float(add_s_m(*poses, points_m)[0])


def gaps_m(model: PoseModel, scene: Scene, pose: FloatArray) -> FloatArray:
    """How far outside the visible surface of a model what is measured there lies, [K].

    Point to plane; what is more than 3 cm off is of something else.
    """
    surface = model.fine
    points_m = surface.points_m @ pose[:3, :3].T + pose[:3, 3]
    normals = surface.normals @ pose[:3, :3].T
    cosine = -np.einsum("ni,ni->n", normals, points_m) / np.linalg.norm(points_m, axis=1)
    cell = np.floor(points_m[:, :2] / points_m[:, 2:] * pose[2, 3] / (1.5 * surface.spacing_m))
    _, cell = np.unique(cell, axis=0, return_inverse=True)
    nearest_m = np.full(len(points_m), np.inf)
    np.minimum.at(nearest_m, cell.ravel(), points_m[:, 2])
    shown = (cosine > 0.3) & (points_m[:, 2] < nearest_m[cell.ravel()] + 2.5 * surface.spacing_m)
    rows, cols, inside = scene.pixels_of(points_m[shown])
    off_m = scene.points_at(rows, cols) - points_m[shown][inside]
    gap_m = np.einsum("ni,ni->n", off_m, normals[shown][inside])
    return np.asarray(gap_m[np.abs(gap_m) < 0.03])


def reliability(score: FloatArray, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """How often poses of a score are right, by bins of the score, and the largest gap."""
    edges = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0 + 1e-9])
    rows = []
    for low, high in pairwise(edges):
        inside = (score >= low) & (score < high)
        if inside.any():
            rows.append(
                {
                    "from": round(float(low), 2),
                    "num": int(inside.sum()),
                    "mean_score": round(float(score[inside].mean()), 3),
                    "right": round(float(right[inside].mean()), 3),
                }
            )
    return rows
