"""Grasps that hold: simulated tables and piles, and shapes fitted to real tables.

For every object that is seen enough, the best grasp is checked on the true mesh in the true scene
by ``evaluation/grasp.py``, which knows nothing of how it was planned: friction 0.5, 40 N, 500
kg/m³. Objects are known with their true pose, known with a pose that is off (3 mm and 2° in each
direction, as its covariance says), or not known at all, so that only the depth image counts.
Everything goes through the depth step and ``pipeline/grasp_stage.py``, as in the node::

    OMP_NUM_THREADS=1 python benchmarks/grasp.py --data ../shared/data

Parameters were chosen on tables of seeds 0 to 23 and piles of seeds 0 to 7; the seeds here are
others (what was seen on them all the same, docs/grasping.md says). Times are those of the
processor, in a process with one thread.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from perception_stack.datatypes import Boxes3D, FloatArray, Grasps, ShapeKind
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.evaluation.grasp import GraspCheck, check_grasp
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.boxes import EDGES, corners, transform_boxes
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import (
    matrix_from_quat,
    quat_from_matrix,
)
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.targets import KnownObject
from perception_stack.io.pcd import read_pcd_fields
from perception_stack.journal import Journal
from perception_stack.pipeline.grasp_stage import GraspStage
from perception_stack.shape.primitives import fit_primitive
from perception_stack.shape.surfaces import SurfacePoints
from perception_stack.simulation.builders import ball, box, lathe
from perception_stack.simulation.mesh import Material
from perception_stack.simulation.scene import SimulatedFrame
from perception_stack.simulation.table import TABLE_HEIGHT_M, TableConfig, table_scene
from perception_stack.simulation.table_objects import known_objects

TABLE_SEEDS, PILE_SEEDS, NUM_PILED = range(100, 140), range(100, 120), 15
MODES = ("true pose", "pose off", "seen only")
OFF_M, OFF_RAD = 0.003, np.deg2rad(2.0)
VISIBLE = (0.0, 0.1, 0.4, 1.0)  # hidden shares that are told apart
PAINT = Material(bgr=(128, 128, 128), reflectance=0.5)
NOISE = 0.002
SAME_M = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenery:
    """One depth image and the truth behind it, in the camera's frame."""

    frame: SimulatedFrame
    truth: Boxes3D
    triangles_m: list[FloatArray]
    table_m: FloatArray
    up: FloatArray


def sceneries(seeds: range, *, num_piled: int) -> Iterator[Scenery]:
    """One frame of each seed."""
    meshes = {one.name: one.mesh.triangles_m for one in known_objects()}
    top = box((1.2, 1.3, 0.04), PAINT, center_m=(0.0, 0.0, TABLE_HEIGHT_M - 0.02)).triangles_m
    for seed in seeds:
        scene = table_scene(TableConfig(seed=seed, num_piled=num_piled))
        frame = scene.frame(seed % scene.num_frames)
        (world_from_base,) = scene.static_transforms
        (base_from_camera,) = frame.transforms
        camera_from_world = (world_from_base @ base_from_camera).inverse()
        truth = transform_boxes(frame.truth, camera_from_world)
        yield Scenery(
            frame=frame,
            truth=truth,
            triangles_m=[
                _mesh(label, truth.size_lwh_m[row], meshes)
                @ matrix_from_quat(truth.quat_xyzw[row]).T
                + truth.center_m[row]
                for row, label in enumerate(truth.labels)
            ],
            table_m=camera_from_world.apply(top),
            up=camera_from_world.rotation[:, 2],
        )


def _mesh(label: str, size_m: FloatArray, meshes: dict[str, FloatArray]) -> FloatArray:
    """The mesh of a known object, or that of a body of a pile, made as the pile makes it."""
    length, _, height = size_m.tolist()
    if label in meshes and not (label == "ball" and abs(length - 0.09) > 1e-6):
        return meshes[label]
    if label == "box":
        return box(size_m.tolist(), PAINT).triangles_m
    if label == "ball":
        return ball((length / 2,) * 3, PAINT, num_sides=24).triangles_m
    profile = [(length / 2, -height / 2), (length / 2, height / 2)]
    return lathe(profile, PAINT, num_sides=32).triangles_m


def known_of(triangles_m: FloatArray, rng: np.random.Generator) -> KnownObject:
    """A model with its frame in the middle of the scene's triangles, evenly sampled."""
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1) / 2
    low, high = triangles_m.min(axis=(0, 1)), triangles_m.max(axis=(0, 1))
    spacing = 0.025 * float(np.linalg.norm(high - low))
    face = rng.choice(len(area), int(8 * area.sum() / spacing**2), p=area / area.sum())
    u, v = rng.random((2, len(face), 1))
    folded = u + v > 1
    u, v = np.where(folded, 1 - u, u), np.where(folded, 1 - v, v)
    points = a[face] + u * (b - a)[face] + v * (c - a)[face]
    cells = np.floor((points - low) / spacing).astype(int) @ [1, 1000, 1000000]
    kept = np.unique(cells, return_index=True)[1]
    surface = SurfacePoints(
        points_m=points[kept],
        normals=(cross[face] / (2 * area[face][:, None]))[kept],
        area_m2=np.full(len(kept), area.sum() / len(kept)),
    )
    volume_m3, middle_m = surface.volume()
    return KnownObject(
        surface=surface,
        volume_m3=volume_m3,
        middle_m=middle_m,
        extents_m=np.stack([low, high]),
        library=None,
    )


class Trial:
    """Results of one mode."""

    def __init__(self) -> None:
        self.by_class: dict[str, Counter[str]] = defaultdict(Counter)
        self.by_hidden: dict[int, Counter[str]] = defaultdict(Counter)
        self.reasons: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.scores: list[tuple[float, bool]] = []
        self.took_ms: list[float] = []

    def add(
        self, label: str, hidden: float, reason: str, score: float, check: GraspCheck | None
    ) -> None:
        """Count one object and its best grasp, if it has any."""
        counters = (self.by_class[label], self.by_hidden[int(np.digitize(hidden, VISIBLE[1:-1]))])
        for one in counters:
            one["objects"] += 1
            one["grasped"] += check is not None
            one["held"] += check is not None and check.holds
        if check is None:
            self.reasons[reason] += 1
            return
        self.scores.append((score, check.holds))
        if not check.holds:
            parts = ("touches", "closes", "balanced", "clear")
            self.failed[" ".join(one for one in parts if not getattr(check, one))] += 1

    def tell(self, mode: str) -> None:
        """Print it."""
        total = sum(self.by_class.values(), Counter())
        print(f"\n{mode}: {_rate(total)}")
        for label in sorted(self.by_class):
            print(f"  {label:9s} {_rate(self.by_class[label])}")
        for k in sorted(self.by_hidden):
            name = f"hidden {VISIBLE[k]:.0%} to {VISIBLE[k + 1]:.0%}"
            print(f"  {name:20s} {_rate(self.by_hidden[k])}")
        print(f"  without a grasp: {dict(self.reasons.most_common())}")
        print(f"  not held for: {dict(self.failed.most_common())}")
        score = np.array(self.scores)
        if len(score):
            print(f"  mean score {score[:, 0].mean():.2f}, held {score[:, 1].mean():.2f}")
        took = np.array(self.took_ms)
        print(
            f"  {np.median(took):.0f} ms an object (median), "
            f"95 % below {np.quantile(took, 0.95):.0f}"
        )


def _rate(one: Counter[str]) -> str:
    held = one["held"] / max(one["grasped"], 1)
    return (
        f"{one['objects']:4d} objects, {one['grasped'] / one['objects']:4.0%} with a grasp, "
        f"{held:4.0%} of the best ones hold ({one['held']}/{one['grasped']})"
    )


def grasps_of(scenery: Scenery, mode: str, rng: np.random.Generator) -> tuple[Grasps, float]:
    """All grasps of a scene, and the processor's time for it without the depth step's."""
    truth, frame = scenery.truth, scenery.frame
    known, poses = {}, []
    if mode != "seen only":
        rows = np.flatnonzero(frame.visibility.countable)
        for row in rows:
            name = str(row)
            known[name] = known_of(scenery.triangles_m[row] - truth.center_m[row], rng)
        off = mode == "pose off"
        rotation = np.array([cv2.Rodrigues(rng.normal(0, OFF_RAD, 3) * off)[0] for _ in rows])
        covariance = np.diag([OFF_M**2] * 3 + [OFF_RAD**2] * 3) * off
        poses = replace(
            truth.rows(rows),
            center_m=truth.center_m[rows] + rng.normal(0, OFF_M, (len(rows), 3)) * off,
            quat_xyzw=quat_from_matrix(rotation.reshape(-1, 3, 3)),
            covariance=np.tile(covariance, (len(rows), 1, 1)),
            classes=tuple(known),
            class_probs=np.eye(len(rows)),
        )
    stage = GraspStage(
        GraspPlannerConfig(),
        DepthDetectorConfig(),
        FusionConfig(),
        known=known,
        frames=FrameTree(),
        journal=Journal(),
    )
    stage.set_camera(frame.camera)
    if mode != "seen only":
        stage.expect_poses(True)
        stage.push_poses(poses, arrival_ns=0)
    start_s = time.process_time()
    stage._depth.segmentation(frame.depth, frame.camera)
    depth_s = time.process_time() - start_s
    start_s = time.process_time()
    done = stage.push_depth(frame.depth, arrival_ns=0) or stage.flush()
    took_s = time.process_time() - start_s - depth_s
    return done[0], took_s


def trial(scenes: list[Scenery], mode: str) -> Trial:
    result, config = Trial(), GraspPlannerConfig()
    rng = np.random.default_rng(0)
    for scenery in scenes:
        grasps, took_s = grasps_of(scenery, mode, rng)
        num = max(len(grasps.objects), 1)
        result.took_ms.append(1e3 * took_s / num)
        for row in np.flatnonzero(scenery.frame.visibility.countable):
            item = _item_of(scenery, grasps, int(row), mode)
            if item is None:
                continue
            mine = np.flatnonzero(grasps.object_idx == item)
            others = [one for k, one in enumerate(scenery.triangles_m) if k != row]
            check = None
            if len(mine):
                best = mine[0]
                check = check_grasp(
                    grasps.position_m[best],
                    grasps.quat_xyzw[best],
                    opening_m=float(grasps.opening_m[best]),
                    approach_m=float(grasps.approach_m[best]),
                    gripper=config.gripper,
                    target_m=scenery.triangles_m[row],
                    others_m=np.concatenate([*others, scenery.table_m]),
                    up=scenery.up,
                )
            result.add(
                scenery.truth.labels[row],
                float(scenery.frame.visibility.range_occluded[row]),
                grasps.objects.reasons[item],
                float(grasps.score[mine[0]]) if len(mine) else 0.0,
                check,
            )
    return result


def _item_of(scenery: Scenery, grasps: Grasps, row: int, mode: str) -> int | None:
    """Row of the scene object that is this one: by name, or the nearest one in its place."""
    labels = grasps.objects.boxes.labels
    if mode != "seen only":
        return labels.index(str(row))
    low = scenery.triangles_m[row].min(axis=(0, 1)) - SAME_M
    high = scenery.triangles_m[row].max(axis=(0, 1)) + SAME_M
    center = grasps.objects.boxes.center_m
    inside = np.flatnonzero(((center > low) & (center < high)).all(axis=1))
    if not len(inside):
        return None
    apart = np.linalg.norm(center[inside] - scenery.truth.center_m[row], axis=1)
    return int(inside[np.argmin(apart)])


def shapes(scenes: list[Scenery]) -> None:
    """Shapes fitted to the labelled pixels of each simulated object."""
    wanted = {"ball": "SPHERE", "can": "CYLINDER", "bottle": "CYLINDER", "cylinder": "CYLINDER"}
    wanted |= {"carton": "BOX", "box": "BOX"}
    rows: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for scenery in scenes:
        frame, truth = scenery.frame, scenery.truth
        depth_m = frame.depth.depth_m.astype(np.float64)
        v, u = np.mgrid[: depth_m.shape[0], : depth_m.shape[1]]
        rays = frame.camera.rays(np.column_stack([u.ravel(), v.ravel()]).astype(float))
        points = rays.reshape(*depth_m.shape, 3) * depth_m[..., None]
        support_m = float(scenery.up @ scenery.table_m.reshape(-1, 3)[0])
        support_m = float((scenery.table_m.reshape(-1, 3) @ scenery.up).max())
        for row, track_id in enumerate(frame.track_ids):
            label = truth.labels[row]
            if not frame.visibility.countable[row] or label not in wanted:
                continue
            mine = points[(frame.pixel_ids == track_id) & np.isfinite(depth_m)]
            start_s = time.process_time()
            fitted = fit_primitive(mine, up=scenery.up, support_m=support_m, noise=NOISE)
            took_ms = 1e3 * (time.process_time() - start_s)
            if not fitted.primitives:
                continue
            one = fitted.primitives[0]
            hidden = frame.visibility.range_occluded[row] > 0.25
            right = one.kind.name == wanted[label]
            size_off = np.abs(np.sort(one.size_m) - np.sort(truth.size_lwh_m[row])).max()
            rows[label, "hidden" if hidden else "free"].append(
                [
                    right,
                    1e3 * np.linalg.norm(one.center_m - truth.center_m[row]),
                    1e3 * size_off,
                    np.rad2deg(_axis_off(one.kind, one.rotation, truth, row)),
                    took_ms,
                ]
            )
    print("  object    seen      num  right kind  centre mm  largest size mm  axis deg  time ms")
    for (label, hidden), values in sorted(rows.items()):
        table = np.array(values)
        right = table[table[:, 0] > 0]
        middle = np.nanmedian(right[:, 1:], axis=0) if len(right) else np.full(4, np.nan)
        print(
            f"  {label:9s} {hidden:7s} {len(table):5d}  {table[:, 0].mean():9.0%}  "
            f"{middle[0]:9.1f}  {middle[1]:15.1f}  {middle[2]:8.1f}  {middle[3]:7.0f}"
        )


def _axis_off(kind: ShapeKind, rotation: FloatArray, truth: Boxes3D, row: int) -> float:
    """Angle of the nearest axes; of a ball none."""
    true = matrix_from_quat(truth.quat_xyzw[row])
    if kind == ShapeKind.SPHERE:
        return float("nan")
    if kind == ShapeKind.CYLINDER:
        return float(np.arccos(min(abs(rotation[:, 2] @ true[:, 2]), 1.0)))
    cosines = np.abs(rotation.T @ true).max(axis=0)
    return float(np.arccos(min(cosines.min(), 1.0)))


def mosd(data: Path) -> None:
    """Shapes of the labelled objects of real tables; there is no truth but the kind."""
    for path in sorted((data / "tabletop_mosd").glob("*.pcd")):
        fields = read_pcd_fields(path)
        xyz_m = np.stack([fields[axis] for axis in "xyz"], axis=1).astype(np.float64)
        label = fields["label"].astype(np.int32)
        support = xyz_m[(label >= 1) & (label <= 9) & np.isfinite(xyz_m[:, 2])]
        middle = np.median(support, axis=0)
        normal = np.linalg.svd(support[::50] - middle, full_matrices=False)[2][2]
        up = -normal * np.sign(normal @ middle)
        for one in np.unique(label[label >= 20] // 10):
            mine = xyz_m[label // 10 == one]
            height = mine[np.isfinite(mine[:, 2])] @ up
            # what stands on another object stands higher
            support_m = float(up @ middle)
            fitted = fit_primitive(mine, up=up, support_m=support_m, noise=NOISE)
            shape = fitted.primitives[0]
            lowest_mm = 1e3 * (height.min() - support_m)
            turned_deg = np.rad2deg(np.arccos(np.abs(up @ shape.rotation).max()))
            size = " x ".join(f"{1e3 * value:.0f}" for value in shape.size_m)
            print(
                f"  {path.stem:8s} object {one - 1}: {shape.kind.name:8s} {size} mm, "
                f"explains {shape.score:.0%}, lowest point {lowest_mm:.0f} mm "
                f"above the table, turned {turned_deg:.0f} deg"
            )


def picture(path: Path) -> None:
    """Best grasps of unknown objects, drawn into the colour images of a table and a pile."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(12.8, 4.9), layout="constrained")
    gripper = GraspPlannerConfig().gripper
    for axis, (seed, num_piled) in zip(axes, ((105, 0), (103, 9)), strict=True):
        (scenery,) = sceneries(range(seed, seed + 1), num_piled=num_piled)
        grasps, _ = grasps_of(scenery, "seen only", np.random.default_rng(0))
        camera = scenery.frame.camera
        axis.imshow(scenery.frame.image.bgr[..., ::-1])
        low, high = gripper.boxes(grasps.opening_m, np.zeros(len(grasps)))
        # the palm is drawn short, so that it hides less
        low[:, 2, 0] = high[:, 2, 0] - 0.01
        for best in np.unique(grasps.object_idx, return_index=True)[1]:
            color = plt.get_cmap("RdYlGn")(float(grasps.score[best]))
            parts = replace(
                grasps.objects.boxes.rows(np.zeros(3, dtype=int)),
                center_m=(low[best] + high[best]) / 2 @ matrix_from_quat(grasps.quat_xyzw[best]).T
                + grasps.position_m[best],
                quat_xyzw=np.tile(grasps.quat_xyzw[best], (3, 1)),
                size_lwh_m=high[best] - low[best],
            )
            for edge in corners(parts)[:, EDGES].reshape(-1, 2, 3):
                u, v = camera.project(edge).uv_px.T
                axis.plot(u, v, color=color, linewidth=1.4)
        for row, reason in enumerate(grasps.objects.reasons):
            mine = grasps.score[grasps.object_idx == row]
            text = reason.replace("_", " ") or f"{mine.max():.2f}"
            u, v = camera.project(grasps.objects.boxes.center_m[[row]]).uv_px[0]
            axis.text(
                u, v, text, color="white", fontsize=8, ha="center", va="center", clip_on=True
            ).set_bbox({"facecolor": "black", "alpha": 0.5, "linewidth": 0, "pad": 1.5})
        axis.set_xlim(0, camera.width_px)
        axis.set_ylim(camera.height_px, 0)
        axis.set_axis_off()
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder of the real data; without: simulation only"
    )
    parser.add_argument("--only", choices=("tables", "piles", "shapes"), default=None)
    parser.add_argument("--picture", type=Path, help="only draw the picture of docs/grasping.md")
    args = parser.parse_args()
    if args.picture is not None:
        picture(args.picture)
        return
    tables = list(sceneries(TABLE_SEEDS, num_piled=0))
    piles = list(sceneries(PILE_SEEDS, num_piled=NUM_PILED))
    trial(tables[:1], "seen only")  # loads and compiles
    for name, scenes in (("tables", tables), ("piles", piles)):
        if args.only in (None, name):
            print(f"\n{name.capitalize()}, {len(scenes)} scenes")
            for mode in MODES:
                trial(scenes, mode).tell(mode)
    if args.only in (None, "shapes"):
        print("\nShapes of simulated objects, of their labelled pixels")
        shapes([*tables, *piles])
        if args.data is not None:
            print("\nShapes of real objects (tabletop_mosd), of their labelled points")
            mosd(args.data)


if __name__ == "__main__":
    main()
