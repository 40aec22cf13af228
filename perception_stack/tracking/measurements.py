"""Detections of one frame made ready: unusable rows out, one order, one shape, stated noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.classification import likelihood, spread
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.found import FOUND, FOUND_BYTES, FoundTable
from perception_stack.tracking.tracks import diagonal_m, object_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Usable detections, sorted by what they say and not by how they came.

    Attributes:
        table: [M] of :data:`FOUND`.
        class_probs: float64 [M, V] over the tracker's vocabulary.
        class_likelihood: float64 [M, V].
        sensors: object [M] of tuples.
    """

    table: FoundTable
    class_probs: FloatArray
    class_likelihood: FloatArray
    sensors: NDArray[Any]

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """A column of the table, not a copy."""
        return self.table[name]

    @property
    def scale_m(self) -> FloatArray:
        """Diagonals of the boxes, float64 [M]."""
        return diagonal_m(self.table["size_lwh_m"])

    def rows(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Measurements:
        """The detections picked by an integer index or a mask."""
        return Measurements(
            table=self.table.view(FOUND_BYTES)[index].view(FOUND),
            class_probs=self.class_probs[index],
            class_likelihood=self.class_likelihood[index],
            sensors=self.sensors[index],
        )

    def only(self, mask: NDArray[np.bool_]) -> Measurements:
        """The detections under a mask; these very ones where that is all."""
        return self if mask.all() else self.rows(mask)


def measurements_from_boxes(
    boxes: Boxes3D, *, vocabulary: tuple[str, ...], config: TrackerConfig, journal: Journal
) -> Measurements:
    """Detections as the filter takes them.

    Args:
        boxes: Detections in the fixed frame, in any order.
        vocabulary: Sorted class names, among them those of ``boxes``.
        config: Noise floors.
        journal: Told of the rows left out.
    """
    from perception_stack.tracking.kernels.detections import prepared

    probs = spread(boxes.class_probs, boxes.classes, vocabulary=vocabulary)
    # each layout in memory would be compiled for by itself, at the first frame that has it
    given = (
        _plain(boxes.center_m),
        _plain(boxes.quat_xyzw),
        _plain(boxes.size_lwh_m),
        _plain(boxes.covariance),
        _plain(boxes.score),
        _plain(probs),
    )
    order, table = prepared(given, np.empty(len(boxes), dtype=FOUND), numbers(config))
    journal.count(
        Reason.NON_FINITE_BOXES,
        stamp_ns=boxes.stamp_ns,
        detail="boxes with NaN, infinite or impossible values were left out",
        num=len(boxes) - len(order),
    )
    probs = probs[order]
    return Measurements(
        table=table,
        class_probs=probs,
        class_likelihood=likelihood(probs, vocabulary, config),
        sensors=object_array(boxes.sensors)[order],
    )


def _plain(array: FloatArray) -> FloatArray:
    """The array in C order and free to be written to; itself where it is so."""
    in_order = np.ascontiguousarray(array)
    return in_order if in_order.flags.writeable else in_order.copy()
