"""Boxes in images as CVAT imports them: "CVAT for images 1.1" and the labels of a task."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from perception_stack.datatypes import Detections2D


def write_cvat(
    path: Path,
    images: Mapping[str, tuple[tuple[int, int], Detections2D]],
    classes: Sequence[str],
) -> None:
    """Write ``annotations.xml``; an existing file is replaced.

    Args:
        path: The XML file.
        images: By file name width and height in pixels, and boxes, which count as made by a
            program, to be looked at.
        classes: Labels of the task.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    labels = ElementTree.SubElement(task, "labels")
    for name in classes:
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = name
        ElementTree.SubElement(label, "attributes")
    for number, (name, ((width, height), found)) in enumerate(images.items()):
        size = {"width": str(width), "height": str(height)}
        entry = ElementTree.SubElement(root, "image", {"id": str(number), "name": name, **size})
        for box, label_name in zip(found.xyxy_px.tolist(), found.labels, strict=True):
            corners = zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
            ElementTree.SubElement(
                entry,
                "box",
                {
                    "label": label_name,
                    "source": "auto",
                    "occluded": "0",
                    **{corner: f"{value:.2f}" for corner, value in corners},
                    "z_order": "0",
                },
            )
    ElementTree.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def write_labels(path: Path, classes: Sequence[str]) -> None:
    """Write what the raw editor of a task's labels takes."""
    content = [{"name": name, "attributes": []} for name in classes]
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
