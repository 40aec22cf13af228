"""The image detector as a task of the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from perception_stack.config import StepConfig, param
from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.decoders import yolox
from perception_stack.detection.labels import Labels
from perception_stack.detection.manifest import InputSpec, Manifest, RuntimeSpec
from perception_stack.detection.preprocess import Feeder
from perception_stack.detection.selection import Selection
from perception_stack.errors import ConfigError
from perception_stack.evaluation.images import ImageScores, score_images
from perception_stack.io.image_sets import ImageSet
from perception_stack.journal import Journal
from perception_stack.training.detector.examples import TrainingExamples, as_input, collate
from perception_stack.training.detector.grid import cells_of
from perception_stack.training.detector.loss import Truth, detector_loss
from perception_stack.training.detector.network import (
    MEAN,
    STD,
    STRIDES,
    DetectorNetwork,
    YoloxLayout,
)
from perception_stack.training.judging import judge
from perception_stack.training.task import Examples, Scores

LEAST_SCORE = 0.02
"""Score from which boxes count in average precision."""

_NMS_IOU = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorTaskConfig(StepConfig):
    """Sizes of the detector."""

    width_px: int = param(640, "Width of the network's input.", unit="px", low=64, high=4096)
    height_px: int = param(224, "Height of the network's input.", unit="px", low=64, high=4096)
    patch_width_px: int = param(
        320, "Width of what is cut out of an image for training.", unit="px", low=64, high=4096
    )
    patch_height_px: int = param(192, "Its height.", unit="px", low=64, high=4096)
    repeats: int = param(1, "Patches of each image in an epoch.", low=1, high=1000)
    score_threshold: float = param(0.35, "Of the manifest.", low=0.01, high=0.99)

    def __post_init__(self) -> None:
        StepConfig.__post_init__(self)
        for name in ("width_px", "height_px", "patch_width_px", "patch_height_px"):
            if getattr(self, name) % STRIDES[-1]:
                raise ConfigError(f"{name}: a multiple of {STRIDES[-1]}")


class DetectorTask:
    """See :class:`~perception_stack.training.task.Task`.

    Args:
        images: By split: ``train`` and ``val``.
        config: Sizes.
        seed: Of the augmentation.
    """

    name = "detector"

    def __init__(
        self, images: Mapping[str, ImageSet], config: DetectorTaskConfig, *, seed: int
    ) -> None:
        self._images, self._config, self._seed = images, config, seed
        self.classes = images["train"].classes
        self.facts: Mapping[str, Any] = {
            "classes": list(self.classes),
            "num_images": len(images["train"].images),
            **{name: getattr(config, name) for name in ("patch_width_px", "patch_height_px")},
            "repeats": config.repeats,
        }

    @property
    def manifest(self) -> Manifest:
        """How the network is fed and read; its file is not written yet."""
        return Manifest(
            name="",
            file=Path(),
            family="yolox",
            input=InputSpec(
                name="image",
                width_px=self._config.width_px,
                height_px=self._config.height_px,
                colour="bgr",
                resize="letterbox",
                pad=MEAN,
                mean=(MEAN,) * 3,
                std=(STD,) * 3,
            ),
            strides=STRIDES,
            outputs=(),
            logits=False,
            classes=self.classes,
            class_map={},
            score_threshold=self._config.score_threshold,
            nms_iou=_NMS_IOU,
            max_detections=300,
            runtime=RuntimeSpec(),
            licence="Apache-2.0",
            card="card.md",
            prompts=None,
            keypoints=(),
        )

    def build(self) -> Any:
        """Fresh weights."""
        network = DetectorNetwork(len(self.classes))
        return network.to(memory_format=torch.channels_last)

    def examples(self, split: str, epoch: int) -> Examples:
        """Patches."""
        return TrainingExamples(
            self._images[split],
            self.manifest.input,
            size_px=(self._config.patch_width_px, self._config.patch_height_px),
            repeats=self._config.repeats,
            seed=self._seed,
            epoch=epoch,
        )

    def collate(self, examples: Sequence[Any]) -> dict[str, Any]:
        """See :func:`collate`."""
        return collate(examples)

    def loss(self, network: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`detector_loss`."""
        image = as_input(batch["image"])
        found = network(image).float()
        cells = cells_of(image.shape[2], image.shape[3], device=image.device)
        names = ("xyxy_px", "label", "there", "ignored")
        with torch.autocast(image.device.type, enabled=False):
            return detector_loss(found, Truth(**{name: batch[name] for name in names}), cells)

    def evaluate(self, network: Any, split: str) -> Scores:
        """AP50 and AP of a split, images as a robot feeds them."""
        scores = self._score(split, network_finder(network, self.manifest))
        values = {"ap50": scores.mean_ap50, "ap": scores.mean_ap}
        return Scores(
            headline=scores.mean_ap50, values=values, hits=scores.hits, groups=scores.groups
        )

    def _score(self, split: str, find: Callable[[ColorImage], Detections2D]) -> ImageScores:
        return score_images([*judge(self._images[split], find)], self.classes)

    def export(self, network: Any, folder: Path, scores: Mapping[str, Scores]) -> None:
        """See :func:`~perception_stack.training.detector.export.export_detector`."""
        from perception_stack.training.detector.export import export_detector

        export_detector(network, self.manifest, folder, scores)


def network_finder(network: Any, manifest: Manifest) -> Callable[[ColorImage], Detections2D]:
    """Boxes of an image by a network that is not exported yet."""
    feeder, layout = Feeder(manifest.input), YoloxLayout(network).eval()
    device = next(network.parameters()).device
    labels = Labels.of(manifest, manifest.classes, ())
    select = Selection(manifest, labels, LEAST_SCORE, Journal())

    def find(image: ColorImage) -> Detections2D:
        tensor, (placement,) = feeder.feed([image.bgr])
        pixels = torch.from_numpy(tensor).to(device, memory_format=torch.channels_last)
        with torch.inference_mode():
            output = layout(pixels).float().cpu().numpy()
        candidates = yolox.decode([output], manifest, LEAST_SCORE)
        found = select(candidates, placement, stamp_ns=image.stamp_ns)
        return select.detections(image, [found], ())

    return find
