"""A chessboard in an image: where it is in the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.lidar_camera.boards import BoardPoses
from perception_stack.errors import CalibrationError, ConfigError
from perception_stack.geometry.camera import CameraModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Chessboard:
    """Pattern in the middle of a board, its longer side along the board's longer side.

    Attributes:
        columns: Inner corners along the longer side.
        rows: Inner corners along the shorter side.
        square_m: Edge of a square.
    """

    columns: int
    rows: int
    square_m: float

    @classmethod
    def parse(cls, text: str) -> Chessboard:
        """Of a word such as ``7x5:0.095``.

        Raises:
            ConfigError: another layout.
        """
        try:
            size, square = text.split(":")
            one, other = (int(part) for part in size.split("x"))
            square_m = float(square)
        except ValueError as error:
            example = "expected inner corners and edge in metres, such as 7x5:0.095"
            raise ConfigError(f"chessboard {text}: {example}") from error
        return cls(columns=max(one, other), rows=min(one, other), square_m=square_m)


def find_chessboard(gray: NDArray[np.uint8], camera: CameraModel, board: Chessboard) -> BoardPoses:
    """The one chessboard of an image; the board's centre is that of the pattern.

    Args:
        gray: uint8 [H, W].
        camera: Of the image.
        board: What to look for.

    Raises:
        CalibrationError: it is not seen.
    """
    import cv2

    if gray.shape != (camera.height_px, camera.width_px):
        text = f"image of {gray.shape[1]}x{gray.shape[0]}, camera of "
        raise CalibrationError(f"{text}{camera.width_px}x{camera.height_px}")
    size = (board.columns, board.rows)
    found, corners = cv2.findChessboardCornersSB(gray, size, flags=cv2.CALIB_CB_EXHAUSTIVE)
    if not found:
        raise CalibrationError(f"no chessboard of {size[0]}x{size[1]} inner corners is seen")
    rays = camera.rays(corners.reshape(-1, 2).astype(np.float64))
    x, y = np.meshgrid(np.arange(size[0], dtype=np.float64), np.arange(size[1], dtype=np.float64))
    flat = np.stack([x - (size[0] - 1) / 2, y - (size[1] - 1) / 2, 0 * x], axis=2)
    model = board.square_m * flat.reshape(-1, 3)
    seen = rays[:, :2] / rays[:, 2:]
    _, turn, place = cv2.solvePnP(model, seen, np.eye(3), None, flags=cv2.SOLVEPNP_ITERATIVE)
    rotation = np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)
    away = model @ rotation.T + place.ravel()
    miss = np.linalg.norm(away[:, :2] / away[:, 2:] - seen, axis=1) * away[:, 2]
    return BoardPoses(
        rotation=rotation[None],
        center_m=np.asarray(place, dtype=np.float64).reshape(1, 3),
        misfit_m=np.array([float(np.sqrt(np.mean(miss**2)))]),
    )
