"""Parameters of the tracker that make labelled recordings most likely.

Two likelihoods, each with parameters of its own:

- of where an object is detected, given where it was detected before: the innovations of the
  filter along the detections of one labelled object (prediction error decomposition, Harvey 1989,
  section 3.4). It says how objects move and how precise the detector is.
- of whether something is there, given that the tracker believes so with some probability
  (Bernoulli). It says how much detections and misses tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.config import specs
from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.config import Parameters
from perception_stack.tracking.space.births import write_birth
from perception_stack.tracking.space.config import TrackerConfig, numbers
from perception_stack.tracking.space.filter import correct
from perception_stack.tracking.space.measurements import FoundTable, Given, prepared
from perception_stack.tracking.space.motion import move
from perception_stack.tracking.space.precision import expected_scale2
from perception_stack.tracking.space.tracks import TRACK
from perception_stack.tracking.space.turns import squared_and_volume

MOTION = (
    "position_noise_per_size",
    "rotation_noise_rad",
    "acceleration_per_size",
    "acceleration_per_speed",
    "acceleration_memory_s",
    "turn_acceleration_radps",
    "speed_per_size",
    "precise_share",
    "outlier_share",
)
"""Parameters of motion and noise."""

EXISTENCE = ("birth_odds", "hit_odds", "persistence_s", "unseen_s", "existence_memory_s")
"""Parameters of birth, detection and clutter."""

_STEP = 0.3  # of the first simplex, in logarithms
_FLOOR = 1e-3  # where zero is allowed
_NOWHERE = np.full(3, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All detections of one labelled object.

    Attributes:
        given: Columns of the detections as :func:`measurements.prepared` takes them, [M].
        stamps_ns: int64 [M], rising.
    """

    given: Given
    stamps_ns: NDArray[np.int64]

    @classmethod
    def of(cls, detections: Sequence[Boxes3D]) -> Chain:
        """Of one detection for each stamp, in the fixed frame, in order of time."""
        names = ("center_m", "quat_xyzw", "size_lwh_m", "covariance", "score")
        center, quat, size, covariance, score = (
            np.concatenate([getattr(one, name) for one in detections]) for name in names
        )
        return cls(
            given=(center, quat, size, covariance, score, np.ones((len(detections), 1))),
            stamps_ns=np.array([one.stamp_ns for one in detections], dtype=np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionFit:
    """How well motion and noise explain chains.

    Attributes:
        log_density: Mean over all detections but the first of each chain.
        place_squared: float64 [K], squared Mahalanobis distances in place, of three dimensions.
    """

    log_density: float
    place_squared: FloatArray


def motion_fit(chains: Sequence[Chain], config: TrackerConfig) -> MotionFit:
    """Prediction errors along chains."""
    p, densities, places = numbers(config), [np.empty(0)], [np.empty(0)]
    for chain in chains:
        found, rows = _table(chain, p)
        if len(rows) < 2:
            continue
        log_density, place = surprises(found, chain.stamps_ns[rows], p)
        densities.append(log_density[1:])
        places.append(place[1:])
    return MotionFit(
        log_density=float(np.mean(np.concatenate(densities))),
        place_squared=np.concatenate(places),
    )


def bernoulli_log_loss(log_odds: FloatArray, is_there: NDArray[np.bool_]) -> float:
    """Mean of minus the log probability of what is the case; ln 2 for a belief that knows nothing.

    Args:
        log_odds: float64 [K], believed.
        is_there: bool [K].
    """
    return float(np.mean(np.logaddexp(0.0, np.where(is_there, -log_odds, log_odds))))


def fitted(
    names: Sequence[str],
    start: TrackerConfig,
    loss: Callable[[TrackerConfig], float],
    *,
    most_calls: int,
    on_call: Callable[[], Any] = lambda: None,
) -> TrackerConfig:
    """The configuration of least loss, by Nelder and Mead's simplex over logarithms.

    Args:
        names: Parameters to change; their ranges are kept to.
        start: Where to begin, and all other parameters.
        loss: What to make small.
        most_calls: Of ``loss``.
        on_call: Told after each.
    """
    from scipy.optimize import minimize

    ranges = {spec.name: spec for spec in specs(TrackerConfig)}
    least = np.array([max(ranges[name].low or 0.0, _FLOOR) for name in names])
    most = np.array([ranges[name].high or 1e3 for name in names])
    first = np.log(np.clip([getattr(start, name) for name in names], least, most))

    def with_values(logs: FloatArray) -> TrackerConfig:
        values = np.clip(np.exp(logs), least, most)
        changed: dict[str, Any] = dict(zip(names, map(float, values), strict=True))
        return replace(start, **changed)

    def of(logs: FloatArray) -> float:
        value = loss(with_values(logs))
        on_call()
        return value

    simplex = np.vstack([first, first + _STEP * np.eye(len(names))])
    best = minimize(
        of,
        first,
        method="Nelder-Mead",
        options={"maxfev": most_calls, "initial_simplex": simplex, "xatol": 0.01, "fatol": 1e-4},
    )
    return with_values(best.x)


def _table(chain: Chain, parameters: Parameters) -> tuple[NDArray[np.void], NDArray[np.intp]]:
    """Usable detections as the filter takes them, in their own order; and which ones they are."""
    order, ordered, _ = prepared(chain.given, np.zeros(1, dtype=np.intp), 1, parameters)
    in_time = np.argsort(order)
    return ordered[in_time], order[in_time]


@machine_code
def surprises(
    found: FoundTable, stamps_ns: NDArray[np.int64], parameters: Parameters
) -> tuple[FloatArray, FloatArray]:
    """What each detection of one object is, given those before.

    Args:
        found: [M], in order of time.
        stamps_ns: int64 [M].
        parameters: All of them.

    Returns:
        Log density of the pose; squared Mahalanobis distance of the place, with the noise that
        is expected; float64 [M] each, NaN for the first detection.
    """
    num, p, table = len(found), parameters[0], np.zeros(1, dtype=TRACK)
    log_density, place, offset = np.full(num, np.nan), np.full(num, np.nan), np.empty(3)
    write_birth(found[0], stamps_ns[0], table[0], p)
    for m in range(1, num):
        move(table, 1e-9 * (stamps_ns[m] - stamps_ns[m - 1]), p)
        for i in range(3):
            offset[i] = found[m].center_m[i] - table[0].center_m[i]
        scale2 = expected_scale2(table[0].level_probs, p)
        place[m], _ = squared_and_volume(table[0].covariance, found[m].noise, scale2, offset)
        _, log_density[m] = correct(table[0], found[m], _NOWHERE, p)
    return log_density, place
