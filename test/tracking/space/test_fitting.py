"""Parameters out of recordings whose parameters are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.tracking.space.config import TrackerConfig
from perception_stack.tracking.space.fitting import Chain, bernoulli_log_loss, fitted, motion_fit


def chains(make_boxes, *, sigma_m: float, acceleration_mps2: float) -> list[Chain]:
    """Cars whose accelerations last, seen with white noise that they do not tell of."""
    rng, dt, result = np.random.default_rng(11), 0.1, []
    left = np.exp(-dt / TrackerConfig().acceleration_memory_s)
    for _ in range(24):
        place, velocity, parts = np.zeros(2), rng.normal(0, 5, 2), []
        acceleration = rng.normal(0, acceleration_mps2, 2)
        for i in range(60):
            place = place + dt * velocity + 0.5 * dt**2 * acceleration
            velocity = velocity + dt * acceleration
            kick = rng.normal(0, acceleration_mps2 * np.sqrt(1 - left**2), 2)
            acceleration = left * acceleration + kick
            seen = place + rng.normal(0, sigma_m, 2)
            up_m = rng.normal(0, sigma_m)
            parts.append(make_boxes((*seen, up_m), stamp_s=i * dt, sigma_m=1e-3))
        result.append(Chain.of(parts))
    return result


def test_noise_and_acceleration_are_found_again(make_boxes):
    size_m = float(np.linalg.norm([4.0, 1.8, 1.5]))
    given = chains(make_boxes, sigma_m=0.1, acceleration_mps2=1.5)
    start = TrackerConfig(acceleration_per_speed=0.0, precise_scale=1.0, outlier_scale=1.0)
    found = fitted(
        ("position_noise_per_size", "acceleration_per_size"),
        start,
        lambda config: -motion_fit(given, config).log_density,
        most_calls=80,
    )
    assert found.position_noise_per_size * size_m == pytest.approx(0.1, rel=0.1)
    assert found.acceleration_per_size * size_m == pytest.approx(1.5, rel=0.2)
    squared = motion_fit(given, found).place_squared
    assert np.mean((squared > 0.2158) & (squared < 9.348)) == pytest.approx(0.95, abs=0.03)
    assert motion_fit(given, start).log_density < motion_fit(given, found).log_density


def test_other_parameters_and_ranges_are_kept():
    start = TrackerConfig(unseen_s=0.7)
    found = fitted(
        ("flip_probability",), start, lambda config: -config.flip_probability, most_calls=60
    )
    assert found.flip_probability == pytest.approx(0.5)
    assert replace(found, flip_probability=start.flip_probability) == start


def test_one_detection_says_nothing_of_motion(make_boxes):
    one = Chain.of([make_boxes((0, 0, 0))])
    two = Chain.of([make_boxes((0, 0, 0)), make_boxes((0.1, 0, 0), stamp_s=0.1)])
    fit = motion_fit([one, two], TrackerConfig())
    assert len(fit.place_squared) == 1


def test_the_log_loss_of_knowing_nothing_is_that_of_a_coin():
    there = np.array([True, False, True])
    assert bernoulli_log_loss(np.zeros(3), there) == pytest.approx(np.log(2))
    assert bernoulli_log_loss(np.array([5.0, -5.0, 5.0]), there) < 0.01
    assert bernoulli_log_loss(np.array([-5.0, 5.0, -5.0]), there) > 4.9
