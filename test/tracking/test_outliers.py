"""Detections of which a few are far less precise than they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from perception_stack.journal import Journal
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.kernels.outliers import mixture
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


def drive(make_boxes, config: TrackerConfig) -> tuple[list[float], set]:
    """Distance from the truth in each frame; one detection in ten is four times as far off."""
    tracker, rng = Tracker(config, Journal()), np.random.default_rng(5)
    errors, ids = [], set()
    for i in range(80):
        off_m = rng.normal(0, 0.03, 2) + (rng.choice([-0.12, 0.12], 2) if i % 10 == 9 else 0)
        boxes = make_boxes((1.0 * i + off_m[0], off_m[1], 0), stamp_s=i * 0.1, sigma_m=0.03)
        objects = tracker.update(boxes)
        ids |= set(objects.ids)
        if i > 20 and len(objects) > 0:
            errors.append(float(np.linalg.norm(objects.boxes.center_m[0, :2] - [1.0 * i, 0.0])))
    return errors, ids


def test_a_few_bad_detections_neither_move_nor_break_a_track(make_boxes):
    robust, ids = drive(make_boxes, CONFIG)
    trusting, _ = drive(make_boxes, TrackerConfig(outlier_scale=1.0))
    assert len(ids) == 1
    assert len(robust) == 59
    assert np.percentile(robust, 95) < 0.8 * np.percentile(trusting, 95)
