"""A board held still in one place after another before a pair of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.errors import ConfigError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.board_pictures import BoardCamera, random_pose

_WIDTH_PX, _HEIGHT_PX = 640, 480
_BASELINE_M, _TURN_RAD = 0.12, 0.02
_PERIOD_NS = 1_000_000_000
_ATTEMPTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStream:
    """What two cameras see, and the truth.

    Attributes:
        board: What is held up.
        cameras: Left and right.
        left_from_right: Where the right camera is.
        poses: Left camera from board, one for each pair.
        seed: Of the pixel noise.
    """

    board: Board
    cameras: tuple[CameraModel, CameraModel]
    left_from_right: RigidTransform
    poses: tuple[RigidTransform, ...]
    seed: int

    def pairs(self) -> Iterator[tuple[int, tuple[ColorImage, ColorImage]]]:
        """Stamp and images of each place."""
        rng = np.random.default_rng(self.seed)
        eyes = [BoardCamera(self.board, one) for one in self.cameras]
        for i, pose in enumerate(self.poses):
            stamp_ns = (i + 1) * _PERIOD_NS
            poses = pose, self.left_from_right.inverse() @ pose
            left, right = (
                ColorImage(
                    frame_id=eye.camera.frame_id,
                    stamp_ns=stamp_ns,
                    bgr=np.repeat(eye.picture(one, rng)[..., None], 3, axis=2),
                )
                for eye, one in zip(eyes, poses, strict=True)
            )
            yield stamp_ns, (left, right)


def board_stream(board: Board, *, seed: int, num_frames: int) -> BoardStream:
    """Random lenses, a random pair, and places where both see the board.

    Raises:
        ConfigError: no frames.
    """
    if num_frames < 1:
        raise ConfigError(f"{num_frames} frames are none")
    rng = np.random.default_rng(seed)
    cameras = _camera("left_optical", rng), _camera("right_optical", rng)
    left_from_right = RigidTransform(
        target="left_optical",
        source="right_optical",
        rotation=_turn(rng.normal(size=3) * _TURN_RAD),
        translation_m=np.array([_BASELINE_M, 0, 0]) + rng.normal(size=3) * 0.002,
    )
    poses: list[RigidTransform] = []
    for _ in range(_ATTEMPTS * num_frames):
        if len(poses) == num_frames:
            break
        pose = random_pose(board, cameras[0], rng, filled=(0.25, 0.6))
        if pose is not None and _is_seen(left_from_right.inverse() @ pose, board, cameras[1]):
            poses.append(pose)
    return BoardStream(
        board=board,
        cameras=cameras,
        left_from_right=left_from_right,
        poses=tuple(poses),
        seed=seed + 1,
    )


def _is_seen(pose: RigidTransform, board: Board, camera: CameraModel) -> bool:
    points = board.points_m @ pose.rotation.T + pose.translation_m
    return bool(camera.project(points).visible.all())


def _camera(frame_id: str, rng: np.random.Generator) -> CameraModel:
    focal = rng.uniform(430, 560)
    k = np.array([[focal, 0, 319.5], [0, focal, 239.5], [0, 0, 1]])
    k[:2, 2] += rng.normal(size=2) * 6
    k[1, 1] *= 1 + 0.002 * rng.normal()
    return CameraModel(
        frame_id=frame_id,
        width_px=_WIDTH_PX,
        height_px=_HEIGHT_PX,
        k=k,
        distortion_model="plumb_bob",
        distortion=np.array([-0.25, 0.08, 0, 0, 0]) + rng.normal(size=5) * 1e-3,
        rectification=np.eye(3),
        projection=np.hstack([k, np.zeros((3, 1))]),
    )


def _turn(vector_rad: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    matrix: FloatArray = Rotation.from_rotvec(vector_rad).as_matrix()
    return matrix
