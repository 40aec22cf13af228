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

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.tracking.config import TrackerConfig, numbers


def missed(
    log_odds: FloatArray, dt_s: float, config: TrackerConfig, seen_share: FloatArray | float = 1.0
) -> FloatArray:
    """Log odds after a time in which detections were looked for and none came.

    What is hidden or out of view cannot be missed: it only fades.
    """
    from perception_stack.tracking.kernels import existence as kernels

    p = numbers(config)
    after: FloatArray = kernels.missed(
        kernels.faded(log_odds, dt_s, p), seen_share * kernels.remembered_s(dt_s, p), p
    )
    return after


def seen(
    log_odds: FloatArray, score: FloatArray, dt_s: float, config: TrackerConfig
) -> FloatArray:
    """Log odds after a time at whose end a detection of the given score fell to the track.

    However weak it is, it tells no more against the object than none would.
    """
    from perception_stack.tracking.kernels import existence as kernels

    p = numbers(config)
    after: FloatArray = kernels.seen(kernels.faded(log_odds, dt_s, p), score, dt_s, p)
    return after


def born(score: FloatArray, config: TrackerConfig) -> FloatArray:
    """Log odds of a detection without a track being an object."""
    from perception_stack.tracking.kernels.existence import log_odds_of_score

    log_odds: FloatArray = log_odds_of_score(score) + np.log(config.birth_odds)
    return log_odds


def probability(log_odds: FloatArray) -> FloatArray:
    """Existence probability."""
    likely: FloatArray = 1 / (1 + np.exp(-log_odds))
    return likely


def log_odds_of(probability: float) -> float:
    """Log odds of one probability."""
    return float(np.log(probability / (1 - probability)))
