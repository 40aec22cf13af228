"""Whether the tracked thing is there: recursive Bayes on the log odds, in continuous time.

With ``l`` the log odds of an object being there::

    dl/dt = (rest - l) / memory - 1 / unseen                           while it is not detected
    dl/dt = (rest - l) / memory + (log odds of score + hit) / persistence      while it is

The first term says that objects come and go, so that old evidence fades.

Detections are taken as a process in time, not per frame. Errors of a detector persist: a bush
taken for a person is so again in the next frame. So what counts is how long and how surely a
thing was seen or missed, and ten frames in a second say no more than five.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Row

Values = Any
"""A number, or an array of them."""

MOST_SURE = 7.0
"""Log odds, 0.999: belief does not go beyond."""

_LEAST_SCORE, _MOST_SCORE = 0.01, 0.99
_AT_REST = -3.0  # log odds of an object in a place of which nothing is known


@machine_code
def log_odds_of_score(score: Values) -> Values:
    """Log odds of scores, which are not taken at their word at the ends of their range."""
    likely = np.minimum(np.maximum(score, _LEAST_SCORE), _MOST_SCORE)
    return np.log(likely / (1 - likely))


@machine_code
def born(score: Values, p: Row) -> Values:
    """Log odds of a detection without a past being an object."""
    return log_odds_of_score(score) + np.log(p.birth_odds)


@machine_code
def faded(log_odds: Values, dt_s: float, p: Row) -> Values:
    """After a time in which nobody looked: solution of dl/dt = (rest - l) / memory."""
    return _AT_REST + (log_odds - _AT_REST) * np.exp(-dt_s / p.existence_memory_s)


@machine_code
def remembered_s(looked_s: float, p: Row) -> float:
    """Of a time of looking, what is not forgotten at its end."""
    return float(p.existence_memory_s * (1 - np.exp(-looked_s / p.existence_memory_s)))


@machine_code
def missed(log_odds: Values, missed_s: Values, p: Row) -> Values:
    """Faded log odds, after a time in which a detection should have come and none did."""
    return log_odds - missed_s * (1 / p.unseen_s)


@machine_code
def seen(log_odds: Values, score: Values, looked_s: float, p: Row) -> Values:
    """Faded log odds, after a time at whose end a detection of the given score fell to it."""
    rate_hz = (log_odds_of_score(score) + np.log(p.hit_odds)) / p.persistence_s
    rate_hz = np.maximum(rate_hz, -1 / p.unseen_s)
    return np.minimum(log_odds + rate_hz * remembered_s(looked_s, p), MOST_SURE)
