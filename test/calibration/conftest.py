"""Views of boards by cameras that are known, and a simulated rig on a simulated road."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from perception_stack.calibration.camera.lens import EQUIDISTANT, PLUMB_BOB, RATIONAL, Lens
from perception_stack.calibration.targets.detection import Sighting, find_board
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.board_pictures import random_pose
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole

_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
SIZE_PX = (640, 480)
TRUTH = {
    PLUMB_BOB: np.array([520.0, 522, 325, 236, -0.25, 0.08, 0.001, -0.0005, -0.01]),
    RATIONAL: np.array([330.0, 331, 322, 238, 0.02, -0.01, 5e-4, -2e-4, 0, 0.3, 0.02, 0.001]),
    EQUIDISTANT: np.array([300.0, 301, 318, 243, -0.02, 0.01, -0.01, 0.003]),
}


def _look(
    board: Board, lens: Lens, *, num: int, noise_px: float = 0.1, seed: int = 0, **pose: Any
) -> list[Sighting]:
    """Sightings of a board by the true camera of a kind."""
    rng = np.random.default_rng(seed)
    camera = lens.model(TRUTH[lens], frame_id="camera", width_px=SIZE_PX[0], height_px=SIZE_PX[1])
    views: list[Sighting] = []
    while len(views) < num:
        where = random_pose(board, camera, rng, **pose)
        if where is None:
            continue
        uv_px = camera.project(board.points_m @ where.rotation.T + where.translation_m).uv_px
        views.append(
            Sighting(
                name=f"view {len(views)}",
                point_idx=np.arange(len(uv_px)),
                uv_px=uv_px + noise_px * rng.normal(size=uv_px.shape),
            )
        )
    return views


@pytest.fixture(scope="session")
def real_views(data_dir: Path) -> Callable[[str, str], tuple[Board, list[Sighting]]]:
    """Sightings in real images, by pattern and board."""
    known: dict[str, tuple[Board, list[Sighting]]] = {}

    def load(pattern: str, text: str) -> tuple[Board, list[Sighting]]:
        if pattern not in known:
            board, found = Board.parse(text), []
            for path in sorted((data_dir / "calib_camera").glob(pattern)):
                image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
                sighting = find_board(image, board, name=path.name)
                assert sighting is not None, path
                found.append(sighting)
            known[pattern] = board, found
        return known[pattern]

    return load


@pytest.fixture(scope="session")
def look() -> Callable[..., list[Sighting]]:
    """Sightings of a board by the true camera of a kind of lens, see :func:`_look`."""
    return _look


@pytest.fixture(scope="session")
def truth() -> dict[Lens, np.ndarray]:
    """Parameters of the true camera of each kind of lens."""
    return TRUTH


@pytest.fixture(scope="session")
def road_camera() -> CameraModel:
    return pinhole(width_px=640, height_px=214, focal_px=371)


@pytest.fixture(scope="session")
def road_rig(road_camera: CameraModel) -> RoadRig:
    return RoadRig(RoadConfig(seed=21, num_frames=100, num_azimuths=900), road_camera)


@pytest.fixture(scope="session")
def road_mount() -> Mount:
    return Mount(
        base_from_camera=RigidTransform(
            target=BASE_FRAME,
            source=CAMERA_FRAME,
            rotation=_OPTICAL,
            translation_m=np.array([0.27, 0.06, -0.08]),
        ),
        base_from_lidar=RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    )
