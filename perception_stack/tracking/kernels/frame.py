"""What one frame tells of all tracks, in place: of those it saw, and of those it did not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.kernels.classes import fuse
from perception_stack.tracking.kernels.existence import missed, seen
from perception_stack.tracking.kernels.filter import correct
from perception_stack.tracking.kernels.heading import settle, vote
from perception_stack.tracking.kernels.sight import write_seen_share
from perception_stack.tracking.measurements import FoundTable
from perception_stack.tracking.tracks import Row, TrackTable


@machine_code
def learn(
    tracks: TrackTable,
    class_probs: FloatArray,
    seen_now: tuple[FoundTable, FloatArray, NDArray[np.intp]],
    passage: tuple[int, float, FloatArray],
    p: Row,
) -> NDArray[np.bool_]:
    """Update predicted tracks by a frame; see :func:`evidence.after_frame`.

    Args:
        tracks: [N], changed in place.
        class_probs: float64 [N, V], changed in place.
        seen_now: The detections [M]; what each says of the class, float64 [M, V]; the detection
            of each track, int [N], -1 for none.
        passage: Stamp, seconds since the last look, and from where it was looked, float64 [7].
        p: Parameters.

    Returns:
        Which tracks are likely enough to be kept, bool [N].
    """
    stamp_ns, dt_s, sight = passage
    found, said, chosen = seen_now
    num = len(tracks)
    share, kept = np.ones(num), np.empty(num, dtype=np.bool_)
    if not np.isnan(sight[0]):
        write_seen_share(tracks, chosen < 0, sight, share)
    for n in range(num):
        t, m = tracks[n], chosen[n]
        if m < 0:
            t.log_odds = missed(t.log_odds, share[n], dt_s, p)
        else:
            f = found[m]
            quarters, _ = correct(t, f, sight[:3], p)
            vote(t.heading, quarters, f.yaw_variance_rad2, p)
            t.log_odds = seen(t.log_odds, f.score, dt_s, p)
            t.confirmed = t.confirmed or t.log_odds >= p.confirm_log_odds
            fuse(class_probs[n], said[m], 1e-9 * (stamp_ns - t.last_seen_ns), p)
            t.num_detections += 1
            t.last_seen_ns = stamp_ns
        if t.confirmed:
            # what was once confirmed may come back
            t.log_odds = max(t.log_odds, p.remove_log_odds)
        kept[n] = t.log_odds >= p.remove_log_odds
        settle(t)
    return kept
