"""Images with labelled boxes, in the formats of COCO and KITTI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, check_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One image, not read yet, and what is labelled in it.

    Attributes:
        path: File.
        xyxy_px: float64 [N, 4]; corners count from the outer border of the first pixel.
        label_idx: int64 [N], row in the classes of the set; -1 for what is of none of them.
        ignored: bool [N], regions in which nothing is learnt: crowds, objects nearly hidden.
        hard: bool [N], ignored ones, and others that scores leave out.
        occluded: float64 [N], share hidden by other things; NaN where unknown.
        group: Images of one group, such as those of one drive, are alike.
        kind: What sort of image it is, for tables; may be empty.
    """

    path: Path
    xyxy_px: FloatArray
    label_idx: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    hard: NDArray[np.bool_]
    occluded: FloatArray
    group: int
    kind: str = ""

    def __post_init__(self) -> None:
        num = len(self.label_idx)
        check_shape("xyxy_px", self.xyxy_px, num, 4)
        check_shape("ignored", self.ignored, num)
        check_shape("hard", self.hard, num)
        check_shape("occluded", self.occluded, num)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """One split of a data set.

    Attributes:
        classes: Names.
        images: In the order of the files.
        remarks: Labels that were left out and why, for people.
    """

    classes: tuple[str, ...]
    images: tuple[LabelledImage, ...]
    remarks: tuple[str, ...] = ()
