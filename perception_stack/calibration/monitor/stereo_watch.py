"""How far matching points of two cameras lie off their epipolar lines, frame by frame."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.monitor.reading import Reading
from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

NAMES = ("turn about x", "turn about y", "turn about z")
"""Of a reading's values: turn of the right camera about its axes, rad."""
FLOOR: FloatArray = np.deg2rad([0.01, 0.05, 0.02])

_NUM_FEATURES, _FEWEST = 800, 60
_CLOSE_RAD = np.deg2rad(1.5)
_PRIOR_RAD = np.deg2rad([2.0, 1.0, 2.0])
_SIGMA_RAD = np.deg2rad(0.03)
_NUM_ROUNDS = 5
_LEAST_BASELINE_M = 1e-3


class StereoWatch:
    """Reads the turn of the right camera against the left one off the epipolar error.

    A turn about the baseline of both or along the epipolar lines is hardly seen; the prior then
    keeps it at zero.

    Args:
        left: Camera.
        right: Camera.
        right_from_left: Calibration.

    Raises:
        CalibrationError: both cameras are at one place, where there are no epipolar lines.
    """

    def __init__(
        self, left: CameraModel, right: CameraModel, right_from_left: RigidTransform
    ) -> None:
        if np.linalg.norm(right_from_left.translation_m) < _LEAST_BASELINE_M:
            text = f"'{left.frame_id}' and '{right.frame_id}' are at one place; mend TF, or set "
            raise CalibrationError(text + "calibration_monitor.stereo to false")
        self._left, self._right, self._pose = left, right, right_from_left

    def read(self, left: ColorImage, right: ColorImage) -> Reading:
        """Three numbers; see :data:`NAMES`."""
        pairs = _matches(left, right)
        if len(pairs) < _FEWEST:
            return Reading.none(f"{len(pairs)} matches, {_FEWEST} are needed")
        a = _unit(self._left.rays(pairs[:, :2]))
        b = _unit(self._right.rays(pairs[:, 2:]))
        baseline = self._pose.translation_m / np.linalg.norm(self._pose.translation_m)
        turned = a @ self._pose.rotation.T
        normal = np.cross(baseline, turned)
        size = np.linalg.norm(normal, axis=1)
        normal /= np.maximum(size, 1e-9)[:, None]
        # off the epipolar plane by n·b; a small turn w of the camera moves b by -w × b
        error = np.einsum("ni,ni->n", normal, b)
        slope = np.cross(normal, b)
        kept = (np.abs(error) < _CLOSE_RAD) & (size > 0.1)
        if kept.sum() < _FEWEST:
            return Reading.none(f"{kept.sum()} matches near epipolar lines, {_FEWEST} are needed")
        return Reading(values=_robust(slope[kept], error[kept]))


def _robust(slope: FloatArray, error: FloatArray) -> FloatArray:
    """Turn that explains the errors, by reweighted least squares with Cauchy weights."""
    turn = np.zeros(3)
    sigma = max(1.4826 * float(np.median(np.abs(error - np.median(error)))), _SIGMA_RAD)
    for _ in range(_NUM_ROUNDS):
        rest = error - slope @ turn
        weight = 1 / (1 + (rest / sigma) ** 2)
        information = slope.T @ (weight[:, None] * slope) / sigma**2 + np.diag(_PRIOR_RAD**-2.0)
        turn = np.linalg.solve(information, slope.T @ (weight * error) / sigma**2)
    return np.asarray(turn)


def _matches(left: ColorImage, right: ColorImage) -> FloatArray:
    """Pixels of the same corner in both images, float64 [N, 4]."""
    import cv2

    orb = cv2.ORB.create(nfeatures=_NUM_FEATURES)
    keys, marks = zip(*(orb.detectAndCompute(one.bgr, None) for one in (left, right)), strict=True)
    if any(one is None for one in marks):
        return np.empty((0, 4))
    found = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(*marks)
    pairs = [(*keys[0][one.queryIdx].pt, *keys[1][one.trainIdx].pt) for one in found]
    return np.array(pairs, dtype=np.float64).reshape(-1, 4)


def _unit(rays: FloatArray) -> FloatArray:
    return np.asarray(rays / np.linalg.norm(rays, axis=1, keepdims=True))
