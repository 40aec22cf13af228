"""The trained detector as files: network, manifest, card."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from perception_stack.detection.manifest import Manifest
from perception_stack.errors import TrainingError
from perception_stack.training.detector.card import write_card
from perception_stack.training.detector.network import YoloxLayout
from perception_stack.training.task import Scores

MODEL, MANIFEST = "model.onnx", "model.yaml"

_OPSET = 18
_TOLERANCE = 1e-4


def export_detector(
    network: Any, manifest: Manifest, folder: Path, scores: Mapping[str, Scores]
) -> None:
    """Write model, manifest and card.

    Args:
        network: In evaluation mode, on the CPU.
        manifest: How it is fed and read.
        folder: Exists.
        scores: By split.

    Raises:
        TrainingError: the file does not give the same numbers as the network.
    """
    spec = manifest.input
    image = torch.randn(1, 3, spec.height_px, spec.width_px, generator=torch.Generator())
    layout = YoloxLayout(network).eval()
    write_onnx(layout, image, folder / MODEL)
    check_same(layout, image, folder / MODEL)
    write_manifest(manifest, folder / MANIFEST)
    write_card(manifest, network, folder / "card.md", scores)


def write_onnx(module: Any, image: Any, path: Path) -> None:
    """Export with fixed sizes and weights in the same file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            module,
            (image,),
            str(path),
            input_names=["image"],
            output_names=["found"],
            opset_version=_OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def check_same(module: Any, image: Any, path: Path) -> None:
    """Compare file and network on one input; skipped where ONNX Runtime is not installed.

    Raises:
        TrainingError: they differ.
    """
    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        expected = module(image).numpy()
    apart = float(np.abs(got - expected).max())
    if not apart <= _TOLERANCE * max(1.0, float(np.abs(expected).max())):
        raise TrainingError(f"{path}: differs from the trained network by {apart:g}")


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write what :func:`~perception_stack.detection.manifest.load_manifest` reads."""
    spec = manifest.input
    content = {
        "name": manifest.name or "our detector",
        "file": MODEL,
        "family": manifest.family,
        "input": {
            "name": spec.name,
            "width_px": spec.width_px,
            "height_px": spec.height_px,
            "colour": spec.colour,
            "resize": spec.resize,
            "pad": spec.pad,
            "mean": list(spec.mean),
            "std": list(spec.std),
        },
        "strides": list(manifest.strides),
        "classes": list(manifest.classes),
        "score_threshold": manifest.score_threshold,
        "nms_iou": manifest.nms_iou,
        "licence": manifest.licence,
        "card": manifest.card,
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    path.write_text(text, encoding="utf-8")
