"""Pictures of a LiDAR-LiDAR calibration."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section
from perception_stack.report.style import MUTED, ORANGE, new_figure, svg_uri

_MOST_POINTS = 6000
_WIDE_QUANTILE = 0.9


def clouds_section(
    source_m: FloatArray, target_m: FloatArray, before: RigidTransform, after: RigidTransform
) -> Section:
    """Both clouds from above and from the side, before and after."""
    few = [_few(one) for one in (source_m, target_m)]
    reach = float(np.quantile(np.abs(few[0]).max(axis=1), _WIDE_QUANTILE))
    pictures = []
    for name, transform in (("before", before), ("after", after)):
        moved = transform.apply(few[0])
        with new_figure(width_in=7.5, height_in=3.6, columns=2) as (figure, axes):
            for one, (i, j) in zip(axes, ((0, 1), (0, 2)), strict=True):
                one.plot(few[1][:, i], few[1][:, j], ".", ms=0.8, color=MUTED, rasterized=True)
                one.plot(moved[:, i], moved[:, j], ".", ms=0.8, color=ORANGE, rasterized=True)
                one.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
                one.set(xlabel=f"{'xyz'[i]} [m]", ylabel=f"{'xyz'[j]} [m]")
            uri = svg_uri(figure)
        pictures.append(Picture(uri=uri, alt=name, wide=True, caption=name))
    return Section(
        title="Both clouds",
        intro=f"{after.source} in orange on {after.target} in grey, from above and from the side.",
        pictures=tuple(pictures),
    )


def _few(points_m: FloatArray) -> FloatArray:
    points = points_m[np.isfinite(points_m).all(axis=1)]
    return np.asarray(points[:: max(len(points) // _MOST_POINTS, 1)])
