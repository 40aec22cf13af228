"""What a detection teaches about pose, motion and size: the Kalman update.

The rotation is estimated as a small turn about the fixed axes from the predicted one, which is
what the covariance of a pose speaks of as well (multiplicative filter, Markley 2003).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import matrix_from_quat, quat_multiply
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.heading import gathered, votes
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.rotations import (
    inverse,
    quarters_to,
    quat_from_vector,
    turned_by_quarters,
    vector_from_quat,
)
from perception_stack.tracking.tracks import POSE, Tracks


def updated(tracks: Tracks, measurements: Measurements, config: TrackerConfig) -> Tracks:
    """Tracks after one detection each; row i of one belongs to row i of the other."""
    num_quarters = quarters_to(measurements.quat_xyzw, tracks.quat_xyzw)
    measured_quat, measured_size = turned_by_quarters(
        measurements.quat_xyzw, measurements.size_lwh_m, num_quarters
    )
    residual = np.concatenate(
        [
            measurements.center_m - tracks.center_m,
            vector_from_quat(quat_multiply(measured_quat, inverse(tracks.quat_xyzw))),
        ],
        axis=1,
    )
    seen_part = tracks.covariance[:, POSE, :]
    innovation = tracks.covariance[:, POSE, POSE] + measurements.noise
    gain_t = np.linalg.solve(innovation, seen_part)
    correction = np.einsum("nij,ni->nj", gain_t, residual)
    covariance = tracks.covariance - np.swapaxes(seen_part, 1, 2) @ gain_t

    size, size_variance = _updated_size(
        tracks, measured_size, size_noise(measurements, measured_quat, measured_size, config)
    )
    return replace(
        tracks,
        center_m=tracks.center_m + correction[:, :3],
        quat_xyzw=quat_multiply(quat_from_vector(correction[:, 3:6]), tracks.quat_xyzw),
        twist=tracks.twist + correction[:, 6:],
        covariance=0.5 * (covariance + np.swapaxes(covariance, 1, 2)),
        size_lwh_m=size,
        size_variance_m2=size_variance,
        heading=gathered(
            tracks.heading, votes(num_quarters, measurements.yaw_variance_rad2, config)
        ),
    )


def size_noise(
    measurements: Measurements,
    quat_xyzw: FloatArray,
    size_lwh_m: FloatArray,
    config: TrackerConfig,
) -> FloatArray:
    """Variance of measured sides.

    Boxes carry no covariance of their size, but where the centre is uncertain along an axis, it
    is because an end was not seen; the side is then twice as uncertain.

    Returns:
        float64 [M, 3], m², along the box's axes.
    """
    axes = matrix_from_quat(quat_xyzw)
    along = np.einsum("nij,nik,nkj->nj", axes, measurements.noise[:, :3, :3], axes)
    variance: FloatArray = 4 * along + (config.size_noise * size_lwh_m) ** 2
    return variance


def _updated_size(
    tracks: Tracks, measured_m: FloatArray, noise_m2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    gain = tracks.size_variance_m2 / (tracks.size_variance_m2 + noise_m2)
    size = tracks.size_lwh_m + gain * (measured_m - tracks.size_lwh_m)
    return size, (1 - gain) * tracks.size_variance_m2
