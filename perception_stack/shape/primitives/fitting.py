"""Which primitive an object is: all kinds are fitted, and the least BIC is taken.

The likelihood of a point is a normal density of its distance from the surface, with the noise of
the sensor, mixed with a share of outliers spread over the object. Where a shape says that a
surface is to be seen and nothing was seen, it pays as for an unlikely hole. Schwarz's criterion
(1978) adds ln N for each parameter to twice the negative logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ShapeKind
from perception_stack.geometry.transforms import level_from
from perception_stack.shape.primitives.box import fit_boxes
from perception_stack.shape.primitives.cylinder import fit_cylinders
from perception_stack.shape.primitives.prism import fit_prism
from perception_stack.shape.primitives.record import Fit, Primitive, Seen
from perception_stack.shape.primitives.sphere import fit_sphere
from perception_stack.shape.primitives.turned import fit_turned
from perception_stack.shape.surfaces import SurfacePoints

_NOTHING = SurfacePoints(points_m=np.empty((0, 3)), normals=np.empty((0, 3)), area_m2=np.empty(0))
_CELLS = 22  # along the longest extent
_LEAST_SPACING_M = 0.003
_MOST_RAW = 3000
_LEAST_POINTS = 20
_NEIGHBOURS = 10
_COMMON = 4.0  # points of a cell whose noise is one's own; more share theirs
_ROUGH_M = 0.0008  # of surfaces
_OUTLIERS = 0.05
_HOLE = 0.3  # probability that a point is missing where a surface is seen
_EXPLAINED = 3.0  # deviations
_FACES_SENSOR = 0.3  # cosine
_HOLE_SPACINGS = 1.5
_TURNED = 2  # cylinders that turned bodies are begun with
_SUNK_SPACINGS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What an object may be.

    Attributes:
        primitives: The one of least BIC, then the prism, which claims nothing but an outline, if
            it is not that; none for too few points.
        seen: The points, thinned, with normals towards the sensor.
    """

    primitives: tuple[Primitive, ...]
    seen: SurfacePoints


def fit_primitive(
    points_m: FloatArray, *, up: FloatArray, support_m: float, noise: float
) -> Fitted:
    """The primitives that the points may be, the best first; none for fewer than 20 points.

    Args:
        points_m: float64 [N, 3], of one object; the sensor is at the origin. NaN is left out.
        up: float64 [3], unit, away from the support.
        support_m: Height of the support along ``up``, from the sensor; NaN if there is none.
        noise: Depth noise at 1 m; it grows with the square of the distance.
    """
    finite = points_m[np.isfinite(points_m).all(axis=1)]
    level = level_from("level", up)
    back = level.inverse()
    if len(finite) < _LEAST_POINTS:
        return Fitted(primitives=(), seen=_NOTHING)
    seen = _prepared(level.apply(finite), support_m, noise)
    thinned = SurfacePoints(
        points_m=seen.points_m, normals=seen.normals, area_m2=np.full(len(seen), seen.spacing_m**2)
    ).moved(back)
    if len(seen) < _LEAST_POINTS:
        return Fitted(primitives=(), seen=thinned)
    cylinders = fit_cylinders(seen)
    likely = sorted(cylinders, key=lambda one: _bic(seen, one))[:_TURNED]
    others = (*(fit_turned(seen, one) for one in likely), fit_sphere(seen), fit_prism(seen))
    fits = [*fit_boxes(seen), *cylinders, *(one for one in others if one is not None)]
    best = _likeliest(seen, [one for one in fits if not _sinks_in(seen, one)])
    chosen = [best] if best is not None else []
    chosen += [one for one in fits if one.kind == ShapeKind.PRISM and one is not best]
    primitives = tuple(_primitive(seen, one).moved(back) for one in chosen)
    return Fitted(primitives=primitives, seen=thinned)


def warm_up() -> None:
    """Load what the first fit would wait for."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.05, 0.05, (300, 3)) + np.array([0.0, 0.0, 1.0])
    fit_primitive(points, up=np.array([0.0, 0.0, 1.0]), support_m=0.9, noise=0.002)


def _prepared(points_m: FloatArray, ground_m: float, noise: float) -> Seen:
    """Means of cells, their normals and deviations."""
    from scipy.spatial import cKDTree

    raw = points_m[:: len(points_m) // _MOST_RAW + 1]
    extent = np.ptp(raw, axis=0).max()
    spacing = max(float(extent) / _CELLS, _LEAST_SPACING_M)
    cells = np.floor((points_m - points_m.min(axis=0)) / spacing).astype(np.int64)
    size = cells.max(axis=0) + 1
    _, group, count = np.unique(
        (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2],
        return_inverse=True,
        return_counts=True,
    )
    sums = [np.bincount(group.ravel(), weights=axis) for axis in points_m.T]
    means = np.stack(sums, axis=1) / count[:, None]
    sigma_m = noise * (means * means).sum(axis=1)
    sigma_m = np.sqrt(sigma_m**2 / np.minimum(count, _COMMON) + _ROUGH_M**2)
    places = cKDTree(means)
    near = places.query(means, k=min(_NEIGHBOURS, len(means)))[1]
    around = means[near.reshape(len(means), -1)]
    around = around - around.mean(axis=1, keepdims=True)
    normals = np.linalg.eigh(np.einsum("nki,nkj->nij", around, around))[1][:, :, 0]
    away = np.einsum("ni,ni->n", normals, means) > 0
    return Seen(
        points_m=means,
        normals=np.where(away[:, None], -normals, normals),
        sigma_m=sigma_m,
        raw_m=raw,
        spacing_m=spacing,
        ground_m=ground_m,
        places=places,
        sights=cKDTree(means / np.linalg.norm(means, axis=1, keepdims=True)),
    )


def _sinks_in(seen: Seen, fit: Fit) -> bool:
    """Whether a shape reaches below the support."""
    lowest_m = float(fit.surface.points_m[:, 2].min())
    return lowest_m < seen.ground_m - _SUNK_SPACINGS * seen.spacing_m  # False for NaN


def _likeliest(seen: Seen, fits: list[Fit]) -> Fit | None:
    """The fit of least BIC; holes only add to it, so they are looked for where it may be least."""
    best, least = None, np.inf
    for bare, i in sorted((_bic(seen, one), i) for i, one in enumerate(fits)):
        if bare >= least:
            break
        whole = bare - 2 * _num_missing(seen, fits[i].surface) * float(np.log(_HOLE))
        if whole < least:
            best, least = fits[i], whole
    return best


def _bic(seen: Seen, fit: Fit) -> float:
    length = float(np.linalg.norm(fit.high_m - fit.low_m))
    off = fit.distance_m / seen.sigma_m
    density = (1 - _OUTLIERS) * np.exp(-0.5 * off**2) / (np.sqrt(2 * np.pi) * seen.sigma_m)
    log_likelihood = float(np.log(density + _OUTLIERS / length).sum())
    return -2 * log_likelihood + fit.num_params * float(np.log(len(seen)))


def _num_missing(seen: Seen, surface: SurfacePoints) -> float:
    """How many points should have been seen on a surface that faces the sensor, and were not."""
    sight = surface.points_m / np.linalg.norm(surface.points_m, axis=1, keepdims=True)
    shown = -np.einsum("ni,ni->n", sight, surface.normals) > _FACES_SENSOR
    missing = shown & ~_seen_or_hidden(seen, surface)
    return float(surface.area_m2[missing].sum()) / seen.spacing_m**2


def _seen_or_hidden(seen: Seen, surface: SurfacePoints) -> NDArray[np.bool_]:
    """Points of a surface that are seen, or in the shadow of what is seen, bool [P]."""
    gap_m, near = seen.places.query(surface.points_m)
    believed: NDArray[np.bool_] = gap_m < _HOLE_SPACINGS * seen.spacing_m + seen.sigma_m[near]
    rest = np.flatnonzero(~believed)
    range_m = np.linalg.norm(surface.points_m[rest], axis=1)
    gap, row = seen.sights.query(surface.points_m[rest] / range_m[:, None])
    inside = gap * range_m < _HOLE_SPACINGS * seen.spacing_m
    front_m = np.linalg.norm(seen.points_m[row], axis=1) + _EXPLAINED * seen.sigma_m[row]
    believed[rest] = inside & (range_m > front_m)
    return believed


def _primitive(seen: Seen, fit: Fit) -> Primitive:
    covariance = np.zeros((6, 6))
    turn = fit.rotation
    ends = fit.low_variance_m2 + fit.high_variance_m2
    covariance[:3, :3] = turn @ np.diag(ends / 4) @ turn.T
    covariance[3:, 3:] = turn @ np.diag(fit.angle_variance) @ turn.T
    return Primitive(
        kind=fit.kind,
        rotation=turn,
        center_m=turn @ ((fit.low_m + fit.high_m) / 2),
        size_m=fit.high_m - fit.low_m,
        covariance=covariance,
        size_covariance=np.diag(ends),
        score=float(np.mean(np.abs(fit.distance_m) < _EXPLAINED * seen.sigma_m)),
        surface=fit.surface,
        believed=_seen_or_hidden(seen, fit.surface),
    )
