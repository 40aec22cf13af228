"""Whether the tracked thing is there: the model of :mod:`perception_stack.tracking.existence`."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.boxes import overlap
from perception_stack.tracking.image.kernels.state import Found, IntArray, Model

_LEAST_SCORE, _MOST_SCORE = 0.01, 0.99
_MOST_SURE = 7.0  # log odds, 0.999
_AT_REST = -3.0  # log odds of an object in a place of which nothing is known


@machine_code
def log_odds_of(probability: float) -> float:
    """Log odds of a probability."""
    log_odds: float = np.log(probability / (1 - probability))
    return log_odds


@machine_code
def born(score: float, model: Model) -> float:
    """Log odds of a detection without a track being an object."""
    log_odds: float = _of_score(score) + np.log(model.birth_odds)
    return log_odds


@machine_code
def missed(log_odds: float, share: float, dt_s: float, model: Model) -> float:
    """Log odds after a time in which a visible share was looked for and not detected."""
    return _drawn(log_odds, -share / model.unseen_s, dt_s, model)


@machine_code
def seen(log_odds: float, score: float, dt_s: float, model: Model) -> float:
    """Log odds after a time at whose end a detection of the given score fell to the track."""
    rate_hz = (_of_score(score) + np.log(model.hit_odds)) / model.persistence_s
    rate_hz = max(rate_hz, -1 / model.unseen_s)
    return min(_drawn(log_odds, rate_hz, dt_s, model), _MOST_SURE)


@machine_code
def _of_score(score: float) -> float:
    return log_odds_of(min(max(score, _LEAST_SCORE), _MOST_SCORE))


@machine_code
def _drawn(log_odds: float, rate_hz: float, dt_s: float, model: Model) -> float:
    rest = _AT_REST + rate_hz * model.existence_memory_s
    drawn: float = rest + (log_odds - rest) * np.exp(-dt_s / model.existence_memory_s)
    return drawn


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
