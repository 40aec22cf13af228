"""What one frame of boxes tells of the tracks: of those it saw, and of those it did not."""

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
    def step(self) -> tuple[int, float, float]:
        """What compiled loops take."""
        return self.stamp_ns, self.dt_s, self.looked_s


def after_frame(
    tracks: Tracks,
    found: Measurements,
    chosen: NDArray[np.intp],
    passage: Passage,
    config: TrackerConfig,
    *,
    sight: Sight | None = None,
) -> Tracks:
    """Tracks after a frame, without those that are no longer likely enough.

    What was seen is corrected in pose, motion, size, class and heading and becomes surer; what
    was not becomes less so, as far as it could have been seen. What was once confirmed is kept.
    The size is corrected first. Where it is known from where the detector looked, the sides
    turned to it then stay where they were measured, whatever the size is believed to be.

    Args:
        tracks: Predicted.
        found: Detections of the frame.
        chosen: int [N], detection of each track, -1 for none.
        passage: From the frame before.
        config: Parameters.
        sight: From where it was looked.
    """
    from perception_stack.tracking.kernels.frame import learn

    table, class_probs = tracks.copied_table(), tracks.class_probs.copy()
    kept = learn(
        (table, class_probs),
        (found.table, statement(found.class_probs, passage.vocabulary, config), chosen),
        passage.step,
        (
            (NOWHERE, np.ones(len(passage.vocabulary)))
            if sight is None
            else (sight.numbers, sight.knows(passage.vocabulary))
        ),
        numbers(config),
    )
    sensors = object_array([found.sensors[m] if m >= 0 else () for m in chosen.tolist()])
    return Tracks(table=table, class_probs=class_probs, sensors=sensors, ids=tracks.ids).only(kept)
