"""Pictures of the calibration of a LiDAR above the ground."""

from __future__ import annotations

import numpy as np

from perception_stack.calibration.lidar_base.calibrate import LidarBase
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import BLUE, MUTED, new_figure, svg_uri

_MOST_POINTS = 4000


def ground_section(result: LidarBase, initial: RigidTransform, *, ground_z_m: float) -> Section:
    """Heights of the ground before and after, over the distance ahead and to the left."""
    points = result.ground_m[:: max(len(result.ground_m) // _MOST_POINTS, 1)]
    with new_figure(width_in=7.5, columns=2) as (figure, axes):
        for transform, color, name in (
            (initial, MUTED, "before"),
            (result.base_from_lidar, BLUE, "after"),
        ):
            moved = transform.apply(points)
            for one, i in zip(axes, (0, 1), strict=True):
                height = 1000 * (moved[:, 2] - ground_z_m)
                one.plot(moved[:, i], height, ".", ms=1, color=color, label=name, rasterized=True)
                one.set(xlabel=f"{'xy'[i]} [m]", ylabel="height above the ground [mm]")
        limit = 1000 * float(np.quantile(np.abs(result.base_from_lidar.apply(points)[:, 2]), 0.99))
        axes[0].legend(title=f"99 % within {limit:.0f} mm")
        uri = svg_uri(figure)
    return Section(
        title="Ground",
        intro="A slope is an angle that is off, a bend is ground that is not flat.",
        pictures=(Picture(uri=uri, alt="heights of the ground", wide=True),),
    )
