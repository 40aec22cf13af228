"""How far the objects are seen: recall by distance from the sensor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.matching import assign


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceRecall:
    """Truth found and missed, by distance.

    Attributes:
        edges_m: float64 [B + 1], ascending.
        num_truth: int64 [B], true boxes with edge[b] <= distance < edge[b + 1].
        num_found: int64 [B], those of them that were found.
    """

    edges_m: FloatArray
    num_truth: NDArray[np.int64]
    num_found: NDArray[np.int64]

    @property
    def recall(self) -> FloatArray:
        """Share found, float64 [B]; NaN where there was nothing to find."""
        share: FloatArray = np.full(len(self.num_truth), np.nan)
        np.divide(self.num_found, self.num_truth, out=share, where=self.num_truth > 0)
        return share

    def as_dict(self) -> dict[str, Any]:
        """Counts for JSON."""
        return {
            "edges_m": self.edges_m.tolist(),
            "num_truth": self.num_truth.tolist(),
            "num_found": self.num_found.tolist(),
        }


def recall_by_distance(
    frames: Iterable[tuple[FloatArray, FloatArray]],
    *,
    edges_m: tuple[float, ...],
    threshold: float,
) -> DistanceRecall:
    """Count truth and hits by distance.

    Args:
        frames: For each frame the distances float64 [T] and the similarities float64 [T, O].
        edges_m: Edges of the bins; truth outside of them is not counted.
        threshold: Least similarity of a hit.
    """
    everywhere, found = [np.empty(0)], [np.empty(0)]
    for distance_m, similarity in frames:
        rows, _ = assign(similarity, threshold=threshold)
        everywhere.append(distance_m)
        found.append(distance_m[rows])
    # numpy closes the last bin on the right; a bin more keeps all of them half open
    edges = np.array([*edges_m, np.inf])
    num_truth, _ = np.histogram(np.concatenate(everywhere), bins=edges)
    num_found, _ = np.histogram(np.concatenate(found), bins=edges)
    return DistanceRecall(edges_m=edges[:-1], num_truth=num_truth[:-1], num_found=num_found[:-1])
