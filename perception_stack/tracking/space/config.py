"""Parameters of the tracker step.

Lengths, speeds and accelerations are given per size of the object, the diagonal of its box, so
that one set of values serves a truck and a cup: the tracker does not know which unit it works in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perception_stack.config import param
from perception_stack.errors import ConfigError
from perception_stack.tracking.common.config import (
    Parameters,
    TrackingConfig,
    default,
    gate,
    record,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig(TrackingConfig):
    """What is assumed of the objects, of the detector, and what is published."""

    fixed_frame: str = param("odom", "Frame that does not move; objects are tracked in it.")
    transform_timeout_s: float = param(
        0.5, "Longest wait for the transform to the fixed frame.", unit="s", low=0.0, high=10.0
    )
    reorder_horizon_s: float = param(
        0.0,
        "A frame this late is still used, by running the later ones again.",
        unit="s",
        low=0.0,
        high=10.0,
    )
    prediction_horizons_s: tuple[float, ...] = param(
        (0.5, 1.0, 2.0),
        "How far ahead the list is predicted, while somebody listens.",
        unit="s",
        low=0.0,
        high=10.0,
    )
    obstacle_spacing_m: float = param(
        0.2, "Distance of the points on the walls of an obstacle.", unit="m", low=1e-3, high=10.0
    )

    # what it listens to
    box_topics: tuple[str, ...] = param(
        ("detections_3d",), "Topics of 3-D boxes, each a source with a clock of its own."
    )
    box_offsets_s: tuple[float, ...] = param(
        (),
        "Added to the stamps of each of them; none given: nothing.",
        unit="s",
        low=-10.0,
        high=10.0,
    )
    box_views_rad: tuple[float, ...] = param(
        (),
        "Opening of the cone about what is ahead that each of them sees; none given: all round.",
        unit="rad",
        low=0.01,
        high=6.2831854,
    )
    box_ranges_m: tuple[float, ...] = param(
        (), "How far each of them sees; none given: any distance.", unit="m", low=0.01
    )
    box_classes: tuple[str, ...] = param(
        (), "Classes that each of them knows, with blanks between; none given, or '': all."
    )
    image_topics: tuple[str, ...] = param(
        (), "Topics of 2-D detections that fusion does not take; camera_info lies beside each."
    )
    image_classes: tuple[str, ...] = param(
        ("car", "truck", "pedestrian", "cyclist"), "Classes that their detectors know."
    )

    # how objects move
    speed_per_size: float = param(
        2.0, "Speed of a new object, standard deviation, sizes per second.", unit="1/s", low=0.0
    )
    acceleration_per_size: float = param(
        0.1,
        "Acceleration of what stands, standard deviation, sizes per second squared.",
        unit="1/s^2",
        low=1e-3,
    )
    acceleration_per_speed: float = param(
        0.08, "Further acceleration, relative to the speed.", unit="1/s", low=0.0, high=10.0
    )
    acceleration_memory_s: float = param(
        2.0,
        "Time after which a third of an acceleration is left.",
        unit="s",
        low=1e-3,
        high=1e3,
    )
    vertical_share: float = param(
        0.2, "Of speeds and accelerations, what may be along the upright axis.", low=0.0, high=1.0
    )
    turn_rate_radps: float = param(
        0.3, "Turn rate of a new object, standard deviation.", unit="rad/s", low=0.0
    )
    turn_acceleration_radps: float = param(
        0.5, "Change of turn rate in one second.", unit="rad/s", low=1e-3
    )
    size_change: float = param(
        0.005, "Change of a side in one second, relative to it.", low=1e-6, high=1.0
    )
    lost_spread: float = param(
        3.0,
        "Uncertainty of place, in sizes, from which on an object is lost.",
        low=0.1,
        high=100.0,
    )

    # how well they are measured, added to what the detections say themselves
    position_noise_per_size: float = param(
        0.005, "Least position noise of a detection, in sizes.", low=1e-4, high=1.0
    )
    rotation_noise_rad: float = param(
        0.02, "Least rotation noise of a detection.", unit="rad", low=1e-4, high=1.0
    )
    stamp_noise_s: float = param(
        0.01,
        "Deviation of stamps from when things were measured, at first; it is learned.",
        unit="s",
        low=1e-5,
        high=0.1,
    )
    precise_share: float = param(
        0.1, "Share of detections that are more precise than stated.", low=1e-4, high=0.5
    )
    precise_scale: float = param(
        0.4, "How far off those are, in deviations as stated.", low=0.05, high=1.0
    )
    outlier_share: float = param(
        0.1, "Share of detections that are less precise than stated.", low=1e-4, high=0.5
    )
    outlier_scale: float = param(
        3.0, "How far off those are, in deviations as stated.", low=1.0, high=20.0
    )
    precision_memory_s: float = param(
        0.6,
        "Time after which what a track's detections tell of their precision counts a third.",
        unit="s",
        low=1e-3,
        high=1e6,
    )
    edge_noise: float = param(
        0.06,
        "Noise of the edges of a detection in an image, relative to its height.",
        low=1e-3,
        high=1.0,
    )
    axis_noise_rad: float = param(
        0.2,
        "Yaw noise of a detection of unknown heading, once turned to the nearest side.",
        unit="rad",
        low=1e-3,
        high=1.0,
    )
    size_noise: float = param(
        0.03, "Noise of a measured side, relative to it.", low=1e-3, high=1.0
    )

    # what belongs together
    strong_score: float = default("strong_score", 0.3)
    gate_probability: float = default("gate_probability", 0.995)
    new_density: float = param(
        0.01, "New objects in a frame, in a cube as long as the object.", low=1e-12, high=1.0
    )
    image_overlap: float = param(
        0.5,
        "Overlap in the image with an object from which on a detection there starts none.",
        low=0.0,
        high=1.0,
    )
    duplicate_overlap: float = default("duplicate_overlap", 0.3)

    # whether it is there
    birth_odds: float = default("birth_odds", 0.5)
    unseen_s: float = default("unseen_s", 0.2)
    list_existence: float = default("list_existence", 0.8)
    remove_existence: float = param(
        0.05, "Existence probability that ends an object never confirmed.", low=0.05, high=0.99
    )
    image_certainty: float = param(
        1.0,
        "How much more a miss in an image tells than a miss of a box, as a factor.",
        low=0.0,
        high=100.0,
    )

    # where it heads
    flip_probability: float = param(
        0.1, "Share of detections whose heading is wrong by a half turn.", low=1e-4, high=0.5
    )
    stationary_probability: float = param(
        0.95,
        "Confidence with which a moving object is told from a standing one.",
        low=0.5,
        high=1.0,
    )

    def __post_init__(self) -> None:
        TrackingConfig.__post_init__(self)
        self._check_sources()

    def _check_sources(self) -> None:
        topics = (*self.box_topics, *self.image_topics)
        if len(set(topics)) < len(topics) or "" in topics:
            raise ConfigError(f"TrackerConfig: topics must be different names: {topics}")
        for name in ("box_offsets_s", "box_views_rad", "box_ranges_m", "box_classes"):
            num = len(getattr(self, name))
            if num not in (0, len(self.box_topics)):
                msg = f"TrackerConfig: {num} {name} for {len(self.box_topics)} box_topics"
                raise ConfigError(msg)
        if len(topics) > 1 and self.reorder_horizon_s == 0:
            msg = (
                f"TrackerConfig: what {', '.join(topics)} say does not come in the order of the "
                "stamps; set reorder_horizon_s to the longest that one comes after another"
            )
            raise ConfigError(msg)

    @classmethod
    def for_calibrated_scores(cls) -> TrackerConfig:
        """What suits a network whose scores were fitted to labels: they are taken at their word.

        The score of a cluster says that something is there, which is less.
        """
        return cls(
            strong_score=0.1,
            position_noise_per_size=0.01,
            hit_odds=5.0,
            confirm_existence=0.7,
            list_existence=0.4,
            image_certainty=4.0,
        )


@lru_cache(maxsize=16)
def numbers(config: TrackerConfig) -> Parameters:
    """The parameters as compiled loops take them, and what follows from them.

    Returns:
        As :func:`record`, with ``gate`` and ``still``, the squared Mahalanobis distances in three
        dimensions that belong to ``gate_probability`` and ``stationary_probability``, and
        ``image_gate``, that in four; ``log_flip`` [4], log probability that the front is k quarter
        turns from where a detection says; ``level_share`` [3] and ``level_scale2`` [3] of the
        levels of precision.
    """
    flip = config.flip_probability
    better, worse = config.precise_share, config.outlier_share
    return record(
        config,
        gate=gate(config.gate_probability, 3),
        image_gate=gate(config.gate_probability, 4),
        still=gate(config.stationary_probability, 3),
        # a side taken for the front is taken to be five times rarer than a rear taken for it
        log_flip=np.log([1 - 1.4 * flip, 0.2 * flip, flip, 0.2 * flip]),
        level_share=np.array([better, 1 - better - worse, worse]),
        level_scale2=np.square([config.precise_scale, 1.0, config.outlier_scale]),
    )
