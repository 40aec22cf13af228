"""Robust least squares over observations that are right or wrong as a whole.

An observation (a view of a board, a pose, a point) has a few residuals of different kinds. How
large each kind usually is, is found along with the answer, so that nothing has to be known of the
noise: the residuals are those of a multivariate t distribution (Lange, Little & Taylor 1989),
whose weights let tails count little. What is farther off than any tail is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

Residuals = Callable[[FloatArray], FloatArray]
"""Residuals float64 [N, K] of a step float64 [P] from where the search began."""

FARTHEST = 5.0
"""Observations farther off than this many standard deviations are left out."""
_T_FREEDOM = 4.0
_ROUNDS = 40
_STEP = 1e-6
_POOLED = 20.0
"""A kind has a scale of its own from about this many observations on."""
_GUESSED = 2.0
"""The guess of the noise counts as much as so many residuals."""
_MAD_OF_SIGMA = 0.6744897501960817
_NO_HOLD = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Noise:
    """What is known of the noise beforehand.

    Attributes:
        kinds: How many residuals in turn share a unit, such as (3, 3); their sum is K.
        guess: float64 [len(kinds)], standard deviation of each kind, believed as long as there
            are hardly more residuals than parameters.
    """

    kinds: tuple[int, ...]
    guess: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupFit:
    """What was found.

    Attributes:
        step: float64 [P].
        residuals: float64 [N, K], under the result.
        sigma: float64 [K], standard deviation of each kind among the usual observations.
        weights: float64 [N], 0 for those left out.
        distance: float64 [N], of each observation in standard deviations, as that of one number.
        used: bool [N].
        jacobian: float64 [N, K, P], of residuals divided by ``sigma``.
        covariance: float64 [P, P], of independent observations.
    """

    step: FloatArray
    residuals: FloatArray
    sigma: FloatArray
    weights: FloatArray
    distance: FloatArray
    used: NDArray[np.bool_]
    jacobian: FloatArray
    covariance: FloatArray

    @property
    def whitened(self) -> FloatArray:
        """float64 [N, K], of standard deviation one."""
        return self.residuals / self.sigma


def fit_groups(residuals: Residuals, num_params: int, noise: Noise) -> GroupFit:
    """The best step from a start that is about right, which at least half of the data support."""
    step = np.zeros(num_params)
    found = residuals(step)
    used = np.ones(len(found), dtype=np.bool_)
    scale = _scales(found, np.ones(len(found)), noise, num_params, _by_median)
    while True:
        step, scale, weights = _t_fit(residuals, step, scale, used, noise)
        found = residuals(step)
        squared = ((found / scale) ** 2).sum(axis=1)
        sigma = scale * _of_sigma(squared[used], found.shape[1], len(step))
        distance = as_deviations(((found / sigma) ** 2).sum(axis=1), found.shape[1])
        kept = used & (distance <= FARTHEST)
        if (kept == used).all() or kept.sum() * found.shape[1] <= num_params:
            break
        used = kept
    jacobian = jacobian_of(residuals, step) / sigma[:, None]
    fit = GroupFit(
        step=step,
        residuals=found,
        sigma=sigma,
        weights=weights,
        distance=distance,
        used=used,
        jacobian=jacobian,
        covariance=np.zeros((num_params, num_params)),
    )
    return replace(fit, covariance=_covariance(fit, scale))


def refit(residuals: Residuals, fit: GroupFit, rows: NDArray[np.bool_]) -> FloatArray:
    """The step fitted to the picked observations alone, with the weights and scales of ``fit``."""
    step = fit.step
    for _ in range(3):
        step = _newton(residuals, step, fit.sigma, fit.weights * rows)
    return step


def correlation_factor(fit: GroupFit, blocks: NDArray[np.intp]) -> float:
    """By how much neighbours that err alike make the covariance larger, at least 1.

    The pull of each block on the parameters is compared with what independent observations would
    show (cluster-robust covariance, Liang & Zeger 1986), on average over the parameters: the
    full matrix would need many more blocks than parameters.

    Args:
        fit: Of all observations.
        blocks: int [N], the block of each; at least three are needed to tell.
    """
    pull = fit.weights[:, None] * np.einsum("nkp,nk->np", fit.jacobian, fit.whitened)
    pull, blocks = pull[fit.used], blocks[fit.used]
    names, index = np.unique(blocks, return_inverse=True)
    if len(names) < 3:
        return 1.0
    sums = np.zeros((len(names), pull.shape[1]))
    np.add.at(sums, index, pull)
    root, num = _root_of_information(fit), len(names)
    whitened = sums @ root
    together = float((whitened**2).sum()) * num / (num - 1)
    freedom = fit.used.sum() * fit.residuals.shape[1]
    expected = float(np.mean((fit.weights**2)[fit.used] * _squared(fit)[fit.used]))
    expected *= root.shape[1] / fit.residuals.shape[1]
    expected *= freedom / max(freedom - pull.shape[1], 1)
    return max(together / expected, 1.0) if expected > 0 else 1.0


def jacobian_of(residuals: Residuals, step: FloatArray) -> FloatArray:
    """Derivatives by central differences, float64 [N, K, P]."""
    columns = []
    for i in range(len(step)):
        nudge = np.zeros(len(step))
        nudge[i] = _STEP
        columns.append((residuals(step + nudge) - residuals(step - nudge)) / (2 * _STEP))
    return np.stack(columns, axis=-1)


def as_deviations(squared: FloatArray, freedom: int) -> FloatArray:
    """How many standard deviations of one number are as unlikely as a sum of squares."""
    from scipy.stats import chi2, norm

    deviations: FloatArray = norm.isf(np.maximum(chi2.sf(squared, freedom), 1e-300) / 2)
    # beyond what tables hold the root grows as the deviation does
    return np.where(deviations > 30, np.maximum(np.sqrt(squared), 30), deviations)


def _t_fit(
    residuals: Residuals,
    step: FloatArray,
    scale: FloatArray,
    used: NDArray[np.bool_],
    noise: Noise,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Step, scales and weights of the most likely t distribution, by expectation maximisation."""
    found = residuals(step)
    for _ in range(_ROUNDS):
        squared = ((found / scale) ** 2).sum(axis=1)
        weights = used * (_T_FREEDOM + found.shape[1]) / (_T_FREEDOM + squared)
        moved = _newton(residuals, step, scale, weights)
        found = residuals(moved)
        before, scale = scale, _scales(found, weights, noise, len(step), _by_squares)
        still = np.abs(scale / before - 1).max() < 1e-3
        near = np.abs(moved - step).max() < 1e-6
        step = moved
        if still and near:
            break
    return step, scale, weights


def _newton(
    residuals: Residuals, step: FloatArray, scale: FloatArray, weights: FloatArray
) -> FloatArray:
    """One Gauss-Newton step, halved until it helps."""
    root = np.sqrt(weights)[:, None]
    here = residuals(step) / scale * root
    rows = (jacobian_of(residuals, step) / scale[:, None] * root[..., None]).reshape(
        -1, len(step)
    )
    # columns of one length, so that the cut-off means the same for metres and radians
    length = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    information = (rows / length).T @ (rows / length)
    values, axes = np.linalg.eigh(information)
    held = values > _NO_HOLD**2 * values[-1]
    inverse = np.where(held, 1 / np.where(held, values, 1), 0)
    change = -(axes * inverse) @ axes.T @ ((rows / length).T @ here.ravel()) / length
    cost = float((here**2).sum())
    for _ in range(8):
        moved = step + change
        if float(((residuals(moved) / scale * root) ** 2).sum()) <= cost * (1 + 1e-12):
            return moved
        change = change / 2
    return step


def _squared(fit: GroupFit) -> FloatArray:
    return np.asarray((fit.whitened**2).sum(axis=1))


def _root_of_information(fit: GroupFit) -> FloatArray:
    """Matrix [P, Q] whose product with its transpose is the inverse of all weighed information."""
    rows = fit.jacobian[fit.used].reshape(-1, fit.jacobian.shape[-1])
    length = np.maximum(np.linalg.norm(rows, axis=0), 1e-300)
    values, axes = np.linalg.eigh((rows / length).T @ (rows / length))
    # no hold is a huge variance, not none
    values = np.maximum(values, 1e-12 * values[-1])
    root: FloatArray = axes / np.sqrt(values) / length[:, None]
    return root


def _covariance(fit: GroupFit, scale: FloatArray) -> FloatArray:
    """That of an M-estimate (Huber 1981), with the usual correction for the parameters fitted."""
    size = fit.residuals.shape[1]
    squared = _squared(fit)[fit.used]
    of_t = squared * float((fit.sigma / scale)[0]) ** 2
    weights = fit.weights[fit.used]
    slope = float(np.mean(weights * (1 - 2 * of_t / (_T_FREEDOM + of_t) / size)))
    spread = float(np.mean(weights**2 * squared)) / size
    freedom = len(squared) * size
    # where hardly anything is left over the guessed noise speaks
    left = max(freedom - len(fit.step), 0)
    spread = (spread * freedom + _GUESSED) / (left + _GUESSED)
    root = _root_of_information(fit)
    covariance: FloatArray = root @ root.T * spread / slope**2
    return covariance


def _of_sigma(squared: FloatArray, size: int, num_params: int) -> float:
    """Standard deviation of the usual observations, in units of the scale of the t fit."""
    from scipy.stats import chi2

    left = 1 - num_params / (len(squared) * size)
    if left <= 0.2:
        return 1.0
    return float(np.sqrt(np.median(squared) / chi2.median(size) / left))


def _by_median(part: FloatArray, weights: FloatArray) -> FloatArray:
    return np.median(np.abs(part[weights > 0]), axis=0) / _MAD_OF_SIGMA


def _by_squares(part: FloatArray, weights: FloatArray) -> FloatArray:
    return np.sqrt(np.einsum("n,nk->k", weights, part**2) / (weights > 0).sum())


def _scales(
    found: FloatArray,
    weights: FloatArray,
    noise: Noise,
    num_params: int,
    measure: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    num = int((weights > 0).sum())
    share = max(num * found.shape[1] - num_params, 0) / found.shape[1]
    scales, start = [], 0
    for width, guess in zip(noise.kinds, noise.guess, strict=True):
        part = found[:, start : start + width]
        own = measure(part, weights)
        pooled = np.sqrt(np.mean(own**2))
        mixed = np.sqrt((num * own**2 + _POOLED * pooled**2) / (num + _POOLED))
        square = (num * width * mixed**2 + _GUESSED * guess**2) / (share * width + _GUESSED)
        scales.append(np.sqrt(square))
        start += width
    return np.concatenate(scales)
