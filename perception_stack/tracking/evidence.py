"""What one frame tells of the tracks: of those it saw, and of those it did not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.tracking.classification import statement
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.measurements import Measurements
from perception_stack.tracking.sight import NOWHERE, Sight
from perception_stack.tracking.tracks import Tracks, object_array


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The step from one frame to the next, and from where the next one was seen."""

    stamp_ns: int
    dt_s: float
    vocabulary: tuple[str, ...]
    sight: Sight | None


def after_frame(
    tracks: Tracks,
    found: Measurements,
    chosen: NDArray[np.intp],
    passage: Passage,
    config: TrackerConfig,
) -> Tracks:
    """Tracks after a frame, without those that are no longer likely enough.

    What was seen is corrected in pose, motion, size, class and heading and becomes surer; what
    was not becomes less so, as far as it could have been seen. What was once confirmed is kept.

    Args:
        tracks: Predicted.
        found: Detections of the frame.
        chosen: int [N], detection of each track, -1 for none.
        passage: When, from where, and of which classes.
        config: Parameters.
    """
    from perception_stack.tracking.kernels.frame import learn

    table, class_probs = tracks.table.copy(), tracks.class_probs.copy()
    sight = NOWHERE if passage.sight is None else passage.sight.numbers
    kept = learn(
        table,
        class_probs,
        (found.table, statement(found.class_probs, passage.vocabulary, config), chosen),
        (passage.stamp_ns, passage.dt_s, sight),
        numbers(config),
    )
    sensors = object_array([found.sensors[m] if m >= 0 else () for m in chosen.tolist()])
    return Tracks(table=table, class_probs=class_probs, sensors=sensors, ids=tracks.ids).only(kept)
