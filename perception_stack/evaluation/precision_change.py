"""Average precision of boxes in images, by class, and what it changes from one model to another.

As COCO has it: the mean over overlaps of 0.5, 0.55 … 0.95. Boxes on ignored truth count neither
way, nor do those that lie in regions where nothing was labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ImageLabels
from perception_stack.evaluation.confidence import average_precisions
from perception_stack.evaluation.detection import frame_hits
from perception_stack.evaluation.images import COCO_OVERLAPS, JudgedImage

_DRAWS, _LEVEL = 400, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChange:
    """Average precision of one class by two models.

    Attributes:
        name: The class, or "all" for the mean over classes.
        num_truth: Objects that count.
        num_images: Images that have one.
        before: By the first model.
        after: By the second.
        low: Lower end of the interval that holds the change with 95 %, images drawn anew.
        high: Upper end.
    """

    name: str
    num_truth: int
    num_images: int
    before: float
    after: float
    low: float
    high: float

    @property
    def loss(self) -> float:
        """How much lower the second one is."""
        return self.before - self.after


def compare_precision(
    before: Sequence[JudgedImage], after: Sequence[JudgedImage], *, seed: int = 0
) -> list[ClassChange]:
    """Average precision of two models on the same images, "all" first, then by class.

    The intervals are those of a paired bootstrap: the same images are drawn for both. Classes
    without objects that count are left out.

    Args:
        before: What the first model finds.
        after: What the second one finds in the same images.
        seed: Of the draws.
    """
    counted = [_counted(one.truth) for one in before]
    names = _names(counted)
    rng = np.random.default_rng(seed)
    num = len(before)
    drawn = rng.multinomial(num, np.full(num, 1 / max(num, 1)), size=_DRAWS)
    times = np.vstack([np.ones((1, num), dtype=np.int64), drawn])
    # float64 [2, classes, draws]; NaN where a draw has no object of the class
    table = np.array(
        [[_precision(side, name, times) for name in names] for side in (before, after)]
    )
    changes = []
    if names:
        with np.errstate(invalid="ignore"):
            means = np.nanmean(table, axis=1)
        changes.append(_change("all", [len(one) for one in counted], means))
    for name, values in zip(names, np.moveaxis(table, 1, 0), strict=True):
        changes.append(_change(name, [one.count(name) for one in counted], values))
    return changes


def mean_precision(images: Sequence[JudgedImage]) -> float:
    """Mean over classes of the average precision; 1 where there is nothing to find."""
    once = np.ones((1, len(images)), dtype=np.int64)
    names = _names([_counted(one.truth) for one in images])
    values = [_precision(images, name, once) for name in names]
    return float(np.mean(values)) if values else 1.0


def _counted(truth: ImageLabels) -> list[str]:
    return [name for name, out in zip(truth.labels, truth.hard, strict=True) if not out]


def _names(counted: Sequence[Sequence[str]]) -> list[str]:
    return sorted({name for one in counted for name in one})


def _precision(images: Sequence[JudgedImage], name: str, times: NDArray[np.int64]) -> FloatArray:
    """Mean over overlaps of the average precision, float64 [draws].

    Args:
        images: What is to be seen and what was found.
        name: The class.
        times: int64 [draws, images], how often each image was drawn.
    """
    frames = [one.frame(name) for one in images]
    by_overlap = [
        average_precisions([frame_hits(one, least) for one in frames], times)
        for least in COCO_OVERLAPS
    ]
    return np.asarray(np.mean(by_overlap, axis=0))


def _change(name: str, num_truth: Sequence[int], values: FloatArray) -> ClassChange:
    """Of values float64 [2, draws], the first of which are those of all images."""
    drawn = values[1, 1:] - values[0, 1:]
    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - _LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) if len(drawn) else (np.nan, np.nan)
    return ClassChange(
        name=name,
        num_truth=sum(num_truth),
        num_images=sum(one > 0 for one in num_truth),
        before=float(values[0, 0]),
        after=float(values[1, 0]),
        low=float(low),
        high=float(high),
    )
