"""When a feature no longer is as usual: two cumulative sums with a known rate of false alarms.

Page's sum (Biometrika 1954) of how far frames lie beyond what is usual:

    s <- min(max(s + (x - level) / step - 1, 0), D),    alarm at D, end of it at 0,

with x the distance of a value from the middle, on either side. ``level`` is how far streets
differ; one beyond it comes once in so many frames, by Student's distribution. ``step`` is what
noise allows: of noise with the long-run standard deviation w the sum diffuses, and reaches D once
in

    A = D (exp(u) - u - 1) / u  frames,    step = w sqrt(u / (2 D))

(Siegmund, "Sequential analysis", 1985, ch. 10, in the diffusion limit). So u follows from A, and a
shift by ``level + 2 step`` is found in D frames; no other slack finds as small a shift in this
time at this rate. A frame counts three steps at most, so that no single one alarms, nor a short
stretch such as a bridge, and what is far off is found in D / 3 frames. Once things are as before
it takes D frames at most until the alarm ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from perception_stack.watch.features import Feature
from perception_stack.watch.usual import Usual

_MOST_STEPS = 3.0
_SPREADS = 4.0  # a step is no smaller than this part of the spread, however steady a feature was


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a feature may go unnoticed.

    Attributes:
        feature: Which.
        middle: Its usual value.
        level: Distance from the middle that other streets have, too.
        step: By how much more it takes the whole delay to be sure.
        delay_frames: That delay.
    """

    feature: Feature
    middle: float
    level: float
    step: float
    delay_frames: int

    @property
    def smallest_shift(self) -> float:
        """The smallest distance from the middle that is found within the delay, on average."""
        return self.level + 2 * self.step


def limits_of(
    usual: Usual, *, false_alarm_frames: float, delay_frames: int, num_features: int
) -> Limits:
    """Limits at which all features together alarm falsely once in so many frames.

    Args:
        usual: What was learnt.
        false_alarm_frames: Mean number of frames between false alarms.
        delay_frames: Within how many frames a shift is to be found.
        num_features: How many features share that rate; both sides of each, and level and noise,
            get equal parts.
    """
    from scipy.stats import t as student

    share = 4 * num_features * false_alarm_frames
    beyond = min(delay_frames / share, 0.5)
    level = usual.level_std * float(student.isf(beyond, max(usual.freedom, 1.0)))
    step = usual.noise_std * np.sqrt(_exponent(share, delay_frames) / (2 * delay_frames))
    return Limits(
        feature=usual.feature,
        middle=usual.middle,
        level=level,
        step=max(float(step), usual.feature.spread / _SPREADS),
        delay_frames=delay_frames,
    )


def _exponent(frames: float, delay_frames: int) -> float:
    """The u at which a sum reaches its end once in so many frames."""
    from scipy.optimize import brentq

    def excess(u: float) -> float:
        return float(np.log(np.expm1(u) - u) - np.log(u) - np.log(frames / delay_frames))

    return float(brentq(excess, 1e-6, 200.0)) if frames > delay_frames else 1e-6


@dataclass(slots=True)
class _Sum:
    """What lies beyond the usual on one side, and since when."""

    value: float = 0.0
    since_ns: int = 0
    num: int = 0
    total_off: float = 0.0

    def add(self, steps: float, off: float, stamp_ns: int, most: float) -> None:
        if self.value == 0.0:
            self.since_ns, self.num, self.total_off = stamp_ns, 0, 0.0
        self.num += 1
        self.total_off += off
        steps = min(max(steps, -_MOST_STEPS), _MOST_STEPS)
        self.value = min(max(self.value + steps, 0.0), most)


class Change:
    """Two sums of one feature, one for each side.

    Args:
        limits: How far it may go.

    Attributes:
        side: 1 or -1 while there is an alarm since values are too high or too low, else 0.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.reset()

    def reset(self) -> None:
        """Forget what came so far."""
        self.side = 0
        self._low, self._high = _Sum(), _Sum()

    @property
    def since_ns(self) -> int:
        """Stamp at which the side that alarms began to be off."""
        return self._alarming.since_ns

    @property
    def shift(self) -> float:
        """Mean distance from the middle since the alarming sum last was zero."""
        return self._alarming.total_off / max(self._alarming.num, 1)

    @property
    def level(self) -> float:
        """The greater sum as a share of what alarms."""
        return max(self._low.value, self._high.value) / self.limits.delay_frames

    @property
    def _alarming(self) -> _Sum:
        return self._low if self.side < 0 else self._high

    def add(self, value: float, stamp_ns: int) -> None:
        """Take in a frame; NaN is none."""
        if not isfinite(value):
            return
        limits = self.limits
        off, most = value - limits.middle, float(limits.delay_frames)
        self._high.add((off - limits.level) / limits.step - 1, off, stamp_ns, most)
        self._low.add((-off - limits.level) / limits.step - 1, off, stamp_ns, most)
        if self.side and self._alarming.value == 0.0:
            self.side = 0
        if not self.side:
            self.side = int(self._high.value >= most) - int(self._low.value >= most)
