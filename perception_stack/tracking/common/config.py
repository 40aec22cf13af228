"""Parameters that both trackers have, and how compiled loops take parameters."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.config import StepConfig, param
from perception_stack.errors import ConfigError

Row = Any
"""One row of a table, or a record of parameters: compiled loops have its columns as attributes."""

Parameters = NDArray[np.void]
"""[1], a record with a field for each number; Numba takes an array ten times faster than a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingConfig(StepConfig):
    """What both assume of objects and detectors; each has defaults of its own."""

    reset_s: float = param(
        1.0, "A stamp this far back starts anew.", unit="s", low=0.01, high=3600.0
    )
    publish_tentative: bool = param(False, "Also list objects that are not confirmed yet.")

    # what belongs together
    strong_score: float = param(
        0.5, "Detections from this score on choose first and may start objects.", low=0.0, high=1.0
    )
    gate_probability: float = param(
        0.999, "Share of an object's own detections that its gate lets in.", low=0.5, high=0.999999
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
                f"{type(self).__name__}: remove_existence {self.remove_existence} must be below "
                f"confirm_existence {self.confirm_existence}"
            )
            raise ConfigError(msg)


def default(name: str, value: Any) -> Any:
    """A field of :class:`TrackingConfig` with another default."""
    (meta,) = (one.metadata for one in fields(TrackingConfig) if one.name == name)
    return field(default=value, metadata=meta)


def gate(probability: float, num_dimensions: int) -> float:
    """Squared Mahalanobis distance within which a share of what is normal lies (chi-square)."""
    from scipy.special import gammaincinv

    return 2 * float(gammaincinv(0.5 * num_dimensions, probability))


def record(config: TrackingConfig, **further: Any) -> Parameters:
    """The parameters as compiled loops take them.

    Args:
        config: Its numbers and switches become fields.
        further: Numbers and float64 arrays that follow from it.

    Returns:
        Also with ``confirm_log_odds``, ``list_log_odds`` and ``remove_log_odds``.
    """
    values = {one.name: getattr(config, one.name) for one in fields(config)}
    values = {name: one for name, one in values.items() if isinstance(one, (bool, float))}
    for name in ("confirm", "list", "remove"):
        likely = values[f"{name}_existence"]
        values[f"{name}_log_odds"] = float(np.log(likely / (1 - likely)))
    values |= further
    kinds = [(name, np.result_type(one), np.shape(one)) for name, one in values.items()]
    found = np.zeros(1, dtype=kinds)
    for name, one in values.items():
        found[name] = one
    return found
