"""What the errors of the parameters mean in the image, and which view would lessen them most.

The numbers of a calibration are judged by where they put things. A pixel's uncertainty is how far
the image of its ray may be off; a turn of the whole camera, which no user of one camera notices,
is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.bundle import RigProblem, RigState
from perception_stack.calibration.camera.lens import Lens
from perception_stack.calibration.estimation.normal_equations import (
    inverse,
    solve_positive,
)
from perception_stack.calibration.estimation.rotations import exp
from perception_stack.calibration.estimation.solver import (
    block_information,
)
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.board import Board

_COLUMNS, _ROWS = 13, 9
_TILT_RAD = np.deg2rad(30)
_PLACES = {
    (0.2, 0.2): "at the upper left",
    (0.5, 0.2): "at the top",
    (0.8, 0.2): "at the upper right",
    (0.2, 0.5): "at the left",
    (0.5, 0.5): "in the middle",
    (0.8, 0.5): "at the right",
    (0.2, 0.8): "at the lower left",
    (0.5, 0.8): "at the bottom",
    (0.8, 0.8): "at the lower right",
}
_SIZES = {0.3: "a third", 0.5: "half", 0.8: "most"}
_TILTS = {
    (0.0, 0.0): "facing the camera",
    (0.0, 1.0): "tilted 30 degrees about its vertical axis, its left edge nearer",
    (0.0, -1.0): "tilted 30 degrees about its vertical axis, its right edge nearer",
    (1.0, 0.0): "tilted 30 degrees about its horizontal axis, its lower edge nearer",
    (-1.0, 0.0): "tilted 30 degrees about its horizontal axis, its upper edge nearer",
}
# A board with identities may stick out of the image by as much
_LEAST_SHARE = 0.6
_MARGIN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Advice:
    """A view to take next.

    Attributes:
        text: What to do.
        gain: Share of the image's mean variance that it would take away.
    """

    text: str
    gain: float


def image_grid(width_px: int, height_px: int) -> FloatArray:
    """Pixels all over an image, float64 [rows, columns, 2]."""
    u, v = np.meshgrid(
        np.linspace(0, width_px - 1, _COLUMNS), np.linspace(0, height_px - 1, _ROWS)
    )
    return np.stack([u, v], axis=-1)


def sensitivity(
    lens: Lens, params: FloatArray, uv_px: FloatArray, seen: NDArray[np.bool_]
) -> FloatArray:
    """Derivative of where rays are seen by the parameters, a common turn taken out.

    Args:
        lens: Kind of camera.
        params: float64 [P].
        uv_px: float64 [G, 2], where the rays are seen.
        seen: bool [G], where boards were seen; there the turn is taken out as well as it can be.

    Returns:
        float64 [G, 2, P]; NaN for pixels that no ray is seen at.
    """
    rays = lens.rays(uv_px, params)
    there = np.isfinite(rays[:, 0])
    _, by_point, by_params = lens.project(rays[there], params)
    turn = np.cross(rays[there][:, None, :], by_point).reshape(-1, 3)
    flat = by_params.reshape(len(turn), -1)
    rows = np.repeat(seen[there], 2)
    flat = flat - turn @ np.linalg.lstsq(turn[rows], flat[rows], rcond=None)[0]
    result = np.full((len(uv_px), 2, len(params)), np.nan)
    result[there] = flat.reshape(-1, 2, len(params))
    return result


def pixel_std(change: FloatArray, covariance: FloatArray) -> FloatArray:
    """Standard deviation of one coordinate at each pixel, float64 [G], in pixels."""
    variance = np.einsum("gip,pq,giq->g", change, covariance, change) / 2
    std: FloatArray = np.sqrt(np.maximum(variance, 0.0))
    return std


def loose_directions(
    change: FloatArray, covariance: FloatArray, names: Sequence[str], limit_px: float
) -> list[str]:
    """Combinations of parameters whose errors move the image by more than a limit, in words.

    Args:
        change: float64 [G, 2, P], from :func:`sensitivity`, without NaN.
        covariance: float64 [P, P].
        names: Of the parameters.
        limit_px: Root mean square over the pixels.
    """
    weight = np.einsum("gip,giq->pq", change, change) / (2 * len(change))
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    half = scale[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    variances, axes = np.linalg.eigh(half.T @ weight @ half)
    effect = np.sqrt(np.diag(weight))
    return [
        _in_words(half @ axis * effect, names)
        for variance, axis in zip(variances[::-1], axes.T[::-1], strict=True)
        if variance > limit_px**2
    ]


def next_views(
    lens: Lens,
    params: FloatArray,
    covariance: FloatArray,
    board: Board,
    *,
    sigma_px: float,
    size_px: tuple[int, int],
    change: FloatArray,
    num: int = 2,
) -> list[Advice]:
    """The views that would lessen the uncertainty over the image most, one after the other.

    Args:
        lens: Kind of camera.
        params: float64 [P], what is known.
        covariance: float64 [P, P], of the parameters.
        board: What will be held up.
        sigma_px: Error of a point, with what makes views disagree.
        size_px: Width and height of the image.
        change: float64 [G, 2, P], of :func:`image_grid`, from :func:`sensitivity`.
        num: How many to tell.
    """
    texts, sightings, candidates = _candidates(lens, params, board, size_px)
    if not texts:
        return []
    problem = RigProblem([lens], [[one] for one in sightings], board.points_m)
    gains = block_information(problem.linearise(candidates)) / sigma_px**2
    change = change[np.isfinite(change).all(axis=(1, 2))].reshape(-1, len(params))
    weight = change.T @ change
    known = inverse(covariance)
    found = []
    before = float(np.sum(weight * covariance))
    for _ in range(num):
        after = np.trace(solve_positive(known + gains, weight), axis1=1, axis2=2)
        best = int(np.argmin(after))
        found.append(Advice(text=texts[best], gain=1 - float(after[best]) / before))
        known = known + gains[best]
        before = float(after[best])
    return found


def _candidates(
    lens: Lens, params: FloatArray, board: Board, image_px: tuple[int, int]
) -> tuple[list[str], list[Sighting], RigState]:
    """Views that can be taken: the board is in the image."""
    size_px = np.array(image_px)
    points = board.points_m
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    rays = lens.rays(np.array(list(_PLACES)) * size_px, params)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    extent_px = float((board.extent_m / size_px).max()) * params[0]
    distances = extent_px / np.array(list(_SIZES))
    vectors = np.column_stack([np.array(list(_TILTS)), np.zeros(len(_TILTS))]) * _TILT_RAD
    turns = exp(vectors)
    # place, size, tilt
    shape = len(_PLACES), len(_SIZES), len(_TILTS)
    shifts = rays[:, None, None] * distances[:, None, None] - turns @ middle
    seen = points @ turns.transpose(0, 2, 1) + shifts[..., None, :]
    uv_px = lens.pixels(seen.reshape(-1, 3), params).reshape(*shape, -1, 2)
    within = (uv_px > _MARGIN * size_px) & (uv_px < (1 - _MARGIN) * size_px)
    inside: NDArray[np.bool_] = np.logical_and(within[..., 0], within[..., 1])
    least = _LEAST_SHARE if board.has_identities else 1.0
    chosen = np.argwhere(inside.mean(axis=-1) >= least)
    places, sizes, tilts = (list(one.values()) for one in (_PLACES, _SIZES, _TILTS))
    texts = [
        f"Hold the board {places[p]} of the image, filling {sizes[s]} of it, {tilts[t]}."
        for p, s, t in chosen
    ]
    sightings = [
        Sighting(
            name=texts[i],
            point_idx=np.flatnonzero(inside[p, s, t]),
            uv_px=uv_px[p, s, t][inside[p, s, t]],
        )
        for i, (p, s, t) in enumerate(chosen)
    ]
    return (
        texts,
        sightings,
        RigState(
            lens_params=(params,),
            rotations=np.eye(3)[None],
            translations_m=np.zeros((1, 3)),
            board_rotations=turns[chosen[:, 2]],
            board_translations_m=shifts[tuple(chosen.T)],
        ),
    )


def covered_cells(
    sightings: Sequence[Sighting],
    width_px: int,
    height_px: int,
    *,
    columns: int = 8,
    rows: int = 6,
) -> FloatArray:
    """How many points fell into each part of the image, float64 [rows, columns]."""
    uv_px = np.concatenate([one.uv_px for one in sightings])
    counts, _, _ = np.histogram2d(
        uv_px[:, 1],
        uv_px[:, 0],
        bins=(rows, columns),
        range=((-0.5, height_px - 0.5), (-0.5, width_px - 0.5)),
    )
    result: FloatArray = counts
    return result


def _in_words(vector: FloatArray, names: Sequence[str]) -> str:
    """The parameters that a direction is about, and whether they go with or against the first."""
    order = np.argsort(-np.abs(vector))
    told = [i for i in order if abs(vector[i]) > 0.3 * abs(vector[order[0]])][:4]
    first, others = told[0], told[1:]
    together = [names[i] for i in others if vector[i] * vector[first] > 0]
    against = [names[i] for i in others if vector[i] * vector[first] < 0]
    text = str(names[first])
    if together:
        text = f"{', '.join([text, *together[:-1]])} and {together[-1]} together"
    return text + (f" against {' and '.join(against)}" if against else "")
