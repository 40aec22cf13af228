"""What one frame tells of all tracks, in place: of those it saw, and of those it did not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.found import FoundTable
from perception_stack.tracking.kernels.classes import fuse
from perception_stack.tracking.kernels.existence import faded, missed, remembered_s, seen
from perception_stack.tracking.kernels.filter import correct
from perception_stack.tracking.kernels.heading import settle, vote
from perception_stack.tracking.kernels.sight import write_seen_share
from perception_stack.tracking.tracks import Row, TrackTable

Step = tuple[int, float, float]
"""Stamp of a frame in ns, seconds since the frame before, seconds since its sensor looked last."""


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
    stamp_ns, _, looked_s = step
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
    seen_now: tuple[FoundTable, FloatArray, NDArray[np.intp]],
    step: Step,
    sight: tuple[FloatArray, FloatArray],
    p: Row,
) -> NDArray[np.bool_]:
    """Update predicted tracks by a frame of boxes; see :func:`evidence.after_frame`.

    Args:
        tracks: [N] and their class probabilities [N, V], changed in place.
        seen_now: The detections [M]; what each says of the class, float64 [M, V]; the detection
            of each track, int [N], -1 for none.
        step: To this frame.
        sight: From where it was looked, float64 [8]; which classes were looked for, 1 or 0 [V].
        p: Parameters.

    Returns:
        Which tracks are likely enough to be kept, bool [N].
    """
    table, class_probs = tracks
    found, said, chosen = seen_now
    view, known = sight
    num = len(table)
    share, kept = np.ones(num), np.empty(num, dtype=np.bool_)
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
        kept[n] = is_kept(t, p)
        settle(t)
    return kept
