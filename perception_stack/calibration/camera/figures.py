"""Pictures of a calibration: where boards were, what is left over, how well pixels are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from perception_stack.calibration.camera.grading import CameraJudgement
from perception_stack.calibration.targets.detection import Sighting
from perception_stack.datatypes import FloatArray
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import BLUE, INK, MUTED, ORANGE, RED, new_figure, svg_uri

# Arrows are as long as the error times this, in widths of the image
_ARROW_SHARE = 0.06


def camera_section(
    name: str,
    sightings: Sequence[Sighting],
    errors_px: Sequence[FloatArray],
    judgement: CameraJudgement,
    *,
    size_px: tuple[int, int],
) -> Section:
    """Coverage and errors of one camera.

    Args:
        name: Of the camera.
        sightings: The views that were used.
        errors_px: float64 [N, 2] of each.
        judgement: How well each pixel is known.
        size_px: Width and height of the image.
    """
    return Section(
        title=f"Image of {name}",
        intro="Left: where points of the board were seen, and to how many pixels the image is "
        "known there (lines). Right: what is left over at each point, enlarged; arrows that "
        "agree with their neighbours speak of a model that does not fit or a board that is bent.",
        pictures=(
            Picture(
                uri=coverage_figure(sightings, judgement, size_px), alt="coverage of the image"
            ),
            Picture(uri=error_figure(sightings, errors_px, size_px), alt="reprojection errors"),
        ),
    )


def coverage_figure(
    sightings: Sequence[Sighting], judgement: CameraJudgement, size_px: tuple[int, int]
) -> str:
    """Where points were seen, with lines of equal uncertainty."""
    with new_figure(width_in=5.6, height_in=_height_in(size_px)) as (figure, (axes,)):
        for one in sightings:
            axes.plot(*one.uv_px.T, ".", color=BLUE, ms=2.5, alpha=0.7)
        columns = len(np.unique(judgement.grid_px[:, 0]))
        u, v, std_px = (
            one.reshape(-1, columns) for one in (*judgement.grid_px.T, judgement.std_px)
        )
        finite = np.where(np.isfinite(std_px), std_px, np.nan)
        levels = [one for one in _LEVELS_PX if np.nanmin(finite) < one < np.nanmax(finite)]
        if levels:
            lines = axes.contour(u, v, finite, levels=levels, colors=ORANGE, linewidths=1.0)
            axes.clabel(lines, fmt=lambda value: f"{value:g} px", fontsize=8)
        _frame(axes, size_px, "Points seen, and the image's uncertainty")
        return svg_uri(figure)


def error_figure(
    sightings: Sequence[Sighting], errors_px: Sequence[FloatArray], size_px: tuple[int, int]
) -> str:
    """What is left over at each point, as arrows."""
    uv_px = np.concatenate([one.uv_px for one in sightings])
    errors = np.concatenate(list(errors_px))
    typical = max(float(np.quantile(np.linalg.norm(errors, axis=1), 0.95)), 1e-6)
    scale = _ARROW_SHARE * size_px[0] / typical
    large = np.linalg.norm(errors, axis=1) > typical
    with new_figure(width_in=5.6, height_in=_height_in(size_px)) as (figure, (axes,)):
        for mask, color in ((~large, INK), (large, RED)):
            axes.quiver(
                *uv_px[mask].T,
                *(scale * errors[mask]).T,
                color=color,
                angles="xy",
                scale_units="xy",
                scale=1,
                width=0.0018,
            )
        _frame(axes, size_px, f"Errors, {scale:.0f} times enlarged; red: the largest 5 %")
        return svg_uri(figure)


_LEVELS_PX = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)


def _height_in(size_px: tuple[int, int]) -> float:
    return 0.7 + 5.0 * size_px[1] / size_px[0]


def _frame(axes, size_px: tuple[int, int], title: str) -> None:  # type: ignore[no-untyped-def]
    axes.set(
        title=title,
        xlim=(-0.5, size_px[0] - 0.5),
        ylim=(size_px[1] - 0.5, -0.5),
        xlabel="u [px]",
        ylabel="v [px]",
        aspect="equal",
    )
    axes.tick_params(colors=MUTED)
