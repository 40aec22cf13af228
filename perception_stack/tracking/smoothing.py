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

from perception_stack.datatypes import TrackedObjects
from perception_stack.journal import Journal
from perception_stack.tracking.classification import spread
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.history import Frame, Knowledge
from perception_stack.tracking.listing import listed
from perception_stack.tracking.motion import predict
from perception_stack.tracking.tracker import Tracker
from perception_stack.tracking.tracks import Tracks

_LEAST_DETECTIONS = 4  # what was seen less often in all its life was nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """What is known of one frame in the end.

    Attributes:
        objects: The tracked list.
        image_rows: Row of the detection of each object that the frame, an image, saw.
    """

    objects: TrackedObjects
    image_rows: dict[UUID, int]


def smoothed(frames: Iterable[Frame], config: TrackerConfig, journal: Journal) -> list[Hindsight]:
    """The tracked list of each frame of a recording, with the use of all frames.

    An object is listed as by the tracker, only that its existence is the highest believed then
    or later, and that its class is the one believed last.

    Args:
        frames: Of all sensors, in order of time; one that is not newer than all before is left
            out, as by the tracker.
        config: Of the tracker.
        journal: Told of everything left out.

    Returns:
        One entry for each frame that was not left out.
    """
    past = _forward(frames, config, journal)
    num_detections: dict[UUID, int] = {}
    for known in past:
        num_detections.update(zip(known.tracks.ids, known.tracks["num_detections"], strict=True))
    results: list[Hindsight] = []
    later: Knowledge | None = None
    for known in reversed(past):
        later = known if later is None else _with_hindsight(known, later, config)
        often = [num_detections[one] >= _LEAST_DETECTIONS for one in later.tracks.ids]
        objects = listed(
            later.tracks.rows(np.array(often, dtype=np.bool_)),
            stamp_ns=_stamp_ns(later),
            vocabulary=later.vocabulary,
            config=config,
        )
        results.append(Hindsight(objects=objects, image_rows=known.image_rows))
    return results[::-1]


def _forward(frames: Iterable[Frame], config: TrackerConfig, journal: Journal) -> list[Knowledge]:
    """What the tracker knew after each frame, all over the vocabulary of the last one."""
    tracker = Tracker(config, journal)
    past = [tracker.known for frame in frames if tracker.take(frame) is not None]
    last = tracker.known.vocabulary
    for index, known in enumerate(past):
        probs = spread(known.tracks.class_probs, known.vocabulary, vocabulary=last)
        tracks = replace(known.tracks, class_probs=probs)
        past[index] = replace(known, tracks=tracks, vocabulary=last)
    return past


def _stamp_ns(known: Knowledge) -> int:
    if known.stamp_ns is None:
        raise RuntimeError("what is known has no stamp before the first frame")
    return known.stamp_ns


def _with_hindsight(frame: Knowledge, later: Knowledge, config: TrackerConfig) -> Knowledge:
    """A frame, corrected by what is known of the next one."""
    row_of = {one: row for row, one in enumerate(later.tracks.ids)}
    goes_on = np.flatnonzero([one in row_of for one in frame.tracks.ids])
    if len(goes_on) == 0:
        return frame
    here = frame.tracks.rows(goes_on)
    there = later.tracks.rows(np.array([row_of[one] for one in here.ids], dtype=np.intp))
    dt_s = (_stamp_ns(later) - _stamp_ns(frame)) * 1e-9 + _offset_s(later) - _offset_s(frame)
    corrected = replace(
        _corrected(here, there, dt_s, config), class_probs=there.class_probs
    ).with_values(
        log_odds=np.maximum(here["log_odds"], there["log_odds"]),
        confirmed=there["confirmed"],
        heading=there["heading"],
    )
    return replace(frame, tracks=_with_rows(frame.tracks, goes_on, corrected))


def _offset_s(known: Knowledge) -> float:
    return 0.0 if known.clock is None else known.clock.offset_s


def _with_rows(tracks: Tracks, index: NDArray[np.intp], rows: Tracks) -> Tracks:
    """Tracks with other values for some."""
    table, class_probs = tracks.copied_table(), tracks.class_probs.copy()
    table[index], class_probs[index] = rows.table, rows.class_probs
    return replace(tracks, table=table, class_probs=class_probs)


def _corrected(here: Tracks, there: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """Tracks, given the same ones at the next frame with all that came later.

    With F the step to the next frame: gain ``G = P F' (F P F' + Q)^-1``, state ``x + G (x_later -
    F x)``, covariance ``P + G (P_later - F P F' - Q) G'``. Boxes are named as in the end.
    """
    from perception_stack.tracking.kernels.smoothing import move_back

    expected, table = predict(here, dt_s, config), here.copied_table()
    move_back(table, expected.table, there.table, dt_s)
    return replace(here, table=table)
