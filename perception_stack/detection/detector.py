"""The image detector: any model that has a manifest, one code path."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack import networks
from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.decoders import decoder_for
from perception_stack.detection.manifest import Manifest, load_manifest
from perception_stack.detection.preprocess import Feeder
from perception_stack.detection.suppression import strongest
from perception_stack.errors import ConfigError
from perception_stack.journal import Journal, Reason
from perception_stack.networks.contract import Contract, Input, Options, Shape, engine_folder


class Detector:
    """Finds objects in images.

    Args:
        config: Parameters; ``model`` names a manifest.
        journal: Told of empty images.

    Raises:
        ModelLoadError: the model or its manifest cannot be used.
        ConfigError: no model, or a class to keep that the model never reports.
    """

    def __init__(self, config: DetectorConfig, journal: Journal) -> None:
        if not config.enabled:
            raise ConfigError("no model configured; set detector.model to a manifest")
        path = Path(config.model).expanduser()
        folder = Path(config.model_dir).expanduser() if config.model_dir else None
        manifest = load_manifest(path, model_dir=folder)
        self._labels = tuple(manifest.class_map.get(one, one) for one in manifest.classes)
        if strangers := sorted(set(config.classes) - set(self._labels)):
            raise ConfigError(
                f"detector.classes: {manifest.name} never reports {', '.join(strangers)}"
            )
        self._manifest = manifest
        self._decoder = decoder_for(manifest)
        shapes = tuple(self._decoder.shapes(manifest))
        contract = contract_of(manifest, shapes)
        self._model = networks.load(config.backend, contract, _options(config, manifest))
        self._threshold = config.score_threshold or manifest.score_threshold
        kept = [not config.classes or label in config.classes for label in self._labels]
        self._kept = np.flatnonzero(kept)
        # classes that come out under one name are duplicates of each other
        self._groups = np.unique(np.array(self._labels)[self._kept], return_inverse=True)[1]
        self._feeder = Feeder(manifest.input)
        self._journal = journal
        self._warm_up()

    def _warm_up(self) -> None:
        """What happens once, such as compiling, happens before the first image comes."""
        spec = self._manifest.input
        grey = np.full((spec.height_px, spec.width_px, 3), 128, dtype=np.uint8)
        self.detect(ColorImage(frame_id="", stamp_ns=0, bgr=grey))

    def detect(self, image: ColorImage) -> Detections2D:
        """Boxes of one image, best first, in pixels of the image."""
        height, width = image.bgr.shape[:2]
        if not height * width:
            self._journal.count(
                Reason.EMPTY_IMAGE, stamp_ns=image.stamp_ns, detail=f"{width}x{height} pixels"
            )
            return _detections(image, np.empty((0, 4)), np.empty(0), ())
        tensor, placement = self._feeder.feed(image.bgr)
        outputs = self._model.run(tensor)
        boxes, scores = self._decoder.decode(outputs, self._manifest, self._threshold)
        boxes, score, column = strongest(
            placement.to_image(boxes),
            scores[:, self._kept],
            self._groups,
            least=self._threshold,
            iou=self._manifest.nms_iou,
            most=self._manifest.max_detections,
        )
        labels = tuple(self._labels[i] for i in self._kept[column])
        return _detections(image, boxes, np.minimum(score, 1.0), labels)


def contract_of(manifest: Manifest, output_shapes: tuple[Shape, ...]) -> Contract:
    """What a manifest promises a back end about the tensors of its file.

    Args:
        manifest: Names inputs, sizes and classes.
        output_shapes: Of the family's output tensors.
    """
    spec = manifest.input
    size = np.array([[spec.width_px, spec.height_px]], dtype=np.int64)
    return Contract(
        file=manifest.file,
        inputs={spec.name: Input(shape=(1, 3, spec.height_px, spec.width_px))},
        constants={spec.size_name: size} if spec.size_name else {},
        output_shapes=output_shapes,
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
    )


def _detections(
    image: ColorImage, xyxy_px: np.ndarray, score: np.ndarray, labels: tuple[str, ...]
) -> Detections2D:
    return Detections2D(
        frame_id=image.frame_id,
        stamp_ns=image.stamp_ns,
        xyxy_px=xyxy_px,
        score=score,
        labels=labels,
    )
