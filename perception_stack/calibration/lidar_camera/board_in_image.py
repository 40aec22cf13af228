"""A calibration board in an image: where it is in the camera."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.lidar_camera.boards import BoardPoses
from perception_stack.calibration.targets.detection import find_board
from perception_stack.errors import CalibrationError
from perception_stack.geometry.board import Board
from perception_stack.geometry.camera import CameraModel

_LEAST_POINTS = 6


def board_in_image(gray: NDArray[np.uint8], camera: CameraModel, board: Board) -> BoardPoses:
    """The one board of an image; its centre is that of the pattern, x along the longer side.

    Args:
        gray: uint8 [H, W].
        camera: Of the image.
        board: Pattern in the middle of the board, its longer side along the board's.

    Raises:
        CalibrationError: it is not seen, or the image is not of the camera's size.
    """
    import cv2

    if gray.shape != (camera.height_px, camera.width_px):
        text = f"image of {gray.shape[1]}x{gray.shape[0]}, camera of "
        raise CalibrationError(f"{text}{camera.width_px}x{camera.height_px}")
    sighting = find_board(gray, board, name="")
    if sighting is None or len(sighting.point_idx) < _LEAST_POINTS:
        raise CalibrationError(f"no {board} is seen")
    points = board.points_m
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    model = points - middle
    if board.extent_m[1] > board.extent_m[0]:  # a quarter turn, so that x is the longer side
        model = model @ np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    model = model[sighting.point_idx]
    rays = camera.rays(sighting.uv_px)
    seen = rays[:, :2] / rays[:, 2:]
    _, turn, place = cv2.solvePnP(model, seen, np.eye(3), None, flags=cv2.SOLVEPNP_ITERATIVE)
    rotation = np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)
    moved = model @ rotation.T + place.ravel()
    miss = np.linalg.norm(moved[:, :2] / moved[:, 2:] - seen, axis=1) * moved[:, 2]
    return BoardPoses(
        rotation=rotation[None],
        center_m=np.asarray(place, dtype=np.float64).reshape(1, 3),
        misfit_m=np.array([float(np.sqrt(np.mean(miss**2)))]),
    )
