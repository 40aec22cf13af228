"""The course of a run as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from perception_stack.report.style import SERIES, new_figure

_NO_CURVE = {"epoch", "rate", "seconds"}


def draw_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Parts of the loss on the left, scores of the validation split on the right.

    Args:
        rows: Of ``metrics.csv``.
        path: PNG file.
    """
    names = [
        name for name in dict.fromkeys(n for row in rows for n in row) if name not in _NO_CURVE
    ]
    panels = (
        ("Loss", [name for name in names if not name.startswith("val_")]),
        ("Validation", [name for name in names if name.startswith("val_")]),
    )
    with new_figure(width_in=9.6, columns=2) as (figure, axes):
        for ax, (title, shown) in zip(axes, panels, strict=True):
            for i, name in enumerate(shown):
                points = [(row["epoch"], row[name]) for row in rows if name in row]
                label = name.removeprefix("val_").replace("_", " ")
                ax.plot(*zip(*points, strict=True), color=SERIES[i % len(SERIES)], label=label,
                        marker="." if len(points) < 10 else "")  # fmt: skip
            ax.set_title(title)
            ax.set_xlabel("epoch")
            if shown:
                ax.legend()
        axes[0].set_yscale("log")
        axes[1].set_ylim(0, 1)
        figure.savefig(path)
