"""Parameters of the image tracker step.

Lengths and speeds are given per height of the box, so that one set of values serves near and far
things and for large and small images. They are also independent of the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from perception_stack.config import param
from perception_stack.tracking.common.config import Parameters, TrackingConfig, gate, record


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTrackerConfig(TrackingConfig):
    """What is assumed of the objects, of the detector, and what is published."""

    image_width_px: int = param(
        0, "Width of the image, where boxes are cut off; 0: not known.", unit="px", low=0
    )
    image_height_px: int = param(
        0, "Height of the image, where boxes are cut off; 0: not known.", unit="px", low=0
    )

    # how things move in the image
    speed: float = param(
        5.0, "Speed of a new object, standard deviation, heights per second.", unit="1/s", low=0.0
    )
    approach: float = param(
        0.3,
        "Rate at which a new object grows, standard deviation, relative to its size.",
        unit="1/s",
        low=0.0,
    )
    acceleration: float = param(
        0.5,
        "Change of speed in one second of what stands, heights per second.",
        unit="1/s",
        low=0.0,
    )
    acceleration_per_speed: float = param(
        0.35, "Further change of speed in one second, relative to the speed.", low=0.0, high=10.0
    )
    approach_change: float = param(
        0.1, "Change of the rate of growth in one second.", unit="1/s", low=0.0
    )
    shape_change: float = param(
        0.1, "Change of width by height in one second, relative to it.", low=0.0, high=10.0
    )
    lost_spread: float = param(
        1.0,
        "Uncertainty of place, in heights, from which on an object is lost.",
        low=0.05,
        high=100.0,
    )

    # how well they are measured
    edge_noise: float = param(
        0.011,
        "Noise of an edge in a clear view, relative to the larger side; it may be much greater.",
        low=1e-4,
        high=0.5,
    )
    noise_ratio: float = param(
        2.5, "Ratio of one level of noise to the next lower of the five.", low=1.0, high=10.0
    )
    noise_memory_s: float = param(
        1.0, "Time after which what was learned of the noise counts a third.", unit="s", low=1e-3
    )
    detection_share: float = param(
        0.7,
        "Share of the detected box in the listed one, the other is what was expected.",
        low=0.0,
        high=1.0,
    )

    # what belongs together
    new_density: float = param(
        0.01,
        "New objects in a frame, with each edge within a stretch as long as the larger side.",
        low=1e-12,
        high=1.0,
    )

    list_spread: float = param(
        0.15,
        "Uncertainty of place, in widths, up to which an undetected object is listed.",
        low=0.0,
        high=100.0,
    )


@lru_cache(maxsize=16)
def numbers(config: ImageTrackerConfig) -> Parameters:
    """The parameters as compiled loops take them, with ``gate``, of four dimensions."""
    return record(config, gate=gate(config.gate_probability, 4))
