"""Least squares over observations whose residuals have different units and unknown sizes.

A pose or a board has errors of place and of orientation, along and across the view. The common
solver wants them all of one size, so how large each kind usually is, is found in turn with the
answer (Lange, Little & Taylor 1989, a multivariate t distribution). Student's tails bear a share
of doubtful observations; what is farther off than any tail is left out and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.normal_equations import (
    TAIL,
    Block,
    inverse,
    shared_blocks,
)
from perception_stack.calibration.estimation.solver import (
    Fit,
    SharedProblem,
    solve,
)
from perception_stack.datatypes import FloatArray

Model = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""Takes a step float64 [P] from where the search began to the residuals float64 [N, K] there and
their derivatives float64 [N, K, P]."""

FARTHEST = 5.0
"""Observations farther off than this many standard deviations are left out."""
_ROUNDS = 20
_STEP = 1e-6
_GUESSED = 2.0
"""The guess of the noise counts as much as so many residuals."""
_MAD_OF_SIGMA = 0.6744897501960817


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What is known of the noise beforehand.

    Attributes:
        kinds: How many residuals in turn share a unit, such as (3, 3); their sum is K.
        guess: Standard deviation of each kind, believed as long as there are hardly more
            residuals than parameters.
        pooled: From about this many observations on a residual has a size of its own, else that
            of all of its kind; infinity: never.
        tails: Whether what was not left out still has more large errors than Gaussian ones. With
            few observations that costs more than it saves.
    """

    kinds: tuple[int, ...]
    guess: tuple[float, ...]
    pooled: float = 20.0
    tails: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WhitenedFit:
    """What was found.

    Attributes:
        step: float64 [P].
        residuals: float64 [N, K], under the result, in their own units.
        sigma: float64 [K], standard deviation of each kind among the usual observations.
        distance: float64 [N], of each observation in standard deviations, as that of one number.
        used: bool [N].
        covariance: float64 [P, P], blocks being independent.
    """

    step: FloatArray
    residuals: FloatArray
    sigma: FloatArray
    distance: FloatArray
    used: NDArray[np.bool_]
    covariance: FloatArray


def fit_whitened(
    model: Model, num_params: int, *, noise: Noise, blocks: NDArray[np.intp]
) -> WhitenedFit:
    """The best step from a start that is about right, which most of the data support.

    Args:
        model: Whose residuals are to be made small.
        num_params: P.
        noise: What is known of it.
        blocks: int [N], rising; observations of one block may err alike.
    """
    step = np.zeros(num_params)
    found = model(step)[0]
    used = np.ones(len(found), dtype=np.bool_)
    width = _sizes(_by_median(found), len(found), noise, num_params)
    while True:
        fit, width = _t_fit(model, step, width, used=used, noise=noise, blocks=blocks)
        step, found = fit.state, model(fit.state)[0]
        squared = ((found / width) ** 2).sum(axis=1)
        sigma = width * _sigma_of_width(squared[used], found.shape[1], num_params)
        distance = as_deviations(((found / sigma) ** 2).sum(axis=1), found.shape[1])
        kept = used & (distance <= FARTHEST)
        if (kept == used).all() or kept.sum() * found.shape[1] <= num_params:
            break
        used = kept
    if not noise.tails:
        fit, width = _t_fit(
            model, step, sigma, used=used, noise=noise, blocks=blocks, robust=False
        )
        step, found, sigma = fit.state, model(fit.state)[0], width
    return WhitenedFit(
        step=step,
        residuals=found,
        sigma=sigma,
        distance=distance,
        used=used,
        covariance=_covariance(fit, float(np.mean(sigma / width))),
    )


def refit(model: Model, fit: WhitenedFit, rows: NDArray[np.bool_]) -> FloatArray:
    """The step fitted to the picked ones among the used observations alone."""
    chosen = rows & fit.used
    if chosen.sum() * fit.residuals.shape[1] < len(fit.step):
        return fit.step
    problem = _Whitened(model=model, width=fit.sigma, used=chosen, blocks=np.arange(len(rows)))
    return solve(problem, fit.step, sigma=1.0).state


def numeric(residuals: Callable[[FloatArray], FloatArray]) -> Model:
    """A model of few residuals, with derivatives by central differences."""

    def model(step: FloatArray) -> tuple[FloatArray, FloatArray]:
        nudges = _STEP * np.eye(len(step))
        columns = [(residuals(step + one) - residuals(step - one)) / (2 * _STEP) for one in nudges]
        return residuals(step), np.stack(columns, axis=-1)

    return model


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Whitened(SharedProblem):
    """The problem as the common solver wants it."""

    model: Model
    width: FloatArray
    used: NDArray[np.bool_]
    blocks: NDArray[np.intp]

    def linearise(self, state: FloatArray) -> list[Block]:
        found, slope = self.model(state)
        found, slope = found[self.used] / self.width, slope[self.used] / self.width[:, None]
        return shared_blocks(found, slope, self.blocks[self.used])


def as_deviations(squared: FloatArray, freedom: int) -> FloatArray:
    """How many standard deviations of one number are as unlikely as a sum of squares."""
    from scipy.stats import chi2, norm

    deviations: FloatArray = norm.isf(np.maximum(chi2.sf(squared, freedom), 1e-300) / 2)
    # beyond what tables hold the root grows as the deviation does
    return np.where(deviations > 30, np.maximum(np.sqrt(squared), 30), deviations)


def _t_fit(
    model: Model,
    step: FloatArray,
    width: FloatArray,
    *,
    used: NDArray[np.bool_],
    noise: Noise,
    blocks: NDArray[np.intp],
    robust: bool = True,
) -> tuple[Fit[FloatArray], FloatArray]:
    """The most likely t or normal distribution: step and widths of the kinds by turns."""
    for _ in range(_ROUNDS):
        problem = _Whitened(model=model, width=width, used=used, blocks=blocks)
        fit = solve(problem, step, sigma=1.0, robust=robust)
        step = fit.state
        found = model(step)[0][used]
        size = found.shape[1]
        weights = np.ones(len(found))
        if robust:
            weights = (TAIL + size) / (TAIL + ((found / width) ** 2).sum(axis=1))
        by_squares = np.sqrt(np.einsum("n,nk->k", weights, found**2) / len(found))
        before, width = width, _sizes(by_squares, len(found), noise, len(step))
        if np.abs(width / before - 1).max() < 0.02:
            break
    return fit, before


def _covariance(fit: Fit[FloatArray], sigma_of_width: float) -> FloatArray:
    """That of the solver; where hardly anything is left over, that of the guessed noise."""
    rows = sum(one.residuals.size for one in fit.blocks)
    left = max(rows - len(fit.state), 0)
    shared = np.concatenate([one.shared.reshape(-1, len(fit.state)) for one in fit.blocks])
    guessed = inverse(shared.T @ shared) * sigma_of_width**2
    share = left / (left + _GUESSED)
    return share * fit.covariance + (1 - share) * guessed


def _sigma_of_width(squared: FloatArray, size: int, num_params: int) -> float:
    """Standard deviation of the usual observations, in widths of the t distribution."""
    from scipy.stats import chi2

    left = 1 - num_params / (len(squared) * size)
    if left <= 0.2:
        return 1.0
    return float(np.sqrt(np.median(squared) / chi2.median(size) / left))


def _by_median(found: FloatArray) -> FloatArray:
    return np.median(np.abs(found), axis=0) / _MAD_OF_SIGMA


def _sizes(own: FloatArray, num: int, noise: Noise, num_params: int) -> FloatArray:
    """Sizes float64 [K] of the kinds: their own, drawn to that of all of one unit."""
    left = max(num * len(own) - num_params, 0) / len(own)
    sizes, start = [], 0
    for width, guess in zip(noise.kinds, noise.guess, strict=True):
        part = own[start : start + width]
        own_share = 1 / (1 + noise.pooled / num)
        mixed = own_share * part**2 + (1 - own_share) * np.mean(part**2)
        square = (num * width * mixed + _GUESSED * guess**2) / (left * width + _GUESSED)
        sizes.append(np.sqrt(square))
        start += width
    return np.concatenate(sizes)
