from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.journal import Journal
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimator import PoseEstimator
from perception_stack.pose.models import PoseModel, load_models
from perception_stack.pose.scene import Scene
from perception_stack.simulation.table import TableConfig, table_scene
from perception_stack.simulation.table_objects import write_meshes

pytest.importorskip("trimesh")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A depth image of the simulated table and the true boxes in the camera's frame."""

    depth: DepthImage
    camera: CameraModel
    truth: Boxes3D
    xyxy_px: np.ndarray

    @property
    def scene(self) -> Scene:
        """The frame, as the estimator takes it."""
        return Scene.of(self.depth, self.camera)

    def detection(self, *names: str) -> Detections2D:
        """True boxes of some objects."""
        rows = [self.truth.labels.index(name) for name in names]
        return self.asked(names, self.xyxy_px[rows].reshape(-1, 4))

    def asked(self, names: tuple[str, ...], xyxy_px: np.ndarray) -> Detections2D:
        """Any boxes."""
        return Detections2D(
            frame_id=self.depth.frame_id,
            stamp_ns=self.depth.stamp_ns,
            xyxy_px=xyxy_px,
            score=np.ones(len(names)),
            labels=names,
        )

    def pose(self, name: str) -> np.ndarray:
        row = self.truth.labels.index(name)
        pose = np.eye(4)
        pose[:3, :3] = matrix_from_quat(self.truth.quat_xyzw[row])
        pose[:3, 3] = self.truth.center_m[row]
        return pose


@cache
def view_of(seed: int) -> View:
    scene = table_scene(TableConfig(seed=seed))
    frame = scene.frame(1)
    return View(
        depth=frame.depth,
        camera=frame.camera,
        truth=transform_boxes(frame.truth, scene.camera_from_truth(frame)),
        xyxy_px=frame.visibility.xyxy_px,
    )


@pytest.fixture(scope="session")
def table() -> Callable[[int], View]:
    """The view of the table of a seed."""
    return view_of


@pytest.fixture(scope="session")
def mesh_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("meshes")
    write_meshes(folder)
    return folder


@pytest.fixture(scope="session")
def models(mesh_dir: Path) -> dict[str, PoseModel]:
    return load_models(mesh_dir)


@pytest.fixture(scope="session")
def _loaded(mesh_dir: Path) -> PoseEstimator:
    return PoseEstimator(PoseEstimatorConfig(mesh_dir=str(mesh_dir)), Journal())


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def estimator(_loaded: PoseEstimator, journal: Journal, monkeypatch) -> PoseEstimator:
    """One that knows the objects of the table; loading them once is enough."""
    monkeypatch.setattr(_loaded, "_journal", journal)
    return _loaded
