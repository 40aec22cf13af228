"""The clock of a sensor: when its frames were made, and how far off its stamps usually are.

A frame that is late by ``d`` shows everything ahead of its prediction by its velocity times ``d``.
``d`` has a normal prior, each detection is a measurement of it, and the tracks are set to when
they were detected.

Two opinions of when a frame was made compete for the prior. One is its stamp. The other is that
the sensor looks at a regular rate of its own, while the stamps are made later, where the data
arrive: a straight line through the newest stamps over the count of frames (least squares that
forget; Olson, "A passive solution to the sensor synchronization problem", IROS 2010). How far each
opinion usually is off is learned from what motion tells (moments with forgetting), and the better
one is taken. Where stamps are good the two are the same. What is off the same way in frame after
frame is no jitter but things that speed up, and does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.space.measurements import FoundTable
from perception_stack.tracking.space.precision import expected_scale2, mixture
from perception_stack.tracking.space.tracks import TrackTable
from perception_stack.tracking.space.turns import cholesky

CLOCK = np.dtype(
    [
        ("of_stamps", np.float64, (2,)),
        ("of_rate", np.float64, (2,)),
        ("ahead_s", np.float64),
        ("period_s", np.float64),
        ("spread", np.float64, (3,)),
        ("num_frames", np.int64),
    ],
    align=True,
)
"""All that is known of a clock.

- ``of_stamps``, ``of_rate``: how far off the two opinions are: mean in seconds, variance.
- ``ahead_s``, ``period_s``: the line at the newest frame less its stamp, and its slope.
- ``spread``: variance of the line there, covariance with the slope, variance of the slope, all in
  units of the variance of a stamp.
- ``num_frames``: that the line is through.
"""

# Share of an offset that is not followed. Nothing but the stamps says what time it is: tracks that
# were set to a wrong time all agree on it, and with accelerations of their own would drift away.
_PULL = 0.15

_MEMORY_FRAMES = 20.0
_LEAST_S, _MOST_S = 1e-5, 0.1

_LINE_FRAMES = 50.0
_NUM_TO_COUNT = 20  # frames after which the period is known well enough to tell that some are lost
_LOST = 0.7  # of a period, delay from which on a frame is not late but one after a lost one
_UNKNOWN = 1e6  # variance of the period at first, in variances of a stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What is known of when the frames of one source are made.

    Attributes:
        state: [1] of :data:`CLOCK`.
        ahead_s: How long after its stamp the newest frame was made, by the better opinion.
        variance_s2: Of that.
    """

    state: NDArray[Any]
    ahead_s: float
    variance_s2: float

    @classmethod
    def new(cls, stamp_noise_s: float) -> Clock:
        """At the first frame, before anything is known but how good stamps usually are."""
        state = np.zeros(1, dtype=CLOCK)
        variance_s2 = stamp_noise_s**2
        state["of_stamps"] = state["of_rate"] = 0.0, variance_s2
        start_line(state)
        return cls(state=state, ahead_s=0.0, variance_s2=variance_s2)

    def after(self, dt_s: float) -> Clock:
        """Another one, at one more frame, whose stamp is ``dt_s`` after that of the newest."""
        state, ahead_s, variance_s2 = lengthened(self.state, dt_s)
        return Clock(state=state, ahead_s=ahead_s, variance_s2=variance_s2)


@machine_code
def start_line(clock: NDArray[Any]) -> None:
    """Begin the line at the newest stamp, in place."""
    c = clock[0]
    c.ahead_s, c.period_s, c.num_frames = 0.0, 0.0, 1
    c.spread[0], c.spread[1], c.spread[2] = 1.0, 0.0, _UNKNOWN


@machine_code
def _expected(c: Any) -> tuple[float, float]:
    """How long after its stamp the newest frame was made, by the better opinion; its variance."""
    if c.of_rate[1] <= c.of_stamps[1]:
        return c.ahead_s, c.of_rate[1]
    return 0.0, c.of_stamps[1]


@machine_code
def lengthened(clock: NDArray[Any], dt_s: float) -> tuple[NDArray[Any], float, float]:
    """Another clock, one frame later; when that was made; see :func:`lengthen_line`."""
    after = np.empty_like(clock)
    after[0] = clock[0]
    ahead_s, variance_s2 = lengthen_line(after, dt_s)
    return after, ahead_s, variance_s2


@machine_code
def lengthen_line(clock: NDArray[Any], dt_s: float) -> tuple[float, float]:
    """Take one more stamp into the line, ``dt_s`` after the newest, in place.

    One before the line says that the newest frame itself was made begins anew: the sensor looks
    more often now.

    Returns:
        How long after its stamp the frame was made, by the better opinion; the variance of that.
    """
    c, count = clock[0], 1.0
    wait_s = dt_s - c.ahead_s
    if c.num_frames >= _NUM_TO_COUNT:
        count = max(np.floor(wait_s / c.period_s + 1 - _LOST), 1.0)
        if wait_s < 0:
            start_line(clock)
            return _expected(c)
    place, both, slope = c.spread
    fade = (1 - 1 / _LINE_FRAMES) ** -min(count, _LINE_FRAMES)
    place = fade * (place + count * (2 * both + count * slope))
    both, slope = fade * (both + count * slope), fade * slope
    early_s, gain = count * c.period_s - wait_s, 1 / (place + 1)
    c.ahead_s = gain * early_s
    c.period_s -= both * gain * early_s
    c.spread[0], c.spread[1] = gain * place, gain * both
    c.spread[2] = slope - both * gain * both
    c.num_frames += 1
    return _expected(c)


@machine_code
def _information(t: Row, f: Row, p: Row) -> tuple[float, float]:
    """Of one detection about the offset: weight ``v' S^-1 v``, and ``v' S^-1 r``."""
    factor, offset, speed = np.empty((3, 3)), np.empty(3), np.empty(3)
    for i in range(3):
        offset[i], speed[i] = f.center_m[i] - t.center_m[i], t.twist[i]
    level_probs = t.level_probs.copy()
    mixture(t.covariance, f.noise, offset, level_probs, p)
    scale2 = expected_scale2(level_probs, p)
    for i in range(3):
        for j in range(3):
            factor[i, j] = t.covariance[i, j] + scale2 * f.noise[i, j]
    cholesky(factor, 3)
    weight, told = 0.0, 0.0
    for i in range(3):
        for j in range(i):
            offset[i] -= factor[i, j] * offset[j]
            speed[i] -= factor[i, j] * speed[j]
        offset[i] /= factor[i, i]
        speed[i] /= factor[i, i]
        weight += speed[i] ** 2
        told += speed[i] * offset[i]
    return weight, told


@machine_code
def blurred(t: Row, variance_s2: float, place: FloatArray) -> None:
    """Write the covariance [3, 3] of the place of a track at a time that is uncertain."""
    for i in range(3):
        for j in range(3):
            place[i, j] = t.covariance[i, j] + variance_s2 * t.twist[i] * t.twist[j]


@machine_code
def _offset(told: float, weight: float, variance_s2: float) -> tuple[float, float]:
    """Seconds after a time that was expected with a variance, and the variance that is left.

    Args:
        told: Sum of what detections tell of it, each in seconds times its weight.
        weight: Sum of the weights.
        variance_s2: Of the time that was expected.
    """
    total = weight + 1.0 / variance_s2
    return (1 - _PULL) * told / total, 1.0 / total


@machine_code
def _judge(opinion: FloatArray, told: float, weight: float) -> None:
    """Learn how far an opinion of the time usually is off, in place; arguments as above."""
    offset_s, left_s2 = _offset(told, weight, opinion[1])
    now_s2 = min((offset_s - opinion[0]) ** 2 + left_s2, _MOST_S**2)
    opinion[0] += (offset_s - opinion[0]) / _MEMORY_FRAMES
    opinion[1] = max(opinion[1] + (now_s2 - opinion[1]) / _MEMORY_FRAMES, _LEAST_S**2)


@machine_code
def set_to_detections(
    table: TrackTable,
    found: FoundTable,
    chosen: NDArray[np.intp],
    clock: NDArray[Any],
    parameters: Parameters,
) -> float:
    """Move predicted tracks to when their detections were made, in place.

    Args:
        table: [N], predicted for when the better opinion of the clock says.
        found: [M].
        chosen: int [N], detection of each track, -1 for none.
        clock: [1]; what the detections tell of it is learned, in place.
        parameters: Of the precision of detections.

    Returns:
        How many seconds later they were made.
    """
    told, weight, place, c = 0.0, 0.0, np.empty((3, 3)), clock[0]
    p = parameters[0]
    for n in range(len(table)):
        if chosen[n] >= 0:
            one, says = _information(table[n], found[chosen[n]], p)
            weight += one
            told += says
    ahead_s, variance_s2 = _expected(c)
    late_s, left_s2 = _offset(told, weight, variance_s2)
    _judge(c.of_stamps, told + weight * ahead_s, weight)
    _judge(c.of_rate, told - weight * (c.ahead_s - ahead_s), weight)
    for n in range(len(table)):
        for i in range(3):
            table[n].center_m[i] += late_s * table[n].twist[i]
        if chosen[n] >= 0:
            # of the others no detection says when they were where
            blurred(table[n], left_s2, place)
            table[n].covariance[:3, :3] = place
    return late_s
