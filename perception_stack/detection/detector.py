"""The image detector: any model that has a manifest, one code path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception_stack import networks
from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection import tiling
from perception_stack.detection.candidates import Found
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.decoders import decoder_for, gives
from perception_stack.detection.labels import Embeddings, Labels
from perception_stack.detection.manifest import Manifest, load_manifest
from perception_stack.detection.preprocess import Feeder
from perception_stack.detection.selection import Selection
from perception_stack.errors import ConfigError
from perception_stack.journal import Journal, Reason
from perception_stack.networks.contract import (
    VARIES,
    Contract,
    Input,
    Options,
    Shape,
    engine_folder,
)


class _View(NamedTuple):
    """A part of one of the images, or all of it, as the network sees it."""

    image: int
    stamp_ns: int
    bgr: NDArray[np.uint8]


class Detector:
    """Finds objects in images.

    Args:
        config: Parameters; ``model`` names a manifest.
        journal: Told of empty images and of boxes that are none.

    Raises:
        ModelLoadError: the model or its manifest cannot be used.
        ConfigError: no model, a class to keep that the model never reports, or a prompt that it
            cannot take.
    """

    def __init__(self, config: DetectorConfig, journal: Journal) -> None:
        if not config.enabled:
            raise ConfigError("no model configured; set detector.model to a manifest")
        folder = Path(config.model_dir).expanduser() if config.model_dir else None
        manifest = load_manifest(Path(config.model).expanduser(), model_dir=folder)
        self._config, self._manifest, self._journal = config, manifest, journal
        self._threshold = config.score_threshold or manifest.score_threshold
        self._decoder = decoder_for(manifest)
        self._shapes = tuple(self._decoder.shapes(manifest))
        self._embeddings = Embeddings(manifest.prompts) if manifest.prompts else None
        self._extras: dict[str, NDArray[Any]] = {}
        if manifest.input.size_name:
            size = [[manifest.input.width_px, manifest.input.height_px]]
            self._extras[manifest.input.size_name] = np.array(size, dtype=np.int64)
        self.look_for(config.prompts)
        most = len(config.camera_names) * tiling.num_tiles(config.tile_grid)
        contract = contract_of(manifest, self._shapes, self._extras, most=most)
        self._model = networks.load(config.backend, contract, _options(config, manifest))
        self._at_once = self._model.size or most
        self._feeder = Feeder(manifest.input, self._at_once)
        self._warm_up()

    @property
    def gives(self) -> frozenset[str]:
        """What comes with the boxes: of ``masks``, ``keypoints``, ``angles``."""
        return gives(self._manifest)

    @property
    def score_threshold(self) -> float:
        """Least score of a detection."""
        return self._threshold

    def look_for(self, prompts: Sequence[str]) -> None:
        """Choose by text what is looked for from now on; nothing: all that there are words for.

        Raises:
            ConfigError: the network takes no prompts, or not these; nothing changes then.
        """
        names: Sequence[str] = self._manifest.classes
        if self._embeddings is not None:
            names = self._embeddings.names(prompts)
        elif prompts:
            raise ConfigError(
                f"detector.prompts: the classes of {self._manifest.name} are fixed; choose among "
                "them by detector.classes, or take a network whose manifest has 'prompts'"
            )
        labels = Labels.of(self._manifest, names, self._config.classes)
        if self._embeddings is not None:
            self._extras |= self._embeddings.tensor(names)
        self._select = Selection(self._manifest, labels, self._threshold, self._journal)

    def detect(self, image: ColorImage) -> Detections2D:
        """Objects of one image; see :meth:`detect_all`."""
        return self.detect_all([image])[0]

    def detect_all(self, images: Sequence[ColorImage]) -> list[Detections2D]:
        """Objects of each image, best first, in pixels of the image.

        Images go through the network together as far as its file allows.

        Args:
            images: Of one or several cameras, of any sizes.
        """
        tiles = [self._tiles(image) for image in images]
        views = [
            _View(i, image.stamp_ns, image.bgr[one.top : one.bottom, one.left : one.right])
            for i, image in enumerate(images)
            for one in tiles[i]
        ]
        parts: list[list[Found]] = [[] for _ in images]
        for start in range(0, len(views), self._at_once):
            batch = views[start : start + self._at_once]
            for view, found in zip(batch, self._look_at(batch), strict=True):
                parts[view.image].append(found)
        return [self._select.detections(*one) for one in zip(images, parts, tiles, strict=True)]

    def _warm_up(self) -> None:
        """What happens once, such as compiling, happens before the first image comes."""
        spec = self._manifest.input
        grey = np.full((spec.height_px, spec.width_px, 3), 128, dtype=np.uint8)
        image = ColorImage(frame_id="", stamp_ns=0, bgr=grey)
        for num in range(1, len(self._config.camera_names) + 1):
            self.detect_all([image] * num)
        self._select.warm_up()

    def _tiles(self, image: ColorImage) -> list[tiling.Tile]:
        height, width = image.bgr.shape[:2]
        if not height * width:
            self._journal.count(
                Reason.EMPTY_IMAGE, stamp_ns=image.stamp_ns, detail=f"{width}x{height} pixels"
            )
            return []
        return tiling.tiles_of((width, height), self._config.tile_grid, self._config.tile_overlap)

    def _look_at(self, views: Sequence[_View]) -> Iterator[Found]:
        """Objects of each view, in its own pixels; one run of the network."""
        num = self._model.size or len(views)
        tensor, placements = self._feeder.feed([view.bgr for view in views], num=num)
        spec = self._manifest.input
        inputs = {spec.name: tensor if spec.batch_axis else tensor[0]}
        for name, value in self._extras.items():
            inputs[name] = np.repeat(value, num, axis=0)
        outputs = self._model.run(inputs)
        for slot, (view, placement) in enumerate(zip(views, placements, strict=True)):
            own = [
                output[slot : slot + 1] if shape[0] == 1 else output
                for output, shape in zip(outputs, self._shapes, strict=True)
            ]
            with np.errstate(invalid="ignore", over="ignore"):  # what is no number is counted
                candidates = self._decoder.decode(own, self._manifest, self._threshold)
            yield self._select(candidates, placement, stamp_ns=view.stamp_ns)


def contract_of(
    manifest: Manifest,
    output_shapes: tuple[Shape, ...],
    extras: Mapping[str, NDArray[Any]],
    *,
    most: int,
) -> Contract:
    """What a manifest promises a back end about the tensors of its file.

    Args:
        manifest: Names inputs, sizes and classes.
        output_shapes: Of the family's output tensors, for one image.
        extras: Inputs besides the images, for one image.
        most: Images that can come at once.
    """
    spec = manifest.input
    image = (3, spec.height_px, spec.width_px)
    # several go through at once where the images and all outputs have an axis for them
    batched = spec.batch_axis and all(shape[0] == 1 for shape in output_shapes)
    num = VARIES if batched else 1
    inputs = {spec.name: Input(shape=(num, *image) if spec.batch_axis else image)}
    for name, value in extras.items():
        inputs[name] = Input(shape=(num, *value.shape[1:]), dtype=value.dtype.type)
    return Contract(
        file=manifest.file,
        inputs=inputs,
        output_shapes=tuple((num, *one[1:]) if batched else one for one in output_shapes),
        most=most,
        promised_by=(
            f"family '{manifest.family}', the manifest's input size, strides and "
            f"{len(manifest.classes)} classes"
        ),
    )


def _options(config: DetectorConfig, manifest: Manifest) -> Options:
    return Options(
        device=config.device,
        num_threads=config.num_threads or manifest.runtime.num_threads,
        spin_us=manifest.runtime.spin_us,
        engine_dir=engine_folder(config.engine_dir),
        fp16=config.fp16,
        compile=config.compile,
    )
