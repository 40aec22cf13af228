"""Detections of which some are more precise than they say, and a few far less."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from perception_stack.journal import Journal
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.evidence import Passage, after_boxes
from perception_stack.tracking.space.measurements import measurements_from_boxes
from perception_stack.tracking.space.motion import predict
from perception_stack.tracking.space.precision import expected_scale2, forget, mixture
from perception_stack.tracking.space.tracker import Tracker

CONFIG = TrackerConfig()
SHARES = np.array(
    [
        CONFIG.precise_share,
        1 - CONFIG.precise_share - CONFIG.outlier_share,
        CONFIG.outlier_share,
    ]
)
SCALES = np.array([CONFIG.precise_scale, 1.0, CONFIG.outlier_scale])


@pytest.mark.parametrize("sigmas", [0.0, 1.0, 3.0, 8.0])
def test_the_density_is_that_of_three_normal_distributions(sigmas):
    rng = np.random.default_rng(3)
    root, noise = rng.normal(size=(3, 3)), np.diag([0.1, 0.2, 0.3])
    covariance = root @ root.T
    residual = sigmas * np.sqrt(np.diag(covariance + noise)) * np.array([0.6, -0.6, 0.5])
    densities = [
        share * multivariate_normal.pdf(residual, cov=covariance + scale**2 * noise)
        for share, scale in zip(SHARES, SCALES, strict=True)
    ]
    level_probs = SHARES.copy()
    log_density, squared = mixture(covariance, noise, residual, level_probs, numbers(CONFIG)[0])
    constant = 1.5 * np.log(2 * np.pi)
    assert log_density == pytest.approx(np.log(sum(densities)) + constant)
    np.testing.assert_allclose(level_probs, densities / np.sum(densities), atol=1e-300)
    widest = covariance + SCALES[-1] ** 2 * noise
    assert squared == pytest.approx(residual @ np.linalg.solve(widest, residual))


def noise_believed(scale: float) -> float:
    """Of detections so much off what is stated, after fifty of them, as a factor of that."""
    rng, level_probs = np.random.default_rng(5), SHARES.copy()
    prediction, noise, p = 0.01 * np.eye(3), np.eye(3), numbers(CONFIG)[0]
    believed = []
    for _ in range(50):
        forget(level_probs, 0.1, p)
        believed.append(np.sqrt(expected_scale2(level_probs, p)))
        mixture(prediction, noise, rng.normal(0, scale, 3), level_probs, p)
    return float(np.mean(believed[20:]))


def test_a_track_learns_how_precise_its_detections_are():
    low, as_stated, high = noise_believed(0.5), noise_believed(1.0), noise_believed(3.0)
    assert low < 0.93 < 1.0 < as_stated < 1.5 < 2.3 < high < 3.1


def test_what_was_learned_is_forgotten():
    level_probs = np.array([0.0, 0.0, 1.0])
    forget(level_probs, 100.0, numbers(CONFIG)[0])
    np.testing.assert_allclose(level_probs, SHARES, atol=1e-12)


def moved_by_a_bad_detection(make_boxes, config: TrackerConfig) -> float:
    """Of a car seen well for three seconds, by one detection a metre beside it."""
    tracker, parameters = Tracker(config, Journal()), numbers(config)
    for i in range(30):
        tracker.update(make_boxes((1.0 * i, 0, 0), stamp_s=i * 0.1, sigma_m=0.03))
    known = tracker.known
    bad = measurements_from_boxes(
        make_boxes((30.0, 1.0, 0), stamp_s=3.0, sigma_m=0.03),
        vocabulary=known.vocabulary,
        parameters=parameters,
        journal=Journal(),
    )
    passage = Passage(stamp_ns=3 * 10**9, dt_s=0.1, looked_s=0.1, vocabulary=known.vocabulary)
    tracks = predict(known.tracks, 0.1, parameters)
    after = after_boxes(tracks, bad, np.array([0]), passage, parameters)
    return float(after["center_m"][0, 1] - tracks["center_m"][0, 1])


def test_a_bad_detection_moves_a_track_that_is_known_well_only_a_little(make_boxes):
    robust = moved_by_a_bad_detection(make_boxes, CONFIG)
    trusting = moved_by_a_bad_detection(
        make_boxes, TrackerConfig(precise_scale=1.0, outlier_scale=1.0)
    )
    assert trusting > 0.5
    assert 0 < robust < 0.3 * trusting
