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
_SQRT_HALF = 0.5**0.5
_VANISHED = 6.0  # from here on the tail is below 1e-16


def middle_deviation(
    probability: FloatArray,
    whole: FloatArray,
    seen: FloatArray,
    hidden: FloatArray,
    hidden_variance: FloatArray,
    *,
    center: FloatArray,
    noise: float,
) -> FloatArray:
    """Deviation of the normal distribution about a centre that is as wide as a mixture.

    As wide: its middle 90 % hold 90 % of the mixture. The second moment would not do, since one
    rare and far alternative makes it wide, and then it describes none of them.

    Args:
        probability: float64 [M, C] of the alternatives.
        whole: float64 [M, C, 3], probability that an alternative is at ``seen``;
            else at ``hidden``.
        seen: float64 [M, 3], where all alternatives are that are seen whole.
        hidden: float64 [M, C, 3], mean of the others.
        hidden_variance: float64 [M, C, 3].
        center: float64 [M, 3].
        noise: Deviation that is added to all of them.

    Returns:
        float64 [M, 3], at least ``noise``.
    """
    deviation: FloatArray = _deviation(
        probability, whole, seen, hidden, hidden_variance, center, noise
    )
    return deviation


@compiled
def _deviation(
    probability: Any,
    whole: Any,
    seen: Any,
    hidden: Any,
    hidden_variance: Any,
    center: Any,
    noise: float,
) -> Any:
    deviation = np.empty((len(probability), 3))
    # what is seen, then the alternatives that matter: how far the mean is from the centre, and
    # deviations a metre
    weight, away, per = np.empty((3, probability.shape[1] + 1))
    for i in range(len(probability)):
        for axis in range(3):
            num, middle = 1, center[i, axis]
            weight[0], away[0], per[0] = 0.0, abs(seen[i, axis] - middle), _SQRT_HALF / noise
            for c in range(probability.shape[1]):
                weight[0] += probability[i, c] * whole[i, c, axis]
                weight[num] = probability[i, c] * (1 - whole[i, c, axis])
                if weight[num] > _NEGLIGIBLE:
                    away[num] = abs(hidden[i, c, axis] - middle)
                    sigma = np.sqrt(hidden_variance[i, c, axis] + noise * noise)
                    per[num] = _SQRT_HALF / sigma
                    num += 1
            total = weight[:num].sum()
            low, high = noise, _FARTHEST
            for _ in range(_NUM_HALVINGS):
                between = np.sqrt(low * high)
                reach = _NORMAL_90 * between
                outside, rest = 0.0, total
                for k in range(num):
                    near, far = per[k] * (reach - away[k]), per[k] * (reach + away[k])
                    if near < _VANISHED:
                        # most are at the centre, with both tails alike
                        tails = erfc(near)
                        if far > near:
                            tails += erfc(far) if far < _VANISHED else 0.0
                        else:
                            tails *= 2
                        outside += 0.5 * weight[k] * tails
                    rest -= weight[k]
                    if outside > 0.1 or outside + rest <= 0.1:
                        break
                if outside > 0.1:
                    low = between
                else:
                    high = between
            deviation[i, axis] = high
    return deviation
