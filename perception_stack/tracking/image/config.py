"""Parameters of the image tracker step.

Lengths and speeds are given per height of the box, so that one set of values serves near and far
things and for large and small images. They are also independent of the frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTrackerConfig(StepConfig):
    """What is assumed of the objects, of the detector, and what is published."""

    reset_s: float = param(
        1.0, "A stamp this far back starts anew.", unit="s", low=0.01, high=3600.0
    )
    image_width_px: int = param(
        0, "Width of the image, where boxes are cut off; 0: not known.", unit="px", low=0
    )
    image_height_px: int = param(
        0, "Height of the image, where boxes are cut off; 0: not known.", unit="px", low=0
    )
    publish_tentative: bool = param(False, "Also list objects that are not confirmed yet.")

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
    strong_score: float = param(
        0.5, "Detections from this score on choose first and may start objects.", low=0.0, high=1.0
    )
    gate_probability: float = param(
        0.999, "Share of an object's own detections that its gate lets in.", low=0.5, high=0.999999
    )
    new_density: float = param(
        0.01,
        "New objects in a frame, with each edge within a stretch as long as the larger side.",
        low=1e-12,
        high=1.0,
    )
    duplicate_overlap: float = param(
        0.7, "Overlap with an object from which on a detection starts none.", low=0.0, high=1.0
    )

    # whether it is there
    birth_odds: float = param(
        0.4, "Odds that a detection of score 0.5 without a past is an object.", low=1e-3, high=10.0
    )
    hit_odds: float = param(
        2.5,
        "Odds of an object where a track and a detection of score 0.5 meet.",
        low=0.1,
        high=1e2,
    )
    persistence_s: float = param(
        0.1, "Time for which errors of a detector persist.", unit="s", low=1e-3, high=1e2
    )
    unseen_s: float = param(
        0.07, "Time without detection that divides the odds by e.", unit="s", low=1e-3, high=1e3
    )
    existence_memory_s: float = param(
        0.5, "Time after which evidence of existence counts a third.", unit="s", low=0.01, high=1e6
    )
    confirm_existence: float = param(
        0.85, "Existence probability that confirms an object.", low=0.01, high=0.999
    )
    list_existence: float = param(
        0.85, "Existence probability below which an object is not listed.", low=0.001, high=0.99
    )
    list_spread: float = param(
        0.15,
        "Uncertainty of place, in widths, up to which an undetected object is listed.",
        low=0.0,
        high=100.0,
    )
    remove_existence: float = param(
        0.05, "Existence probability that ends an object never confirmed.", low=0.001, high=0.99
    )

    # what it is
    class_memory_s: float = param(
        2.0, "Time after which old class evidence counts a third.", unit="s", low=0.01, high=1e6
    )
    class_confusion: float = param(
        0.05, "Share of class probabilities that may be any class.", low=1e-4, high=1.0
    )

    def __post_init__(self) -> None:
        # zero-argument super() fails in slotted dataclasses before Python 3.12
        StepConfig.__post_init__(self)
        if not self.remove_existence < self.confirm_existence:
            msg = (
                f"ImageTrackerConfig: remove_existence {self.remove_existence} must be below "
                f"confirm_existence {self.confirm_existence}"
            )
            raise ConfigError(msg)
