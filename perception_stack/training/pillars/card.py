"""What training writes beside a network on pillars: a manifest with measured errors, a card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.training.task import Scores

_FEWEST = 10  # boxes from which errors are told


def measured_errors(errors: Mapping[str, FloatArray]) -> dict[str, dict[str, float]]:
    """The ``errors`` of a manifest, from those of boxes on labelled objects.

    Args:
        errors: By class, float64 [N, 8], as :class:`~.judging.Judged` has them.

    Returns:
        By class, classes with too few boxes left out.
    """
    return {
        name: {
            "xy_m": _rounded(rows[:, :2]),
            "z_m": _rounded(rows[:, 2]),
            "yaw_rad": _rounded(rows[:, 6]),
            "flipped": round(float(rows[:, 7].mean()), 2),
        }
        for name, rows in errors.items()
        if len(rows) >= _FEWEST
    }


def write_manifest(given: Path, path: Path, errors: Mapping[str, Mapping[str, float]]) -> None:
    """Write a manifest like a given one, with other errors."""
    import yaml

    content: dict[str, Any] = yaml.safe_load(given.read_text(encoding="utf-8"))
    content["errors"] = {**content["errors"], **{name: dict(one) for name, one in errors.items()}}
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    path.write_text(text, encoding="utf-8")


def write_card(name: str, path: Path, scores: Mapping[str, Scores]) -> None:
    """Write what is known of the model: average precision by class and split."""
    intervals = {split: one.intervals() for split, one in scores.items()}
    names = list(dict.fromkeys(one for many in intervals.values() for one in many))
    rows = [["class", *scores], ["---"] * (len(scores) + 1)]
    rows += [[one, *(str(intervals[split].get(one, "–")) for split in scores)] for one in names]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    text = (
        f"# {name}\n\nAverage precision of 3-D boxes at an overlap of 0.5, over 40 recall points, "
        "with 95 %\nlimits from the bootstrap over streets. The best epoch was chosen on `val`.\n"
    )
    path.write_text(f"{text}\n{table}\n", encoding="utf-8")


def _rounded(values: FloatArray) -> float:
    return round(float(np.sqrt(np.mean(values**2))), 3)
