"""One list of the boxes that two sensors found, each of them by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import FrameMismatchError
from perception_stack.fusion.belief import widened
from perception_stack.geometry.boxes import points_inside

_MARGIN_M = 0.1  # of the placing of a box, both sensors together


def join_boxes(first: Boxes3D, second: Boxes3D) -> Boxes3D:
    """The boxes of the first sensor, and those of the second that it did not see.

    Two boxes are of one object where the centre of one lies inside of the other. Such an object
    keeps the box of the first sensor. A camera may have spoken in both beliefs, so they are not
    multiplied: the greater existence holds, and the classes of the one that a camera saw.

    Args:
        first: N boxes.
        second: M boxes, at the same stamp and in the same frame.

    Returns:
        The N boxes in their order, then those only in ``second`` in theirs.

    Raises:
        FrameMismatchError: the frames differ.
    """
    if first.frame_id != second.frame_id:
        raise FrameMismatchError(
            "boxes to join", expected=first.frame_id, received=second.frame_id
        )
    if len(second) == 0:
        return first
    first_probs, classes = widened(first.class_probs, first.classes, second.classes)
    second_probs, second_classes = widened(second.class_probs, second.classes, classes)
    second_probs = second_probs[:, [second_classes.index(one) for one in classes]]
    inside = points_inside(second.center_m, first, margin_m=_MARGIN_M)
    inside |= points_inside(first.center_m, second, margin_m=_MARGIN_M).T
    apart_m = np.linalg.norm(first.center_m[:, None] - second.center_m[None], axis=2)
    partner = np.where(inside, apart_m, np.inf).argmin(axis=1)
    score, probs, sensors = first.score.copy(), first_probs, list(first.sensors)
    for row in np.flatnonzero(inside.any(axis=1)):
        other = partner[row]
        score[row] = max(score[row], second.score[other])
        if _by_camera(second.sensors[other]) and not _by_camera(sensors[row]):
            probs[row] = second_probs[other]
        sensors[row] = tuple(sorted({*sensors[row], *second.sensors[other]}))
    alone = np.flatnonzero(~inside.any(axis=0))
    more = replace(second, classes=classes, class_probs=second_probs).rows(alone)
    kept = replace(first, score=score, classes=classes, class_probs=probs, sensors=tuple(sensors))
    return kept.followed_by(more)


def _by_camera(sensors: tuple[str, ...]) -> bool:
    return any(one.startswith("camera") for one in sensors)
