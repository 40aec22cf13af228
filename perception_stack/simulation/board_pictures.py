"""Pictures of calibration boards by cameras of any model, with exact truth.

A board is printed at a fine resolution; each pixel of the picture is the mean of what several rays
through it hit, so that edges lie where they should to a hundredth of a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board, BoardKind
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_CELLS_PX = 48  # of the print, per spacing of the board
_TAG_PX = 100  # ten cells, and gaps of whole pixels
_RAYS = 3  # along each side of a pixel
_PAPER, _INK, _WALL = 215, 30, 110
_NOISE_SIGMA, _BLUR_SIGMA_PX = 2.0, 0.6
_LARGEST_TILT_RAD = np.deg2rad([38.0, 38.0, 25.0])
_ATTEMPTS = 400


@dataclass(slots=True)
class BoardCamera:
    """Takes pictures of one board; its rays are computed once."""

    board: Board
    camera: CameraModel
    _print: tuple[NDArray[np.uint8], FloatArray, float] = field(init=False)
    _rays: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self._print = print_board(self.board)
        height, width = self.camera.height_px, self.camera.width_px
        grid_px = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        rays = self.camera.rays(grid_px.reshape(-1, 2).astype(np.float64))
        rays = rays.reshape(height, width, 3)
        # inside of a pixel rays turn evenly
        down, right = np.gradient(rays, axis=0), np.gradient(rays, axis=1)
        offsets = (np.arange(_RAYS) + 0.5) / _RAYS - 0.5
        self._rays = np.stack([rays + x * right + y * down for x in offsets for y in offsets])

    def picture(
        self, camera_from_board: RigidTransform, rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        """What the camera sees, uint8 [H, W]; behind the board is a wall."""
        import cv2

        seen = np.stack([self._light(rays, camera_from_board) for rays in self._rays])
        light = seen.mean(axis=0, dtype=np.float32)
        blurred = cv2.GaussianBlur(light, (0, 0), _BLUR_SIGMA_PX)
        noisy: FloatArray = blurred + _NOISE_SIGMA * rng.standard_normal(
            blurred.shape, dtype=np.float32
        )
        return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)

    def _light(self, rays: FloatArray, camera_from_board: RigidTransform) -> NDArray[np.uint8]:
        """What rays [H, W, 3] hit, uint8 [H, W]."""
        import cv2

        image, origin_m, px_per_m = self._print
        rotation, shift = camera_from_board.rotation, camera_from_board.translation_m
        depth = (rotation[:, 2] @ shift) / (rays @ rotation[:, 2])
        on_board = (rays * depth[..., None] - shift) @ rotation[:, :2]
        place = ((on_board - origin_m) * px_per_m - 0.5).astype(np.float32)
        place[~(depth > 0)] = -1e6
        seen = cv2.remap(
            image,
            place[..., 0],
            place[..., 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=_WALL,
        )
        return seen.astype(np.uint8)


def random_pose(
    board: Board,
    camera: CameraModel,
    rng: np.random.Generator,
    *,
    filled: tuple[float, float] = (0.3, 0.7),
    whole: bool = True,
) -> RigidTransform | None:
    """The camera from a board held somewhere in its view; None if nowhere was found.

    Args:
        board: What is held.
        camera: Who looks.
        rng: Random numbers.
        filled: Which share of the image it spans, least and most.
        whole: Whether all that is printed must be in the image, or half of its points.
    """
    points = board.points_m
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    size_px = np.array([camera.width_px, camera.height_px])
    # what is printed reaches about a spacing beyond the points
    grown = 1 + 2 * board.spacing_m / float(board.extent_m.min())
    margin = middle + grown * (points - middle)
    for _ in range(_ATTEMPTS):
        rotation = _turn(rng.uniform(-1, 1, 3) * _LARGEST_TILT_RAD) @ _facing(board)
        (ray,) = camera.rays(rng.uniform(0.15, 0.85, (1, 2)) * size_px)
        extent_m = float((board.extent_m / size_px).max())
        distance_m = extent_m * camera.k[0, 0] / rng.uniform(*filled)
        shift = ray / np.linalg.norm(ray) * distance_m - rotation @ middle
        seen = camera.project((points if not whole else margin) @ rotation.T + shift)
        if seen.visible.all() or (not whole and seen.visible.mean() > 0.5):
            return RigidTransform(
                target=camera.frame_id, source="board", rotation=rotation, translation_m=shift
            )
    return None


def print_board(board: Board) -> tuple[NDArray[np.uint8], FloatArray, float]:
    """A board on paper.

    Returns:
        uint8 [H, W]; the board's x, y of its corner [2], in metres; pixels per metre. Rows go
        along the board's y.
    """
    if board.kind is BoardKind.CHESSBOARD:
        return _squares(board)
    if board.kind is BoardKind.CHARUCO:
        return _charuco(board)
    if board.kind is BoardKind.APRILGRID:
        return _tags(board)
    return _circles(board)


def _squares(board: Board) -> tuple[NDArray[np.uint8], FloatArray, float]:
    cells = np.indices((board.rows + 1, board.columns + 1)).sum(axis=0) % 2
    inner = np.where(np.kron(cells, np.ones((_CELLS_PX, _CELLS_PX))) > 0, _PAPER, _INK)
    return _framed(inner, np.full(2, -board.spacing_m), _CELLS_PX / board.spacing_m)


def _charuco(board: Board) -> tuple[NDArray[np.uint8], FloatArray, float]:
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary))
    printed = cv2.aruco.CharucoBoard(
        (board.columns, board.rows), board.spacing_m, board.size, dictionary
    )
    size = (board.columns * _CELLS_PX, board.rows * _CELLS_PX)
    inner = np.where(printed.generateImage(size) > 127, _PAPER, _INK)
    return _framed(inner, np.full(2, -board.spacing_m), _CELLS_PX / board.spacing_m)


def _tags(board: Board) -> tuple[NDArray[np.uint8], FloatArray, float]:
    """Tags of Kalibr: a border of two cells, and black squares where gaps cross."""
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11)
    side, gap = _TAG_PX, round(_TAG_PX * board.size)
    pitch = side + gap
    inner = np.full((board.rows * pitch + gap, board.columns * pitch + gap), _PAPER)
    for number in range(board.columns * board.rows):
        row, column = divmod(number, board.columns)
        tag = cv2.aruco.generateImageMarker(dictionary, number, side, borderBits=2)
        y, x = row * pitch + gap, column * pitch + gap
        # y is up on the board and rows go along it
        inner[y : y + side, x : x + side] = np.where(tag[::-1] > 127, _PAPER, _INK)
    for y in range(0, inner.shape[0], pitch):
        for x in range(0, inner.shape[1], pitch):
            inner[y : y + gap, x : x + gap] = _INK
    px_per_m = side / board.spacing_m
    return _framed(inner, np.full(2, -gap / px_per_m), px_per_m)


def _circles(board: Board) -> tuple[NDArray[np.uint8], FloatArray, float]:
    px_per_m = _CELLS_PX / board.spacing_m
    low, high = board.points_m[:, :2].min(axis=0), board.points_m[:, :2].max(axis=0)
    low, high = low - board.spacing_m, high + board.spacing_m
    columns, rows = np.rint((high - low) * px_per_m).astype(int)
    v, u = np.mgrid[:rows, :columns] + 0.5
    inner = np.full((rows, columns), float(_PAPER))
    radius_m = board.size / 2 or 0.3 * board.spacing_m
    for x, y in (board.points_m[:, :2] - low) * px_per_m:
        inside = np.clip(radius_m * px_per_m - np.hypot(u - x, v - y) + 0.5, 0, 1)
        inner -= inside * (_PAPER - _INK)
    return _framed(inner, low, px_per_m)


def _framed(
    inner: NDArray[np.floating] | NDArray[np.integer], origin_m: FloatArray, px_per_m: float
) -> tuple[NDArray[np.uint8], FloatArray, float]:
    """With a white margin of one cell."""
    framed = np.pad(inner, _CELLS_PX, constant_values=_PAPER).astype(np.uint8)
    return framed, origin_m - _CELLS_PX / px_per_m, px_per_m


def _facing(board: Board) -> FloatArray:
    """Rows of tags go up, those of all other boards down; either way the print is in sight."""
    up = board.kind is BoardKind.APRILGRID
    return np.diag([1.0, -1.0, -1.0]) if up else np.eye(3)


def _turn(vector_rad: FloatArray) -> FloatArray:
    from scipy.spatial.transform import Rotation

    matrix: FloatArray = Rotation.from_rotvec(vector_rad).as_matrix()
    return matrix
