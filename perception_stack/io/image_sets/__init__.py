"""Images with labelled boxes, in the formats of COCO and KITTI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from perception_stack.datatypes import ImageLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImage:
    """One image, not read yet, and what is labelled in it.

    Attributes:
        path: File.
        truth: What is to be seen; corners count from the outer border of the first pixel.
        group: Images of one group, such as those of one drive, are alike.
        kind: What sort of image it is, for tables; may be empty.
    """

    path: Path
    truth: ImageLabels
    group: int
    kind: str = ""


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

    def renamed(self, names: Mapping[str, str]) -> ImageSet:
        """The same with other names for some classes, as a model's manifest gives them."""

        def new(labels: Iterable[str]) -> tuple[str, ...]:
            return tuple(names.get(one, one) for one in labels)

        images = tuple(
            replace(one, truth=replace(one.truth, labels=new(one.truth.labels)))
            for one in self.images
        )
        return replace(self, classes=tuple(dict.fromkeys(new(self.classes))), images=images)
