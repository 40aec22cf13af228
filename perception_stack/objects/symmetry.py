"""In which ways an object's shape can be turned onto itself, found without being told.

A thousand orientations of the object are aligned to the object itself; those that end up on it
are its symmetries. Each is then confirmed on the whole surface. Colour is not looked at: a carton
with a printed face is symmetric here, and the pose estimator lets the print decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.objects.rotations import angle_of, even_rotations, turns_about
from perception_stack.objects.surface import Surface

# lengths are relative to the object's diameter
# dents and bulges of real objects are shallow; a handle sticks out, be it ever so small
_TOLERANCE, _SHARE_ON_IT = 0.035, 0.98
_ALONG_SPACINGS = 1.5
_LIMITS = np.geomspace(0.15, 0.04, 15)
_PRODUCT_SLACK = 1.2
_NUM_STARTS, _NUM_POINTS = 2000, 300
_SAME_RAD = np.deg2rad(8.0)
_DISTINCT_RAD = np.deg2rad(30.0)  # of single turns; more than twelve of them are an axis
_NUM_STEPS = 24
_NUM_LAST = 8
_NO_HOLD = 0.1  # of the largest singular value
_PARALLEL = np.cos(np.deg2rad(8.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Axis:
    """A line about which an object may be turned by any angle.

    Attributes:
        direction: float64 [3], unit.
        through_m: float64 [3], a point on it.
    """

    direction: FloatArray
    through_m: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Symmetries:
    """Motions of the model's frame after which the object fills the same space.

    Attributes:
        turns: float64 [S, 4, 4], single motions, the first of which is none at all.
        axes: One for a body of revolution, three for a ball, else none.
    """

    turns: FloatArray
    axes: tuple[Axis, ...] = ()

    @property
    def is_trivial(self) -> bool:
        """Whether the object looks different from all sides."""
        return len(self.turns) == 1 and not self.axes

    def equivalents(self, num_steps: int = _NUM_STEPS) -> FloatArray:
        """All motions [K, 4, 4], those about an axis in so many steps, the first being none."""
        motions = self.turns
        if len(self.axes) > 1:
            turns = np.tile(np.eye(4), (num_steps**2 + 1, 1, 1))
            turns[1:, :3, :3] = even_rotations(num_steps**2)
            turns[:, :3, 3] = self.axes[0].through_m - turns[:, :3, :3] @ self.axes[0].through_m
            return turns
        for axis in self.axes:
            angles = np.arange(num_steps) * 2 * np.pi / num_steps
            turns = turns_about(axis.direction, angles, through_m=axis.through_m)
            motions = (turns[:, None] @ motions).reshape(-1, 4, 4)
        return motions


def find_symmetries(surface: Surface, diameter_m: float) -> Symmetries:
    """The symmetries of a surface, each confirmed on all of it."""
    middle_m = surface.points_m.mean(axis=0)
    starts = np.tile(np.eye(4), (_NUM_STARTS, 1, 1))
    starts[:, :3, :3] = even_rotations(_NUM_STARTS)
    starts[:, :3, 3] = middle_m - starts[:, :3, :3] @ middle_m
    few_m = _some(surface.points_m, _NUM_POINTS)
    found = surface.aligned(few_m, starts, _LIMITS * diameter_m)
    off_m = _off(surface, found)
    order = np.argsort(off_m, kind="stable")
    found = found[order[off_m[order] < _TOLERANCE * diameter_m]]
    if not len(found):
        return Symmetries(turns=np.eye(4)[None])
    axes = _continuous(surface, found, diameter_m, middle_m)
    turns = _different(np.concatenate([np.eye(4)[None], found]))
    if len(axes) > 1:
        return Symmetries(turns=np.eye(4)[None], axes=axes)
    if axes:
        # about the one axis is said already; what remains can only turn it upside down
        along = np.einsum("i,nij,j->n", axes[0].direction, turns[:, :3, :3], axes[0].direction)
        flips = _by_all_points(surface, turns[along < -_PARALLEL][:1], diameter_m)
        return Symmetries(turns=np.concatenate([np.eye(4)[None], flips]), axes=axes)
    turns = _by_all_points(surface, _closed(surface, turns, diameter_m)[1:], diameter_m)
    return Symmetries(turns=np.concatenate([np.eye(4)[None], turns]))


def _by_all_points(surface: Surface, motions: FloatArray, diameter_m: float) -> FloatArray:
    """Symmetries that few points of the surface have found, aligned once more by all of them."""
    limits_m = np.full(_NUM_LAST, _LIMITS[-1]) * diameter_m
    return surface.aligned(surface.points_m, motions, limits_m)


def _closed(surface: Surface, turns: FloatArray, diameter_m: float) -> FloatArray:
    """With what two turns, one after the other, come to: symmetries are a group."""
    products = (turns[:, None] @ turns).reshape(-1, 4, 4)
    products = products[holds(surface, products, diameter_m, slack=_PRODUCT_SLACK)]
    return _different(np.concatenate([turns, products]))


def holds(
    surface: Surface, motions: FloatArray, diameter_m: float, *, slack: float = 1.0
) -> np.ndarray:
    """Whether motions [N, 4, 4] leave the surface where it is, bool [N]."""
    held: np.ndarray = _off(surface, motions) < slack * _TOLERANCE * diameter_m
    return held


def _off(surface: Surface, motions: FloatArray) -> FloatArray:
    """How far motions [N, 4, 4] take the surface off itself, metres, [N].

    Distance along the normal; along the surface the samples lie apart anyhow.
    """
    points_m = _some(surface.points_m, 4 * _NUM_POINTS)
    distance_m, rows = surface.distances(points_m, motions)
    local_m = (points_m - motions[:, None, :3, 3]) @ motions[:, :3, :3]
    offset_m = local_m - surface.points_m[rows]
    gap_m = np.abs(np.einsum("hni,hni->hn", offset_m, surface.normals[rows]))
    off_m = np.maximum(gap_m, distance_m - _ALONG_SPACINGS * surface.spacing_m)
    far_m: FloatArray = np.quantile(off_m, _SHARE_ON_IT, axis=1)
    return far_m


def _continuous(
    surface: Surface, found: FloatArray, diameter_m: float, middle_m: FloatArray
) -> tuple[Axis, ...]:
    """Axes of found turns about which any other angle is a symmetry as well."""
    steps = np.arange(1, _NUM_STEPS) * 2 * np.pi / _NUM_STEPS
    angle = angle_of(found[:, :3, :3])
    # the axis of these is well defined by the antisymmetric part
    clear = found[(angle > 0.5) & (angle < np.pi - 0.5), :3, :3]
    kept: list[FloatArray] = []
    tried: list[FloatArray] = []
    for turn in clear:
        direction = np.array(
            [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
        )
        direction /= np.linalg.norm(direction)
        if any(abs(direction @ other) > _PARALLEL for other in tried):
            continue
        tried.append(direction)
        turns = turns_about(direction, steps, through_m=middle_m)
        turns = _by_all_points(surface, turns, diameter_m)
        moved = angle_of(np.swapaxes(turns[:, :3, :3], 1, 2) @ _about(direction, steps))
        if (moved < _SAME_RAD).all() and holds(surface, turns, diameter_m).all():
            kept.append(turns)
        if len(kept) > 1:
            break
    if not kept:
        return ()
    # about two of them means about every one
    directions = [_direction_of(kept[0])] if len(kept) == 1 else np.eye(3)
    through_m = _still_point(np.concatenate(kept), middle_m)
    return tuple(Axis(direction=one, through_m=through_m) for one in directions)


def _about(direction: FloatArray, angles_rad: FloatArray) -> FloatArray:
    return turns_about(direction, angles_rad, through_m=np.zeros(3))[:, :3, :3]


def _direction_of(turns: FloatArray) -> FloatArray:
    """The direction that turns about one axis leave as it is, least squares."""
    moved = turns[:, :3, :3] - np.eye(3)
    return np.asarray(np.linalg.svd(moved.reshape(-1, 3))[2][-1])


def _still_point(turns: FloatArray, near_m: FloatArray) -> FloatArray:
    """The point that turns leave where it is, least squares; of an axis the nearest to a place.

    The mean of the surface's samples is not on the axis, since samples are not quite even.
    """
    moved = turns[:, :3, :3] - np.eye(3)
    shift_m = turns[:, :3, 3] + moved @ near_m
    step_m = np.linalg.lstsq(moved.reshape(-1, 3), -shift_m.ravel(), rcond=_NO_HOLD)[0]
    return np.asarray(near_m + step_m)


def _different(motions: FloatArray) -> FloatArray:
    """One of those that turn much alike, the first in order."""
    kept: Sequence[int] = []
    rotations = motions[:, :3, :3]
    for row in range(len(motions)):
        apart = angle_of(np.swapaxes(rotations[kept], 1, 2) @ rotations[row])
        if not (apart < _DISTINCT_RAD).any():
            kept = [*kept, row]
    return motions[list(kept)]


def _some(points_m: FloatArray, num: int) -> FloatArray:
    return points_m[:: -(-len(points_m) // num)]
