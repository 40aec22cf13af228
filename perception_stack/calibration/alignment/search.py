"""From a rough start to the pose where edges agree best, and how sure that is.

Many poses are tried where the image is blurred, the best are climbed from, and of where they lead
the best go on with less blur. The covariance is that of refits in which each patch of the scene
counts a random number of times (the Bayesian bootstrap, Rubin 1981, over patches).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.alignment.score import Score
from perception_stack.datatypes import FloatArray

BLURS_RAD = tuple(np.deg2rad([0.8, 0.4, 0.2, 0.1]))
"""From a blur at which a start 3 degrees off is felt to the resolution of scans."""

_KEPT = (16, 8, 4, 3)
_WITHIN = 2.0  # units of the start's error that are searched
_APART = 0.15
_NUM_SPREAD = 128
_NUM_STEPS, _NUM_HALVINGS = 40, 8
_FIRST_STEP, _LONGEST_STEP, _SMALL_GAIN = 0.05, 0.3, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A place where the score is highest nearby."""

    place: FloatArray
    value: float


def search(
    scores: Sequence[Score],
    *,
    num_samples: int,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> list[Found]:
    """The best places, best first; one at least.

    The start's error is a Gaussian prior of one unit along each number, but not in the last
    climb, whose result is to owe nothing to the start.

    Args:
        scores: From the most blurred on; their spreads are learnt.
        num_samples: Poses to try.
        seed: Of these.
        progress: Called after each blur.
    """
    from scipy.stats import qmc

    unit = qmc.Sobol(6, seed=seed).random(1 << (num_samples - 1).bit_length())
    samples = (2 * unit - 1) * _WITHIN
    for score in scores:
        score.learn_spread(samples[:_NUM_SPREAD])
    values = [scores[0].value(one) - one @ one / 2 for one in samples]
    places = [samples[i] for i in np.argsort(values)[::-1][: 2 * _KEPT[0]]]
    found: list[Found] = []
    for score, num in zip(scores, _KEPT, strict=True):
        found = _best([climb(score, one, prior=1.0) for one in places], num)
        places = [one.place for one in found]
        progress()
    return _best([climb(scores[-1], one) for one in places], _KEPT[-1])


def climb(
    score: Score,
    place: FloatArray,
    *,
    prior: float = 0.0,
    resample: FloatArray | None = None,
) -> Found:
    """The highest place nearby, within the range that is searched.

    BFGS with halved steps (Nocedal and Wright, algorithm 6.1). The one of SciPy spends ten times
    as long on its own bookkeeping as the score takes.
    """
    at = np.clip(place, -_WITHIN, _WITHIN)
    value, slope = score.value_and_slope(at, resample)
    value, slope = value - prior * float(at @ at) / 2, slope - prior * at
    bend = np.eye(6) * _FIRST_STEP / max(float(np.linalg.norm(slope)), 1e-12)
    for _ in range(_NUM_STEPS):
        way = bend @ slope
        way *= min(1.0, _LONGEST_STEP / max(float(np.linalg.norm(way)), 1e-12))
        for _ in range(_NUM_HALVINGS):
            new = np.clip(at + way, -_WITHIN, _WITHIN)
            up, new_slope = score.value_and_slope(new, resample)
            up, new_slope = up - prior * float(new @ new) / 2, new_slope - prior * new
            if up > value:
                break
            way = way / 2
        else:
            break
        step, bent = new - at, slope - new_slope
        gain, at, value, slope = up - value, new, up, new_slope
        if gain < _SMALL_GAIN * (1 + value):
            break
        if (curved := float(step @ bent)) > 1e-12:
            keep = np.eye(6) - np.outer(step, bent) / curved
            bend = keep @ bend @ keep.T + np.outer(step, step) / curved
    return Found(place=at, value=value)


def refit(
    scores: Sequence[Score], found: Sequence[Found], *, num: int, seed: int
) -> tuple[FloatArray, float]:
    """Where the best place goes when the scene is weighted otherwise, and how often another wins.

    Args:
        scores: The last two blurs are climbed.
        found: Best first.
        num: Refits.
        seed: Of the weights.

    Returns:
        float64 [num, 6]; share of the refits in which another place of ``found`` scores higher.
    """
    rng = np.random.default_rng(seed)
    sums = np.array([scores[-1].sums(one.place)[..., 6] for one in found])
    places, lost = np.empty((num, 6)), 0
    for i in range(num):
        resample = rng.exponential(size=scores[-1].num_tiles)
        z = np.maximum(sums @ resample / scores[-1].spread, 0)
        lost += int(np.argmax((z**2).sum(axis=1)) != 0)
        place = found[0].place
        for score in scores[-2:]:
            place = climb(score, place, resample=resample).place
        places[i] = place
    return places, lost / num


def _best(found: list[Found], num: int) -> list[Found]:
    """The highest places that are not the same as a higher one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.value):
        if all(np.linalg.norm(one.place - other.place) > _APART for other in kept):
            kept.append(one)
        if len(kept) == num:
            break
    return kept
