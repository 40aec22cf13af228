"""Pictures of a LiDAR-camera calibration."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.lidar_camera.calibrate import LidarCamera
from perception_stack.report.page import Picture, Section, Table
from perception_stack.report.style import BLUE, RED, new_figure, svg_uri

_AXES = ("long side", "short side", "normal")


def boards_section(result: LidarCamera) -> Section:
    """How far the boards of both sensors are apart, each held out."""
    names = [one.name for one in result.grade.observations]
    used = [one.used for one in result.grade.observations]
    distance_mm = 1000 * np.linalg.norm(result.errors_m, axis=2)
    colors = [BLUE if one else RED for one in used]
    with new_figure(width_in=7.5) as (figure, (axes,)):
        rows = np.arange(len(names))
        axes.bar(rows, distance_mm.mean(axis=1), color=colors, width=0.7)
        axes.plot(rows, distance_mm[:, 4], "k_", ms=9, label="centre")
        axes.set_xticks(rows, names, rotation=60, fontsize=7)
        axes.set(ylabel="mean distance of corners and centre [mm]")
        axes.legend()
        bars = svg_uri(figure)
    cells = tuple(
        (name, f"{1000 * shift:.1f}", f"{np.rad2deg(turn):.2f}")
        for name, shift, turn in zip(_AXES, result.sigma[:3], result.sigma[3:], strict=True)
    )
    return Section(
        title="Boards",
        intro="Distance between what the camera and the LiDAR say, each board under a result that "
        "was found without it; red ones were left out of all results.",
        pictures=(Picture(uri=bars, alt="errors of boards", wide=True),),
        tables=(
            Table(
                header=(
                    ("typical error of a board", ""),
                    ("along [mm]", "standard deviation"),
                    ("about [°]", "standard deviation"),
                ),
                rows=cells,
            ),
        ),
    )
