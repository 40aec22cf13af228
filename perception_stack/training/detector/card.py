"""The model card that training writes: what is known of the model, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception_stack.detection.manifest import Manifest
from perception_stack.training.task import Scores


def write_card(manifest: Manifest, network: Any, path: Path, scores: Mapping[str, Scores]) -> None:
    """Write a card in Markdown.

    Args:
        manifest: Of the model.
        network: For its size.
        path: Of the card.
        scores: By split.
    """
    num = sum(one.numel() for one in network.parameters())
    spec = manifest.input
    lines = [
        f"# {manifest.name}",
        "",
        "| | |",
        "| --- | --- |",
        f"| task | 2-D boxes of {', '.join(manifest.classes)} in colour images |",
        f"| network | our own, without anchors, {num / 1e6:.2f} million parameters |",
        f"| input | {spec.width_px}×{spec.height_px}, BGR less 114, divided by 58, letterbox |",
        f"| licence | {manifest.licence} |",
        "",
        "Average precision at an overlap of 0.5, over 40 recall points, with 95 % limits from the",
        "bootstrap over scenes. The best epoch was chosen on `val`, no other split was looked at.",
        "",
        _table(scores),
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


def _table(scores: Mapping[str, Scores]) -> str:
    intervals = {split: one.intervals() for split, one in scores.items()}
    names = list(dict.fromkeys(name for one in intervals.values() for name in one))
    rows = [["class", *scores], ["---"] * (len(scores) + 1)]
    rows += [[name, *(str(intervals[split].get(name, "–")) for split in scores)] for name in names]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
