"""Scores of an image detector on labelled images: AP50, AP, by class, size, occlusion and kind.

Average precision over 40 recall points, as everywhere in this package. A box on an ignored or hard
object is neither right nor wrong, nor is one that lies mostly in a region without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
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
        true_xyxy_px: float64 [T, 4].
        true_label: T names; empty for a region without labels.
        hard: bool [T], not asked for.
        occluded: float64 [T], share hidden; NaN where unknown.
        xyxy_px: float64 [O, 4], found.
        score: float64 [O].
        label: O names.
        group: Images of one group are alike.
        kind: What sort of image it is.
    """

    true_xyxy_px: FloatArray
    true_label: NDArray[np.str_]
    hard: NDArray[np.bool_]
    occluded: FloatArray
    xyxy_px: FloatArray
    score: FloatArray
    label: NDArray[np.str_]
    group: int
    kind: str

    def frame(
        self, name: str, asked: Callable[[JudgedImage], NDArray[np.bool_]] | None = None
    ) -> DetectionFrame:
        """One class; of the objects only those that are asked for, if that is given."""
        true, found = self.true_label == name, self.label == name
        ignored = self.hard if asked is None else self.hard | ~asked(self)
        return image_frame(
            self.true_xyxy_px[true],
            self.xyxy_px[found],
            self.score[found],
            ignored=ignored[true],
            regions_px=self.true_xyxy_px[self.true_label == ""],
        )


def image_frame(
    true_xyxy_px: FloatArray,
    xyxy_px: FloatArray,
    score: FloatArray,
    *,
    ignored: NDArray[np.bool_],
    regions_px: FloatArray,
) -> DetectionFrame:
    """Boxes of one class in one image, compared.

    Args:
        true_xyxy_px: float64 [T, 4].
        xyxy_px: float64 [O, 4], found.
        score: float64 [O].
        ignored: bool [T], true boxes that are not asked for.
        regions_px: float64 [R, 4], where nothing is labelled.
    """
    area_px2 = np.maximum((xyxy_px[:, 2:] - xyxy_px[:, :2]).prod(axis=1), 1e-9)
    common_px2 = intersection_2d_px2(xyxy_px, regions_px).max(axis=1, initial=0.0)
    return DetectionFrame(
        similarity=iou_2d(true_xyxy_px, xyxy_px),
        score=score,
        ignored_truth=ignored,
        unlabelled=common_px2 / area_px2 > _MOSTLY,
    )


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
    hits = {name: [frame_hits(image.frame(name), AP50) for image in images] for name in classes}
    num_truth = {name: sum(one.num_truth for one in found) for name, found in hits.items()}
    there = [name for name in classes if num_truth[name]]
    frames = {name: [image.frame(name) for image in images] for name in there}
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


def height_between(low_px: float, high_px: float) -> Callable[[JudgedImage], NDArray[np.bool_]]:
    """Asks for objects of some height in the image."""

    def asked(image: JudgedImage) -> NDArray[np.bool_]:
        height_px = image.true_xyxy_px[:, 3] - image.true_xyxy_px[:, 1]
        return np.asarray((height_px >= low_px) & (height_px < high_px))

    return asked


def occluded_between(low: float, high: float) -> Callable[[JudgedImage], NDArray[np.bool_]]:
    """Asks for objects of which some share is hidden."""

    def asked(image: JudgedImage) -> NDArray[np.bool_]:
        return np.asarray((image.occluded >= low) & (image.occluded < high))

    return asked


def recall_of(
    images: Sequence[JudgedImage],
    classes: Sequence[str],
    asked: Callable[[JudgedImage], NDArray[np.bool_]],
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
