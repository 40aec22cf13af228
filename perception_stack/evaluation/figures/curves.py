"""Score plots: HOTA over alpha, recall over distance, precision over recall, pose accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from perception_stack.evaluation.detection import PrecisionRecall
from perception_stack.evaluation.distance import DistanceRecall
from perception_stack.evaluation.hota import ALPHAS, HotaScores
from perception_stack.evaluation.pose import AUC_LIMIT_M, PoseErrors
from perception_stack.report.style import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    SERIES,
    new_figure,
    svg_uri,
)


def hota_figure(scores: HotaScores) -> str:
    """HOTA and its parts at each least similarity."""
    with new_figure() as (figure, (axes,)):
        axes.plot(ALPHAS, 100 * scores.det_a, color=ORANGE, label="DetA: found", lw=1.5)
        axes.plot(ALPHAS, 100 * scores.ass_a, color=GREEN, label="AssA: identity kept", lw=1.5)
        axes.plot(ALPHAS, 100 * scores.hota, color=BLUE, label="HOTA", lw=2.4)
        axes.set(
            title="Tracking quality by strictness",
            xlabel="least similarity of a match (alpha)",
            ylabel="score [%]",
            xlim=(0, 1),
            ylim=(0, 103),
        )
        axes.legend(loc="lower left")
        return svg_uri(figure)


def distance_figure(recall: DistanceRecall) -> str:
    """Share of the truth found, by distance from the sensor; numbers over the bars."""
    edges = recall.edges_m
    with new_figure() as (figure, (axes,)):
        width = np.diff(edges)
        share = 100 * np.nan_to_num(recall.recall)
        axes.bar(edges[:-1] + 0.04 * width, share, width=0.92 * width, align="edge", color=BLUE)
        for left, step, height, found, num in zip(
            edges, width, share, recall.num_found, recall.num_truth, strict=False
        ):
            text = f"{found}/{num}" if num else "–"
            axes.text(left + step / 2, height + 1.5, text, ha="center", fontsize=8, color=INK)
        axes.set(
            title="Recall by distance (found / there)",
            xlabel="distance from the sensor [m]",
            ylabel="recall [%]",
            xlim=(edges[0], edges[-1]),
            ylim=(0, 112),
            xticks=edges,
            yticks=range(0, 101, 20),
        )
        axes.grid(visible=False, axis="x")
        return svg_uri(figure)


def precision_recall_figure(curves: Mapping[str, PrecisionRecall]) -> str:
    """Precision over recall, one line for each class with truth."""
    with new_figure() as (figure, (axes,)):
        shown = {name: one for name, one in curves.items() if one.num_truth}
        for (name, one), color in zip(shown.items(), _colors(len(shown)), strict=True):
            label = f"{name}  AP {100 * one.average_precision:.1f}"
            recall = np.concatenate([[0.0], one.recall])
            precision = np.concatenate([one.precision[:1], one.precision])
            axes.plot(
                100 * recall, 100 * precision, color=color, lw=1.8, label=label, clip_on=False
            )
        axes.set(
            title="Detection: precision over recall",
            xlabel="recall [%]",
            ylabel="precision [%]",
            xlim=(0, 103),
            ylim=(0, 103),
        )
        if shown:
            axes.legend(loc="lower left")
        return svg_uri(figure)


def pose_figure(errors: Mapping[str, PoseErrors]) -> str:
    """Share of the poses below each error, ADD-S solid and ADD dotted."""
    limits_m = np.linspace(0.0, AUC_LIMIT_M, 201)
    with new_figure() as (figure, (axes,)):
        for (name, one), color in zip(errors.items(), _colors(len(errors)), strict=True):
            for error_m, style, label in ((one.add_s_m, "-", name), (one.add_m, ":", None)):
                below = (error_m <= limits_m[:, None]).sum(axis=1) / max(len(error_m), 1)
                axes.plot(100 * limits_m, 100 * below, style, color=color, lw=1.6, label=label)
        axes.set(
            title="Object poses below each error (ADD-S solid, ADD dotted)",
            xlabel="error [cm]",
            ylabel="poses [%]",
            xlim=(0, 100 * AUC_LIMIT_M),
            ylim=(0, 103),
        )
        if errors:
            axes.legend(loc="lower right")
        return svg_uri(figure)


def _colors(num: int) -> list[str]:
    return [SERIES[i] if i < len(SERIES) else MUTED for i in range(num)]
