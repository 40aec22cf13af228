"""From creases to regions of cells: cores, what grows on them, and which of them are one.

Cores are what keeps away from creases and steps: first what keeps far away, then, in surfaces that
have no core yet, what is nearer. So the narrow bridge where a crease fades out joins nothing. All
other cells go to the nearest core on their surface.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.depth.creases import Creases
from perception_stack.geometry.compiled import compiled

_FARTHEST = 4  # cells between a crease and a core
_LEAST_CORE = 8  # cells
_WIDEST_GAP = 3  # cells without depth between two regions that still count as neighbours
_PARTED = 0.5  # share of a common border that is creased or stepped, from which two stay apart


def grow_regions(creases: Creases, used: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Regions of smooth surface without inward edges, int32 [h, w], from 1; 0 for none.

    Those whose common border is for the most part neither creased nor stepped are one.
    """
    clear = _clearance(creases.barred, creases.fold, used, _FARTHEST)
    core = _cores(creases.barred, clear, _FARTHEST, _LEAST_CORE)
    region = _flood(core, creases.barred, used)
    while True:
        all_borders = find_borders(region, creases)
        parted = 1 - all_borders.smooth / all_borders.num
        joined = np.flatnonzero(parted < _PARTED)
        if not len(joined):
            return number(region)
        # the least parted first; one border of a region at a time, since borders add up
        to = np.arange(int(region.max(initial=0)) + 1, dtype=np.int32)
        touched = np.zeros(len(to), dtype=np.bool_)
        for row in joined[np.argsort(parted[joined], kind="stable")]:
            first, second = all_borders.pair[row]
            if not (touched[first] or touched[second]):
                touched[first] = touched[second] = True
                to[second] = first
        region = to[region]


def number(region: NDArray[np.int32]) -> NDArray[np.int32]:
    """The same regions numbered without gaps, 0 staying 0."""
    is_used = np.bincount(region.ravel(), minlength=1) > 0
    is_used[0] = False
    numbered: NDArray[np.int32] = np.where(is_used, np.cumsum(is_used), 0).astype(np.int32)[region]
    return numbered


@dataclass(frozen=True, slots=True, kw_only=True)
class Borders:
    """What B pairs of regions have in common, counted in links between neighbouring cells.

    Attributes:
        pair: int64 [B, 2], two regions, the first one's number being less.
        smooth: int64 [B], links over which the surface goes on.
        creased: int64 [B], links over which it folds inwards.
        ahead: int64 [B, 2], links at which the first, the second is in front of a step.
    """

    pair: NDArray[np.int64]
    smooth: NDArray[np.int64]
    creased: NDArray[np.int64]
    ahead: NDArray[np.int64]

    @property
    def num(self) -> NDArray[np.int64]:
        """All links of each border, int64 [B]."""
        total: NDArray[np.int64] = self.smooth + self.creased + self.ahead.sum(axis=1)
        return total


def find_borders(region: NDArray[np.int32], creases: Creases) -> Borders:
    """All common borders of regions; gaps without depth up to three cells wide count as steps."""
    num = int(region.max(initial=0)) + 1
    keys, kinds = _links(region, creases.barred, creases.fold, creases.inverse, _WIDEST_GAP, num)
    unique, row = np.unique(keys, return_inverse=True)
    counts = np.bincount(4 * row + kinds, minlength=4 * len(unique)).reshape(-1, 4)
    return Borders(
        pair=np.stack([unique // num, unique % num], axis=1),
        smooth=counts[:, 0],
        creased=counts[:, 1],
        ahead=counts[:, 2:],
    )


@compiled
def _links(region: Any, barred: Any, fold: Any, inverse: Any, gap: int, num: int) -> Any:
    """Key of the pair and kind of each link between two regions.

    Kinds are 0 smooth, 1 creased, 2 first in front, 3 second in front.
    """
    h, w = region.shape
    keys, kinds = np.empty(2 * h * w, dtype=np.int64), np.empty(2 * h * w, dtype=np.int64)
    n = 0
    for i in range(h):
        for j in range(w):
            one = region[i, j]
            if one == 0:
                continue
            for k in range(2):
                for away in range(1, gap + 2):
                    ii, jj = i + k * away, j + (1 - k) * away
                    if ii >= h or jj >= w or (region[ii, jj] == 0 and inverse[ii, jj] > 0):
                        break
                    two = region[ii, jj]
                    if two == 0:
                        continue
                    if two != one:
                        keys[n] = min(one, two) * num + max(one, two)
                        if away > 1 or barred[i, j] & (1 << k):
                            first_ahead = (inverse[i, j] > inverse[ii, jj]) == (one < two)
                            kinds[n] = 2 if first_ahead else 3
                        else:
                            kinds[n] = 1 if max(fold[i, j], fold[ii, jj]) > 1 else 0
                        n += 1
                    break
    return keys[:n], kinds[:n]


@compiled
def _clearance(barred: Any, fold: Any, used: Any, farthest: int) -> Any:
    """How many cells away the nearest crease or step is, up to the farthest; 0 in creases."""
    h, w = used.shape
    clear = np.where(used, farthest, 0)
    for turn in range(2):  # there and back again
        side = 1 - 2 * turn
        for s in range(h * w):
            t = s if turn == 0 else h * w - 1 - s
            i, j = t // w, t % w
            if not used[i, j]:
                continue
            if fold[i, j] > 1:
                clear[i, j] = 0
            for d in range(2):
                ii, jj = i - side * d, j - side * (1 - d)
                if not (0 <= ii < h and 0 <= jj < w):
                    continue
                if barred[min(i, ii), min(j, jj)] & (1 << d):
                    clear[i, j] = min(clear[i, j], 1)
                else:
                    clear[i, j] = min(clear[i, j], clear[ii, jj] + 1)
    return clear


@compiled
def _cores(barred: Any, clear: Any, farthest: int, least: int) -> Any:
    """What is clear of creases, int32 [h, w]: a surface that holds no clearer core is one."""
    h, w = clear.shape
    core = np.zeros((h, w), dtype=np.int32)
    queue = np.empty(h * w, dtype=np.int64)
    num = 0
    for level in range(farthest, 0, -1):
        seen = clear < level
        for start in range(h * w):
            if seen[start // w, start % w]:
                continue
            seen[start // w, start % w] = True
            queue[0] = start
            first, last = 0, 1
            is_new = True
            while first < last:
                i, j = queue[first] // w, queue[first] % w
                first += 1
                is_new &= core[i, j] == 0
                for d in range(4):
                    ii, jj = i + (d == 1) - (d == 3), j + (d == 0) - (d == 2)
                    if not (0 <= ii < h and 0 <= jj < w) or seen[ii, jj]:
                        continue
                    if not barred[min(i, ii), min(j, jj)] & (1 + d % 2):
                        seen[ii, jj] = True
                        queue[last] = ii * w + jj
                        last += 1
            if is_new and last >= least:
                num += 1
                for s in range(last):
                    core[queue[s] // w, queue[s] % w] = num
    return core


@compiled
def _flood(core: Any, barred: Any, used: Any) -> Any:
    """The cores grown over their surfaces, all at the same speed, int32 [h, w]."""
    h, w = core.shape
    region = core.copy()
    queue = np.empty(h * w, dtype=np.int64)
    first, last = 0, 0
    for start in range(h * w):
        if core[start // w, start % w] > 0:
            queue[last] = start
            last += 1
    while first < last:
        i, j = queue[first] // w, queue[first] % w
        first += 1
        for d in range(4):
            ii, jj = i + (d == 1) - (d == 3), j + (d == 0) - (d == 2)
            if not (0 <= ii < h and 0 <= jj < w) or region[ii, jj] > 0 or not used[ii, jj]:
                continue
            if not barred[min(i, ii), min(j, jj)] & (1 + d % 2):
                region[ii, jj] = region[i, j]
                queue[last] = ii * w + jj
                last += 1
    return region
