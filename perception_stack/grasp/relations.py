"""What touches what and what stands on what, from surfaces and the support plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import level_from
from perception_stack.grasp.targets import Support, Target
from perception_stack.shape.surfaces import SurfacePoints

_ON_TOP = 0.6  # cosine of the carrier's normal and up
_LEAST_ON_TOP = 2  # points of the carrier's top that the other is near to


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """Relations of N objects.

    Attributes:
        on_support: bool [N], stands on the support.
        touches: bool [N, N], symmetric.
        stands_on: bool [N, N], object i is carried by object j.
    """

    on_support: NDArray[np.bool_]
    touches: NDArray[np.bool_]
    stands_on: NDArray[np.bool_]

    @property
    def carries(self) -> NDArray[np.bool_]:
        """Whether something stands on it, or leans on it, bool [N]."""
        return np.asarray(self.stands_on.any(axis=0))

    @classmethod
    def none(cls) -> Relations:
        """Those of no objects."""
        nothing = np.empty((0, 0), dtype=np.bool_)
        return cls(on_support=nothing[0:0].reshape(0), touches=nothing, stands_on=nothing)


def relate(targets: Sequence[Target], support: Support, *, touch_m: float) -> Relations:
    """Relations of all objects.

    Two objects touch when their surfaces come nearer than ``touch_m``. One stands on the other
    where that is below it and faces up, and its middle is higher than that place. What stands on
    nothing in this sense, and not firmly on the support either, since its centre of mass is beside
    all that touches that, leans on what it touches. What reaches down to nothing stands on
    something that is not seen.
    """
    from scipy.spatial import cKDTree

    num = len(targets)
    touches = np.zeros((num, num), dtype=np.bool_)
    stands_on = np.zeros((num, num), dtype=np.bool_)
    surfaces = [one.surfaces[0] for one in targets]
    trees = [cKDTree(one.points_m) for one in surfaces]
    low = np.array([one.points_m.min(axis=0) for one in surfaces]).reshape(-1, 3)
    high = np.array([one.points_m.max(axis=0) for one in surfaces]).reshape(-1, 3)
    height = np.array([one.center_m @ support.up for one in targets])
    for i in range(num):
        for j in range(num):
            apart = (low[i] > high[j] + touch_m) | (high[i] < low[j] - touch_m)
            if i == j or apart.any():
                continue
            near, at_m = _meeting(surfaces[i], trees[i], surfaces[j], support, touch_m)
            if not near.any():
                continue
            touches[i, j] = touches[j, i] = True
            top = near & (surfaces[j].normals @ support.up > _ON_TOP)
            if np.count_nonzero(top) >= _LEAST_ON_TOP:
                stands_on[i, j] = height[i] > float(np.median(at_m[top]))
    lowest = np.array([float(support.above_m(one.points_m).min()) for one in surfaces])
    on_support = np.asarray(lowest < touch_m, dtype=np.bool_).reshape(num)
    for i in np.flatnonzero(on_support & ~stands_on.any(axis=1)).tolist():
        if not _is_steady(targets[i], support, touch_m):
            stands_on[i] = touches[i] & ~stands_on[:, i]
    return Relations(on_support=on_support, touches=touches, stands_on=stands_on)


def _meeting(
    upper: SurfacePoints, tree: Any, lower: SurfacePoints, support: Support, touch_m: float
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Points of one surface that another comes near to, across it, and their heights.

    Between its points a surface is flat: how far away it is counts along its normal, as long as
    the nearest of them is no farther aside than they are apart.
    """
    aside_m = float(np.sqrt(upper.area_m2.max()))
    reach_m = float(np.hypot(aside_m, touch_m))
    far_m, row = tree.query(lower.points_m, distance_upper_bound=reach_m)
    found = np.isfinite(far_m)
    row = np.where(found, row, 0)
    way_m = lower.points_m - upper.points_m[row]
    across_m = np.abs(np.einsum("ni,ni->n", way_m, upper.normals[row]))
    near: NDArray[np.bool_] = found & (across_m < touch_m)
    return near, lower.points_m @ support.up


def _is_steady(target: Target, support: Support, touch_m: float) -> bool:
    """Whether its centre of mass is above what touches the support."""
    points_m = target.surfaces[0].points_m
    height_m = support.above_m(points_m)
    level = level_from("", support.up).rotation[:2]
    feet = points_m[height_m < height_m.min() + touch_m / 2] @ level.T
    angle = np.arange(16) * np.pi / 8
    ways = np.stack([np.cos(angle), np.sin(angle)])
    beyond_m = target.middle_m @ level.T @ ways - (feet @ ways).max(axis=0)
    return bool(beyond_m.max() < touch_m)
