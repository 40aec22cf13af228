"""Average precision of boxes in images, by class, and what it changes from one model to another.

As COCO has it: the mean over overlaps of 0.5, 0.55 … 0.95. Boxes on ignored truth count neither
way, nor do those that lie in regions where nothing was labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Detections2D, FloatArray, check_array, check_rows
from perception_stack.evaluation.detection import (
    DetectionFrame,
    FrameHits,
    PrecisionRecall,
    frame_hits,
)
from perception_stack.evaluation.images import image_frame

OVERLAPS = tuple(0.05 * i for i in range(10, 20))
_DRAWS, _LEVEL = 400, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTruth:
    """What is to be seen in one image.

    Attributes:
        xyxy_px: float64 [N, 4].
        labels: N classes, as the model names them.
        ignored: bool [N], crowds and the like.
        regions_px: float64 [M, 4], where nothing was labelled.
    """

    xyxy_px: FloatArray
    labels: tuple[str, ...]
    ignored: NDArray[np.bool_]
    regions_px: FloatArray = field(default_factory=lambda: np.empty((0, 4)))

    def __post_init__(self) -> None:
        check_array("xyxy_px", self.xyxy_px, np.float64, None, 4)
        check_rows("labels", self.labels, len(self.xyxy_px))
        check_array("ignored", self.ignored, np.bool_, len(self.xyxy_px))
        check_array("regions_px", self.regions_px, np.float64, None, 4)

    @classmethod
    def of(cls, detections: Detections2D, *, threshold: float) -> ImageTruth:
        """What another model found, if it was sure; the rest counts neither way."""
        unsure = (detections.score < threshold) | (_area_px2(detections.xyxy_px) <= 0)
        return cls(xyxy_px=detections.xyxy_px, labels=detections.labels, ignored=unsure)


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
    truth: Sequence[ImageTruth],
    before: Sequence[Detections2D],
    after: Sequence[Detections2D],
    *,
    seed: int = 0,
) -> list[ClassChange]:
    """Average precision of two models on the same images, "all" first, then by class.

    The intervals are those of a paired bootstrap: the same images are drawn for both.

    Args:
        truth: Of each image; classes without objects that count are left out.
        before: Boxes of the first model.
        after: Boxes of the second.
        seed: Of the draws.
    """
    names = sorted({label for one in truth for label in _counted(one)})
    sides = [[_verdicts(truth, boxes, name) for name in names] for boxes in (before, after)]
    rng = np.random.default_rng(seed)
    num = len(truth)
    drawn = rng.multinomial(num, np.full(num, 1 / max(num, 1)), size=_DRAWS)
    weights = np.vstack([np.ones(num), drawn])
    # float64 [2, classes, draws]; NaN where a draw has no object of the class
    table = np.array([[_precision(one, weights) for one in side] for side in sides])
    changes = []
    if names:
        with np.errstate(invalid="ignore"):
            means = np.nanmean(table, axis=1)
        changes.append(_change("all", [len(_counted(one)) for one in truth], means))
    for name, values in zip(names, np.moveaxis(table, 1, 0), strict=True):
        changes.append(_change(name, [_counted(one).count(name) for one in truth], values))
    return changes


def mean_precision(truth: Sequence[ImageTruth], found: Sequence[Detections2D]) -> float:
    """Mean over classes of the average precision; 1 where there is nothing to find."""
    names = sorted({label for one in truth for label in _counted(one)})
    weights = np.ones((1, len(truth)))
    values = [_precision(_verdicts(truth, found, name), weights) for name in names]
    return float(np.mean(values)) if values else 1.0


def _counted(truth: ImageTruth) -> list[str]:
    return [name for name, out in zip(truth.labels, truth.ignored, strict=True) if not out]


def _verdicts(
    truth: Sequence[ImageTruth], found: Sequence[Detections2D], name: str
) -> list[list[FrameHits]]:
    """What became of each box of a class, by overlap and image."""
    frames = [_frame(a, b, name) for a, b in zip(truth, found, strict=True)]
    return [[frame_hits(one, least) for one in frames] for least in OVERLAPS]


def _frame(truth: ImageTruth, found: Detections2D, name: str) -> DetectionFrame:
    true_rows = [i for i, label in enumerate(truth.labels) if label == name]
    rows = [i for i, label in enumerate(found.labels) if label == name]
    boxes = found.xyxy_px[rows]
    frame = image_frame(
        truth.xyxy_px[true_rows],
        boxes,
        found.score[rows],
        ignored=truth.ignored[true_rows],
        regions_px=truth.regions_px,
    )
    # a box beyond the border has no area left, and overlaps not even itself
    return replace(frame, unlabelled=frame.unlabelled | (_area_px2(boxes) <= 0))


def _area_px2(xyxy_px: FloatArray) -> FloatArray:
    sides_px = np.maximum(xyxy_px[:, 2:] - xyxy_px[:, :2], 0.0)
    return np.asarray(sides_px.prod(axis=1))


def _precision(verdicts: Sequence[Sequence[FrameHits]], weights: FloatArray) -> FloatArray:
    """Mean over overlaps of the average precision, float64 [draws].

    Args:
        verdicts: By overlap and image.
        weights: float64 [draws, images], how often each image was drawn.
    """
    num_truth = weights @ np.array([one.num_truth for one in verdicts[0]], dtype=float)
    total = np.zeros(len(weights))
    for many in verdicts:
        score = np.concatenate([one.score for one in many])
        hit = np.concatenate([one.hit for one in many])
        image = np.repeat(np.arange(len(many)), [len(one.score) for one in many])
        order = np.argsort(-score, kind="stable")
        drawn = weights[:, image[order]]
        num_seen, num_hits = np.cumsum(drawn, axis=1), np.cumsum(drawn * hit[order], axis=1)
        precision = num_hits / np.maximum(num_seen, 1.0)
        recall = num_hits / np.maximum(num_truth, 1.0)[:, None]
        for i in range(len(weights)):
            curve = PrecisionRecall(
                num_truth=int(num_truth[i]),
                score=score[order],
                precision=precision[i],
                recall=recall[i],
            )
            total[i] += curve.average_precision
    return np.where(num_truth > 0, total / len(verdicts), np.nan)


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
