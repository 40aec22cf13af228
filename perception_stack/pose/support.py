"""The surface that an object stands on or in front of, found in the surroundings of its box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_NUM_TRIPLETS = 200
_MOST_POINTS = 2000
_LEAST_SHARE = 0.4
_NOISES = 3.0
_WIDE_NOISES = 6.0
_PARALLEL, _UPRIGHT = 0.9, 0.5  # cosines
_MOST_SUPPORTS = 6
_LEAST_ON_PLANE = 60
_AROUND, _MOSTLY = 5, 0.6  # pixels looked at; share of them in the inside of a piece


def support_plane(points_m: FloatArray, *, noise_m: float) -> FloatArray | None:
    """The plane that most points lie on, facing the camera; None where there is no such plane.

    Random sample consensus (Fischler and Bolles 1981) and a least-squares fit.

    Args:
        points_m: float64 [N, 3], in the camera's frame.
        noise_m: Standard deviation of a point.

    Returns:
        float64 [4], unit normal n and offset d: n·p + d is the height above the plane.
    """
    if len(points_m) < 3:
        return None
    points = points_m[:: -(-len(points_m) // _MOST_POINTS)]
    corners = points[np.random.default_rng(0).integers(0, len(points), (_NUM_TRIPLETS, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    normals = normals[length > 0] / length[length > 0, None]
    if not len(normals):
        return None
    offsets = -np.einsum("ti,ti->t", normals, corners[length > 0, 0])
    normals[offsets < 0] *= -1  # towards the camera
    offsets = np.abs(offsets)
    # einsum, since large matrix products may depend on the number of threads
    height = np.einsum("ti,ni->tn", normals, points) + offsets[:, None]
    limit_m = _NOISES * noise_m
    # a surface that carries things has nothing behind it, unlike the face of a nearer object
    votes = (np.abs(height) < limit_m).sum(axis=1) - (height < -limit_m).sum(axis=1)
    best = int(np.argmax(votes))
    if votes[best] < _LEAST_SHARE * len(points):
        return None
    chosen = points[np.abs(height[best]) < _NOISES * noise_m]
    middle = chosen.mean(axis=0)
    spread = chosen - middle
    normal = np.linalg.eigh(np.einsum("ni,nj->ij", spread, spread))[1][:, 0]
    normal *= -np.sign(normal @ middle)
    return np.append(normal, -(normal @ middle))


def above_support(
    inside_m: FloatArray, around_m: FloatArray, *, noise_m: float
) -> NDArray[np.bool_]:
    """Which points of a region do not lie on the plane that its surroundings lie on.

    Only points outside of the region choose the plane, so the flat face of an object is not
    taken for it.

    Args:
        inside_m: float64 [N, 3], the region.
        around_m: float64 [M, 3], its surroundings.
        noise_m: Standard deviation of a point.

    Returns:
        bool [N], on the camera's side of the plane.
    """
    plane = support_plane(around_m, noise_m=noise_m)
    if plane is None:
        return np.ones(len(inside_m), dtype=np.bool_)
    above: NDArray[np.bool_] = (
        np.einsum("ni,i->n", inside_m, plane[:3]) + plane[3] > _NOISES * noise_m
    )
    return above


def without_supports(
    points_m: FloatArray,
    normals: FloatArray,
    cells: NDArray[np.intp],
    *,
    largest_m: float,
    noise_m: FloatArray,
) -> NDArray[np.bool_]:
    """Which points of a frame do not lie on a plane larger than any object, bool [N].

    A plane is as large as its largest piece, since boxes of one height have their tops in one
    plane, too.

    Args:
        points_m: float64 [N, 3].
        normals: float64 [N, 3], NaN where there is no surface.
        cells: int64 [N, 2], rows and columns of an image in which neighbours are neighbours.
        largest_m: Diameter of the largest object.
        noise_m: float64 [N], standard deviation of each point.
    """
    kept = np.ones(len(points_m), dtype=np.bool_)
    untried = kept.copy()
    for _ in range(_MOST_SUPPORTS):
        left = np.flatnonzero(untried)
        plane = _largest_plane(points_m[left], normals[left], noise_m=noise_m[left])
        if plane is None:
            break
        height_m = np.abs(np.einsum("ni,i->n", points_m, plane[:3]) + plane[3])
        slant = np.abs(np.einsum("ni,i->n", normals, plane[:3]))
        near = height_m < _NOISES * noise_m
        on_it = np.flatnonzero(untried & near & ~(slant < _PARALLEL))
        if not _is_larger(points_m[on_it], largest_m):
            break
        untried[on_it] = False
        # an edge has no normal, or one between its two sides
        all_on_it = np.flatnonzero(kept & near & ~(slant < _UPRIGHT))
        piece = all_on_it[_largest_piece(cells[all_on_it])]
        if _is_larger(points_m[piece], largest_m):
            kept[all_on_it] = untried[all_on_it] = False
    return kept


def _is_larger(points_m: FloatArray, largest_m: float) -> bool:
    """Whether points of a plane reach farther than an object, and half as far across."""
    if len(points_m) < _LEAST_ON_PLANE:
        return False
    # the middle four fifths along its two long directions, so that specks do not count
    spread = np.linalg.eigh(np.cov(points_m.T))[1][:, 1:]
    extent_m = np.ptp(np.quantile(points_m @ spread, (0.1, 0.9), axis=0), axis=0)
    return bool(extent_m[1] >= largest_m and extent_m[0] >= largest_m / 2)


def _largest_piece(cells: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of some pixels make up the largest connected piece, but for its rim, bool [N]."""
    from scipy.ndimage import label, uniform_filter

    rows, cols = (cells - cells.min(axis=0)).T
    image = np.zeros((rows.max() + 1, cols.max() + 1), dtype=np.float32)
    image[rows, cols] = 1.0
    # neither holes of a sensor cut a piece, nor does a touch make one of two
    pieces = label(uniform_filter(image, _AROUND, mode="constant") > _MOSTLY)[0][rows, cols]
    return np.asarray(pieces == np.bincount(pieces, minlength=2)[1:].argmax() + 1)


def _largest_plane(
    points_m: FloatArray, normals: FloatArray, *, noise_m: FloatArray
) -> FloatArray | None:
    """The plane that most points with fitting normals lie on, float64 [4]; None without any."""
    oriented = np.flatnonzero(np.isfinite(normals).all(axis=1))
    oriented = oriented[:: max(-(-len(oriented) // _MOST_POINTS), 1)]
    if len(oriented) < _LEAST_ON_PLANE:
        return None
    points, directions, limit_m = points_m[oriented], normals[oriented], noise_m[oriented]
    tried = np.arange(0, len(oriented), -(-len(oriented) // _NUM_TRIPLETS))
    offsets = -np.einsum("ti,ti->t", directions[tried], points[tried])
    height = np.einsum("ti,ni->tn", directions[tried], points) + offsets[:, None]
    like = np.einsum("ti,ni->tn", directions[tried], directions) > _PARALLEL
    # the normal of one place is rough: a wide band first, then a fit
    close = like & (np.abs(height) < _WIDE_NOISES * limit_m)
    chosen = close[np.argmax(close.sum(axis=1))]
    for _ in range(4):
        if chosen.sum() < _LEAST_ON_PLANE:
            return None
        middle = points[chosen].mean(axis=0)
        normal = np.linalg.eigh(np.cov(points[chosen].T))[1][:, 0]
        chosen = (np.abs((points - middle) @ normal) < _NOISES * limit_m) & (
            np.abs(directions @ normal) > _PARALLEL
        )
    normal = normal * -np.sign(normal @ middle)
    return np.append(normal, -(normal @ middle))
