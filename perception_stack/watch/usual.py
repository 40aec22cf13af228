"""What is usual for one feature, learnt from recordings, and how far it may go unnoticed.

The model: in a stretch of ``delay`` frames a feature scatters about a level, and frames in a row
are alike; from stretch to stretch and from recording to recording the level itself differs, as
streets do. Three numbers are learnt: the middle of the levels, their standard deviation, and the
long-run standard deviation of a frame about its level, the one that the mean of n frames has times
the root of n.

Levels are not many, even in long recordings. Their variance is that of a random-effects analysis
of variance with Satterthwaite's degrees of freedom (Biometrics 1946), pooled with the variance
that is believed beforehand, which counts as ``_BELIEF`` degrees of freedom (the moderated variance
of Smyth, "Linear models and empirical Bayes methods", 2004). So few recordings make the watch
careful, not wrong, and one recording, which cannot say how places differ, is not taken to say that
they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.watch.features import Feature

_BELIEF = 8.0  # degrees of freedom of what is believed beforehand
_BATCHES = 4  # of a stretch, whose means tell how alike frames in a row are


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What is usual for one feature.

    Attributes:
        feature: Which.
        middle: Mean level.
        level_std: Standard deviation of the level of a stretch not seen before.
        freedom: Degrees of freedom with which it is known.
        noise_std: Long-run standard deviation of a frame about its level.
    """

    feature: Feature
    middle: float
    level_std: float
    freedom: float
    noise_std: float


def learn_usual(
    feature: Feature, recordings: Sequence[FloatArray], *, delay_frames: int
) -> Usual | None:
    """What is usual for a feature.

    Args:
        feature: Which.
        recordings: float64 [N] each, its values frame by frame; NaN where a frame has none.
        delay_frames: Length of a stretch.

    Returns:
        None where fewer than two stretches have values.
    """
    stretches = [_stretches(one[np.isfinite(one)], delay_frames) for one in recordings]
    stretches = [one for one in stretches if one]
    levels = [np.array([part.mean() for part in one]) for one in stretches]
    if sum(map(len, levels)) < 2:
        return None
    noise = _noise_variance([part for one in stretches for part in one], delay_frames)
    middle = float(np.mean([one.mean() for one in levels]))
    variance, freedom = _level_variance(levels)
    # the mean of a stretch scatters by the noise alone, which the watch allows for by itself
    variance = max(variance - noise / delay_frames, 0.0)
    if len(levels) == 1:
        variance, freedom = variance + feature.spread**2, _BELIEF
    else:
        believed = _BELIEF * feature.spread**2
        variance = (believed + freedom * variance) / (_BELIEF + freedom)
        freedom += _BELIEF
    return Usual(
        feature=feature,
        middle=middle,
        level_std=float(np.sqrt(variance)),
        freedom=freedom,
        noise_std=float(np.sqrt(noise)),
    )


def _stretches(values: FloatArray, length: int) -> list[FloatArray]:
    """Parts of about equal length; none of a recording shorter than half a stretch."""
    if 2 * len(values) < length:
        return []
    return [np.asarray(one) for one in np.array_split(values, max(len(values) // length, 1))]


def _level_variance(levels: Sequence[FloatArray]) -> tuple[float, float]:
    """Variance of a new level about the middle, and its degrees of freedom."""
    sizes = np.array([len(one) for one in levels], float)
    num, num_recordings = sizes.sum(), len(levels)
    within = sum(float(((one - one.mean()) ** 2).sum()) for one in levels)
    free_within, free_between = num - num_recordings, num_recordings - 1
    mean_within = within / free_within if free_within else 0.0
    if not free_between:
        return mean_within * (1 + 1 / num), free_within
    means = np.array([one.mean() for one in levels])
    middle = float((sizes * means).sum() / num)
    mean_between = float((sizes * (means - middle) ** 2).sum()) / free_between
    size = (num - (sizes**2).sum() / num) / free_between
    if mean_between <= mean_within:  # recordings differ no more than parts of one do
        pooled = (within + mean_between * free_between) / (num - 1)
        return pooled * (1 + 1 / num), num - 1
    share = 1 / size
    variance = share * mean_between + (1 - share) * mean_within
    spread = (share * mean_between) ** 2 / free_between
    if free_within:
        spread += ((1 - share) * mean_within) ** 2 / free_within
    freedom = variance**2 / spread if spread > 0 else num - 1
    return variance * (1 + 1 / num_recordings), float(freedom)


def _noise_variance(parts: Sequence[FloatArray], delay_frames: int) -> float:
    """Long-run variance about the level: the larger of two estimates.

    Means over quarters of a stretch see any kind of memory, but are few; a first-order
    autoregression has more data, but sees only what one frame tells of the next.
    """
    centred = [one - one.mean() for one in parts]
    num = sum(map(len, centred))
    square = sum(float((one**2).sum()) for one in centred)
    variance = square / max(num - len(centred), 1)
    if variance <= 0:
        return 0.0
    product = sum(float((one[1:] * one[:-1]).sum()) for one in centred)
    phi = product / square
    phi = min(phi + (1 + 3 * phi) / delay_frames, 1 - 2 / delay_frames)  # Marriott and Pope 1954
    regression = variance * (1 + phi) / (1 - phi)
    batches = [
        (len(part) / _BATCHES) * np.var([b.mean() for b in np.array_split(part, _BATCHES)], ddof=1)
        for part in centred
    ]
    return float(max(regression, np.mean(batches), 0.0))
