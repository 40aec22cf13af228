"""Data sets in whichever of the formats a folder holds."""

from __future__ import annotations

from pathlib import Path

from perception_stack.io.image_sets import ImageSet
from perception_stack.io.image_sets.coco import find_annotations, read_coco
from perception_stack.io.image_sets.kitti import is_kitti, read_kitti


def read_split(root: Path, split: str) -> ImageSet:
    """One split of a folder in KITTI's or COCO's format.

    Raises:
        DataFileError: something is missing or malformed; says what.
    """
    return read_kitti(root, split) if is_kitti(root) else read_coco(root, split)


def has_split(root: Path, split: str) -> bool:
    """Whether labels of a split are there; KITTI has no others than ``train`` and ``val``."""
    if is_kitti(root):
        return split in ("train", "val")
    return find_annotations(root, split) is not None
