"""What a detection teaches about pose, motion and size: the Kalman update.

The rotation is estimated as a small turn about the fixed axes from the predicted one, which is
what the covariance of a pose speaks of as well (multiplicative filter, Markley 2003).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import quat_multiply
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.heading import gathered, votes
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.rotations import (
    inverse,
    quarters_to,
    quat_from_vector,
    sides_after_quarters,
    turned_by_quarters,
    vector_from_quat,
)
from perception_stack.tracking.tracks import POSE, Tracks

_MOST_SURPRISE = 4.0  # squared distance from which on a size counts as an outlier


def updated(tracks: Tracks, measurements: Measurements, config: TrackerConfig) -> Tracks:
    """Tracks after one detection each; row i of one belongs to row i of the other."""
    num_quarters = quarters_to(measurements.quat_xyzw, tracks.quat_xyzw)
    measured_quat = turned_by_quarters(measurements.quat_xyzw, num_quarters)
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

    ends_noise = sides_after_quarters(measurements.ends_noise_m2, num_quarters)
    size, size_variance = _updated_size(
        tracks,
        sides_after_quarters(measurements.size_lwh_m, num_quarters),
        size_noise_m2(ends_noise, tracks.size_lwh_m, config),
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


def size_noise_m2(
    ends_noise_m2: FloatArray, size_lwh_m: FloatArray, config: TrackerConfig
) -> FloatArray:
    """Variance of measured sides of things of a given size, float64 [N, 3]."""
    variance: FloatArray = ends_noise_m2 + (config.size_noise * size_lwh_m) ** 2
    return variance


def _updated_size(
    tracks: Tracks, measured_m: FloatArray, noise_m2: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Sides and their variance, hardly moved by a detection that saw something else."""
    residual = measured_m - tracks.size_lwh_m
    variance = tracks.size_variance_m2
    surprise = residual**2 / (variance + noise_m2) / _MOST_SURPRISE
    gain = variance / (variance + noise_m2 * np.maximum(surprise, 1.0))
    return tracks.size_lwh_m + gain * residual, (1 - gain) * variance
