"""How much a camera or a LiDAR turned from one frame to the next, from the frames alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.points import thinned
from perception_stack.calibration.time_offset.calibrate import Turns
from perception_stack.datatypes import ColorImage, FloatArray, PointCloud
from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel

_NUM_CORNERS, _FEWEST = 600, 30
_INLIER_RAD = np.deg2rad(0.08)
_VOXEL_M, _FEWEST_POINTS, _NEAREST_M, _FARTHEST_M = 0.4, 200, 2.0, 50.0
_NUM_ROUNDS, _NUM_NORMAL = 12, 8
_REACH_M = (2.0, 0.25)


def turns_of_images(images: Iterable[ColorImage], camera: CameraModel) -> Turns:
    """Orientation of a camera, from the essential matrix of tracked corners.

    Raises:
        CalibrationError: too few corners could be followed.
    """
    import cv2

    before: NDArray[np.uint8] | None = None
    stamps, rotation = [], [np.eye(3)]
    for image in images:
        gray = np.asarray(cv2.cvtColor(image.bgr, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
        if before is not None:
            rotation.append(rotation[-1] @ _image_turn(before, gray, camera))
        before = gray
        stamps.append(image.stamp_ns)
    return Turns(
        name=f"'{camera.frame_id}'",
        stamps_ns=np.array(stamps, dtype=np.int64),
        rotation=np.array(rotation[: len(stamps)]).reshape(-1, 3, 3),
    )


def turns_of_scans(clouds: Iterable[PointCloud]) -> Turns:
    """Orientation of a LiDAR, each scan registered to the one before, point to plane.

    Raises:
        CalibrationError: too few points.
    """
    stamps, rotation, shift = [], [np.eye(3)], np.zeros(3)
    turn, before, name = np.eye(3), None, ""
    for cloud in clouds:
        points = _thinned(cloud)
        if before is not None:
            # as fast as before is the first guess
            turn, shift = _scan_motion(points, before, turn, shift)
            rotation.append(rotation[-1] @ turn)
        before, name = points, cloud.frame_id
        stamps.append(cloud.stamp_ns)
    return Turns(
        name=f"'{name}'",
        stamps_ns=np.array(stamps, dtype=np.int64),
        rotation=np.array(rotation[: len(stamps)]).reshape(-1, 3, 3),
    )


def _image_turn(
    before: NDArray[np.uint8], after: NDArray[np.uint8], camera: CameraModel
) -> FloatArray:
    """Before from after, rotation of the camera."""
    import cv2

    corners = cv2.goodFeaturesToTrack(before, _NUM_CORNERS, 0.01, 8)
    if corners is None or len(corners) < _FEWEST:
        raise CalibrationError("too few corners in an image; is it dark or blurred?")
    follow: Any = cv2.calcOpticalFlowPyrLK  # its annotations do not know that None is allowed
    moved, found, _ = follow(before, after, corners, None, winSize=(21, 21))
    back, _, _ = follow(after, before, moved, None, winSize=(21, 21))
    kept = (found.ravel() > 0) & (np.abs(back - corners).reshape(-1, 2).max(axis=1) < 0.5)
    if kept.sum() < _FEWEST:
        raise CalibrationError("too few corners could be followed from an image to the next")
    pairs = [one.reshape(-1, 2)[kept].astype(np.float64) for one in (corners, moved)]
    rays = [camera.rays(one)[:, :2] for one in pairs]
    if np.median(np.linalg.norm(rays[0] - rays[1], axis=1)) < 0.1 * _INLIER_RAD:
        return np.eye(3)  # stands: no essential matrix is fixed
    cv2.setRNGSeed(0)
    essential, mask = cv2.findEssentialMat(
        rays[0], rays[1], np.eye(3), method=cv2.RANSAC, prob=0.9999, threshold=_INLIER_RAD
    )
    if essential is None or essential.shape != (3, 3):
        raise CalibrationError("no motion of the camera explains its images")
    _, rotation, _, _ = cv2.recoverPose(essential, rays[0], rays[1], np.eye(3), mask=mask)
    return np.asarray(rotation.T)


def _thinned(cloud: PointCloud) -> FloatArray:
    """One point for each cube."""
    points = cloud.xyz_m.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distance_m = np.linalg.norm(points, axis=1)
        points = points[(distance_m > _NEAREST_M) & (distance_m < _FARTHEST_M)]
    if len(points) < _FEWEST_POINTS:
        raise CalibrationError(f"{len(points)} points in a scan of '{cloud.frame_id}'")
    return thinned(points, edge_m=_VOXEL_M)


def _scan_motion(
    points: FloatArray, before: FloatArray, turn: FloatArray, shift: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Before from after, by point to plane with a shrinking reach."""
    from scipy.spatial import cKDTree
    from scipy.spatial.transform import Rotation

    tree = cKDTree(before)
    _, near = tree.query(before, k=_NUM_NORMAL)
    around = before[near] - before[near].mean(axis=1, keepdims=True)
    spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))
    normal, flat = axes[:, :, 0], spread[:, 0] < 0.1 * spread[:, 1]
    for reach_m in np.geomspace(*_REACH_M, _NUM_ROUNDS):
        placed = points @ turn.T + shift
        distance_m, index = tree.query(placed, distance_upper_bound=reach_m)
        ok = np.isfinite(distance_m)
        ok[ok] = flat[index[ok]]
        if ok.sum() < _FEWEST_POINTS // 2:
            raise CalibrationError("a scan does not match the one before it")
        n, p = normal[index[ok]], placed[ok]
        miss = np.einsum("ni,ni->n", n, before[index[ok]] - p)
        weight = 1 / (1 + (miss / (0.3 * reach_m)) ** 2)
        slope = np.column_stack([np.cross(p, n), n])
        step = np.linalg.lstsq(
            slope.T @ (weight[:, None] * slope), slope.T @ (weight * miss), rcond=1e-9
        )[0]
        change = Rotation.from_rotvec(step[:3]).as_matrix()
        turn, shift = change @ turn, change @ shift + step[3:]
    return turn, shift
