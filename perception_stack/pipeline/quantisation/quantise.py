"""A network in 8 bits, calibrated on images as the detector feeds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from perception_stack.detection.manifest import Manifest
from perception_stack.detection.preprocess import Feeder
from perception_stack.detection.quantisation.graph import Feeds, prepare
from perception_stack.detection.quantisation.search import Outputs, Search, search
from perception_stack.evaluation.precision_change import mean_precision
from perception_stack.pipeline.quantisation.pictures import Pictures, boxes_of


def quantise(
    manifest: Manifest,
    pictures: Pictures,
    out: Path,
    *,
    max_loss: float,
    reduce_range: bool = False,
    on_step: Callable[[str], None] = lambda _text: None,
) -> Search:
    """Write the version that loses least, with as few layers in float as that takes.

    Args:
        manifest: The float model.
        pictures: Images that calibrate.
        out: File to write.
        max_loss: Most that may be lost; half of it is aimed at, as other images will judge.
        reduce_range: Seven bits for weights.
        on_step: Told what is tried, for people.
    """
    prepared = out.with_suffix(".prepared.onnx")
    graph = prepare(manifest.file, prepared)
    reference = mean_precision(pictures.judged(pictures.before))

    def loss(path: Path) -> float:
        boxes = boxes_of(manifest, pictures.images, file=path)
        return reference - mean_precision(pictures.judged(boxes))

    found = search(
        graph,
        _feeds(manifest, pictures),
        run=_outputs,
        loss=loss,
        enough=max_loss / 2,
        out=out,
        reduce_range=reduce_range,
        on_step=on_step,
    )
    prepared.unlink()
    return found


def _feeds(manifest: Manifest, pictures: Pictures) -> list[Feeds]:
    spec, feeder = manifest.input, Feeder(manifest.input)
    feeds = []
    for image in pictures.images:
        feed: Feeds = {spec.name: feeder.feed([image.bgr])[0].copy()}
        if spec.size_name:
            feed[spec.size_name] = np.array([[spec.width_px, spec.height_px]], dtype=np.int64)
        feeds.append(feed)
    return feeds


def _outputs(path: Path, feeds: Sequence[Feeds]) -> list[Outputs]:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    return [list(session.run(None, one)) for one in feeds]
