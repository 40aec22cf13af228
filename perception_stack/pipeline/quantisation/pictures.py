"""Images that calibrate and images that judge, and what models find in them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import ColorImage, Detections2D, ImageLabels
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.detection.manifest import Manifest
from perception_stack.detection.quantisation.manifest_file import write_manifest
from perception_stack.errors import ConfigError
from perception_stack.evaluation.images import JudgedImage
from perception_stack.journal import Journal

_LOWEST_SCORE = 0.05  # average precision wants the unsure boxes, too
_MOST_CALIBRATION, _SEED = 128, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Images, what is to be seen in them, and what the float model finds.

    Attributes:
        images: The images.
        truth: Of each image: its labels, or what the float model is sure of.
        before: Of each image, what the float model finds.
    """

    images: tuple[ColorImage, ...]
    truth: tuple[ImageLabels, ...]
    before: tuple[Detections2D, ...]

    def rows(self, picked: Sequence[int]) -> Pictures:
        """Some of them."""
        return Pictures(
            images=tuple(self.images[i] for i in picked),
            truth=tuple(self.truth[i] for i in picked),
            before=tuple(self.before[i] for i in picked),
        )

    def judged(self, found: Sequence[Detections2D]) -> list[JudgedImage]:
        """What some model finds in them, beside the truth."""
        return [
            JudgedImage(truth=truth, found=one)
            for truth, one in zip(self.truth, found, strict=True)
        ]

    def split(self, share: float) -> tuple[Pictures, Pictures]:
        """Those that calibrate and those that judge, at random but always the same.

        Args:
            share: Of the images that calibrates; 128 at most.

        Raises:
            ConfigError: too few for both.
        """
        num = len(self.images)
        first = min(max(round(share * num), 2), _MOST_CALIBRATION)
        if num - first < 2:
            raise ConfigError(f"{num} images are too few: two calibrate and two judge at least")
        order = np.random.default_rng(_SEED).permutation(num).tolist()
        return self.rows(sorted(order[:first])), self.rows(sorted(order[first:]))


def sure_of(found: Detections2D, *, threshold: float) -> ImageLabels:
    """The truth where there is none: what a model is sure of; the rest counts neither way."""
    sides_px = found.xyxy_px[:, 2:] - found.xyxy_px[:, :2]
    unsure = (found.score < threshold) | (sides_px <= 0).any(axis=1)
    return ImageLabels(
        xyxy_px=found.xyxy_px,
        labels=found.labels,
        ignored=unsure,
        hard=unsure,
        occluded=np.full(len(found), np.nan),
    )


def detector_of(manifest: Manifest, *, backend: str) -> Detector:
    """A detector that reports unsure boxes, too, of a model whose manifest need not be a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "manifest.yaml"
        write_manifest(manifest, path, file=manifest.file.name, name=manifest.name)
        config = DetectorConfig(
            model=str(path),
            model_dir=str(manifest.file.parent),
            score_threshold=_LOWEST_SCORE,
            backend=backend,
        )
        return Detector(config, Journal())


def boxes_of(
    manifest: Manifest,
    images: Sequence[ColorImage],
    *,
    file: Path | None = None,
    backend: str = "onnxruntime",
    on_image: Callable[[], None] = lambda: None,
) -> tuple[Detections2D, ...]:
    """What a model finds in images.

    Args:
        manifest: How it is fed and read.
        images: What it looks at.
        file: Its file; None for the one that the manifest names.
        backend: Library that runs it.
        on_image: Called after each image, for a progress bar.
    """
    detector = detector_of(
        manifest if file is None else replace(manifest, file=file), backend=backend
    )
    found = []
    for image in images:
        found.append(detector.detect(image))
        on_image()
    return tuple(found)
