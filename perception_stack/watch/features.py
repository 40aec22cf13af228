"""Numbers that say what a frame is like: of an image, of the boxes found in it, of a scan.

A value that a frame does not have is NaN: the mean score of no boxes, the haze of no pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception_stack.datatypes import Detections2D, FloatArray, PointCloud

OTHERS = "other classes"
STOPS = "stops"
"""Factors of two."""
_MOST_CLASSES, _LEAST_SHARE = 6, 0.02
_NEAR_M, _MOST_POINTS = 2.0, 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One number per frame.

    Attributes:
        name: What it is.
        unit: Of its value.
        spread: Standard deviation of its level from place to place that is believed before any
            recording was seen; see docs/watch.md for what it was read off.
        less: What is to be said when it falls.
        more: What is to be said when it rises.
    """

    name: str
    unit: str
    spread: float
    less: str
    more: str


_BRIGHTNESS = Feature(
    name="brightness",
    unit=STOPS,
    spread=0.15,
    less="images are darker",
    more="images are brighter",
)
_CONTRAST = Feature(
    name="contrast",
    unit=STOPS,
    spread=0.2,
    less="images have less contrast",
    more="images have more contrast",
)
_SHARPNESS = Feature(
    name="sharpness",
    unit=STOPS,
    spread=0.12,
    less="images are blurred",
    more="images are sharper, or noisy",
)
_HAZE = Feature(
    name="haze",
    unit="grey values",
    spread=10.0,
    less="images are clearer",
    more="images are hazy",
)
_COLOUR = Feature(
    name="colour",
    unit="%",
    spread=4.0,
    less="images are paler",
    more="images are more colourful",
)
_WIDTH = Feature(
    name="width", unit="px", spread=1.0, less="images are narrower", more="images are wider"
)
_HEIGHT = Feature(
    name="height", unit="px", spread=1.0, less="images are lower", more="images are higher"
)
IMAGE = (_WIDTH, _HEIGHT, _BRIGHTNESS, _CONTRAST, _SHARPNESS, _HAZE, _COLOUR)
"""Of :func:`~perception_stack.watch.image_features.image_features`."""

_COUNT = Feature(
    name="count",
    unit="root of the number",
    spread=0.5,
    less="fewer boxes are found",
    more="more boxes are found",
)
_SCORE = Feature(
    name="score", unit="", spread=0.05, less="the detector is less sure", more="it is surer"
)
_BOX_SIZE = Feature(
    name="box size", unit=STOPS, spread=0.3, less="boxes are smaller", more="boxes are larger"
)
_EMPTY = Feature(
    name="nothing found",
    unit="%",
    spread=5.0,
    less="fewer images without any box",
    more="images without any box",
)
BOXES = (_COUNT, _EMPTY, _SCORE, _BOX_SIZE)
"""The first of :func:`box_features`; a share of each class follows."""

_POINTS = Feature(
    name="points",
    unit=STOPS,
    spread=0.2,
    less="scans have fewer points",
    more="scans have more points",
)
_NO_RETURN = Feature(
    name="no return",
    unit="%",
    spread=5.0,
    less="fewer beams are lost",
    more="more beams are lost",
)
_RANGE = Feature(
    name="range",
    unit=STOPS,
    spread=0.4,
    less="what the LiDAR sees is nearer",
    more="what the LiDAR sees is farther away",
)
_CLOSE_BY = Feature(
    name="close by",
    unit="%",
    spread=1.0,
    less="fewer returns come from close by",
    more="more returns come from close by, as from dirt or rain",
)
_INTENSITY = Feature(
    name="intensity",
    unit=STOPS,
    spread=0.3,
    less="returns are weaker",
    more="returns are stronger",
)
CLOUD = (_POINTS, _NO_RETURN, _RANGE, _CLOSE_BY, _INTENSITY)
"""Of :func:`cloud_features`."""


def class_features(classes: Sequence[str]) -> tuple[Feature, ...]:
    """Shares of classes among the boxes of a frame, and of all others."""
    return tuple(
        Feature(
            name=f"share of {one}",
            unit="%",
            spread=8.0,
            less=f"{one}: fewer of the boxes",
            more=f"{one}: more of the boxes",
        )
        for one in (*classes, OTHERS)
    )


def usual_classes(frames: Sequence[Detections2D]) -> tuple[str, ...]:
    """The classes worth a share of their own, the most frequent first."""
    labels, counts = np.unique(
        [label for one in frames for label in one.labels] or [""], return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    kept = [i for i in order if labels[i] and counts[i] >= _LEAST_SHARE * counts.sum()]
    return tuple(str(labels[i]) for i in kept)


def box_features(detections: Detections2D, classes: Sequence[str]) -> FloatArray:
    """How many, how sure, how large, and the share of each class.

    Args:
        detections: Of one image.
        classes: Those with a share of their own.

    Returns:
        float64 [4 + C + 1], in the order of :data:`BOXES` and :func:`class_features`.
    """
    num = len(detections)
    values = np.full(len(BOXES) + len(classes) + 1, np.nan)
    values[0], values[1] = np.sqrt(num), 100.0 * (num == 0)
    if num == 0:
        return values
    sides_px = np.maximum(detections.xyxy_px[:, 2:] - detections.xyxy_px[:, :2], 1.0)
    values[2] = detections.score.mean()
    values[3] = np.log2(sides_px).mean()
    for i, name in enumerate(classes):
        values[len(BOXES) + i] = 100 * detections.labels.count(name) / num
    values[-1] = 100 - values[len(BOXES) : -1].sum()
    return values


def cloud_features(cloud: PointCloud) -> FloatArray:
    """How many points, how many beams without one, how far, how many close by, how bright.

    Dirt and rain bring returns close by and take others away. Beams without a return are known
    only where the driver sends NaN or zero for them.

    Returns:
        float64 [5], in the order of :data:`CLOUD`.
    """
    values = np.full(len(CLOUD), np.nan)
    if len(cloud) == 0:
        values[0] = 0.0
        return values
    # an odd step takes no beam out where the points of all come in turn
    sample = slice(None, None, len(cloud) // _MOST_POINTS | 1)
    xyz_m = cloud.xyz_m[sample]
    range_m = np.sqrt(np.einsum("ij,ij->i", xyz_m, xyz_m))
    with np.errstate(invalid="ignore"):
        real = (range_m > 0) & (range_m < np.inf)
    share = float(np.mean(real))
    values[0] = np.log2(1 + share * len(cloud))
    values[1] = 100 * (1 - share)
    if share:
        values[2] = np.log2(np.median(range_m[real]))
        values[3] = 100 * np.mean(range_m[real] < _NEAR_M)
        if cloud.intensity is not None:
            mean = float(cloud.intensity[sample][real].mean())  # NaN where the sensor gives NaN
            values[4] = np.log2(1 + max(mean, 0.0)) if np.isfinite(mean) else np.nan
    return values
