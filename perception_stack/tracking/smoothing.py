"""A whole recording seen from its end: the tracker's model run backwards (Rauch, Tung, Striebel).

For evaluation and labelling, where the future is known. A detection that was too weak to start
with, a gap that was bridged later, a size that was seen only from near: all is told by the track
as it went on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, TrackedObjects
from perception_stack.journal import Journal
from perception_stack.tracking.classification import spread
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.listing import listed
from perception_stack.tracking.motion import predict
from perception_stack.tracking.sight import Sight
from perception_stack.tracking.tracker import Tracker
from perception_stack.tracking.tracks import Tracks

_LEAST_DETECTIONS = 4  # what was seen less often in all its life was nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    stamp_ns: int
    tracks: Tracks


def smoothed(
    frames: Iterable[tuple[Boxes3D, Sight | None]], config: TrackerConfig, journal: Journal
) -> list[TrackedObjects]:
    """The tracked list of each frame of a recording, with the use of all frames.

    An object is listed as by the tracker, only that its existence is the highest believed then
    or later, and that its class is the one believed last.

    Args:
        frames: Detections in the fixed frame, with rising stamps, and from where they were seen.
        config: Of the tracker.
        journal: Told of every detection left out.
    """
    past, vocabulary = _forward(frames, config, journal)
    num_detections: dict[UUID, int] = {}
    for frame in past:
        num_detections.update(zip(frame.tracks.ids, frame.tracks["num_detections"], strict=True))
    results: list[TrackedObjects] = []
    later: _Frame | None = None
    for frame in reversed(past):
        later = frame if later is None else _with_hindsight(frame, later, config)
        often = [num_detections[one] >= _LEAST_DETECTIONS for one in later.tracks.ids]
        results.append(
            listed(
                later.tracks.rows(np.array(often, dtype=np.bool_)),
                stamp_ns=later.stamp_ns,
                vocabulary=vocabulary,
                config=config,
            )
        )
    return results[::-1]


def _forward(
    frames: Iterable[tuple[Boxes3D, Sight | None]], config: TrackerConfig, journal: Journal
) -> tuple[list[_Frame], tuple[str, ...]]:
    """What the tracker knew after each frame, and the vocabulary of all of them."""
    tracker = Tracker(config, journal)
    past, vocabularies = [], []
    for boxes, sight in frames:
        if tracker.update(boxes, sight=sight) is not None:
            past.append(_Frame(stamp_ns=boxes.stamp_ns, tracks=tracker.known.tracks))
            vocabularies.append(tracker.known.vocabulary)
    last = tracker.known.vocabulary
    for index, vocabulary in enumerate(vocabularies):
        tracks = past[index].tracks
        wide = spread(tracks.class_probs, vocabulary, vocabulary=last)
        past[index] = replace(past[index], tracks=replace(tracks, class_probs=wide))
    return past, last


def _with_hindsight(frame: _Frame, later: _Frame, config: TrackerConfig) -> _Frame:
    """A frame, corrected by what is known of the next one."""
    row_of = {one: row for row, one in enumerate(later.tracks.ids)}
    goes_on = np.flatnonzero([one in row_of for one in frame.tracks.ids])
    if len(goes_on) == 0:
        return frame
    here = frame.tracks.rows(goes_on)
    there = later.tracks.rows(np.array([row_of[one] for one in here.ids], dtype=np.intp))
    dt_s = (later.stamp_ns - frame.stamp_ns) * 1e-9
    corrected = replace(
        _corrected(here, there, dt_s, config), class_probs=there.class_probs
    ).with_values(
        log_odds=np.maximum(here["log_odds"], there["log_odds"]),
        confirmed=there["confirmed"],
        heading=there["heading"],
    )
    return replace(frame, tracks=_with_rows(frame.tracks, goes_on, corrected))


def _with_rows(tracks: Tracks, index: NDArray[np.intp], rows: Tracks) -> Tracks:
    """Tracks with other values for some."""
    table, class_probs = tracks.table.copy(), tracks.class_probs.copy()
    table[index], class_probs[index] = rows.table, rows.class_probs
    return replace(tracks, table=table, class_probs=class_probs)


def _corrected(here: Tracks, there: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """Tracks, given the same ones at the next frame with all that came later.

    With F the step to the next frame: gain ``G = P F' (F P F' + Q)^-1``, state ``x + G (x_later -
    F x)``, covariance ``P + G (P_later - F P F' - Q) G'``. Boxes are named as in the end.
    """
    from perception_stack.tracking.kernels.smoothing import move_back

    expected, table = predict(here, dt_s, config), here.table.copy()
    move_back(table, expected.table, there.table, dt_s)
    return replace(here, table=table)
