"""The best reading of each detection.

A reading's worth is ``rays x evidence``: the intersection over union of its rays with those
through the 2-D box, and how probable what the detector says is of a thing of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.fusion.belief import Naming
from perception_stack.fusion.bodies import Bodies
from perception_stack.fusion.readings import NO_DETECTION, Reading
from perception_stack.fusion.sight import Index
from perception_stack.geometry.overlap import iou_2d
from perception_stack.shape.size_classes import CLASSES

_CHANGED = 0.9  # a cluster is right, unless something else is this much better
_LEAST_AGREED = 0.5  # probability of the detection's class, given the size of what it may mean
_SAME_BOX = 0.6  # intersection over union above which two 2-D boxes show one object


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """What speaks for a reading.

    Attributes:
        evidence: Probability of the detector's statement, given the size.
        agreed: Probability of what the detection's label may mean, given statement and size.
        worth: Of the whole reading.
    """

    evidence: float
    agreed: float
    worth: float


def choose_assigned(
    readings: Sequence[Sequence[Reading]],
    bodies: Bodies,
    detections: Detections2D,
    naming: Naming,
) -> list[Reading]:
    """The best reading of each detection that has a cluster.

    One that joins bodies must make the detection's class probable, and not less so than without.

    Args:
        readings: Those of each detection, in the reader's order.
        bodies: The points.
        detections: All of them.
        naming: What the detector calls things.
    """
    # what can only be read in one way needs no weighing
    open_ = [one for of in readings if len(of) > 1 for one in of]
    weighed = iter(_weigh(open_, bodies, detections, naming))
    chosen: list[Reading] = []
    for of in readings:
        if len(of) < 2:
            chosen += of
            continue
        best, most, core = of[0], -1.0, 0.0
        for one in of:
            now = next(weighed)
            good = not one.joined or now.agreed >= max(_LEAST_AGREED, core)
            core = core if one.joined else now.agreed
            if good and now.worth > most:
                best, most = one, now.worth
        chosen.append(best)
    return chosen


def choose_free(
    readings: Sequence[Reading],
    assigned: Sequence[Reading],
    bodies: Bodies,
    detections: Detections2D,
    naming: Naming,
    *,
    min_overlap: float,
) -> list[Reading]:
    """The best reading of each detection that has no cluster, and what is left of the others.

    It must fill its 2-D box, be of a size that its class has, and not show what another detection
    shows already. What takes points from another reading must leave that one a better thing of
    its own class: a car without the cyclist beside it.

    Args:
        readings: Those of all such detections.
        assigned: One for each of the other detections.
        bodies: The points.
        detections: All of them.
        naming: What the detector calls things.
        min_overlap: Least share of rays.

    Returns:
        Those assigned, with the points they keep, then those found, best first.
    """
    owners = {one.detection: one for one in assigned}
    readings = [one for one in readings if one.rays >= min_overlap]
    taking = [one for one in readings if one.taken_from != NO_DETECTION]
    rests = [_without(owners[one.taken_from], one.points) for one in taking]
    before = [owners[one.taken_from] for one in taking]
    weighed = _weigh([*readings, *rests, *before], bodies, detections, naming)
    num, num_taking = len(readings), len(taking)
    gain = {
        id(one): after.evidence * _CHANGED > whole.evidence
        for one, after, whole in zip(
            taking, weighed[num : num + num_taking], weighed[num + num_taking :], strict=True
        )
    }
    best: dict[int, tuple[tuple[bool, float], Reading]] = {}
    for one, now in zip(readings, weighed, strict=False):
        takes = one.taken_from != NO_DETECTION
        if now.agreed < _LEAST_AGREED or not gain.get(id(one), True):
            continue
        # what makes two readings better goes before what makes one
        if one.detection not in best or (takes, now.worth) > best[one.detection][0]:
            best[one.detection] = (takes, now.worth), one
    same = iou_2d(detections.xyxy_px, detections.xyxy_px) > _SAME_BOX
    shown = list(owners)
    found = []
    for _, one in sorted(best.values(), key=lambda pair: pair[0], reverse=True):
        if same[one.detection, shown].any():
            continue
        shown.append(one.detection)
        found.append(one)
        if one.taken_from != NO_DETECTION:
            owners[one.taken_from] = _without(owners[one.taken_from], one.points)
    return [*owners.values(), *found]


def _without(reading: Reading, points: Index) -> Reading:
    kept = reading.points[~np.isin(reading.points, points)]
    # nothing of it being left would be no reading; its cluster stays as it is
    return replace(reading, points=kept, changed=True) if len(kept) else reading


def _weigh(
    readings: Sequence[Reading], bodies: Bodies, detections: Detections2D, naming: Naming
) -> list[_Weighed]:
    if not readings:
        return []
    reach = np.array([one.rays * (_CHANGED if one.changed else 1.0) for one in readings])
    if not bodies.sized:
        return [_Weighed(evidence=1.0, agreed=1.0, worth=one) for one in reach.tolist()]
    said = naming.likelihood(detections.labels, detections.score, CLASSES)
    of = np.array([one.detection for one in readings])
    ground_m = np.array([one.ground_m for one in readings])
    boxes = bodies.boxes_around([one.points for one in readings], ground_m)
    joint: FloatArray = boxes.class_probs * said[of]
    evidence = joint.sum(axis=1)
    meant = naming.meaning(detections.labels, CLASSES) > 0
    agreed = (joint * meant[of]).sum(axis=1) / evidence
    worth = evidence * reach
    return [
        _Weighed(evidence=each[0], agreed=each[1], worth=each[2])
        for each in zip(evidence.tolist(), agreed.tolist(), worth.tolist(), strict=True)
    ]
