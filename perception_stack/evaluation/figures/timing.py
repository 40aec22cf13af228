"""Latency plots: how the time of each step is spread, and how it runs over the recording."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.evaluation.latency import StepLatency
from perception_stack.report.style import (
    BLUE,
    INK,
    ORANGE,
    RED,
    SERIES,
    new_figure,
    svg_uri,
)

_MANY = 200


def latency_figure(latencies: Sequence[StepLatency]) -> str:
    """Left: middle half, 95 % and largest of each step. Right: every call over the recording."""
    from matplotlib.ticker import LogLocator, NullLocator

    height_in = 1.5 + 0.42 * max(len(latencies), 4)
    with new_figure(width_in=11.4, height_in=height_in, columns=2) as (figure, (left, right)):
        for row, one in enumerate(latencies):
            low, high = one.percentile_ms(25), one.percentile_ms(75)
            tail, most = one.percentile_ms(95), float(one.duration_ms.max())
            left.plot([one.duration_ms.min(), most], [row, row], color=INK, lw=0.8, zorder=2)
            left.barh(row, high - low, left=low, height=0.5, color=BLUE, zorder=3)
            left.plot(
                [one.percentile_ms(50)] * 2, [row - 0.25, row + 0.25], color="white", zorder=4
            )
            left.plot(tail, row, "D", color=ORANGE, ms=5, zorder=5)
            left.plot(most, row, "|", color=RED, ms=9, mew=1.6, zorder=5)
        left.set(
            title="Time of each step (bar: middle half, ◆ 95 %, | largest)",
            xlabel="ms, logarithmic",
            xscale="log",
            yticks=range(len(latencies)),
            yticklabels=[one.step for one in latencies],
            ylim=(len(latencies) - 0.4, -0.6),
        )
        left.grid(visible=False, axis="y")
        start_ns = min((one.stamp_ns.min() for one in latencies), default=0)
        for one, color in zip(latencies, _cycle(len(latencies)), strict=True):
            order = np.argsort(one.stamp_ns, kind="stable")
            seconds = (one.stamp_ns[order] - start_ns) * 1e-9
            style = "-" if len(order) > _MANY else ".-"
            right.plot(
                seconds, one.duration_ms[order], style, color=color, lw=1.1, ms=3, label=one.step
            )
        right.set(
            title="Over the recording",
            xlabel="time since the first frame [s]",
            ylabel="ms, logarithmic",
            yscale="log",
        )
        # after the scales, which bring their own ticks
        for axis in (left.xaxis, right.yaxis):
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        if latencies:
            right.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return svg_uri(figure)


def _cycle(num: int) -> list[str]:
    return [SERIES[i % len(SERIES)] for i in range(num)]
