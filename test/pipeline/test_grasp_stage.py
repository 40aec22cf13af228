"""From depth images of simulated tables to grasps that hold on the true meshes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import (
    Boxes3D,
    DepthImage,
    FloatArray,
    Grasps,
    GraspSource,
    ShapeKind,
    TrackedObjects,
)
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.evaluation.grasp import GraspCheck, check_grasp
from perception_stack.fusion.config import FusionConfig
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.targets import KnownObject
from perception_stack.io.grasps import GraspFile, write_grasps
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.grasp_models import load_known
from perception_stack.pipeline.grasp_stage import GraspStage
from perception_stack.simulation.builders import box
from perception_stack.simulation.mesh import Material
from perception_stack.simulation.table import TABLE_HEIGHT_M, TableConfig, table_scene
from perception_stack.simulation.table_objects import known_objects, write_meshes

WORLD = "odom"
PAINT = Material(bgr=(0, 0, 0), reflectance=0.5)


@dataclass(frozen=True, kw_only=True)
class View:
    """A depth image and the truth in the camera's frame."""

    depth: DepthImage
    camera: CameraModel
    truth: Boxes3D
    camera_from_world: RigidTransform

    def triangles(self, row: int) -> FloatArray:
        (mesh,) = (one.mesh for one in known_objects() if one.name == self.truth.labels[row])
        turn = matrix_from_quat(self.truth.quat_xyzw[row])
        return mesh.triangles_m @ turn.T + self.truth.center_m[row]

    def check(self, grasps: Grasps, best: int) -> tuple[str, GraspCheck]:
        """What is held by a grasp, and whether it is."""
        center = grasps.objects.boxes.center_m[grasps.object_idx[best]]
        row = int(np.argmin(np.linalg.norm(self.truth.center_m - center, axis=1)))
        rows = [k for k in range(len(self.truth)) if k != row]
        top = box((1.2, 1.3, 0.04), PAINT, center_m=(0, 0, TABLE_HEIGHT_M - 0.02)).triangles_m
        others = [self.triangles(k) for k in rows] + [self.camera_from_world.apply(top)]
        return self.truth.labels[row], check_grasp(
            grasps.position_m[best],
            grasps.quat_xyzw[best],
            opening_m=float(grasps.opening_m[best]),
            approach_m=float(grasps.approach_m[best]),
            gripper=GraspPlannerConfig().gripper,
            target_m=self.triangles(row),
            others_m=np.concatenate(others),
            up=self.camera_from_world.rotation[:, 2],
        )


@cache
def view_of(seed: int) -> View:
    scene = table_scene(TableConfig(seed=seed))
    frame = scene.frame(seed % 10)
    (world_from_base,) = scene.static_transforms
    (base_from_camera,) = frame.transforms
    camera_from_world = (world_from_base @ base_from_camera).inverse()
    assert frame.depth is not None
    return View(
        depth=frame.depth,
        camera=frame.camera,
        truth=transform_boxes(frame.truth, camera_from_world),
        camera_from_world=camera_from_world,
    )


def stage_of(
    known: dict[str, KnownObject] | None = None,
    *,
    frames: FrameTree | None = None,
    journal: Journal | None = None,
    **parameters: object,
) -> GraspStage:
    return GraspStage(
        GraspPlannerConfig(**parameters),
        DepthDetectorConfig(),
        FusionConfig(),
        known=known or {},
        frames=frames or FrameTree(),
        journal=journal or Journal(),
    )


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> dict[str, KnownObject]:
    """The objects of the table; the can has a grasp file, too."""
    pytest.importorskip("trimesh")
    folder = tmp_path_factory.mktemp("meshes")
    write_meshes(folder)
    write_grasps(
        GraspFile(
            object_frame="can",
            gripper_frame="hand",
            names=("from_above",),
            position_m=np.array([[0.0, 0.0, 0.15]]),
            quat_xyzw=np.array([[1.0, 0, 0, 0]]),  # z of the hand looks down
            confidence=np.array([0.8]),
            joints=({},),
            joints_before=({},),
        ),
        folder / "can_grasps.yaml",
    )
    (folder / "can.yaml").write_text("grasps: can_grasps.yaml\n")
    # the tips of the fingers are 12 cm ahead of the hand, along its z
    half = np.sqrt(0.5)
    config = GraspPlannerConfig(gripper_from_grasp=(0.0, 0.0, 0.12, 0.0, -half, 0.0, half))
    return load_known(str(folder), config)


def test_unknown_objects_are_held_on_their_true_meshes() -> None:
    held, grasped = 0, 0
    for seed in (300, 301, 302):
        view = view_of(seed)
        stage = stage_of()
        stage.set_camera(view.camera)
        (grasps,) = stage.push_depth(view.depth, arrival_ns=0)
        _, first = np.unique(grasps.object_idx, return_index=True)
        grasped += len(first)
        held += sum(view.check(grasps, int(best))[1].holds for best in first)
        plane = grasps.objects.support
        up = view.camera_from_world.rotation[:, 2]
        assert plane[:3] @ up > np.cos(np.deg2rad(1))
        table = view.camera_from_world.apply(np.array([0.0, 0.0, TABLE_HEIGHT_M]))
        assert abs(plane[:3] @ table + plane[3]) < 0.004
    assert grasped >= 9
    assert held >= 0.9 * grasped


def test_known_objects_are_held_and_named(known: dict[str, KnownObject]) -> None:
    view = view_of(303)
    stage = stage_of(known)
    stage.set_camera(view.camera)
    stage.expect_poses(True)
    assert stage.push_depth(view.depth, arrival_ns=0) == []
    (grasps,) = stage.push_poses(view.truth, arrival_ns=0)
    objects = grasps.objects
    # everything that stands there is explained by a pose
    assert sorted(objects.boxes.labels) == sorted(view.truth.labels)
    assert (objects.shape == ShapeKind.MODEL).all()
    assert objects.on_support.all()
    assert not objects.stands_on.any()
    ball = objects.boxes.labels.index("ball")
    assert objects.reasons[ball] == Reason.TOO_WIDE.value  # 9 cm
    _, first = np.unique(grasps.object_idx, return_index=True)
    for best in first:
        name, check = view.check(grasps, int(best))
        assert check.holds, name
        assert name == objects.boxes.labels[grasps.object_idx[best]]


def test_grasp_file_of_a_known_object(known: dict[str, KnownObject]) -> None:
    """Upright, it is taken from above as its file says, tips 12 cm ahead of the hand."""
    library = known["can"].library
    assert library is not None
    np.testing.assert_allclose(library.position_m, [[0, 0, 0.03]], atol=1e-12)
    np.testing.assert_allclose(library.rotation[0, :, 0], [0, 0, -1], atol=1e-12)
    for seed in range(304, 320):
        view = view_of(seed)
        row = view.truth.labels.index("can")
        upright = matrix_from_quat(view.truth.quat_xyzw[row])[:, 2]
        if upright @ view.camera_from_world.rotation[:, 2] > 0.9:
            break
    stage = stage_of(known)
    stage.set_camera(view.camera)
    stage.expect_poses(True)
    stage.push_poses(view.truth.rows(np.array([row])), arrival_ns=0)
    done = stage.push_depth(view.depth, arrival_ns=0)
    (grasps,) = done
    mine = np.flatnonzero(grasps.object_idx == grasps.objects.boxes.labels.index("can"))
    assert len(mine) == 1
    assert grasps.source[mine[0]] == GraspSource.LIBRARY
    assert 0.7 < grasps.score[mine[0]] <= 0.8
    assert view.check(grasps, int(mine[0]))[1].holds


def test_a_class_without_mesh_is_taken_for_what_is_seen(known: dict[str, KnownObject]) -> None:
    view = view_of(303)
    journal = Journal()
    stage = stage_of({"can": known["can"]}, journal=journal)
    stage.set_camera(view.camera)
    stage.expect_poses(True)
    stage.push_poses(view.truth, arrival_ns=0)
    (grasps,) = stage.push_depth(view.depth, arrival_ns=0)
    assert journal.counts[Reason.NO_MESH] == len(view.truth) - 1
    assert set(grasps.objects.boxes.labels) == {"can", "unknown"}


def tracked(view: View, frame_id: str, world_from_camera: RigidTransform) -> TrackedObjects:
    boxes = transform_boxes(view.truth, world_from_camera)
    num = len(boxes)
    return TrackedObjects(
        boxes=replace(boxes, frame_id=frame_id),
        ids=tuple(UUID(int=i + 1) for i in range(num)),
        state=np.full(num, 2, dtype=np.uint8),
        velocity_mps=np.zeros((num, 3)),
        angular_velocity_radps=np.zeros((num, 3)),
        twist_covariance=np.zeros((num, 6, 6)),
        acceleration_mps2=np.zeros((num, 3)),
        size_covariance=np.zeros((num, 3, 3)),
        orientation_known=np.ones(num, dtype=np.bool_),
        stationary=np.ones(num, dtype=np.bool_),
        num_detections=np.ones(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
    )


def test_objects_get_the_identities_of_tracks() -> None:
    view = view_of(300)
    frames = FrameTree()
    world_from_camera = view.camera_from_world.inverse()
    frames.add(world_from_camera, stamp_ns=view.depth.stamp_ns)
    stage = stage_of(frames=frames)
    stage.set_camera(view.camera)
    stage.expect_objects(True)
    stage.push_objects(tracked(view, WORLD, world_from_camera), arrival_ns=0)
    (grasps,) = stage.push_depth(view.depth, arrival_ns=0)
    boxes, ids = grasps.objects.boxes, grasps.objects.ids
    for row, identity in enumerate(ids):
        apart = np.linalg.norm(view.truth.center_m - boxes.center_m[row], axis=1)
        if apart.min() < 0.02:
            assert identity == UUID(int=int(np.argmin(apart)) + 1)
    named = [one for one in ids if one is not None]
    assert len(named) == len(set(named)) >= 6


def test_tracks_of_an_unknown_frame_leave_grasps_without_identity() -> None:
    view = view_of(300)
    journal = Journal()
    stage = stage_of(journal=journal)
    stage.set_camera(view.camera)
    stage.expect_objects(True)
    stage.push_objects(tracked(view, "elsewhere", view.camera_from_world.inverse()), arrival_ns=0)
    (grasps,) = stage.push_depth(view.depth, arrival_ns=0)
    assert len(grasps)
    assert set(grasps.objects.ids) == {None}
    assert journal.counts[Reason.NO_TRANSFORM] == 1


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_nothing_measured_gives_an_empty_list(value: float) -> None:
    view = view_of(300)
    journal = Journal()
    stage = stage_of(journal=journal)
    stage.set_camera(view.camera)
    blind = replace(view.depth, depth_m=np.full_like(view.depth.depth_m, value))
    (grasps,) = stage.push_depth(blind, arrival_ns=0)
    assert (len(grasps), len(grasps.objects)) == (0, 0)
    assert np.isnan(grasps.objects.support).all()
    assert journal.counts == {Reason.NO_VALID_POINTS: 1}


def test_no_calibration_and_another_cameras_are_counted() -> None:
    view = view_of(300)
    journal = Journal()
    stage = stage_of(journal=journal)
    assert stage.push_depth(view.depth, arrival_ns=0) == []
    stage.set_camera(replace(view.camera, frame_id="other"))
    later = replace(view.depth, stamp_ns=view.depth.stamp_ns + 1)
    assert stage.push_depth(later, arrival_ns=0) == []
    assert journal.counts == {Reason.NO_CALIBRATION: 1, Reason.BAD_CALIBRATION: 1}


def test_same_image_gives_the_same_grasps() -> None:
    view = view_of(301)
    found = []
    for _ in range(2):
        stage = stage_of()
        stage.set_camera(view.camera)
        found += stage.push_depth(view.depth, arrival_ns=0)
    for field in ("position_m", "quat_xyzw", "score", "opening_m", "object_idx"):
        np.testing.assert_array_equal(getattr(found[0], field), getattr(found[1], field))
