"""Parameters of the target-free alignment."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentConfig(StepConfig):
    """How far the start may be off and how much work is spent."""

    start_rotation_rad: float = param(
        0.0524, "Error of the start about each axis, one sigma.", unit="rad", low=0.001, high=0.2
    )
    start_translation_m: float = param(
        0.10, "Error of the start along each axis, one sigma.", unit="m", low=0.001, high=1.0
    )
    num_samples: int = param(1024, "Poses tried before the first climb.", low=64, high=65536)
    num_resamples: int = param(
        60, "Refits with the scene weighted otherwise, for the covariance.", low=20, high=1000
    )
    seed: int = param(0, "Of the samples.", low=0)
