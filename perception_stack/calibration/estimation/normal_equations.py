"""Normal equations of many observations, with what only one of them depends on eliminated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import CalibrationError

# Degrees of freedom of Student's t, by which measurements are weighed
TAIL = 5.0
# Newton decrement: the next step would move the result by this share of its standard deviation
STEP_SIGMAS = 1e-3
# eigenvalues below this share are rounding
_SINGULAR = 1e-13
_SCALE_STEPS = 20
_MAD_TO_STD = {1: 1.4826, 2: 0.8493, 3: 0.6501}  # of the norm of 1, 2, 3 Gaussian numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """One observation at the present state: what it misses by, and how that changes.

    Attributes:
        residuals: float64 [N, D]: N measurements of D numbers each, all of one unit; a measurement
            is believed or doubted as a whole.
        shared: float64 [N, D, P], their derivative by the shared parameters.
        private: float64 [N, D, Q], by the block's own; Q may be 0, and is that of all blocks.
    """

    residuals: FloatArray
    shared: FloatArray
    private: FloatArray

    def __post_init__(self) -> None:
        check_shape("shared", self.shared, *self.residuals.shape, None)
        check_shape("private", self.private, *self.residuals.shape, None)


def shared_blocks(
    residuals: FloatArray, shared: FloatArray, block: NDArray[np.intp]
) -> list[Block]:
    """Blocks without private parameters, of measurements that follow each other.

    Args:
        residuals: float64 [N, D].
        shared: float64 [N, D, P].
        block: int [N], rising, of which block each is.
    """
    borders = np.flatnonzero(np.diff(block)) + 1
    return [
        Block(residuals=one, shared=two, private=np.zeros((*one.shape, 0)))
        for one, two in zip(np.split(residuals, borders), np.split(shared, borders), strict=True)
    ]


class Stack:
    """All blocks in one array each, as long as the longest; what is missing is zero.

    Args:
        residuals: float64 [B, N, D].
        jacobian: float64 [B, N, D, P + Q], by the shared and then the private parameters.
        there: bool [B, N], which rows are measurements.
        num_shared: P.
    """

    def __init__(
        self,
        residuals: FloatArray,
        jacobian: FloatArray,
        there: NDArray[np.bool_],
        *,
        num_shared: int,
    ) -> None:
        self.residuals, self.jacobian, self.there = residuals, jacobian, there
        self.dim = residuals.shape[2]
        self.num_shared, self.num_private = num_shared, jacobian.shape[3] - num_shared
        self.square = np.einsum("bnd,bnd->bn", residuals, residuals)

    @classmethod
    def of(cls, blocks: list[Block] | Stack) -> Stack:
        """Of single blocks."""
        if isinstance(blocks, Stack):
            return blocks
        if not blocks:
            raise CalibrationError("there is nothing to calibrate with")
        num = np.array([len(one.residuals) for one in blocks])
        there = np.arange(num.max()) < num[:, None]
        residuals = np.zeros((*there.shape, blocks[0].residuals.shape[1]))
        residuals[there] = np.concatenate([one.residuals for one in blocks])
        both = [np.concatenate([one.shared, one.private], axis=2) for one in blocks]
        jacobian = np.zeros((*residuals.shape, both[0].shape[2]))
        jacobian[there] = np.concatenate(both)
        return cls(residuals, jacobian, there, num_shared=blocks[0].shared.shape[2])

    def check(self) -> None:
        """Refuse what cannot be solved."""
        free = self.num_shared + len(self.there) * self.num_private
        num = self.dim * int(self.there.sum())
        if num < free:
            raise CalibrationError(f"{num} measured numbers cannot fix {free} parameters")
        if not np.isfinite(self.residuals).all():
            text = "the start of the calibration explains nothing (residuals are NaN)"
            raise CalibrationError(text)

    def weights(self, scale: float, *, robust: bool) -> FloatArray:
        """Float64 [B, N]."""
        if not robust:
            return self.there.astype(np.float64)
        weights: FloatArray = self.there * (TAIL + self.dim) / (TAIL + self.square / scale**2)
        return weights

    def cost(self, scale: float, *, robust: bool) -> float:
        """Negative log-likelihood but for constants."""
        square = self.square / scale**2
        if not robust:
            return float(square.sum() / 2)
        return float((TAIL + self.dim) / 2 * np.log1p(square / TAIL).sum())

    def first_scale(self) -> float:
        """Size of the errors from their median."""
        per_number = _MAD_TO_STD.get(self.dim, 1 / float(np.sqrt(self.dim)))
        return max(float(np.sqrt(np.median(self.square[self.there]))) * per_number, 1e-12)

    def scale(self, start: float, *, robust: bool) -> float:
        """Width of Student's t by expectation and maximisation (Lange, Little, Taylor 1989)."""
        square = self.square[self.there]
        if not robust:
            return max(float(np.sqrt(np.mean(square) / self.dim)), 1e-12)
        now = start
        for _ in range(_SCALE_STEPS):
            weights = (TAIL + self.dim) / (TAIL + square / now**2)
            was, now = now, float(np.sqrt(weights @ square / (self.dim * len(square))))
            now = max(now, 1e-9 * start, 1e-12)
            if abs(was - now) < 0.1 * STEP_SIGMAS * now:
                break
        return now


class Normal:
    """Normal equations with the private parameters of each block eliminated."""

    def __init__(self, stack: Stack, weights: FloatArray) -> None:
        num, columns = len(weights), stack.jacobian.shape[3]
        flat = stack.jacobian.reshape(num, -1, columns)
        weighted = (stack.jacobian * weights[..., None, None]).reshape(flat.shape)
        turned = weighted.transpose(0, 2, 1)
        self._matrix = turned @ flat
        self._slope = (turned @ stack.residuals.reshape(num, -1, 1))[..., 0]
        self._split = stack.num_shared

    def step(self, damping: float) -> tuple[FloatArray, FloatArray, float]:
        """Damped step, shared [P] and private [B, Q], and how far it goes down."""
        p = self._split
        damped = self._matrix.copy()
        np.einsum("bii->bi", damped)[:] *= 1 + damping
        back = solve_positive(
            damped[:, p:, p:],
            np.concatenate([damped[:, p:, :p], self._slope[:, p:, None]], axis=2),
        )
        reduced = (damped[:, :p, :p] - damped[:, :p, p:] @ back[..., :p]).sum(axis=0)
        slope = (self._slope[:, :p] - (damped[:, :p, p:] @ back[..., p:])[..., 0]).sum(axis=0)
        shared = -solve_positive(reduced, slope[:, None])[:, 0]
        private = -(back[..., -1] + back[..., :-1] @ shared)
        gain = -float(
            self._slope[:, :p].sum(axis=0) @ shared + (self._slope[:, p:] * private).sum()
        )
        return shared, private, gain

    def reduced(self) -> tuple[FloatArray, FloatArray]:
        """Information [B, P, P] and score [B, P] of each block."""
        p, matrix = self._split, self._matrix
        own = matrix[:, p:, p:]
        back = inverse(own) @ np.concatenate([matrix[:, p:, :p], self._slope[:, p:, None]], axis=2)
        information = matrix[:, :p, :p] - matrix[:, :p, p:] @ back[..., :p]
        scores = self._slope[:, :p] - (matrix[:, :p, p:] @ back[..., p:])[..., 0]
        return information, scores


def solve_positive(matrix: FloatArray, right: FloatArray) -> FloatArray:
    """Solutions of positive definite systems [..., N, N], scaled so that units do not matter."""
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", matrix), 1e-300))[..., None]
    scaled = matrix / (scale * np.swapaxes(scale, -1, -2))
    try:
        solution = np.linalg.solve(scaled, right / scale)
    except np.linalg.LinAlgError:
        solution = np.linalg.pinv(scaled, rcond=_SINGULAR, hermitian=True) @ (right / scale)
    result: FloatArray = solution / scale
    return result


def inverse(information: FloatArray) -> FloatArray:
    """Covariance of information matrices [..., N, N]; huge where they are singular."""
    white = whitening(information)
    covariance: FloatArray = np.swapaxes(white, -1, -2) @ white
    return covariance


def whitening(information: FloatArray) -> FloatArray:
    """W with W information Wᵀ = 1, so that Wᵀ W is the covariance; of any stack [..., N, N]."""
    scale = np.sqrt(np.maximum(np.einsum("...ii->...i", information), 1e-300))[..., None]
    values, vectors = np.linalg.eigh(information / (scale * np.swapaxes(scale, -1, -2)))
    half = vectors / np.sqrt(np.maximum(values, _SINGULAR))[..., None, :] / scale
    white: FloatArray = np.swapaxes(half, -1, -2)
    return white
