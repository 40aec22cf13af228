"""Detections of which a few are far less precise than they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from perception_stack.journal import Journal
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.evidence import Passage, after_frame
from perception_stack.tracking.kernels.outliers import mixture
from perception_stack.tracking.measurements import measurements_from_boxes
from perception_stack.tracking.motion import predict
from perception_stack.tracking.tracker import Tracker

CONFIG = TrackerConfig()


@pytest.mark.parametrize("sigmas", [0.0, 1.0, 3.0, 8.0])
def test_the_density_is_that_of_two_normal_distributions(sigmas):
    rng = np.random.default_rng(3)
    root, noise = rng.normal(size=(3, 3)), np.diag([0.1, 0.2, 0.3])
    covariance = root @ root.T
    residual = sigmas * np.sqrt(np.diag(covariance + noise)) * np.array([0.6, -0.6, 0.5])
    densities = [
        share * multivariate_normal.pdf(residual, cov=covariance + scale**2 * noise)
        for share, scale in (
            (1 - CONFIG.outlier_share, 1.0),
            (CONFIG.outlier_share, CONFIG.outlier_scale),
        )
    ]
    log_density, imprecise, _ = mixture(covariance, noise, residual, numbers(CONFIG))
    constant = 1.5 * np.log(2 * np.pi)
    assert log_density == pytest.approx(np.log(sum(densities)) + constant)
    assert imprecise == pytest.approx(densities[1] / sum(densities))


def moved_by_a_bad_detection(make_boxes, config: TrackerConfig) -> float:
    """Of a car seen well for three seconds, by one detection a metre beside it."""
    tracker = Tracker(config, Journal())
    for i in range(30):
        tracker.update(make_boxes((1.0 * i, 0, 0), stamp_s=i * 0.1, sigma_m=0.03))
    known = tracker.known
    bad = measurements_from_boxes(
        make_boxes((30.0, 1.0, 0), stamp_s=3.0, sigma_m=0.03),
        vocabulary=known.vocabulary,
        config=config,
        journal=Journal(),
    )
    passage = Passage(stamp_ns=3 * 10**9, dt_s=0.1, looked_s=0.1, vocabulary=known.vocabulary)
    tracks = predict(known.tracks, 0.1, config)
    after = after_frame(tracks, bad, np.array([0]), passage, config)
    return float(after["center_m"][0, 1] - tracks["center_m"][0, 1])


def test_a_bad_detection_moves_a_track_that_is_known_well_only_a_little(make_boxes):
    robust = moved_by_a_bad_detection(make_boxes, CONFIG)
    trusting = moved_by_a_bad_detection(make_boxes, TrackerConfig(outlier_scale=1.0))
    assert trusting > 0.5
    assert 0 < robust < 0.3 * trusting
