"""What touches what and what stands on what, from surfaces and the support plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.grasp.targets import Support, Target

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
        carries: NDArray[np.bool_] = self.stands_on.any(axis=0)
        return carries


def relate(targets: Sequence[Target], support: Support, *, touch_m: float) -> Relations:
    """Relations of all objects.

    Two objects touch when points of their surfaces come nearer than ``touch_m``. One stands on the
    other where it is near to a part of it that faces up, and its middle is higher than that. What
    does not stand upright by itself leans on what it touches, and is carried by that too.
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
            reach_m = touch_m + np.sqrt(surfaces[j].area_m2.max())
            apart = (low[i] > high[j] + reach_m) | (high[i] < low[j] - reach_m)
            if i == j or apart.any():
                continue
            gap_m = trees[i].query(surfaces[j].points_m, distance_upper_bound=reach_m)[0]
            near = np.isfinite(gap_m)
            if not near.any():
                continue
            touches[i, j] = touches[j, i] = True
            top = near & (surfaces[j].normals @ support.up > _ON_TOP)
            if np.count_nonzero(top) >= _LEAST_ON_TOP:
                at_m = float(np.median(surfaces[j].points_m[top] @ support.up))
                stands_on[i, j] = height[i] > at_m
    for i, one in enumerate(targets):
        if not one.steady:
            stands_on[i] |= touches[i] & ~stands_on[:, i]
    lowest = np.array([float(support.above_m(one.points_m).min()) for one in surfaces])
    on_support = np.asarray(lowest < touch_m, dtype=np.bool_).reshape(num)
    return Relations(on_support=on_support, touches=touches, stands_on=stands_on)
