"""Examples and batches of labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, ImageLabels
from perception_stack.detection.manifest import InputSpec
from perception_stack.detection.preprocess import place
from perception_stack.io.image_files import read_image
from perception_stack.io.image_sets import ImageSet
from perception_stack.training.detector.augment import cut_out, exposed
from perception_stack.training.detector.network import MEAN, STD


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One patch and what is in it.

    Attributes:
        bgr: uint8 [H, W, 3].
        xyxy_px: float64 [N, 4].
        label_idx: int64 [N].
        ignored: bool [N].
    """

    bgr: NDArray[np.uint8]
    xyxy_px: FloatArray
    label_idx: NDArray[np.int64]
    ignored: NDArray[np.bool_]


class TrainingExamples:
    """Patches of the images of a set, others in each epoch.

    Args:
        images: The set.
        spec: Of the network's input when it is used.
        size_px: Width and height of a patch.
        repeats: Patches of each image.
        seed: Of the augmentation.
        epoch: Of the augmentation.
    """

    def __init__(
        self,
        images: ImageSet,
        spec: InputSpec,
        *,
        size_px: tuple[int, int],
        repeats: int,
        seed: int,
        epoch: int,
    ) -> None:
        self._images, self._spec, self._size_px = images, spec, size_px
        self._repeats, self._key = repeats, (seed, epoch)
        self._row = {name: i for i, name in enumerate(images.classes)}

    def __len__(self) -> int:
        return len(self._images.images) * self._repeats

    def __getitem__(self, idx: int) -> Example:
        rng = np.random.default_rng([*self._key, idx])
        one = self._images.images[idx % len(self._images.images)]
        bgr = read_image(one.path)
        scale = float(place((bgr.shape[1], bgr.shape[0]), self._spec).scale_xy[0])
        truth = one.truth
        patch = cut_out(bgr, truth.xyxy_px, size_px=self._size_px, usual_scale=scale, rng=rng)
        return Example(
            bgr=exposed(patch.bgr, rng),
            xyxy_px=patch.xyxy_px,
            label_idx=self._label_idx(truth)[patch.kept],
            ignored=truth.ignored[patch.kept] | patch.partial,
        )

    def _label_idx(self, truth: ImageLabels) -> NDArray[np.int64]:
        """Rows in the classes of the set; -1 for a region."""
        return np.array([self._row.get(name, -1) for name in truth.labels], dtype=np.int64)


def collate(examples: Sequence[Example]) -> dict[str, Any]:
    """Tensors: image uint8 [B, 3, H, W]; xyxy_px [B, G, 4], label, there, ignored [B, G]."""
    most = max([1, *(len(one.label_idx) for one in examples)])
    num = len(examples)
    xyxy_px = np.zeros((num, most, 4), dtype=np.float32)
    label = np.full((num, most), -1, dtype=np.int64)
    ignored = np.zeros((num, most), dtype=bool)
    for row, one in enumerate(examples):
        used = len(one.label_idx)
        xyxy_px[row, :used], label[row, :used] = one.xyxy_px, one.label_idx
        ignored[row, :used] = one.ignored
    there = np.arange(most) < np.array([len(one.label_idx) for one in examples])[:, None]
    bgr = torch.from_numpy(np.stack([one.bgr for one in examples]))
    return {
        "image": bgr.permute(0, 3, 1, 2),
        "xyxy_px": torch.from_numpy(xyxy_px),
        "label": torch.from_numpy(label),
        "there": torch.from_numpy(there),
        "ignored": torch.from_numpy(ignored),
    }


def as_input(image: Any) -> Any:
    """Grey values as the network takes them, float32, laid out as processors and GPUs like it."""
    scaled = (image.float() - MEAN) / STD
    return scaled.contiguous(memory_format=torch.channels_last)
