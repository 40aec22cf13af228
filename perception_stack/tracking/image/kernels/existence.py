"""Whether the tracked thing is there: the model of ``tracking/kernels/existence.py``."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.state import Found, IntArray, Model
from perception_stack.tracking.kernels.existence import faded, log_odds_of_score, remembered_s
from perception_stack.tracking.kernels.existence import missed as missed_since
from perception_stack.tracking.kernels.existence import seen as seen_since
from perception_stack.tracking.kernels.rectangles import overlap


@machine_code
def log_odds_of(probability: float) -> float:
    """Log odds of a probability."""
    log_odds: float = np.log(probability / (1 - probability))
    return log_odds


@machine_code
def born(score: float, model: Model) -> float:
    """Log odds of a detection without a track being an object."""
    log_odds: float = log_odds_of_score(score) + np.log(model.birth_odds)
    return log_odds


@machine_code
def missed(log_odds: float, share: float, dt_s: float, model: Model) -> float:
    """Log odds after a time in which a visible share was looked for and not detected."""
    missed_s = share * remembered_s(dt_s, model)
    after: float = missed_since(faded(log_odds, dt_s, model), missed_s, model)
    return after


@machine_code
def seen(log_odds: float, score: float, dt_s: float, model: Model) -> float:
    """Log odds after a time at whose end a detection of the given score fell to the track."""
    after: float = seen_since(faded(log_odds, dt_s, model), score, dt_s, model)
    return after


@machine_code
def hidden_share(edges: FloatArray, found: Found, chosen: IntArray) -> float:
    """Largest share of a box that lies behind a tracked thing detected in front of it.

    What stands nearer on the same ground ends lower in the image.
    """
    most = 0.0
    for m in chosen:
        if m >= 0 and found.xyxy_px[m, 3] >= edges[3]:
            most = max(most, overlap(edges, found.xyxy_px[m])[1])
    return most
