"""What a detector finds in the images of a set, beside what is labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.detection.detector import Detector
from perception_stack.evaluation.images import JudgedImage
from perception_stack.io.image_files import read_image
from perception_stack.io.image_sets import ImageSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Boxes found in an image, best first.

    Attributes:
        xyxy_px: float64 [O, 4].
        score: float64 [O].
        label: O names.
    """

    xyxy_px: FloatArray
    score: FloatArray
    label: NDArray[np.str_]


def detector_finder(detector: Detector) -> Callable[[NDArray[np.uint8]], Found]:
    """Boxes of an image by the step that runs on a robot."""

    def find(bgr: NDArray[np.uint8]) -> Found:
        found = detector.detect(ColorImage(frame_id="", stamp_ns=0, bgr=bgr))
        return Found(
            xyxy_px=found.xyxy_px, score=found.score, label=np.array(found.labels, dtype=np.str_)
        )

    return find


def judge(
    images: ImageSet,
    find: Callable[[NDArray[np.uint8]], Found],
    on_image: Callable[[], None] = lambda: None,
) -> Iterator[JudgedImage]:
    """Runs a detector over a set.

    Args:
        images: The set.
        find: Boxes of an image, blue first.
        on_image: Called after each, for a progress bar.

    Raises:
        DataFileError: an image that cannot be read.
    """
    names = np.array([*images.classes, ""])  # the last one is what -1 picks
    for one in images.images:
        found = find(read_image(one.path))
        yield JudgedImage(
            true_xyxy_px=one.xyxy_px,
            true_label=names[one.label_idx],
            hard=one.hard,
            occluded=one.occluded,
            xyxy_px=found.xyxy_px,
            score=found.score,
            label=found.label,
            group=one.group,
            kind=one.kind,
        )
        on_image()
