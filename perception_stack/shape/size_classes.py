"""What a rectangle may be, by its size alone, and how long its hidden sides then are.

A side that is seen whole has the length of its class, normally distributed. Of a side that is seen
in part anything up to its length is equally likely to show. What shows of a side that looks away
is as likely for one class as for another. With ``e`` the extent seen, ``m`` and ``s`` mean and
deviation of the class, ``n`` the noise of an extent, ``w`` the probability that the side is seen
whole, ``v`` that it is seen at all, ``d`` a constant:

    p(e | class) = w N(e; m, s² + n²) + ((v - w) / m + (1 - v) / d) Phi((m - e) / s)

An unknown thing may have any size, all orders of magnitude being equally likely. Both ways round
(which side is the length) are weighed against each other by the same formula.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.shape.mixtures import middle_deviation

# length, width, height: mean and deviation in metres, rounded between what the labels of KITTI
# (compact European cars) and nuScenes (larger ones, Singapore and Boston) have in the mean;
# the last column is roughly how often such a thing is met among the clusters of a street, from the
# scans of KITTI, nuScenes and Argoverse 2 with labels
_SIZES = (
    ("car", (4.2, 1.75, 1.6), (0.45, 0.15, 0.15), 0.07),
    ("truck", (5.1, 1.95, 2.2), (0.5, 0.15, 0.2), 0.015),  # van
    ("truck", (8.0, 2.55, 3.2), (2.0, 0.25, 0.4), 0.015),
    ("pedestrian", (0.75, 0.65, 1.72), (0.2, 0.12, 0.14), 0.04),
    ("cyclist", (1.75, 0.65, 1.7), (0.15, 0.15, 0.13), 0.02),
)
_NEGLIGIBLE = 0.01
_UNKNOWN_PRIOR = 0.84
_UNKNOWN_RANGE_M = (0.1, 16.0)
_EXTENT_NOISE_M = 0.15
_AWAY_M = 2.0  # range of what may show of a side that looks away
_TINY = 1e-300  # where a size fits so badly that its density vanishes

CLASSES = ("car", "cyclist", "pedestrian", "truck", UNKNOWN)

USUAL: FloatArray = np.array(
    [sum(row[3] for row in _SIZES if row[0] == one) or _UNKNOWN_PRIOR for one in CLASSES]
)
"""Share of each class among the clusters of a street, float64 [5]."""

_CLASS = np.array([CLASSES.index(row[0]) for row in _SIZES])
_PRIOR = np.array([row[3] for row in _SIZES])
# [row, axis], of the ways round: the first axis is the length, or the second one is
_MEAN_M, _SIGMA_M = (np.array([row[k] for row in _SIZES]) for k in (1, 2))
_AXES = np.array([[0, 1, 2], [1, 0, 2]])
_SQRT_2_PI = np.sqrt(2 * np.pi)
_FAR_OUT = 10.0  # deviations, from which on a series does better than a quotient of tiny numbers
_NUM_TERMS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeBelief:
    """What M rectangles are believed to be.

    Attributes:
        class_probs: float64 [M, 5] over :data:`CLASSES`.
        swapped: bool [M], the second axis is the length.
        swap_probability: float64 [M], that it is the other way round than ``swapped`` says.
        size_m: float64 [M, 3], expected whole length along the first axis, the second axis and z
            (not swapped), for the most probable class.
        size_variance_m2: float64 [M, 3], of a normal distribution about it that is as wide as what
            all classes together say.
    """

    class_probs: FloatArray
    swapped: NDArray[np.bool_]
    swap_probability: FloatArray
    size_m: FloatArray
    size_variance_m2: FloatArray


def usual_size(label: str) -> tuple[FloatArray, FloatArray] | None:
    """Mean and deviation of length, width and height of a class, float64 [3], metres.

    Returns:
        None for a class of which nothing is known. Of several kinds, the one met most.
    """
    rows = [row for row in _SIZES if row[0] == label]
    if not rows:
        return None
    _, mean_m, sigma_m, _ = max(rows, key=lambda row: row[3])
    return np.array(mean_m), np.array(sigma_m)


def believe(
    extent_m: FloatArray,
    shown: FloatArray,
    whole: FloatArray,
    class_likelihood: FloatArray | None = None,
    stands: FloatArray | None = None,
) -> SizeBelief:
    """Weigh every class, both ways round, against the extents seen.

    Args:
        extent_m: float64 [M, 3], seen along the first axis, the second axis and z.
        shown: float64 [M, 3], probability that anything of each of them could be seen; what shows
            of a face that looks away from the sensor says nothing of its extent.
        whole: float64 [M, 3], probability that each of them is the whole extent; at most
            ``shown``.
        class_likelihood: float64 [M, 5] over :data:`CLASSES`, what another sensor says; nothing
            if None.
        stands: float64 [M], probability that it stands on the ground, as every class but the
            unknown does; 1 if None.
    """
    num = len(extent_m)
    if class_likelihood is None:
        class_likelihood = np.ones((num, len(CLASSES)))
    if stands is None:
        stands = np.ones(num)
    probability, share, hidden_m, hidden_m2 = _weigh(
        extent_m, shown, whole, class_likelihood, stands
    )
    probs, swapped, swap_probability, size_m = _choose(extent_m, probability, share, hidden_m)
    deviation_m = middle_deviation(
        probability,
        share,
        extent_m,
        hidden_m,
        hidden_m2,
        center=size_m,
        noise=_EXTENT_NOISE_M,
    )
    return SizeBelief(
        class_probs=probs,
        swapped=swapped,
        swap_probability=swap_probability,
        size_m=size_m,
        size_variance_m2=deviation_m**2,
    )


@compiled
def _weigh(extent_m: Any, shown: Any, whole: Any, class_likelihood: Any, stands: Any) -> Any:
    """What M rectangles may be: the unknown, then every row of the table, both ways round.

    Returns:
        probability: float64 [M, A] of each alternative; A is 1 + 2 per row of the table.
        share: float64 [M, A, 3], probability that the extent is seen whole, if it is that.
        hidden_m: float64 [M, A, 3], mean whole length if it is not.
        hidden_m2: float64 [M, A, 3], its variance.
    """
    num, num_alternatives = len(extent_m), 1 + 2 * len(_PRIOR)
    probability = np.empty((num, num_alternatives))
    share = np.empty((num, num_alternatives, 3))
    hidden_m, hidden_m2 = np.empty(share.shape), np.empty(share.shape)
    low_m, high_m = _UNKNOWN_RANGE_M
    for i in range(num):
        density = 1.0
        for axis in range(3):
            extent = extent_m[i, axis]
            any_size = 1 / (min(max(extent, low_m), high_m) * np.log(high_m / low_m))
            density *= shown[i, axis] * any_size + (1 - shown[i, axis]) / _AWAY_M
            share[i, 0, axis] = whole[i, axis]
            # an unknown thing may go on as far as it is seen to be long
            longest = extent if axis == 2 else max(extent_m[i, 0], extent_m[i, 1])
            hidden_m[i, 0, axis], hidden_m2[i, 0, axis] = extent, longest * longest
        probability[i, 0] = _UNKNOWN_PRIOR * density * class_likelihood[i, -1]

        for k in range(1, num_alternatives):
            row, way = (k - 1) // 2, (k - 1) % 2
            density = 1.0
            for axis in range(3):
                of = _AXES[way, axis]
                mean, sigma = _MEAN_M[row, of], _SIGMA_M[row, of]
                extent = extent_m[i, axis]
                noisy = np.sqrt(sigma * sigma + _EXTENT_NOISE_M * _EXTENT_NOISE_M)
                beyond, off = (extent - mean) / sigma, (extent - mean) / noisy
                longer = 0.5 * erfc(beyond / np.sqrt(2.0))  # probability of a length beyond
                of_whole = whole[i, axis] * np.exp(-0.5 * off * off) / (_SQRT_2_PI * noisy)
                of_part = (shown[i, axis] - whole[i, axis]) / mean
                of_part = (of_part + (1 - shown[i, axis]) / _AWAY_M) * longer
                density *= of_whole + of_part
                share[i, k, axis] = of_whole / max(of_whole + of_part, _TINY)
                # mean and variance of a normal length that is known to be beyond
                if beyond < _FAR_OUT:
                    hazard = np.exp(-0.5 * beyond * beyond) / (_SQRT_2_PI * longer)
                    excess = max(hazard - beyond, 0.0)
                else:
                    excess = 0.0
                    for term in range(_NUM_TERMS, 0, -1):
                        excess = term / (beyond + excess)
                    hazard = beyond + excess
                hidden_m[i, k, axis] = extent + sigma * excess
                left = min(max(1 - hazard * excess, 0.0), 1.0)
                hidden_m2[i, k, axis] = sigma * sigma * left
            believed = 0.5 * _PRIOR[row] * density
            probability[i, k] = believed * class_likelihood[i, _CLASS[row]] * stands[i]
        probability[i] /= probability[i].sum()
    return probability, share, hidden_m, hidden_m2


@compiled
def _choose(extent_m: Any, probability: Any, share: Any, hidden_m: Any) -> Any:
    """Probability of each class, which way round, how unsure that is, and the expected size.

    The size is that of the best row of the table, unless the unknown is more probable.
    """
    num, num_classes = len(probability), len(CLASSES)
    probs = np.zeros((num, num_classes))
    swapped, swap_probability = np.empty(num, dtype=np.bool_), np.empty(num)
    size_m = np.empty((num, 3))
    for i in range(num):
        probs[i, -1] = probability[i, 0]
        best, ways = 1, np.zeros(2)
        for k in range(1, probability.shape[1]):
            probs[i, _CLASS[(k - 1) // 2]] += probability[i, k]
            ways[(k - 1) % 2] += probability[i, k]
            if probability[i, k] > probability[i, best]:
                best = k
        # what is as good as impossible is not worth a hypothesis in every message
        for one in range(num_classes):
            if probs[i, one] < _NEGLIGIBLE:
                probs[i, one] = 0.0
        probs[i] /= probs[i].sum()
        if np.argmax(probs[i]) == num_classes - 1:
            swapped[i], swap_probability[i] = extent_m[i, 1] > extent_m[i, 0], 0.5
            size_m[i] = extent_m[i]
            continue
        way = (best - 1) % 2
        swapped[i] = way == 1
        swap_probability[i] = ways[1 - way] / max(ways[0] + ways[1], _TINY)
        for axis in range(3):
            seen = share[i, best, axis]
            size_m[i, axis] = seen * extent_m[i, axis] + (1 - seen) * hidden_m[i, best, axis]
    return probs, swapped, swap_probability, size_m
