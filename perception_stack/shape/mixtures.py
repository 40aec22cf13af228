"""How wide a belief is that consists of several alternatives."""

# ruff: noqa: PLR0917 - machine code takes its arguments by position
from __future__ import annotations

from math import erfc
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import compiled

_NORMAL_90 = 1.645  # the middle of a normal distribution within this many deviations is 90 %
_NUM_HALVINGS = 9
_FARTHEST = 30.0
_NEGLIGIBLE = 1e-3


def middle_deviation(
    probability: FloatArray,
    whole: FloatArray,
    seen: FloatArray,
    hidden: FloatArray,
    hidden_variance: FloatArray,
    *,
    noise: float,
) -> FloatArray:
    """Deviation of the normal distribution about zero that is as wide as a mixture.

    As wide: its middle 90 % hold 90 % of the mixture. The second moment would not do, since one
    rare and far alternative makes it wide, and then it describes none of them.

    Args:
        probability: float64 [M, C] of the alternatives.
        whole: float64 [M, C, 3], probability that an alternative is at ``seen``;
            else at ``hidden``.
        seen: float64 [M, 3], where all alternatives are that are seen whole.
        hidden: float64 [M, C, 3], mean of the others.
        hidden_variance: float64 [M, C, 3].
        noise: Deviation that is added to all of them.

    Returns:
        float64 [M, 3], at least ``noise``.
    """
    deviation: FloatArray = _deviation(
        probability, whole, seen, hidden, hidden_variance + noise**2, noise
    )
    return deviation


@compiled
def _deviation(
    probability: Any, whole: Any, seen: Any, hidden: Any, hidden_variance: Any, noise: float
) -> Any:
    deviation = np.empty((len(probability), 3))
    weight = np.empty(probability.shape[1])
    for i in range(len(probability)):
        for axis in range(3):
            seen_weight = 0.0
            for c in range(len(weight)):
                seen_weight += probability[i, c] * whole[i, c, axis]
                weight[c] = probability[i, c] * (1 - whole[i, c, axis])
            low, high = noise, _FARTHEST
            for _ in range(_NUM_HALVINGS):
                middle = np.sqrt(low * high)
                reach = _NORMAL_90 * middle
                at, by = seen[i, axis], noise * np.sqrt(2.0)
                outside = 0.5 * seen_weight * (erfc((reach - at) / by) + erfc((reach + at) / by))
                for c in range(len(weight)):
                    if weight[c] > _NEGLIGIBLE:
                        at = hidden[i, c, axis]
                        by = np.sqrt(2.0 * hidden_variance[i, c, axis])
                        both_tails = erfc((reach - at) / by) + erfc((reach + at) / by)
                        outside += 0.5 * weight[c] * both_tails
                if outside > 0.1:
                    low = middle
                else:
                    high = middle
            deviation[i, axis] = high
    return deviation
