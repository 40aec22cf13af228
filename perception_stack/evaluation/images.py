"""Scores of an image detector on labelled images: AP50, AP, by class, size, occlusion and kind.

Average precision over 40 recall points, as everywhere in this package. A box on an ignored or hard
object is neither right nor wrong, nor is one that lies mostly in a region without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Detections2D, ImageLabels
from perception_stack.evaluation.detection import (
    DetectionFrame,
    FrameHits,
    frame_hits,
    precision_recall,
)
from perception_stack.geometry.overlap import intersection_2d_px2, iou_2d

AP50 = 0.5
COCO_OVERLAPS = tuple(np.arange(0.5, 0.96, 0.05).round(2).tolist())
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedImage:
    """What is labelled in an image and what was found.

    Attributes:
        truth: What is to be seen.
        found: What a detector says.
        group: Images of one group are alike.
        kind: What sort of image it is.
    """

    truth: ImageLabels
    found: Detections2D
    group: int = 0
    kind: str = ""

    def frame(
        self, name: str, asked: Callable[[ImageLabels], NDArray[np.bool_]] | None = None
    ) -> DetectionFrame:
        """One class; of the objects only those that are asked for, if that is given."""
        truth, found = self.truth, self.found
        ignored = truth.hard if asked is None else truth.hard | ~asked(truth)
        true, rows = _of(name, truth.labels), _of(name, found.labels)
        boxes_px = found.xyxy_px[rows]
        area_px2 = np.maximum(boxes_px[:, 2:] - boxes_px[:, :2], 0.0).prod(axis=1)
        regions_px = truth.xyxy_px[_of("", truth.labels)]
        common_px2 = intersection_2d_px2(boxes_px, regions_px).max(axis=1, initial=0.0)
        return DetectionFrame(
            similarity=iou_2d(truth.xyxy_px[true], boxes_px),
            score=found.score[rows],
            ignored_truth=ignored[true],
            # a box beyond the border has no area left, and overlaps not even itself
            unlabelled=(area_px2 <= 0.0) | (common_px2 > _MOSTLY * area_px2),
        )


def _of(name: str, labels: Sequence[str]) -> NDArray[np.bool_]:
    return np.array([one == name for one in labels], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageScores:
    """Average precision of a detector on a set of images.

    Attributes:
        ap50: By class, at an overlap of 0.5; classes that are not there are left out.
        ap: Mean over overlaps 0.5 to 0.95, by class.
        hits: For confidence intervals, at 0.5.
        groups: Of the images.
        num_truth: Objects that count, by class.
    """

    ap50: dict[str, float]
    ap: dict[str, float]
    hits: dict[str, list[FrameHits]]
    groups: list[int]
    num_truth: dict[str, int]

    @property
    def mean_ap50(self) -> float:
        """Over classes; NaN if there are none."""
        return _mean(self.ap50)

    @property
    def mean_ap(self) -> float:
        """Over classes; NaN if there are none."""
        return _mean(self.ap)


def score_images(images: Sequence[JudgedImage], classes: Sequence[str]) -> ImageScores:
    """Scores of some classes."""
    frames = {name: [image.frame(name) for image in images] for name in classes}
    hits = {name: [frame_hits(one, AP50) for one in frames[name]] for name in classes}
    num_truth = {name: sum(one.num_truth for one in found) for name, found in hits.items()}
    there = [name for name in classes if num_truth[name]]
    curves = {
        name: [precision_recall(frames[name], threshold=least) for least in COCO_OVERLAPS]
        for name in there
    }
    return ImageScores(
        ap50={name: curves[name][0].average_precision for name in there},
        ap={name: _average([one.average_precision for one in curves[name]]) for name in there},
        hits={name: hits[name] for name in there},
        groups=[image.group for image in images],
        num_truth={name: num_truth[name] for name in there},
    )


def height_between(low_px: float, high_px: float) -> Callable[[ImageLabels], NDArray[np.bool_]]:
    """Asks for objects of some height in the image."""

    def asked(truth: ImageLabels) -> NDArray[np.bool_]:
        height_px = truth.xyxy_px[:, 3] - truth.xyxy_px[:, 1]
        return np.asarray((height_px >= low_px) & (height_px < high_px))

    return asked


def occluded_between(low: float, high: float) -> Callable[[ImageLabels], NDArray[np.bool_]]:
    """Asks for objects of which some share is hidden."""

    def asked(truth: ImageLabels) -> NDArray[np.bool_]:
        return np.asarray((truth.occluded >= low) & (truth.occluded < high))

    return asked


def recall_of(
    images: Sequence[JudgedImage],
    classes: Sequence[str],
    asked: Callable[[ImageLabels], NDArray[np.bool_]],
    *,
    least_score: float,
) -> tuple[float, int]:
    """Share of the objects asked for that are found with some score, and how many there are."""
    found = total = 0
    for image in images:
        for name in classes:
            one = frame_hits(image.frame(name, asked), AP50)
            found += int(one.hit[one.score >= least_score].sum())
            total += one.num_truth
    return (found / total if total else np.nan), total


def _mean(values: dict[str, float]) -> float:
    return _average(list(values.values()))


def _average(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan
