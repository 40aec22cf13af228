"""How sure an average precision is: the bootstrap over frames.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, percentile intervals. Frames of one
drive are alike, so it is whole groups of frames that are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.evaluation.detection import RECALL_POINTS, FrameHits
from perception_stack.evaluation.sequences import EPSILON

__all__ = ["FrameHits", "Interval", "ap_intervals"]

MEAN = "mean"
_LEVEL = 0.95
_NUM_DRAWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number and its 95 % limits; NaN where nothing is known."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def ap_intervals(
    classes: Mapping[str, Sequence[FrameHits]], *, groups: Sequence[int] = (), seed: int = 0
) -> dict[str, Interval]:
    """Average precision over 40 recall points by class, and their mean under ``mean``.

    Classes without truth have none and do not count in the mean. A draw without truth of a class
    says nothing about that class.

    Args:
        classes: The same frames for each class.
        groups: Number of the group of each frame; empty: each is its own.
        seed: Of the draws.
    """
    num_frames = max((len(frames) for frames in classes.values()), default=0)
    group = np.asarray(groups if len(groups) else np.arange(num_frames), dtype=np.int64)
    _, group = np.unique(group, return_inverse=True)
    num_groups = int(group.max(initial=-1)) + 1
    rng = np.random.default_rng(seed)
    chance = np.full(num_groups, 1 / max(num_groups, 1))
    drawn = rng.multinomial(num_groups, chance, size=_NUM_DRAWS) if num_groups else None
    one_each = np.ones((1, num_groups), dtype=np.int64)
    times = one_each if drawn is None else np.concatenate([one_each, drawn])
    precision = {
        name: average_precisions(frames, times[:, group]) for name, frames in classes.items()
    }
    known = {name: values for name, values in precision.items() if np.isfinite(values[0])}
    result = {name: _interval(values) for name, values in precision.items()}
    if known:
        with np.errstate(invalid="ignore"):
            result[MEAN] = _interval(np.nanmean(np.stack(list(known.values())), axis=0))
    else:
        result[MEAN] = Interval(value=np.nan, low=np.nan, high=np.nan)
    return result


def average_precisions(frames: Sequence[FrameHits], times: NDArray[np.int64]) -> FloatArray:
    """Average precision over 40 recall points, float64 [D]; NaN without truth.

    Args:
        frames: Of one class.
        times: int64 [D, F], how often each frame counts in each draw.
    """
    score = np.concatenate([np.empty(0), *(one.score for one in frames)])
    hit = np.concatenate([np.empty(0, dtype=bool), *(one.hit for one in frames)])
    frame = np.repeat(np.arange(len(frames)), [len(one.score) for one in frames])
    order = np.argsort(-score, kind="stable")
    frame, hit = frame[order], hit[order]
    num_true = np.array([one.num_truth for one in frames], dtype=np.int64)
    return np.array([_average_precision(hit, one[frame], int(one @ num_true)) for one in times])


def _average_precision(hit: NDArray[np.bool_], weight: NDArray[np.int64], num_truth: int) -> float:
    """Of detections, surest first, each of which counts ``weight`` times; NaN without truth."""
    if num_truth == 0:
        return np.nan
    num_found, num_hits = np.cumsum(weight), np.cumsum(weight * hit)
    precision = num_hits / np.maximum(num_found, 1)
    best_after = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    first = np.searchsorted(num_hits, num_truth * (RECALL_POINTS - EPSILON))
    return float(best_after[first].mean())


def _interval(values: FloatArray) -> Interval:
    """Of the value itself, first, and of its draws."""
    known = values[1:][np.isfinite(values[1:])]
    if not len(known) or not np.isfinite(values[0]):
        return Interval(value=float(values[0]), low=np.nan, high=np.nan)
    low, high = np.quantile(known, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(value=float(values[0]), low=float(low), high=float(high))
