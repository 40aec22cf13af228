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


@dataclass(frozen=True, slots=True)
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


def _features(*rows: tuple[str, str, float, str, str]) -> tuple[Feature, ...]:
    return tuple(Feature(*row) for row in rows)


IMAGE = _features(
    ("width", "px", 1.0, "images are narrower", "images are wider"),
    ("height", "px", 1.0, "images are lower", "images are higher"),
    ("brightness", STOPS, 0.15, "images are darker", "images are brighter"),
    ("contrast", STOPS, 0.2, "images have less contrast", "images have more contrast"),
    ("sharpness", STOPS, 0.12, "images are blurred", "images are sharper, or noisy"),
    ("haze", "grey values", 10.0, "images are clearer", "images are hazy"),
    ("colour", "%", 4.0, "images are paler", "images are more colourful"),
)
"""Of :func:`~perception_stack.watch.image_features.image_features`."""

BOXES = _features(
    ("count", "root of the number", 0.5, "fewer boxes are found", "more boxes are found"),
    ("nothing found", "%", 5.0, "fewer images without any box", "images without any box"),
    ("score", "", 0.05, "the detector is less sure", "it is surer"),
    ("box size", STOPS, 0.3, "boxes are smaller", "boxes are larger"),
)
"""The first of :func:`box_features`; a share of each class follows."""

CLOUD = _features(
    ("points", STOPS, 0.2, "scans have fewer points", "scans have more points"),
    ("no return", "%", 5.0, "fewer beams are lost", "more beams are lost"),
    ("range", STOPS, 0.4, "what the LiDAR sees is nearer", "what the LiDAR sees is farther away"),
    (
        "close by",
        "%",
        1.0,
        "fewer returns come from close by",
        "more returns come from close by, as from dirt or rain",
    ),
    ("intensity", STOPS, 0.3, "returns are weaker", "returns are stronger"),
)
"""Of :func:`cloud_features`."""


def class_features(classes: Sequence[str]) -> tuple[Feature, ...]:
    """Shares of classes among the boxes of a frame, and of all others."""
    fewer, more = "{}: fewer of the boxes", "{}: more of the boxes"
    named = (*classes, OTHERS)
    return _features(
        *((f"share of {one}", "%", 8.0, fewer.format(one), more.format(one)) for one in named)
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
