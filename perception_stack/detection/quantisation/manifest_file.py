"""The manifest of a network that was made from another one."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from perception_stack.detection.manifest import InputSpec, Manifest


def write_manifest(manifest: Manifest, path: Path, *, file: str, name: str) -> None:
    """Write a manifest like another one, for another file.

    Args:
        manifest: The other one.
        path: The YAML file to write; an existing one is replaced.
        file: Name of the model file, beside it.
        name: Of the model.
    """
    import yaml

    spec = manifest.input
    usual = {one.name: one.default for one in fields(InputSpec)}
    given = {one: _plain(getattr(spec, one)) for one in usual if getattr(spec, one) != usual[one]}
    content: dict[str, Any] = {
        "name": name,
        "file": file,
        "family": manifest.family,
        "input": given,
        "strides": list(manifest.strides),
        "outputs": list(manifest.outputs),
        "logits": manifest.logits,
        "classes": list(manifest.classes),
        "class_map": manifest.class_map,
        "runtime": {
            "num_threads": manifest.runtime.num_threads,
            "spin_us": manifest.runtime.spin_us,
        },
        "score_threshold": manifest.score_threshold,
        "nms_iou": manifest.nms_iou,
        "max_detections": manifest.max_detections,
        "licence": manifest.licence,
        "card": manifest.card,
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    path.write_text("# written by: perception-stack model quantise\n" + text, encoding="utf-8")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
