"""What one frame tells of the tracks: of those it saw, and of those it did not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.classification import fused
from perception_stack.tracking.config import TrackerConfig
from perception_stack.tracking.existence import log_odds_of, missed, seen
from perception_stack.tracking.filter import updated
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.sight import Sight, seen_share
from perception_stack.tracking.tracks import Tracks, object_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The step from one frame to the next, and from where the next one was seen."""

    stamp_ns: int
    dt_s: float
    sight: Sight | None


def after_detections(
    tracks: Tracks,
    found: Measurements,
    class_statement: FloatArray,
    passage: Passage,
    config: TrackerConfig,
) -> Tracks:
    """Tracks after one detection each, row by row.

    Args:
        tracks: Predicted.
        found: A detection for each.
        class_statement: float64 [N, V], what each detection says of the class.
        passage: When and from where.
        config: Parameters.
    """
    log_odds = seen(tracks.log_odds, found.score, passage.dt_s, config)
    unseen_s = np.multiply(passage.stamp_ns - tracks.last_seen_ns, 1e-9, dtype=np.float64)
    return replace(
        updated(tracks, found, config, passage.sight),
        log_odds=log_odds,
        confirmed=tracks.confirmed | (log_odds >= log_odds_of(config.confirm_existence)),
        class_probs=fused(tracks.class_probs, class_statement, unseen_s, config),
        num_detections=tracks.num_detections + 1,
        last_seen_ns=np.full(len(tracks), passage.stamp_ns, dtype=np.int64),
        sensors=found.sensors,
    )


def after_misses(
    tracks: Tracks, seen_rows: NDArray[np.intp], passage: Passage, config: TrackerConfig
) -> Tracks:
    """All tracks as if none had been detected; rows that were are to be replaced."""
    share: FloatArray | float = 1.0
    if passage.sight is not None:
        unseen = np.ones(len(tracks), dtype=np.bool_)
        unseen[seen_rows] = False
        share = seen_share(tracks, unseen, tracks.confirmed, passage.sight)
    return replace(
        tracks,
        log_odds=missed(tracks.log_odds, passage.dt_s, config, share),
        sensors=object_array([()] * len(tracks)),
    )


def still_kept(tracks: Tracks, config: TrackerConfig) -> Tracks:
    """Tracks that are likely enough; what was once confirmed may come back and always is."""
    least = log_odds_of(config.remove_existence)
    log_odds = np.where(tracks.confirmed, np.maximum(tracks.log_odds, least), tracks.log_odds)
    return replace(tracks, log_odds=log_odds).only(log_odds >= least)
