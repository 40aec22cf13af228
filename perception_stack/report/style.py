"""One look for all figures: colours that colour-blind people can tell apart, no clutter.

A figure is a piece of SVG or JPEG as a data URI, so that a report is one file and needs no
network. The same data give the same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED = "#1f6fb4", "#d9730d", "#2a8a57", "#c8323c"
PURPLE, INK, MUTED, GRID = "#7a4fa3", "#1c2733", "#6b7785", "#e4e8ec"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, "#0f8a8a", "#8a6d00", MUTED)

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.fonttype": "path",
    "svg.hashsalt": "perception_stack",
    "figure.dpi": 110,
}


@contextmanager
def new_figure(
    *, width_in: float = 5.6, height_in: float = 3.3, columns: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes side by side, in the look of all figures."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_RC):
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        yield figure, [figure.add_subplot(1, columns, i + 1) for i in range(columns)]


def svg_uri(figure: Figure) -> str:
    """The figure as a data URI; call inside of :func:`new_figure`."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return data_uri(buffer.getvalue(), "image/svg+xml")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a data URI."""
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"
