"""From a rough start to the pose where edges agree best, and how sure that is.

Many poses are tried where the image is blurred, the best are climbed from, and of where they lead
the best go on with less blur. The covariance is that of refits in which each frame and each patch
of the scene counts a random number of times (the Bayesian bootstrap, Rubin 1981, over both as in
Owen's pigeonhole bootstrap, 2007): what a frame has on its own, such as the way driven between
exposure and scan, counts as well as what a patch has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.calibration.target_free.score import NUM_NUMBERS, NUM_POSE, Resample, Score
from perception_stack.datatypes import FloatArray

BLURS_RAD = tuple(np.deg2rad([0.8, 0.4, 0.2, 0.1]))
"""From a blur at which a start 3 degrees off is felt to the resolution of scans."""

NUM_FINE = 2
"""How many of the last of them settle the result."""
_KEPT = (16, 8, 4, 3)
_WITHIN = 2.0  # units of the start's error that are searched
_APART = 0.15
_NUM_SPREAD = 128
_NUM_STEPS, _NUM_HALVINGS = 40, 8
_FIRST_STEP, _LONGEST_STEP = 0.05, 0.3


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

    The start's error is a Gaussian prior of one unit along each number of the pose, but not in
    the last climb, whose result is to owe nothing to the start.

    Args:
        scores: From the most blurred on; their spreads are learnt.
        num_samples: Poses to try.
        seed: Of these.
        progress: Called after each blur.
    """
    samples = wrong_places(1 << (num_samples - 1).bit_length(), seed=seed)
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


def settle(scores: Sequence[Score], guesses: Sequence[Found], rough: Score) -> list[Found]:
    """Where guesses end that were found about another start, best first.

    Args:
        scores: About the best guess, from the more blurred on; their spreads are learnt. They may
            have speeds beside the numbers of the guesses, and begin at rest.
        guesses: Best first.
        rough: Whose places they are.
    """
    num_numbers = scores[-1].num_numbers
    samples = wrong_places(_NUM_SPREAD, seed=0, num_numbers=num_numbers)
    for score in scores:
        score.learn_spread(samples)
    found = []
    for guess in guesses:
        place = np.zeros(num_numbers)
        place[: len(guess.place)] = guess.place
        place[:NUM_POSE] = scores[-1].place(rough.pose(guess.place))
        for score in scores:
            one = climb(score, place, small_gain=1e-8)
            place = one.place
        found.append(one)
    return _best(found, len(found))


def wrong_places(num: int, *, seed: int, num_numbers: int = NUM_NUMBERS) -> FloatArray:
    """Evenly spread poses within the range that is searched, float64 [num, num_numbers]."""
    from scipy.stats import qmc

    unit = qmc.Sobol(NUM_POSE, seed=seed).random(num)
    return np.pad((2 * unit - 1) * _WITHIN, ((0, 0), (0, num_numbers - NUM_POSE)))


def climb(
    score: Score,
    place: FloatArray,
    *,
    prior: float = 0.0,
    resample: Resample | None = None,
    small_gain: float = 1e-5,
) -> Found:
    """The highest place nearby, within the range that is searched.

    The width of beams and the speeds always have their prior of one unit, the pose that of
    ``prior``. It ends where a step gains less than ``small_gain`` of the score.

    BFGS with halved steps (Nocedal and Wright, algorithm 6.1). The one of SciPy spends ten times
    as long on its own bookkeeping as the score takes.
    """
    prior_of = np.repeat([prior, 1.0], [NUM_POSE, len(place) - NUM_POSE])
    at = np.clip(place, -_WITHIN, _WITHIN)
    value, slope = score.value_and_slope(at, resample)
    value, slope = value - float(prior_of @ at**2) / 2, slope - prior_of * at
    bend = np.eye(len(place)) * _FIRST_STEP / max(float(np.linalg.norm(slope)), 1e-12)
    for _ in range(_NUM_STEPS):
        way = bend @ slope
        way *= min(1.0, _LONGEST_STEP / max(float(np.linalg.norm(way)), 1e-12))
        for _ in range(_NUM_HALVINGS):
            new = np.clip(at + way, -_WITHIN, _WITHIN)
            up, new_slope = score.value_and_slope(new, resample)
            up, new_slope = up - float(prior_of @ new**2) / 2, new_slope - prior_of * new
            if up > value:
                break
            way = way / 2
        else:
            break
        step, bent = new - at, slope - new_slope
        gain, at, value, slope = up - value, new, up, new_slope
        if gain < small_gain * (1 + value):
            break
        if (curved := float(step @ bent)) > 1e-12:
            keep = np.eye(len(place)) - np.outer(step, bent) / curved
            bend = keep @ bend @ keep.T + np.outer(step, step) / curved
    return Found(place=at, value=value)


def refit(
    scores: Sequence[Score], found: Sequence[Found], *, num: int, seed: int
) -> tuple[FloatArray, float]:
    """Where the best place goes when the data are weighted otherwise, and how often another wins.

    Args:
        scores: From the more blurred on.
        found: Best first.
        num: Refits.
        seed: Of the weights.

    Returns:
        float64 [num, numbers]; share of the refits in which another place of ``found`` scores
        higher.
    """
    rng = np.random.default_rng(seed)
    sums = np.array([[part[..., -1] for part in scores[-1].each(one.place)] for one in found])
    places, lost = np.empty((num, len(found[0].place))), 0
    for i in range(num):
        resample = Resample(
            frames=rng.exponential(size=len(scores[-1].tiles)),
            tiles=rng.exponential(size=scores[-1].num_tiles),
        )
        by_kind = np.einsum("pfkt,f,t->pk", sums, resample.frames, resample.tiles)
        z = np.maximum(by_kind / scores[-1].spread, 0)
        lost += int(np.argmax((z**2).sum(axis=1)) != 0)
        place = found[0].place
        for score in scores:
            place = climb(score, place, resample=resample).place
        places[i] = place
    return places, lost / num


def _best(found: list[Found], num: int) -> list[Found]:
    """The highest places that are not the same as a higher one."""
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: -one.value):
        if all(np.linalg.norm((one.place - other.place)[:NUM_POSE]) > _APART for other in kept):
            kept.append(one)
        if len(kept) == num:
            break
    return kept
