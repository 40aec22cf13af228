"""Where to begin: focal length and board poses from flat boards, whatever a few views say.

For each of many focal lengths every view is explained by a plane alone (no distortion); the length
under which the median view comes out best is taken. A view that is wrong spoils its own pose only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.lens import EQUIDISTANT, Lens
from perception_stack.calibration.estimation.rotations import nearest_rotation
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray

# In widths of the image
_FOCAL_SHARES = np.geomspace(0.25, 8.0, 12)
# So many points of a view tell its focal length well enough
_NUM_POINTS = 20
# Rays farther off the axis are not looked at as points of a plane
_STEEPEST, _WIDEST_RAD = 6.0, 1.4


def start_params(
    sightings: Sequence[Sighting],
    board_points_m: FloatArray,
    lens: Lens,
    *,
    width_px: int,
    height_px: int,
) -> FloatArray:
    """Parameters without distortion, the centre in the middle of the image, float64 [P]."""
    centre = np.array([(width_px - 1) / 2, (height_px - 1) / 2])
    focal_px = _FOCAL_SHARES * max(width_px, height_px)
    board, seen, there = _stacked([_thinned(one) for one in sightings], board_points_m)
    # every view under every focal length: [F * V, N]
    bent = ((seen - centre) / focal_px[:, None, None, None]).reshape(-1, *seen.shape[1:])
    boards, theres = np.tile(board, (len(focal_px), 1, 1)), np.tile(there, (len(focal_px), 1))
    flat = _flattened(bent, lens)
    rotation, translation = _poses(boards, flat, theres, board_points_m)
    points = np.einsum("vij,vnj->vni", rotation[:, :, :2], boards) + translation[:, None]
    depth = np.where(theres & (points[..., 2] > 0), points[..., 2], 1.0)[..., None]
    miss = np.linalg.norm(_bent(points[..., :2] / depth, lens) - bent, axis=2)
    size = np.sqrt((theres * miss**2).sum(axis=1) / theres.sum(axis=1)).reshape(len(focal_px), -1)
    middle = np.median(size * focal_px[:, None], axis=1)
    best = int(np.argmin(middle))
    focal = float(focal_px[best])
    if 0 < best < len(focal_px) - 1:
        # the vertex of a parabola through three points, on a logarithmic scale
        left, here, right = middle[best - 1 : best + 2]
        bend = left - 2 * here + right
        shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
        step = float(np.log(_FOCAL_SHARES[1] / _FOCAL_SHARES[0]))
        focal *= float(np.exp(np.clip(shift, -1, 1) * step))
    return np.array([focal, focal, *centre, *np.zeros(len(lens.coefficients))])


def plane_poses(
    sightings: Sequence[Sighting], board_points_m: FloatArray, lens: Lens, params: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Pose of a flat board in each view, by its homography.

    Args:
        sightings: V views of at least 4 points.
        board_points_m: float64 [N, 3], z is 0.
        lens: Kind of camera.
        params: float64 [P].

    Returns:
        camera_from_board rotations float64 [V, 3, 3] and translations [V, 3]; all points of the
        board are in front of the camera, whatever was seen.
    """
    board, seen, there = _stacked(sightings, board_points_m)
    flat = lens.rays(seen.reshape(-1, 2), params)[:, :2].reshape(seen.shape)
    return _poses(board, flat, there, board_points_m)


def _stacked(
    sightings: Sequence[Sighting], board_points_m: FloatArray
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Board points and pixels of views, [V, N, 2], as long as the longest; which are there."""
    num = np.array([len(one.point_idx) for one in sightings])
    there = np.arange(num.max()) < num[:, None]
    board, seen = np.zeros((*there.shape, 2)), np.zeros((*there.shape, 2))
    board[there] = board_points_m[np.concatenate([one.point_idx for one in sightings]), :2]
    seen[there] = np.concatenate([one.uv_px for one in sightings])
    return board, seen, there


def _poses(
    board: FloatArray, flat: FloatArray, there: NDArray[np.bool_], board_points_m: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Poses of planes seen at ``flat``, where rays cross the plane at depth 1."""
    inside = there & (np.linalg.norm(flat, axis=2) < _STEEPEST)  # False for NaN
    flat = np.where(inside[..., None], flat, 0.0)
    weight = inside.astype(np.float64)
    scale = max(float(np.abs(board_points_m[:, :2]).max()), 1e-9)
    middle = board_points_m[:, :2].mean(axis=0)
    rotation, translation = _decomposed(_homographies((board - middle) / scale, flat, weight))
    translation = translation * scale - rotation[:, :, :2] @ middle
    depth = np.einsum("vj,vnj->vn", rotation[:, 2, :2], board) + translation[:, 2:]
    lost = ((depth <= 0) & there).any(axis=1) | ~np.isfinite(depth).all(axis=1)
    if lost.any():
        rotation[lost], translation[lost] = _face_on(board[lost], flat[lost], weight[lost])
    return rotation, translation


def _flattened(bent: FloatArray, lens: Lens) -> FloatArray:
    """Where rays cross the plane at depth 1, without distortion; NaN where they do not."""
    if lens is not EQUIDISTANT:
        return bent
    angle = np.linalg.norm(bent, axis=-1)
    safe = np.where(angle < _WIDEST_RAD, np.maximum(angle, 1e-9), np.nan)
    flat: FloatArray = bent * (np.tan(safe) / safe)[..., None]
    return flat


def _bent(flat: FloatArray, lens: Lens) -> FloatArray:
    """Its inverse."""
    if lens is not EQUIDISTANT:
        return flat
    radius = np.maximum(np.linalg.norm(flat, axis=-1), 1e-9)
    bent: FloatArray = flat * (np.arctan(radius) / radius)[..., None]
    return bent


def _face_on(
    board: FloatArray, flat: FloatArray, weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Boards that face the camera, as far and where their points are spread: of any points."""
    share = (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12))[..., None]
    on_board, seen = (share * board).sum(axis=1), (share * flat).sum(axis=1)
    size = np.sqrt((share * (board - on_board[:, None]) ** 2).sum(axis=(1, 2)))
    spread = np.sqrt((share * (flat - seen[:, None]) ** 2).sum(axis=(1, 2)))
    depth = size / np.maximum(spread, 1e-6)
    translation = np.column_stack([seen * depth[:, None] - on_board, depth])
    return np.broadcast_to(np.eye(3), (len(board), 3, 3)), translation


def _thinned(one: Sighting) -> Sighting:
    keep = np.linspace(0, len(one.point_idx) - 1, _NUM_POINTS).round().astype(int)
    keep = np.unique(keep)
    return Sighting(name=one.name, point_idx=one.point_idx[keep], uv_px=one.uv_px[keep])


def _homographies(board: FloatArray, flat: FloatArray, weight: FloatArray) -> FloatArray:
    """Plane to image, float64 [V, 3, 3], by the direct linear transform."""
    u, v = flat[..., 0], flat[..., 1]
    # in wide images far rays would weigh the most
    weight = (weight / (1 + u * u + v * v)) ** 2
    x, y = board[..., 0], board[..., 1]
    products = np.stack([x * x, x * y, x, y * y, y, np.ones_like(x)], axis=-1)
    # each point asks for h1 p = u h3 p and h2 p = v h3 p; sums of p pᵀ by 1, u, v and u² + v²
    factors = np.stack([weight, weight * u, weight * v, weight * (u * u + v * v)], axis=1)
    symmetric = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
    one, by_u, by_v, square = np.moveaxis((factors @ products)[..., symmetric], 1, 0)
    normal = np.zeros((len(board), 9, 9))
    normal[:, :3, :3] = normal[:, 3:6, 3:6] = one
    normal[:, 6:, 6:] = square
    normal[:, :3, 6:] = normal[:, 6:, :3] = -by_u
    normal[:, 3:6, 6:] = normal[:, 6:, 3:6] = -by_v
    _, vectors = np.linalg.eigh(normal)
    return vectors[:, :, 0].reshape(-1, 3, 3)


def _decomposed(homography: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Rotations and translations; the board is in front of the camera."""
    size = np.sqrt(
        np.linalg.norm(homography[:, :, 0], axis=1) * np.linalg.norm(homography[:, :, 1], axis=1)
    )
    sign = np.where(homography[:, 2, 2] < 0, -1.0, 1.0)
    scaled = homography * (sign / np.maximum(size, 1e-12))[:, None, None]
    third = np.cross(scaled[:, :, 0], scaled[:, :, 1])
    rough = np.stack([scaled[:, :, 0], scaled[:, :, 1], third], axis=2)
    return nearest_rotation(rough), scaled[:, :, 2]
