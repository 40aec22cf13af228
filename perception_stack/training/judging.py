"""What a detector finds in the images of a set, beside what is labelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.evaluation.images import JudgedImage
from perception_stack.io.image_files import load_images
from perception_stack.io.image_sets import ImageSet


def judge(
    images: ImageSet,
    find: Callable[[ColorImage], Detections2D],
    on_image: Callable[[], None] = lambda: None,
) -> Iterator[JudgedImage]:
    """Runs a detector over a set.

    Args:
        images: The set.
        find: What is in an image.
        on_image: Called after each, for a progress bar.

    Raises:
        DataFileError: an image that cannot be read.
    """
    listed = images.images
    for one, image in zip(listed, load_images(row.path for row in listed), strict=True):
        yield JudgedImage(truth=one.truth, found=find(image), group=one.group, kind=one.kind)
        on_image()
