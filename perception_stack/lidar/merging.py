"""Clusters and the boxes of a network over the same scan: one list, in which nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray, Obstacles
from perception_stack.errors import FrameMismatchError
from perception_stack.geometry.compiled import compiled
from perception_stack.geometry.transforms import matrix_from_quat


def merge(clusters: Obstacles, boxes: Boxes3D, *, share: float, margin_m: float) -> Obstacles:
    """The network's boxes, and the clusters that they do not explain.

    A point belongs to the best box that it lies in. A cluster is explained when a share of its
    points lies in boxes, in one or in several: two people who stand together are one cluster. Its
    other points are then points without a box, still in the way. A cluster that is not explained
    stays as it is, with the points that no box took.

    Args:
        clusters: What stands on the ground.
        boxes: N boxes of the same scan, best first, "unknown" among their classes.
        share: From which a cluster is explained.
        margin_m: Points this far outside of a box still belong to it.

    Returns:
        The N boxes in their order, then the clusters that stay in theirs.

    Raises:
        FrameMismatchError: the frames differ.
    """
    if clusters.frame_id != boxes.frame_id:
        raise FrameMismatchError(
            "boxes to merge", expected=clusters.frame_id, received=boxes.frame_id
        )
    if len(boxes) == 0:
        return clusters
    num_clusters = len(clusters.boxes)
    taker: NDArray[np.int32] = _takers(
        clusters.xyz_m,
        boxes.center_m,
        matrix_from_quat(boxes.quat_xyzw),
        boxes.size_lwh_m / 2 + margin_m,
    )
    cluster = clusters.box_of_point
    num = np.bincount(cluster[cluster >= 0], minlength=num_clusters)
    taken = np.bincount(cluster[(cluster >= 0) & (taker >= 0)], minlength=num_clusters)
    explained = (num > 0) & (taken >= share * num)
    # the last row serves those of no cluster, whose index is -1
    row = np.append(np.where(explained, -1, len(boxes) + np.cumsum(~explained) - 1), -1)
    box_of_point = np.where(taker >= 0, taker, row[cluster]).astype(np.int32)
    return Obstacles(
        boxes=_joined(boxes, clusters.boxes.rows(~explained)),
        xyz_m=clusters.xyz_m,
        box_of_point=box_of_point,
    )


def _joined(first: Boxes3D, second: Boxes3D) -> Boxes3D:
    """One list over all classes of both."""
    classes = tuple(dict.fromkeys((*first.classes, *second.classes)))
    widened = [
        replace(one, classes=classes, class_probs=_over(one, classes)) for one in (first, second)
    ]
    return widened[0].followed_by(widened[1])


def _over(boxes: Boxes3D, classes: tuple[str, ...]) -> FloatArray:
    """The belief over more classes: those that a source has no name for are unknown to it."""
    probs = np.zeros((len(boxes), len(classes)))
    probs[:, [classes.index(one) for one in boxes.classes]] = boxes.class_probs
    new = [i for i, one in enumerate(classes) if one not in boxes.classes]
    if new and UNKNOWN in boxes.classes:
        unknown = classes.index(UNKNOWN)
        probs[:, [unknown, *new]] = probs[:, [unknown]] / (len(new) + 1)
    return probs


@compiled
def _takers(xyz_m: Any, center_m: Any, axes: Any, half_m: Any) -> Any:
    """First box that each point lies in, -1 for none; int32 [M]."""
    taker = np.full(len(xyz_m), -1, dtype=np.int32)
    reach_m2 = np.empty(len(center_m))
    for n in range(len(center_m)):
        reach_m2[n] = half_m[n, 0] ** 2 + half_m[n, 1] ** 2 + half_m[n, 2] ** 2
    for i in range(len(xyz_m)):
        for n in range(len(center_m)):
            x = xyz_m[i, 0] - center_m[n, 0]
            y = xyz_m[i, 1] - center_m[n, 1]
            z = xyz_m[i, 2] - center_m[n, 2]
            if x * x + y * y + z * z > reach_m2[n]:
                continue
            inside = True
            for axis in range(3):
                along = axes[n, 0, axis] * x + axes[n, 1, axis] * y + axes[n, 2, axis] * z
                inside = inside and abs(along) <= half_m[n, axis]
            if inside:
                taker[i] = n
                break
    return taker
