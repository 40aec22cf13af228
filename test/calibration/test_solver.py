"""The solver: the same minimum as SciPy, gross errors without pull, errors of the size it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import least_squares

from perception_stack.calibration.estimation.normal_equations import (
    Block,
    inverse,
)
from perception_stack.calibration.estimation.solver import (
    NumericProblem,
    block_information,
    solve,
)
from perception_stack.errors import CalibrationError


def lines(seed=0, *, blocks=12, points=20, noise=0.1, common=0.0):
    """y = exp(a x) + b + c_block: shared a and b x, private offset c of each block."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (blocks, points))
    offset = rng.normal(size=(blocks, 1))
    slope = 0.3 + common * rng.normal(size=(blocks, 1))
    y = np.exp(0.7 * x) + slope * x**2 + offset + noise * rng.normal(size=x.shape)
    return x, y


class Lines:
    """The same with analytic derivatives; the state is (shared, private)."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def linearise(self, state):
        (a, b), offsets = state
        return [
            Block(
                residuals=(np.exp(a * x) + b * x**2 + c - y)[:, None],
                shared=np.stack([x * np.exp(a * x), x**2], axis=-1)[:, None],
                private=np.ones((len(x), 1, 1)),
            )
            for x, y, c in zip(self.x, self.y, offsets, strict=True)
        ]

    def moved(self, state, shared, private):
        return state[0] + shared, state[1] + np.array([one[0] for one in private])


def fit_lines(x, y, **options):
    return solve(Lines(x, y), (np.zeros(2), np.zeros(len(x))), **options)


def test_same_minimum_as_scipy():
    x, y = lines()

    def residuals(p):
        return (np.exp(p[0] * x) + p[1] * x**2 + p[2:, None] - y).ravel()

    theirs = least_squares(residuals, np.zeros(2 + len(x)), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    ours = fit_lines(x, y, robust=False)
    assert ours.converged
    # it stops a thousandth of a standard deviation from there
    np.testing.assert_allclose(ours.state[0], theirs.x[:2], atol=2e-3 * ours.std.min())
    np.testing.assert_allclose(ours.state[1], theirs.x[2:], atol=1e-3)
    covariance = np.linalg.inv(theirs.jac.T @ theirs.jac)[:2, :2]
    covariance *= (theirs.fun @ theirs.fun) / (y.size - 2 - len(x))
    information = block_information(ours.stack).sum(axis=0) / ours.sigma**2
    np.testing.assert_allclose(inverse(information), covariance, rtol=0.01)


def test_gross_errors_have_no_pull():
    x, y = lines()
    clean = fit_lines(x, y)
    y[::3, :3] += 40.0
    fit = fit_lines(x, y)
    assert np.abs(fit.state[0] - clean.state[0]).max() < clean.std.max()
    assert max(one.max() for one in fit.weights) <= 1
    assert np.stack(fit.weights)[::3, :3].max() < 0.01
    assert np.abs(fit_lines(x, y, robust=False).state[0] - [0.7, 0.3]).max() > 1


@pytest.mark.parametrize("common", [0.0, 0.2], ids=["independent", "alike in a block"])
@pytest.mark.parametrize("robust", [False, True])
def test_errors_are_as_large_as_said(common, robust):
    """Over many data sets the errors, in standard deviations, have variance 1."""
    errors, inflation = [], []
    for seed in range(300):
        fit = fit_lines(*lines(seed, common=common), robust=robust)
        errors.append((fit.state[0] - [0.7, 0.3]) / fit.std)
        inflation.append(fit.inflation)
    inside = np.mean(np.abs(errors) < 1.96, axis=0)
    # a few blocks whose disagreement moves one parameter only are not told apart so well
    assert (inside > (0.82 if common else 0.90)).all(), inside
    assert (inside < (1.0 if common else 0.98)).all(), inside
    # which independent errors alone would not have told
    assert (
        np.median(inflation) > 2 if common else np.median(inflation) == pytest.approx(1, abs=0.1)
    )


def test_numeric_derivatives():
    x, y = lines(blocks=5)

    def residuals(p):
        return [
            (np.exp(p[0] * a) + p[1] * a**2 + p[2] - b)[:, None] for a, b in zip(x, y, strict=True)
        ]

    y -= y.mean(axis=1, keepdims=True) - 1
    fit = solve(NumericProblem(residuals, np.full(3, 1e-6)), np.zeros(3), robust=False)
    theirs = least_squares(lambda p: np.concatenate(residuals(p)).ravel(), np.zeros(3))
    np.testing.assert_allclose(fit.state, theirs.x, atol=2e-3 * fit.std.min())


def test_what_the_data_do_not_fix_has_a_huge_standard_deviation():
    x = np.linspace(0, 1, 30)

    def residuals(p):  # only the sum of the first two matters, the last is well fixed
        return [((p[0] + p[1]) * x + p[2] - x + 0.01 * np.sin(40 * x))[:, None]]

    fit = solve(NumericProblem(residuals, np.full(3, 1e-6)), np.zeros(3))
    assert fit.std[0] > 1e2
    assert fit.std[2] < 0.1


@pytest.mark.parametrize(
    ("residuals", "text"),
    [
        (lambda p: [np.full((4, 1), np.nan) * p[0]], "explains nothing"),
        (lambda p: [p[:1, None]], "cannot fix"),
        (lambda _: [], "nothing to calibrate"),
    ],
    ids=["NaN", "too few", "empty"],
)
def test_refusals(residuals, text):
    with pytest.raises(CalibrationError, match=text):
        solve(NumericProblem(residuals, np.full(2, 1e-6)), np.zeros(2))
