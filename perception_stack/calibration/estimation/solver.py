"""Robust least squares for every calibration, and how well its result is fixed by the data.

What is sought falls in two: **shared** parameters (the calibration: a focal length, a lever arm)
and **private** ones of each observation (where the board stood in one view). An observation is a
:class:`Block`; its private parameters are eliminated block by block (Schur complement), so that
time grows linearly with the number of views.

* Minimisation: Levenberg-Marquardt (Madsen, Nielsen, Tingleff 2004) on the negative log-likelihood
  of Student's t with :data:`TAIL` degrees of freedom, whose width is estimated from the data: a
  gross error loses its pull, Gaussian errors lose 5 % of efficiency.
* Covariance: errors inside one view are not independent (the board is not flat, its corners are
  found with a common bias), so it is estimated from how the blocks disagree, with the
  correction of Bell and McCaffrey (2002) for few blocks, drawn towards the model with one common
  inflation the more, the fewer blocks there are and the less they disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from perception_stack.calibration.estimation.normal_equations import (
    STEP_SIGMAS,
    TAIL,
    Block,
    Normal,
    Stack,
    inverse,
    whitening,
)
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError

# Blocks that count as much as the common inflation does; of 0, 5, 10 and 20 the first three agree
# with the spread over resampled views on three real sets, and 20 less
_PRIOR_BLOCKS = 5.0
_DAMPING, _MAX_DAMPING = 1e-4, 1e12

StateT = TypeVar("StateT")


class Problem(Protocol[StateT]):
    """What :func:`solve` needs to know of a calibration."""

    def linearise(self, state: StateT) -> list[Block] | Stack:
        """Residuals and derivatives; may hold NaN where the state is impossible."""

    def moved(self, state: StateT, shared: FloatArray, private: list[FloatArray]) -> StateT:
        """The state after a step of the shared [P] and each block's private parameters [Q]."""


class SharedProblem:
    """One whose state is the shared parameters, float64 [P], there being no private ones."""

    __slots__ = ()

    def moved(
        self, state: FloatArray, shared: FloatArray, private: list[FloatArray]
    ) -> FloatArray:
        """See :class:`Problem`."""
        del private
        return state + shared


@dataclass(frozen=True, slots=True)
class NumericProblem(SharedProblem):
    """Shared parameters only, derivatives by central differences.

    Attributes:
        residuals: Takes the parameters [P], returns one array [N, D] for each observation.
        steps: float64 [P], how far to go for the differences.
    """

    residuals: Callable[[FloatArray], Sequence[FloatArray]]
    steps: FloatArray

    def linearise(self, state: FloatArray) -> list[Block]:
        """See :class:`Problem`."""
        here = self.residuals(state)
        columns: list[list[FloatArray]] = [[] for _ in here]
        for i, step in enumerate(self.steps):
            offset = np.zeros_like(state)
            offset[i] = step
            ahead, behind = self.residuals(state + offset), self.residuals(state - offset)
            for column, one, other in zip(columns, ahead, behind, strict=True):
                column.append((one - other) / (2 * step))
        return [
            Block(
                residuals=one,
                shared=np.stack(column, axis=-1),
                private=np.zeros((*one.shape, 0)),
            )
            for one, column in zip(here, columns, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit(Generic[StateT]):
    """A minimum and what is known there.

    Attributes:
        state: Where it is.
        stack: The observations there.
        weights: float64 [N] for each block, in [0, 1]: how far each measurement was believed.
        sigma: Size of the error of one number of a measurement, doubtful ones weighing less.
        inflation: Mean factor by which blocks disagree more (in variance) than the errors inside
            of them explain; 1 if errors are independent.
        covariance: float64 [P, P] of the shared parameters, blocks being independent, what is
            inside of them not. Huge, not infinite, along directions that the data do not fix.
        converged: False if it ended for another reason than being there.
    """

    state: StateT
    stack: Stack
    weights: list[FloatArray]
    sigma: float
    inflation: float
    covariance: FloatArray
    converged: bool

    @property
    def std(self) -> FloatArray:
        """float64 [P], standard deviations of the shared parameters."""
        std: FloatArray = np.sqrt(np.diag(self.covariance))
        return std

    @property
    def blocks(self) -> list[Block]:
        """The observations one by one."""
        p = self.stack.num_shared
        return [
            Block(
                residuals=residuals[keep],
                shared=jacobian[keep][..., :p],
                private=jacobian[keep][..., p:],
            )
            for residuals, jacobian, keep in zip(
                self.stack.residuals, self.stack.jacobian, self.stack.there, strict=True
            )
        ]

    @property
    def residuals(self) -> list[FloatArray]:
        """float64 [N, D] of each block."""
        return [
            one[keep] for one, keep in zip(self.stack.residuals, self.stack.there, strict=True)
        ]


def solve(
    problem: Problem[StateT],
    start: StateT,
    *,
    robust: bool = True,
    sigma: float | None = None,
    tolerance: float = STEP_SIGMAS,
    max_iterations: int = 100,
) -> Fit[StateT]:
    """The most likely parameters, near a start.

    Args:
        problem: What is to be explained.
        start: Where to begin.
        robust: False for plain least squares.
        sigma: Size of the errors if it is known, else it is estimated.
        tolerance: It ends where the next step is this share of a standard deviation.
        max_iterations: After that many it ends, not converged.

    Raises:
        CalibrationError: residuals that are not finite at the start, or fewer numbers than
            parameters.
    """
    state, here = start, Stack.of(problem.linearise(start))
    here.check()
    scale = sigma or here.first_scale()
    damping, growth, num_iterations, progress = _DAMPING, 2.0, 0, "going"
    while progress == "going" and num_iterations < max_iterations:
        num_iterations += 1
        normal = Normal(here, here.weights(scale, robust=robust))
        cost = here.cost(scale, robust=robust)
        while True:
            shared, private, gain = normal.step(damping)
            if gain < (tolerance * scale) ** 2:
                progress = "there"
                break
            trial = problem.moved(state, shared, list(private))
            there = Stack.of(problem.linearise(trial))
            drop = cost - there.cost(scale, robust=robust)
            if drop > 0:  # False for NaN
                ratio = min(2 * drop * scale**2 / gain, 1.0)
                damping, growth = max(damping * max(1 / 3, 1 - (2 * ratio - 1) ** 3), 1e-12), 2.0
                state, here = trial, there
                break
            damping, growth = damping * growth, 2 * growth
            if damping > _MAX_DAMPING:
                progress = "stuck"
                break
        if sigma is None:
            was, scale = scale, here.scale(scale, robust=robust)
            if progress == "there" and abs(was - scale) > tolerance * scale:
                progress = "going"
    return _fit(
        state,
        here,
        scale,
        robust=robust,
        converged=progress == "there",
    )


def held_out_residuals(fit: Fit[StateT]) -> list[FloatArray]:
    """Residuals of each block under parameters that were found without it.

    Shared parameters without a block are one Newton step from the common minimum. Private ones of
    the block are then fitted to one half of its measurements (every other one) and judged by the
    other half, and the other way round; so no measurement is predicted from itself. Everything
    is linear about the minimum, which costs no further fit; for least squares only.

    Returns:
        float64 [N, D] of each block, in the order of its measurements.

    Raises:
        CalibrationError: one block alone fixes a parameter.
    """
    stack, p = fit.stack, fit.stack.num_shared
    ones = stack.weights(1.0, robust=False)
    information, scores = Normal(stack, ones).reduced()
    without = information.sum(axis=0) - information
    if not (np.einsum("bii->bi", without) > 0).all():  # but for rounding
        raise CalibrationError("one of the views alone fixes a parameter; take more views")
    step = np.einsum("bpq,bq->bp", inverse(without), scores)
    shared, private = stack.jacobian[..., :p], stack.jacobian[..., p:]
    moved = stack.residuals + np.einsum("bndp,bp->bnd", shared, step)
    if not stack.num_private:
        return [one[keep] for one, keep in zip(moved, stack.there, strict=True)]
    result = np.empty_like(moved)
    for first in (0, 1):
        own, seen = private[:, first::2], moved[:, first::2]
        own = own.reshape(len(own), -1, stack.num_private)
        turned = own.transpose(0, 2, 1)
        place = -inverse(turned @ own) @ turned @ seen.reshape(len(own), -1, 1)
        other = slice(1 - first, None, 2)
        result[:, other] = moved[:, other] + (private[:, other] @ place[:, None])[..., 0]
    return [one[keep] for one, keep in zip(result, stack.there, strict=True)]


def block_information(blocks: list[Block] | Stack) -> FloatArray:
    """Information [B, P, P] on shared parameters that blocks would bring, for errors of size 1."""
    stack = Stack.of(blocks)
    return Normal(stack, stack.weights(1.0, robust=False)).reduced()[0]


def _fit(
    state: StateT,
    stack: Stack,
    scale: float,
    *,
    robust: bool,
    converged: bool,
) -> Fit[StateT]:
    weights = stack.weights(scale, robust=robust)
    dim, square, weight = stack.dim, stack.square[stack.there] / scale**2, weights[stack.there]
    # M-estimation: how steep the influence is on average, and how large
    steep = np.mean(weight - (2 / (TAIL + dim) * weight**2 * square / dim if robust else 0.0))
    power = np.mean(weight**2 * square) / dim
    information, scores = Normal(stack, weights).reduced()
    num, num_shared = scores.shape
    num_free = dim * len(square) - num_shared - num * stack.num_private
    # a fit comes closer to the data than the truth does
    power *= dim * len(square) / max(num_free, 1)
    unit = power / np.mean(weight) * scale**2  # variance of scores per information
    slope = steep / np.mean(weight)
    total = information.sum(axis=0)
    if not (np.isfinite(total).all() and (np.diag(total) > 0).all()):
        raise CalibrationError("the parameters ran away to infinity; the data do not fix them")
    white = whitening(total)
    spread, inflation = _spread(white @ information @ white.T, scores @ white.T, unit=unit)
    # where blocks disagree no more than chance has it, how they do so says nothing
    share = (1 - inflation**-2) * num / (num + _PRIOR_BLOCKS)
    meat = share * spread + (1 - share) * inflation * unit * np.eye(num_shared)
    most = (TAIL + dim) / TAIL if robust else 1.0
    return Fit(
        state=state,
        stack=stack,
        weights=[one[keep] / most for one, keep in zip(weights, stack.there, strict=True)],
        sigma=scale if robust else scale * float(np.sqrt(dim * len(square) / max(num_free, 1))),
        inflation=inflation,
        covariance=white.T @ meat @ white / slope**2,
        converged=converged,
    )


def _spread(
    information: FloatArray, scores: FloatArray, *, unit: float
) -> tuple[FloatArray, float]:
    """Variance of the sum of scores from how they differ, and its ratio to the model's.

    A score is smaller at the fit than at the truth, the more so the more the block weighs. With
    the correction below its variance is right under the model (Bell and McCaffrey 2002), whose
    formula is this simple where the sum of the information is the unit matrix.
    """
    values, vectors = np.linalg.eigh(information)
    left = np.clip(1 - values, 0.0, 1.0)
    # a direction that one block alone fixes says nothing about disagreement
    grow = np.where(left > 1e-6, 1 / np.sqrt(np.maximum(left, 1e-6)), 0.0)
    along = np.einsum("bij,bi->bj", vectors, scores)
    full = np.einsum("bij,bj->bi", vectors, grow * along)
    size = unit * float((values * left).sum())
    num, dim = scores.shape
    if dim == 0:
        return np.zeros((0, 0)), 1.0
    degrees = (num - 1) * dim
    ratio = float((scores**2).sum()) / size if size > 0 else 1.0
    # as if one block more agreed with the model; blocks cannot agree better than their errors do
    return full.T @ full, max((degrees * ratio + dim) / (degrees + dim), 1.0)
