"""Where to begin: focal length and board poses from flat boards, whatever a few views say.

For each of many focal lengths every view is explained by a plane alone (no distortion); the length
under which the median view comes out best is taken. A view that is wrong spoils its own pose only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray

# In widths of the image
_FOCAL_SHARES = np.geomspace(0.25, 8.0, 12)
# So many points of a view tell its focal length well enough
_NUM_POINTS = 20
# Rays farther off the axis are not looked at as points of a plane
_STEEPEST = 6.0


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
    few = [_thinned(one) for one in sightings]
    misses = [
        plane_poses(few, board_points_m, lens, _params(lens, focal, centre))[2]
        for focal in focal_px
    ]
    middle = np.median(np.stack(misses), axis=1)
    best = int(np.argmin(middle))
    if 0 < best < len(focal_px) - 1:
        # the vertex of a parabola through three points, on a logarithmic scale
        left, here, right = middle[best - 1 : best + 2]
        bend = left - 2 * here + right
        shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
        step = float(np.log(_FOCAL_SHARES[1] / _FOCAL_SHARES[0]))
        focal = focal_px[best] * np.exp(np.clip(shift, -1, 1) * step)
    else:
        focal = focal_px[best]
    return _params(lens, float(focal), centre)


def plane_poses(
    sightings: Sequence[Sighting], board_points_m: FloatArray, lens: Lens, params: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pose of a flat board in each view, by its homography.

    Args:
        sightings: V views of at least 4 points.
        board_points_m: float64 [N, 3], z is 0.
        lens: Kind of camera.
        params: float64 [P].

    Returns:
        camera_from_board rotations float64 [V, 3, 3] and translations [V, 3]; the root mean
        square error of each view [V] in pixels, as far as a pose explains it.
    """
    longest = max(len(one.point_idx) for one in sightings)
    there = np.zeros((len(sightings), longest), dtype=bool)
    board, seen = np.zeros((len(sightings), longest, 2)), np.zeros((len(sightings), longest, 2))
    for i, one in enumerate(sightings):
        num = len(one.point_idx)
        there[i, :num] = True
        board[i, :num] = board_points_m[one.point_idx, :2]
        seen[i, :num] = one.uv_px
    flat = lens.rays(seen.reshape(-1, 2), params)[:, :2].reshape(seen.shape)
    inside = np.linalg.norm(flat, axis=2) < _STEEPEST  # False for NaN
    flat = np.where(inside[..., None], flat, 0.0)
    weight = (there & inside).astype(np.float64)
    scale = max(float(np.abs(board_points_m[:, :2]).max()), 1e-9)
    middle = board_points_m[:, :2].mean(axis=0)
    rotation, translation = _decomposed(_homographies((board - middle) / scale, flat, weight))
    translation = translation * scale
    translation -= rotation[:, :, :2] @ middle
    points = np.einsum("vij,vnj->vni", rotation[:, :, :2], board) + translation[:, None]
    lost = ((points[..., 2] <= 0) & there).any(axis=1) | ~np.isfinite(points).all(axis=(1, 2))
    if lost.any():
        rotation[lost], translation[lost] = _face_on(board[lost], flat[lost], weight[lost])
        points = np.einsum("vij,vnj->vni", rotation[:, :, :2], board) + translation[:, None]
    uv_px = lens.pixels(points.reshape(-1, 3), params)
    miss = np.linalg.norm(uv_px.reshape(seen.shape) - seen, axis=2)
    miss = np.where(np.isfinite(miss), miss, 1e4)
    rms = np.sqrt((there * miss**2).sum(axis=1) / there.sum(axis=1))
    return rotation, translation, rms


def _params(lens: Lens, focal_px: float, centre_px: FloatArray) -> FloatArray:
    return np.array([focal_px, focal_px, *centre_px, *np.zeros(len(lens.coefficients))])


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
    x, y = board[..., 0], board[..., 1]
    zero, one = np.zeros_like(x), np.ones_like(x)
    u, v = flat[..., 0], flat[..., 1]
    # in wide images far rays would weigh the most
    weight = weight / (1 + u * u + v * v)
    rows = np.stack(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y, -u], axis=-1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y, -v], axis=-1),
        ],
        axis=2,
    ).reshape(len(board), -1, 9)
    rows = rows * np.repeat(weight, 2, axis=1)[..., None]
    _, vectors = np.linalg.eigh(rows.transpose(0, 2, 1) @ rows)
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
    left, _, right = np.linalg.svd(rough)
    turn = left @ right
    mirrored = np.linalg.det(turn) < 0
    left[mirrored, :, 2] *= -1
    return left @ right, scaled[:, :, 2]
