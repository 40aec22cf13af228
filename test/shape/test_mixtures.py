from __future__ import annotations

import numpy as np
import pytest

from perception_stack.shape.mixtures import middle_deviation


def deviation(*parts: tuple[float, float, float]) -> float:
    """Of a mixture of parts (probability, mean, deviation), seen in part only."""
    probability, mean, sigma = (np.array([column]) for column in zip(*parts, strict=True))
    three = np.ones(3)
    return middle_deviation(
        probability,
        np.zeros((1, len(parts), 3)),
        np.zeros((1, 3)),
        mean[..., None] * three,
        sigma[..., None] ** 2 * three,
        center=np.zeros((1, 3)),
        noise=0.1,
    )[0, 1]


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_one_normal_distribution_keeps_its_deviation(sigma: float) -> None:
    assert deviation((1.0, 0.0, sigma)) == pytest.approx(np.hypot(sigma, 0.1), rel=0.02)


@pytest.mark.parametrize(
    "parts",
    [
        [(0.7, 0.0, 0.2), (0.3, 2.0, 0.5)],
        [(0.97, 0.0, 0.3), (0.03, 5.0, 1.0)],
        [(0.5, -1.0, 0.2), (0.5, 1.0, 0.2)],
    ],
)
def test_middle_of_ninety_percent_holds_ninety_percent(parts) -> None:
    random = np.random.default_rng(0)
    weights, means, sigmas = zip(*parts, strict=True)
    which = random.choice(len(parts), 200_000, p=weights)
    drawn = random.normal(np.array(means)[which], np.hypot(np.array(sigmas)[which], 0.1))
    assert np.mean(np.abs(drawn) < 1.645 * deviation(*parts)) == pytest.approx(0.9, abs=0.01)


def test_rare_far_alternative_does_not_widen_it() -> None:
    assert deviation((0.98, 0.0, 0.2), (0.02, 8.0, 1.0)) < 0.3
