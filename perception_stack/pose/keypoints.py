"""Poses from points that a detector names in the image: keypoints, corners of tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.objects.rotations import angle_of

_LEAST, _NUM_STEPS = 4, 10
_SAME_RAD = 1e-2
_FLAT = 1e-3  # thickness over width
_NUM_SAMPLES = 200
_LIMIT_NOISES = 4.0
_AS_GOOD = 2.0  # ratio of squared errors up to which a second solution fits as well


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeypointPose:
    """Where an object is by its keypoints.

    Attributes:
        pose: float64 [4, 4], camera from object.
        covariance: float64 [6, 6] of (x, y, z, rotation about the camera's axes).
        inliers: bool [N], keypoints that agree with the pose.
        rms_px: Error of these in the image.
        alternatives: float64 [A, 4, 4], the mirrored pose of a flat object where it fits as well.
    """

    pose: FloatArray
    covariance: FloatArray
    inliers: NDArray[np.bool_]
    rms_px: float
    alternatives: FloatArray


def pose_from_keypoints(
    points_m: FloatArray, uv_px: FloatArray, camera: CameraModel, *, noise_px: float = 1.0
) -> KeypointPose | None:
    """The pose that puts named points of an object where they are seen.

    Several solutions of a minimal problem are tried on random samples, wrong keypoints are left
    out, and the rest is fitted by least squares (SQPnP of Terzakis and Lourakis 2020). Flat points
    have a second solution, tilted the other way (Schweighofer and Pinz 2006).

    Args:
        points_m: float64 [N, 3], in the object's frame, at least four.
        uv_px: float64 [N, 2], raw pixels; NaN where a point was not found.
        camera: That sees them.
        noise_px: Standard deviation of a keypoint.

    Returns:
        None where fewer than four points were found or agree.

    Raises:
        ShapeError: the two arrays do not belong together.
    """
    import cv2

    check_shape("points_m", points_m, None, 3)
    check_shape("uv_px", uv_px, len(points_m), 2)
    if len(points_m) < _LEAST:
        raise ShapeError("points_m", expected="at least 4 points", received=str(len(points_m)))
    found = np.flatnonzero(np.isfinite(uv_px).all(axis=1))
    if len(found) < _LEAST:
        return None
    rays = camera.rays(uv_px[found])
    across = np.ascontiguousarray(rays[:, :2] / rays[:, 2:])
    model_m = np.ascontiguousarray(points_m[found])
    focal_px = float(np.sqrt(camera.k[0, 0] * camera.k[1, 1]))
    limit = _LIMIT_NOISES * noise_px / focal_px
    inside = np.arange(len(found))
    if len(found) > _LEAST:
        good, _, _, rows = cv2.solvePnPRansac(
            model_m,
            across,
            np.eye(3),
            None,
            iterationsCount=_NUM_SAMPLES,
            reprojectionError=limit,
            flags=cv2.SOLVEPNP_SQPNP,
        )
        if not good or rows is None or len(rows) < _LEAST:
            return None
        inside = rows.ravel().astype(np.intp)
    model_m, across = model_m[inside], across[inside]
    solutions = []
    for pose in _solutions(model_m, across):
        error = _errors(pose, model_m, across)
        if (pose[:3, :3] @ model_m.T + pose[:3, 3:])[2].min() > 0:
            solutions.append((float((error**2).sum()), pose))
    solutions.sort(key=lambda one: one[0])
    if not solutions or np.sqrt(solutions[0][0] / len(inside)) > limit:
        return None
    least, pose = solutions[0]
    inliers = np.zeros(len(points_m), dtype=np.bool_)
    inliers[found[inside]] = True
    # two residuals a point; with few points the noise that was said counts more
    floor = 2 * len(inside) * (noise_px / focal_px) ** 2
    others = [pose]
    for squared, one in solutions[1:]:
        apart_rad = min(float(angle_of(other[:3, :3].T @ one[:3, :3])) for other in others)
        if squared + floor < _AS_GOOD * (least + floor) and apart_rad > _SAME_RAD:
            others.append(one)
    return KeypointPose(
        pose=pose,
        covariance=_covariance(pose, model_m, noise=max(noise_px / focal_px, 1e-9), least=least),
        inliers=inliers,
        rms_px=focal_px * float(np.sqrt(least / len(inside))),
        alternatives=np.array(others[1:]).reshape(-1, 4, 4),
    )


def pose_from_tag(
    corners_px: FloatArray, side_m: float, camera: CameraModel, *, noise_px: float = 0.5
) -> KeypointPose | None:
    """The pose of a square tag from its corners.

    Args:
        corners_px: float64 [4, 2], raw pixels; top left first, clockwise seen from the front.
        side_m: Length of its side.
        camera: That sees it.
        noise_px: Standard deviation of a corner.

    Returns:
        The tag's frame has x to the right, y up and z out of its front, origin in the middle.
    """
    half_m = side_m / 2
    corners_m = half_m * np.array([[-1.0, 1, 0], [1, 1, 0], [1, -1, 0], [-1, -1, 0]])
    return pose_from_keypoints(corners_m, corners_px, camera, noise_px=noise_px)


def _solutions(model_m: FloatArray, across: FloatArray) -> list[FloatArray]:
    """Poses [4, 4] that fit, each the best near it."""
    import cv2

    _, turns, shifts, _ = cv2.solvePnPGeneric(
        model_m, across, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP
    )
    poses = []
    for turn, shift in zip(turns, shifts, strict=True):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = cv2.Rodrigues(turn)[0], shift.ravel()
        poses.append(_fitted(pose, model_m, across))
    middle_m = model_m.mean(axis=0)
    _, size, axes = np.linalg.svd(model_m - middle_m)
    if size[2] < _FLAT * size[0]:
        # what is flat looks nearly the same when tilted the other way
        pose = poses[0].copy()
        centre_m = pose[:3, :3] @ middle_m + pose[:3, 3]
        view = centre_m / np.linalg.norm(centre_m)
        normal = pose[:3, :3] @ axes[2]
        normal *= -np.sign(normal @ view)
        # half-way between the normal and its mirror image is the direction of the camera
        tilt = np.cross(normal, -view)
        angle_rad = 2 * float(np.arctan2(np.linalg.norm(tilt), -(normal @ view)))
        if angle_rad > 1e-6:
            axis = tilt / np.linalg.norm(tilt)
            pose[:3, :3] = cv2.Rodrigues(angle_rad * axis)[0] @ pose[:3, :3]
            pose[:3, 3] = centre_m - pose[:3, :3] @ middle_m
            poses.append(_fitted(pose, model_m, across))
    return poses


def _fitted(pose: FloatArray, model_m: FloatArray, across: FloatArray) -> FloatArray:
    """The pose at which the squared errors are least (Gauss and Newton's steps)."""
    import cv2

    fitted = pose.copy()
    for _ in range(_NUM_STEPS):
        error = _errors(fitted, model_m, across).ravel()
        step = -np.linalg.lstsq(_rows(fitted, model_m), error, rcond=None)[0]
        fitted[:3, :3] = cv2.Rodrigues(step[3:])[0] @ fitted[:3, :3]
        fitted[:3, 3] += step[:3]
    return fitted


def _errors(pose: FloatArray, model_m: FloatArray, across: FloatArray) -> FloatArray:
    placed = model_m @ pose[:3, :3].T + pose[:3, 3]
    return np.asarray(placed[:, :2] / placed[:, 2:] - across)


def _covariance(
    pose: FloatArray, model_m: FloatArray, *, noise: float, least: float
) -> FloatArray:
    """Of the linearised least squares; larger where the points fit worse than was said."""
    rows = _rows(pose, model_m)
    variance = max(noise**2, least / max(len(rows) - 6, 1))
    covariance = np.asarray(variance * np.linalg.pinv(rows.T @ rows), dtype=np.float64)
    return np.asarray((covariance + covariance.T) / 2)


def _rows(pose: FloatArray, model_m: FloatArray) -> FloatArray:
    """Change of the errors with a shift and a turn along the camera's axes, float64 [2N, 6]."""
    turned = model_m @ pose[:3, :3].T
    x, y, z = (turned + pose[:3, 3]).T
    zero = np.zeros_like(x)
    by_place = np.stack(
        [np.stack([1 / z, zero, -x / z**2], axis=1), np.stack([zero, 1 / z, -y / z**2], axis=1)],
        axis=1,
    )
    by_turn = np.cross(turned[:, None], by_place)
    return np.concatenate([by_place, by_turn], axis=2).reshape(-1, 6)
