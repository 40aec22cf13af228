"""Pictures of a hand-eye calibration."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.hand_eye.calibrate import HandEye
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import BLUE, RED, SERIES, new_figure, svg_uri

_FARTHEST = 3.0


def hand_eye_section(result: HandEye) -> Section:
    """Where every pose puts the target, over time and from above."""
    used = np.array([one.used for one in result.grade.observations])
    times_s = [float(one.name.split()[0]) for one in result.grade.observations]
    error_mm = 1000 * result.place_error_m
    limit = _FARTHEST * float(np.quantile(np.linalg.norm(error_mm[used], axis=1), 0.95))
    shown = np.clip(error_mm, -limit, limit)
    with new_figure(width_in=7.5) as (figure, (axes,)):
        for i, name in enumerate("xyz"):
            axes.plot(times_s, shown[:, i], ".", ms=2.5, color=SERIES[i], label=name)
        axes.plot(
            np.array(times_s)[~used], shown[~used, 0], "x", ms=4, color=RED, label="left out"
        )
        axes.set(xlabel="time [s]", ylabel="error of the target's place [mm]")
        axes.legend(ncols=4, loc="upper right")
        over_time = svg_uri(figure)
    with new_figure(width_in=4.2, height_in=4.0) as (figure, (axes,)):
        axes.plot(shown[used, 0], shown[used, 1], ".", ms=2.5, color=BLUE)
        axes.set(xlabel="x [mm]", ylabel="y [mm]", aspect="equal")
        above = svg_uri(figure)
    fixed = result.fixed_from_target
    return Section(
        title=f"Where {fixed.source} is in {fixed.target}",
        intro="It never moves; how far the poses put it from its mean is what hand, camera and "
        "calibration do not agree on. Slow waves are errors that lasting poses share.",
        pictures=(
            Picture(uri=over_time, alt="errors over time", wide=True),
            Picture(uri=above, alt="errors from above"),
        ),
    )
