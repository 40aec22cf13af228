"""What one frame of boxes tells of the tracks: of those it saw, and of those it did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import UNKNOWN, FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray
from perception_stack.tracking.common.classes import fuse, statement
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.common.existence import faded, missed, remembered_s, seen
from perception_stack.tracking.space.filter import correct
from perception_stack.tracking.space.heading import settle, vote
from perception_stack.tracking.space.measurements import FoundTable, Measurements
from perception_stack.tracking.space.sight import NOWHERE, Sight, write_seen_share
from perception_stack.tracking.space.tracks import Tracks, TrackTable, copied

Step = tuple[int, float, float, int]
"""Stamp of a frame in ns, seconds since the frame before, seconds since its sensor looked last,
column of the class "unknown"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The step from one frame to the next.

    Attributes:
        stamp_ns: Of the next one.
        dt_s: Seconds between them.
        looked_s: Seconds since the sensor of the next one looked before; it is no evidence of
            absence that a sensor did not report before it looked.
        vocabulary: Class names.
    """

    stamp_ns: int
    dt_s: float
    looked_s: float
    vocabulary: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Column of the class "unknown"."""
        return self.vocabulary.index(UNKNOWN)

    @property
    def step(self) -> Step:
        """What compiled loops take."""
        return self.stamp_ns, self.dt_s, self.looked_s, self.unknown


def after_boxes(
    tracks: Tracks,
    found: Measurements,
    chosen: IntArray,
    passage: Passage,
    parameters: Parameters,
    *,
    sight: Sight | None = None,
) -> Tracks:
    """Tracks after a frame of boxes, without those that are no longer likely enough.

    What was seen is corrected in pose, motion, size, class and heading and becomes surer; what
    was not becomes less so, as far as it could have been seen. What was once confirmed is kept.
    The size is corrected first. Where it is known from where the detector looked, the sides
    turned to it then stay where they were measured, whatever the size is believed to be.

    Args:
        tracks: Predicted.
        found: Detections of the frame.
        chosen: int [N], detection of each track, -1 for none.
        passage: From the frame before.
        parameters: All of them.
        sight: From where it was looked.
    """
    table, class_probs, kept = learn(
        (tracks.table, tracks.class_probs),
        (found.table, found.class_probs, chosen),
        passage.step,
        (
            (NOWHERE, np.ones(len(passage.vocabulary)))
            if sight is None
            else (sight.numbers, sight.knows(passage.vocabulary))
        ),
        parameters,
    )
    sensors = tuple([found.sensors[m] if m >= 0 else () for m in chosen.tolist()])
    return tracks.learned(table, class_probs, sensors, kept)


@machine_code
def note_detection(
    t: Row, probs: FloatArray, found: tuple[float, FloatArray], step: Step, p: Row
) -> None:
    """A detection fell to a track: it is surer there, and surer what, in place.

    Args:
        t: The track, its log odds faded.
        probs: float64 [V], its class probabilities.
        found: Score of the detection, and what it says of the class [V].
        step: To this frame.
        p: Parameters.
    """
    stamp_ns, _, looked_s, _ = step
    score, said = found
    t.log_odds = seen(t.log_odds, score, looked_s, p)
    t.confirmed = t.confirmed or t.log_odds >= p.confirm_log_odds
    fuse(probs, said, 1e-9 * (stamp_ns - t.last_seen_ns), p)
    t.num_detections += 1
    t.last_seen_ns = stamp_ns


@machine_code
def is_kept(t: Row, p: Row) -> bool:
    """Whether a track is likely enough; what was once confirmed may come back and always is."""
    if t.confirmed:
        t.log_odds = max(t.log_odds, p.remove_log_odds)
    return bool(t.log_odds >= p.remove_log_odds)


@machine_code
def learn(
    tracks: tuple[TrackTable, FloatArray],
    seen_now: tuple[FoundTable, FloatArray, IntArray],
    step: Step,
    sight: tuple[FloatArray, FloatArray],
    parameters: Parameters,
) -> tuple[TrackTable, FloatArray, IntArray]:
    """Predicted tracks, updated by a frame of boxes; see :func:`after_boxes`.

    Args:
        tracks: [N] and their class probabilities [N, V].
        seen_now: The detections [M] and theirs, float64 [M, V]; the detection of each track, int
            [N], -1 for none.
        step: To this frame.
        sight: From where it was looked, float64 [8]; which classes were looked for, 1 or 0 [V].
        parameters: All of them.

    Returns:
        Others, and their class probabilities; rows of those that are likely enough to be kept.
    """
    table, class_probs = copied(tracks[0]), tracks[1].copy()
    found, found_probs, chosen = seen_now
    (view, known), p = sight, parameters[0]
    said = statement(found_probs, step[3], p)
    num = len(table)
    share, kept, num_kept = np.ones(num), np.empty(num, dtype=np.intp), 0
    unseen = np.empty(num, dtype=np.bool_)
    for n in range(num):
        table[n].log_odds = faded(table[n].log_odds, step[1], p)
        # of what is hardly believed in, a miss tells nothing new
        unseen[n] = chosen[n] < 0 and table[n].log_odds > p.remove_log_odds
    if not np.isnan(view[0]):
        write_seen_share(table, unseen, view, share, p)
    for n in range(num):
        t, m = table[n], chosen[n]
        if m < 0:
            looked_for = share[n] * np.sum(class_probs[n] * known)
            t.log_odds = missed(t.log_odds, looked_for * remembered_s(step[2], p), p)
        else:
            quarters, _ = correct(t, found[m], view[:3], p)
            vote(t.heading, quarters, found[m].yaw_variance_rad2, p)
            note_detection(t, class_probs[n], (found[m].score, said[m]), step, p)
        if is_kept(t, p):
            kept[num_kept] = n
            num_kept += 1
        settle(t)
    return table, class_probs, kept[:num_kept]
