"""Instance masks: from the coarse grids of a network to one label image, and no further.

A mask is never blown up to the size of the image as numbers. Its grid is cut to the box first;
then each row of the box is filled straight into the label image. Between two columns of the grid
a row that is interpolated linearly changes its sign at most once, so whole runs of
pixels are decided at once. The result is that of bilinear interpolation, half-pixel centres and
edges held (``align_corners=False``), with the mask cut at its box.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, LabelImage
from perception_stack.geometry.compiled import compiled

_SMALL = 255  # labels that a byte can hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A mask, or a part of one, in the pixels of an image.

    Attributes:
        values: float32 [h, w], above zero where the object is.
        region_px: float64 [4], edges of the area that the grid covers.
        box_px: float64 [4], outside of which there is nothing of it.
    """

    values: NDArray[np.float32]
    region_px: FloatArray
    box_px: FloatArray

    def moved(self, offset_px: FloatArray) -> Piece:
        """The same in an image of which this one is a part."""
        shift = np.tile(offset_px, 2)
        return Piece(
            values=self.values,
            region_px=self.region_px + shift,
            box_px=self.box_px + shift,
        )


class MaskSource(Protocol):
    """Gives the masks of candidates that stay, as most are never asked for."""

    def grids(
        self, rows: NDArray[np.intp], boxes: FloatArray
    ) -> tuple[list[NDArray[np.float32]], FloatArray]:
        """Values float32 [h, w] that cover each box, and the edges of their areas.

        They are above zero where the object is, and stay valid when the network's outputs do not.

        Args:
            rows: int [N], of the candidates.
            boxes: float64 [N, 4], theirs, in pixels of the network's input.

        Returns:
            N grids, and float64 [N, 4] in pixels of the input.
        """


class Prototypes:
    """Masks that are sums of prototypes (Bolya et al. 2019, YOLACT).

    Args:
        prototypes: float32 [K, h, w], over the whole input.
        weights: float32 [M, K], of each candidate.
        size_px: Width and height of the input.
    """

    def __init__(
        self,
        prototypes: NDArray[np.float32],
        weights: NDArray[np.float32],
        size_px: tuple[int, int],
    ) -> None:
        self._prototypes = np.ascontiguousarray(prototypes, dtype=np.float32)
        self._weights = np.ascontiguousarray(weights, dtype=np.float32)
        self._size_px = size_px

    def grids(
        self, rows: NDArray[np.intp], boxes: FloatArray
    ) -> tuple[list[NDArray[np.float32]], FloatArray]:
        """Logits of the cells that the boxes need."""
        windows, edges = _windows(boxes, self._size_px, self._prototypes.shape[1:])
        weights = self._weights[rows]
        sums = [
            _sum(self._prototypes, weight, window)
            for weight, window in zip(weights, windows, strict=True)
        ]
        return sums, edges


class Grids:
    """Masks that the network gives as a grid for each candidate.

    Args:
        values: float32 [M, h, w].
        level: Above it a value is of the object: 0 for logits, 0.5 for probabilities.
        size_px: Width and height of the input that each grid covers; None: it covers its box.
    """

    def __init__(
        self, values: NDArray[np.float32], level: float, size_px: tuple[int, int] | None
    ) -> None:
        self._values, self._level = values, np.float32(level)
        self._size_px = size_px

    def grids(
        self, rows: NDArray[np.intp], boxes: FloatArray
    ) -> tuple[list[NDArray[np.float32]], FloatArray]:
        """The grids, or those of their cells that the boxes need."""
        if self._size_px is None:
            return [self._values[row] - self._level for row in rows], boxes
        windows, edges = _windows(boxes, self._size_px, self._values.shape[1:])
        parts = [
            self._values[row, top:bottom, left:right] - self._level
            for row, (left, top, right, bottom) in zip(rows, windows.tolist(), strict=True)
        ]
        return parts, edges


def label_image(
    masks: Sequence[Sequence[Piece]], *, size_px: tuple[int, int], most: int
) -> LabelImage:
    """One image of all masks; where they overlap the first one is seen.

    Args:
        masks: Pieces of each object, best object first.
        size_px: Width and height of the image.
        most: Objects that there can be; decides the type, so that it stays the same.

    Returns:
        uint8 or uint16 [H, W], ``i + 1`` where object i is.
    """
    width, height = size_px
    kind: Any = np.uint8 if most <= _SMALL else np.uint16
    labels: LabelImage = np.zeros((height, width), dtype=kind)
    for i in range(len(masks) - 1, -1, -1):
        for piece in masks[i]:
            _paint(labels, piece.values, piece.region_px, piece.box_px, i + 1)
    return labels


def warm_up(most: int) -> None:
    """Compile what the first object would otherwise have to wait for; ``most`` as above."""
    one = np.ones((1, 1, 1), dtype=np.float32)
    box = np.array([0.0, 0.0, 2.0, 2.0])
    values, _ = Prototypes(one, one[0], (2, 2)).grids(np.zeros(1, dtype=np.intp), box[None])
    piece = Piece(values=values[0], region_px=box, box_px=box)
    label_image([[piece]], size_px=(2, 2), most=most)


def _windows(
    boxes: FloatArray, size_px: tuple[int, int], shape: Sequence[int]
) -> tuple[NDArray[np.intp], FloatArray]:
    """Of a grid over the input, the cells whose values matter within each box.

    Args:
        boxes: float64 [N, 4].
        size_px: Width and height of the input.
        shape: Rows and columns of the grid.

    Returns:
        First column and row, and those behind the last, int [N, 4]; their edges, float64 [N, 4].
    """
    last = np.array([shape[1], shape[0]])
    cell_px = np.array(size_px) / last
    # interpolation looks half a cell further
    low = np.floor(boxes[:, :2] / cell_px - 0.5)
    high = np.ceil(boxes[:, 2:] / cell_px + 0.5)
    low = np.clip(low, 0, last - 1)
    high = np.clip(high, low + 1, last)
    windows = np.hstack([low, high])
    edges: FloatArray = windows * np.tile(cell_px, 2)
    return windows.astype(np.intp), edges


@compiled
def _sum(
    prototypes: NDArray[np.float32], weights: NDArray[np.float32], window: NDArray[np.intp]
) -> NDArray[np.float32]:
    """Weighted sum of a part of all prototypes; float32 [h, w]."""
    left, top, right, bottom = window
    total = np.zeros((bottom - top, right - left), dtype=np.float32)
    for k in range(len(weights)):
        weight = weights[k]
        for row in range(bottom - top):
            for column in range(right - left):
                total[row, column] += weight * prototypes[k, top + row, left + column]
    return total


@compiled
def _paint(
    labels: LabelImage,
    values: NDArray[np.float32],
    region: FloatArray,
    box: FloatArray,
    label: int,
) -> None:
    """Write a label where a grid, spread over its region, is above zero within a box."""
    num_rows, num_columns = values.shape
    cell_x, cell_y = (region[2] - region[0]) / num_columns, (region[3] - region[1]) / num_rows
    # pixels whose centres lie in the box
    first_row = max(0, int(np.ceil(box[1] - 0.5)))
    end_row = min(labels.shape[0], int(np.ceil(box[3] - 0.5)))
    first = max(0, int(np.ceil(box[0] - 0.5)))
    end = min(labels.shape[1], int(np.ceil(box[2] - 0.5)))
    if not (cell_x > 0 and cell_y > 0) or first >= end:
        return
    line = np.empty(num_columns, dtype=np.float32)
    for row in range(first_row, end_row):
        y = (row + 0.5 - region[1]) / cell_y - 0.5
        y = min(max(y, 0.0), num_rows - 1.0)
        above = min(int(y), num_rows - 1)
        below = min(above + 1, num_rows - 1)
        share = np.float32(y - above)
        for i in range(num_columns):
            line[i] = values[above, i] + share * (values[below, i] - values[above, i])
        column = first
        for i in range(-1, num_columns):
            # pixels between the centres of two columns of the grid
            stop = end
            if i < num_columns - 1:
                stop = min(end, int(np.ceil(region[0] + (i + 1.5) * cell_x - 0.5)))
            if stop <= column:
                continue
            one, other = line[max(i, 0)], line[min(i + 1, num_columns - 1)]
            low, high = column, stop
            if (one > 0) != (other > 0):
                # where the line between the two crosses zero
                cross = region[0] + (i + 0.5 + one / (one - other)) * cell_x - 0.5
                if one > 0:
                    high = min(stop, max(column, int(np.ceil(cross))))
                else:
                    low = min(stop, max(column, int(np.floor(cross)) + 1))
            elif not one > 0:
                low = high
            for pixel in range(low, high):
                labels[row, pixel] = label
            column = stop
