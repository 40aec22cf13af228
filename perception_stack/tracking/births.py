"""New tracks of detections that belong to none."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from perception_stack.journal import Journal, Reason
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.history import When
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.tracks import TRACK, Tracks, object_array

# of this package; fixed, so that the same input gives the same identities
_NAMESPACE = UUID("5b0f6f5e-6f0b-5a53-9d7c-3f1c7a0f2e11")


def with_births(
    tracks: Tracks,
    found: Measurements,
    is_free: NDArray[np.bool_],
    *,
    when: When,
    config: TrackerConfig,
    journal: Journal,
) -> Tracks:
    """Tracks, and new ones of detections that are free; those not worth one are counted."""
    stamp_ns, _, source = when
    free = np.flatnonzero(is_free)
    strong = free[found["score"][free] >= config.strong_score]
    journal.count(
        Reason.BELOW_THRESHOLD,
        stamp_ns=stamp_ns,
        detail=f"score below {config.strong_score} and no object there",
        num=len(free) - len(strong),
    )
    if len(strong) == 0:
        return tracks
    candidates = found.rows(strong)
    duplicate = is_duplicate(candidates, tracks, config)
    journal.count(
        Reason.DUPLICATE,
        stamp_ns=stamp_ns,
        detail=f"overlaps an object by more than {config.duplicate_overlap}",
        num=int(np.sum(duplicate)),
    )
    if duplicate.all():
        return tracks
    return tracks.followed_by(
        births(candidates.only(~duplicate), stamp_ns=stamp_ns, source=source, config=config)
    )


def is_duplicate(
    measurements: Measurements, tracks: Tracks, config: TrackerConfig
) -> NDArray[np.bool_]:
    """Which detections lie inside of what is tracked already: two bodies do not share a place.

    Detectors run class by class report a cyclist as a pedestrian as well. The tilt of boxes is
    left out, which hardly matters to the overlap.

    Returns:
        bool [M].
    """
    from perception_stack.tracking.kernels.births import is_taken

    return is_taken(measurements.table, tracks.table, config.duplicate_overlap)


def births(
    measurements: Measurements, *, stamp_ns: int, config: TrackerConfig, source: str = ""
) -> Tracks:
    """One track for each detection, standing still for all one knows.

    An identity is made of source and stamp of the frame and the place in the order of its births.
    """
    from perception_stack.tracking.kernels.births import bear

    table = np.zeros(len(measurements), dtype=TRACK)
    bear(measurements.table, table, stamp_ns, numbers(config))
    names = [uuid5(_NAMESPACE, f"{source}{stamp_ns}/{place}") for place in range(len(table))]
    return Tracks(
        table=table,
        class_probs=measurements.class_probs,
        sensors=measurements.sensors,
        ids=object_array(names),
    )
