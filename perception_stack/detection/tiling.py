"""Small objects in large images: the network looks at parts of the image, and at the whole.

What a part cuts is not an object. A box that ends at a border which only the part has is dropped
where a box that no border cuts covers it; where none does, the halves that two neighbouring parts
saw are joined. The rest is suppression as within one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.detection.candidates import Found
from perception_stack.errors import ConfigError
from perception_stack.geometry.overlap import intersection_2d_px2

_COVERED = 0.6
"""Share of a cut box within a whole one from which on it shows the same."""
_SAME_SIDE = 0.5
"""Overlap along a border of two halves of one object."""


class Tile(NamedTuple):
    """A part of an image: first column and row, and those behind the last."""

    left: int
    top: int
    right: int
    bottom: int


def parse(text: str) -> tuple[int, int]:
    """Columns and rows of ``"3x2"``.

    Raises:
        ConfigError: it is not of this form.
    """
    columns, _, rows = text.partition("x")
    if not (columns.isdecimal() and rows.isdecimal() and int(columns) and int(rows)):
        raise ConfigError(f"detector.tiles: '{text}' is not of the form 2x1, columns x rows")
    return int(columns), int(rows)


def num_tiles(grid: tuple[int, int]) -> int:
    """How many parts :func:`tiles_of` gives."""
    return 1 if grid == (1, 1) else 1 + grid[0] * grid[1]


def tiles_of(size_px: tuple[int, int], grid: tuple[int, int], overlap: float) -> list[Tile]:
    """The whole image, and the parts of a grid if it has more than one.

    Args:
        size_px: Width and height of the image.
        grid: Columns and rows.
        overlap: Share of a part that its neighbour shows, too.
    """
    whole = Tile(0, 0, *size_px)
    if grid == (1, 1):
        return [whole]
    columns, rows = (_spans(size, num, overlap) for size, num in zip(size_px, grid, strict=True))
    return [
        whole,
        *(Tile(left, top, right, bottom) for top, bottom in rows for left, right in columns),
    ]


def _spans(size: int, num: int, overlap: float) -> list[tuple[int, int]]:
    length = min(size, int(np.ceil(size / (num - (num - 1) * overlap))))
    firsts = np.rint(np.linspace(0, size - length, num)).astype(int)
    return [(int(first), int(first) + length) for first in firsts]


def merge(
    parts: Sequence[Found], tiles: Sequence[Tile], groups: NDArray[np.intp], *, margin_px: float
) -> Found:
    """Objects of all parts of an image, without those that a part cut; not yet suppressed.

    Args:
        parts: Of each tile, in pixels of the image.
        tiles: The whole image first.
        groups: int [C], the same number for classes that can be one object.
        margin_px: How near to a border a box is cut by it.
    """
    found = _together(parts)
    tile = np.repeat(np.arange(len(parts)), [len(one) for one in parts])
    cut = np.concatenate(
        [_cut(one.xyxy_px, at, tiles[0], margin_px) for one, at in zip(parts, tiles, strict=True)]
    )
    same = np.equal.outer(groups[found.class_idx], groups[found.class_idx])
    common = intersection_2d_px2(found.xyxy_px, found.xyxy_px) * same
    area = np.prod(found.xyxy_px[:, 2:] - found.xyxy_px[:, :2], axis=1)
    is_cut = cut.any(axis=1)
    covered = is_cut & (common[:, ~is_cut] > _COVERED * area[:, None]).any(axis=1)
    halves = np.flatnonzero(is_cut & ~covered)
    joined = [] if found.rotated_px is not None else _joined(found, halves, cut, common, tile)
    alone = np.setdiff1d(np.flatnonzero(~covered), [row for many in joined for row in many])
    return _together([found.rows(alone), *(_union(found, rows) for rows in joined)])


def _together(parts: Sequence[Found]) -> Found:
    """Lists one behind the other; all have the same fields."""
    first = parts[0]
    return Found(
        xyxy_px=np.concatenate([one.xyxy_px for one in parts]),
        score=np.concatenate([one.score for one in parts]),
        class_idx=np.concatenate([one.class_idx for one in parts]),
        rotated_px=None
        if first.rotated_px is None
        else np.concatenate([one.rotated_px for one in parts if one.rotated_px is not None]),
        keypoints=None
        if first.keypoints is None
        else np.concatenate([one.keypoints for one in parts if one.keypoints is not None]),
        masks=None
        if first.masks is None
        else tuple(mask for one in parts for mask in one.masks or ()),
    )


def _cut(xyxy_px: FloatArray, tile: Tile, whole: Tile, margin_px: float) -> NDArray[np.bool_]:
    """Which sides of boxes end at a border that the tile has and the image has not; [N, 4]."""
    inner = np.array(tile) != np.array(whole)
    near: NDArray[np.bool_] = (np.abs(xyxy_px - np.array(tile)) <= margin_px) & inner
    return near


def _joined(
    found: Found,
    halves: NDArray[np.intp],
    cut: NDArray[np.bool_],
    common: FloatArray,
    tile: NDArray[np.intp],
) -> list[NDArray[np.intp]]:
    """Rows that are halves of one object, in groups of two or more."""
    group = {int(row): {int(row)} for row in halves}
    for n, i in enumerate(halves):
        for j in halves[n + 1 :]:
            if tile[i] != tile[j] and common[i, j] > 0 and _faces(found.xyxy_px, cut, i, j):
                merged = group[int(i)] | group[int(j)]
                group |= dict.fromkeys(merged, merged)
    different = {min(rows): rows for rows in group.values() if len(rows) > 1}
    return [np.array(sorted(rows), dtype=np.intp) for rows in different.values()]


def _faces(boxes: FloatArray, cut: NDArray[np.bool_], i: np.intp, j: np.intp) -> bool:
    """Whether one ends at a border where the other begins, and both are as long there."""
    for axis in range(2):
        low, high = axis, axis + 2
        if (cut[i, high] and cut[j, low]) or (cut[j, high] and cut[i, low]):
            first, last = 1 - axis, 3 - axis
            common = min(boxes[i, last], boxes[j, last]) - max(boxes[i, first], boxes[j, first])
            span = max(boxes[i, last], boxes[j, last]) - min(boxes[i, first], boxes[j, first])
            if common > _SAME_SIDE * span:
                return True
    return False


def _union(found: Found, rows: NDArray[np.intp]) -> Found:
    """One object of its halves: the best one says what it is, the masks lie side by side."""
    best = rows[[np.argmax(found.score[rows])]]
    boxes = found.xyxy_px[rows]
    one = found.rows(best)
    return Found(
        xyxy_px=np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])[None],
        score=one.score,
        class_idx=one.class_idx,
        keypoints=one.keypoints,
        masks=None
        if found.masks is None
        else (tuple(piece for row in rows for piece in found.masks[row]),),
    )
