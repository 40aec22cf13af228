"""The page that shows each feature of recordings over time, against what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception_stack.report.page import Picture, Section, Table, Tile, render_page
from perception_stack.report.style import BLUE, MUTED, RED, new_figure, svg_uri
from perception_stack.watch.change import Limits
from perception_stack.watch.reference import Reference, features_of
from perception_stack.watch.trace import Trace


def write_watch_report(path: Path, reference: Reference, traces: Sequence[Trace]) -> None:
    """Write the page; an existing file is replaced."""
    num = sum(one.num_frames for one in traces)
    alarms = sum(len(one.events) for one in traces)
    page = render_page(
        title="Is it as usual?",
        facts={
            "reference": ", ".join(f"{name} ({frames})" for name, frames in reference.sources),
            "a false alarm in": f"{reference.false_alarm_frames:.0f} frames by design",
        },
        tiles=[
            Tile(name="Alarms", value=str(alarms), note=""),
            Tile(name="Frames", value=str(num), note=f"of {len(traces)} recordings"),
        ],
        sections=[_section(one, reference) for one in traces],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _section(trace: Trace, reference: Reference) -> Section:
    rows = tuple(
        (one.alarm.part, one.alarm.text, str(one.first), str(one.last)) for one in trace.events
    )
    header = (
        ("of", ""),
        ("what", "in words"),
        ("set off at", "frame of its part, counted from 0"),
        ("ended at", "the number of frames where it never did"),
    )
    pictures = [
        Picture(uri=_figure(trace, limits, part, column), alt=f"{limits.feature.name} over time")
        for part in trace.values
        for limits in reference.limits(part)
        for column in (_column(reference, part, limits),)
    ]
    return Section(
        title=trace.name,
        intro="Dotted: the usual value. Grey: where other places lie, too. Red: an alarm.",
        tables=(Table(header=header, rows=rows, num_text=2),) if rows else (),
        pictures=tuple(pictures),
    )


def _column(reference: Reference, part: str, limits: Limits) -> int:
    names = [one.name for one in features_of(part, reference.classes)]
    return names.index(limits.feature.name)


def _figure(trace: Trace, limits: Limits, part: str, column: int) -> str:
    values = trace.values[part][:, column]
    feature = limits.feature
    with new_figure(height_in=2.2) as (figure, (axes,)):
        low, high = limits.middle - limits.level, limits.middle + limits.level
        axes.axhspan(low, high, color=MUTED, alpha=0.15, lw=0)
        axes.axhline(limits.middle, color=MUTED, lw=1, ls=":")
        axes.plot(np.arange(len(values)), values, color=BLUE, lw=1)
        for one in trace.events:
            if one.alarm.part == part and one.alarm.feature == feature.name:
                axes.axvspan(one.first, one.last, color=RED, alpha=0.15, lw=0)
        axes.set(title=f"{part}: {feature.name}", xlabel="frame", ylabel=feature.unit)
        return svg_uri(figure)
