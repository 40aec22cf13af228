"""Where to hold the board next: the place that would tell most about the weakest direction."""

from __future__ import annotations

import itertools

import numpy as np

from perception_stack.calibration.estimation.rotations import cross_matrix, exp
from perception_stack.calibration.lidar_camera.boards import BoardPoses
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform

_WIDE_RAD, _HIGH_RAD, _TILT_RAD = np.deg2rad([60.0, 40.0, 40.0])
_SIDE = {-1: "at the left border", 0: "in the middle", 1: "at the right border"}
_HEIGHT = {-1: "upper", 0: "", 1: "lower"}


def coverage_of(in_camera: BoardPoses) -> dict[str, float]:
    """Share of what is recommended: places in the image and tilts."""
    x, y, z = in_camera.center_m.T
    normals = in_camera.rotation[:, :, 2]
    spread = np.linalg.svd(normals - normals.mean(axis=0), compute_uv=False)
    tilt = spread[1] / np.sqrt(len(normals)) if len(spread) > 1 else 0.0
    return {
        "width of the image": _share(np.ptp(np.arctan2(x, z)), _WIDE_RAD),
        "height of the image": _share(np.ptp(np.arctan2(y, z)), _HIGH_RAD),
        "tilts": _share(2 * tilt, _TILT_RAD),
    }


def next_view(
    covariance: FloatArray,
    sigma: FloatArray,
    lidar_from_camera: RigidTransform,
    in_camera: BoardPoses,
) -> str:
    """One sentence.

    Of boards at the borders of what was seen, near and far, tilted to all sides, the one is named
    after which the determinant of the covariance would be smallest (D-optimal design).
    """
    x, y, z = in_camera.center_m.T
    near_m, far_m = float(z.min()), float(z.max()) * 1.3
    across, down = np.abs(np.arctan2(x, z)).max(), np.abs(np.arctan2(y, z)).max()
    information = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    best, text = -np.inf, ""
    for side, height, far, turn in itertools.product((-1, 0, 1), (-1, 0, 1), (0, 1), range(5)):
        depth_m = far_m if far else near_m
        ray = [side * np.tan(across), height * np.tan(down), 1.0]
        place = np.array([depth_m * float(one) for one in ray])
        tilt = np.zeros(3)
        if turn:
            tilt[(turn - 1) // 2] = _TILT_RAD * (1 if turn % 2 else -1)
        rotation = np.asarray(exp(tilt) @ np.diag([1.0, -1.0, -1.0]))  # facing the camera
        gain = _gain(information, sigma, lidar_from_camera, place, rotation)
        if gain > best:
            best = gain
            where = " ".join(filter(None, [_HEIGHT[height], _SIDE[side]]))
            text = f"hold the board {where} of the image, {depth_m:.1f} m away, {_tilted(turn)}"
    return text


def _gain(
    information: FloatArray,
    sigma: FloatArray,
    lidar_from_camera: RigidTransform,
    place_m: FloatArray,
    rotation: FloatArray,
) -> float:
    turned = (lidar_from_camera.rotation @ rotation).T
    slope = np.zeros((6, 6))
    slope[:3, :3] = -turned
    slope[:3, 3:] = turned @ cross_matrix(lidar_from_camera.rotation @ place_m)
    slope[3:, 3:] = -turned
    slope /= sigma[:, None]
    return float(np.linalg.slogdet(information + slope.T @ slope)[1])


def _tilted(turn: int) -> str:
    if not turn:
        return "facing the camera"
    names = ("its upper edge away", "its lower edge away", "its left edge away")
    return f"turned with {(*names, 'its right edge away')[turn - 1]} from the camera"


def _share(value: float, wanted: float) -> float:
    return float(min(value / wanted, 1.0))
