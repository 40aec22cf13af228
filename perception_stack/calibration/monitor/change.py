"""When readings no longer are what they used to be: a cumulative sum with a known rate of errors.

The model: readings are independent and normal about a mean, both learnt from the first ones; at
an unknown time the mean jumps by at least twice ``SLACK`` standard deviations in some direction.
Crosier's multivariate CUSUM (Technometrics 1988) then is the sum

    s <- (s + x) (1 - k / |s + x|),    zero where |s + x| <= k,

of whitened readings x, with slack k. As long as nothing has changed, s diffuses in P dimensions
with a drift of k towards zero, so its length has a gamma density of shape P and rate 2k in the
long run, and passes a limit h about k f(h) times per reading. The limit is the h at which that
is the wanted rate.

Readings are not independent, though: a street may look shifted for a second. What moved stays
moved, so the sum ends at the limit, falls as soon as its cause has gone, and an alarm wants it to
stay there for some readings.

What is learnt from n readings is not exact, and both errors would make alarms come far too often:
the mean is off by about sqrt(P / n) sigma, by which the slack is widened; and in the direction
that is worst, a sample covariance is too small by up to (1 - sqrt(P / n))² (Marchenko and Pastur
1967), by which it is divided.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from perception_stack.calibration.monitor.reading import Reading
from perception_stack.datatypes import FloatArray

SLACK = 1.0
"""Standard deviations that readings may lie off for ever without being summed up."""

_LARGEST = 4.0  # of a whitened reading: one frame alone is no proof
_NUM_BATCH = 4


class State(str, Enum):
    """What is known of a mount."""

    LEARNING = "learning what is usual"
    STEADY = "as it was"
    BLIND = "cannot judge"
    MOVED = "has moved"


class ChangeDetector:
    """Watches readings of one mount.

    Args:
        num_values: Length P of a reading.
        learn: Readings that are taken for the usual.
        readings_per_false_alarm: By design, under the model above.
        lasting: Readings in a row at the limit until a move is believed.
        blind_after: Frames in a row without a reading until that is said.
        floor: float64 [P], standard deviations below which none is believed.
    """

    def __init__(
        self,
        num_values: int,
        *,
        learn: int,
        readings_per_false_alarm: float,
        lasting: int,
        blind_after: int,
        floor: FloatArray,
    ) -> None:
        self.limit = limit_of(num_values, readings_per_false_alarm)
        self._learn, self._lasting = learn, lasting
        self._blind_after, self._floor = blind_after, floor
        self._seen: list[FloatArray] = []
        self._mean, self._root = np.zeros(num_values), np.eye(num_values)
        self._sum, self._since = np.zeros(num_values), [np.zeros(num_values)]
        self._slack = SLACK + np.sqrt(num_values / learn)
        self._num_blind, self._num_full, self._moved = 0, 0, False
        self.why_not = ""

    @property
    def state(self) -> State:
        """What is known now; a move stays said until :meth:`reset`."""
        if self._moved:
            return State.MOVED
        if self._num_blind >= self._blind_after:
            return State.BLIND
        return State.LEARNING if len(self._seen) < self._learn else State.STEADY

    @property
    def level(self) -> float:
        """Length of the sum as a share of the limit."""
        return float(np.linalg.norm(self._sum)) / self.limit

    @property
    def shift(self) -> FloatArray:
        """Mean of the readings since the sum last was zero, less the usual, float64 [P]."""
        return np.asarray(np.mean(self._since, axis=0))

    @property
    def std(self) -> FloatArray:
        """Standard deviations of a reading, float64 [P]."""
        return np.asarray(np.sqrt(np.diag(self._root @ self._root.T)))

    def add(self, reading: Reading) -> None:
        """Take in one frame's reading."""
        if reading.why_not:
            self._num_blind += 1
            self.why_not = reading.why_not
            return
        self._num_blind = 0
        if len(self._seen) < self._learn:
            self._seen.append(reading.values)
            if len(self._seen) == self._learn:
                self._mean, self._root = usual(np.array(self._seen), self._floor)
            return
        off = reading.values - self._mean
        x = np.linalg.solve(self._root, off)
        x *= min(1.0, _LARGEST / max(float(np.linalg.norm(x)), 1e-12))
        new = self._sum + x
        length = float(np.linalg.norm(new))
        if length <= self._slack:
            self._sum, self._since = 0 * new, []
        else:
            self._sum = new * (1 - self._slack / length)
        over = self.level
        self._sum = self._sum / max(over, 1.0)
        self._since.append(off)
        self._num_full = self._num_full + 1 if over >= 1 else 0
        self._moved |= self._num_full >= self._lasting

    def reset(self) -> None:
        """Learn anew, as after a new calibration."""
        self._seen, self._moved, self._num_blind, self._num_full = [], False, 0, 0
        self._sum, self._since = 0 * self._sum, [0 * self._sum]


def limit_of(num_values: int, readings_per_false_alarm: float) -> float:
    """The limit of the sum's length that is passed once in so many readings."""
    from scipy.optimize import brentq
    from scipy.stats import gamma

    length = gamma(num_values, scale=1 / (2 * SLACK))

    def excess(limit: float) -> float:
        return float(length.logpdf(limit) + np.log(SLACK * readings_per_false_alarm))

    mode = (num_values - 1) / (2 * SLACK)
    return float(brentq(excess, mode, mode + 200))


def usual(readings: FloatArray, floor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Centre, and square root of the covariance, of readings that may be alike in a row.

    The middle and the covariance are those of the nearer nine tenths, found by turns, so that a
    few wrong readings do not hide a move later on. Readings in a row see the same street; what
    their means over short batches scatter more than independent ones would is added.

    Args:
        readings: float64 [N, P].
        floor: float64 [P].
    """
    size = len(readings)
    middle = np.median(readings, axis=0)
    spread = 1.4826 * np.median(np.abs(readings - middle), axis=0)
    scale = np.maximum(spread, floor)
    near = np.argsort(np.linalg.norm((readings - middle) / scale, axis=1))[: int(0.9 * size)]
    core = readings[np.sort(near)]
    mean = core.mean(axis=0)
    # a normal distribution of which the farthest tenth is cut off is narrower
    within = np.cov((core - mean).T).reshape(len(floor), -1) * 1.2
    num = len(core) // _NUM_BATCH
    batch = core[: num * _NUM_BATCH].reshape(num, _NUM_BATCH, -1).mean(axis=1)
    among = _NUM_BATCH * np.var(batch, axis=0, ddof=1) / np.maximum(np.diag(within), 1e-18)
    stretch = np.sqrt(np.maximum(among, 1.0))
    worst = (1 - min(np.sqrt(len(floor) / len(core)), 0.5)) ** 2
    covariance = within * np.outer(stretch, stretch) / worst + np.diag(floor**2)
    return mean, np.asarray(np.linalg.cholesky(covariance))
