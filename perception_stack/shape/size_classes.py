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

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, FloatArray
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

_MEAN, _SIGMA = (np.array([row[k] for row in _SIZES]) for k in (1, 2))
# [row, way round, axis]
_BOTH, _SPREAD = (np.stack([one, one[:, [1, 0, 2]]], axis=1) for one in (_MEAN, _SIGMA))
_NUM_WAYS = 2 * len(_SIZES)

CLASSES = ("car", "cyclist", "pedestrian", "truck", UNKNOWN)


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
    seen_whole, seen_part = _densities(extent_m, shown, whole)
    prior = np.array([row[3] for row in _SIZES])
    weight = 0.5 * prior[:, None] * (seen_whole + seen_part).prod(axis=3)  # [M, row, way round]
    weight *= class_likelihood[:, [CLASSES.index(row[0]) for row in _SIZES], None]
    if stands is not None:
        weight *= stands[:, None, None]
    low_m, high_m = _UNKNOWN_RANGE_M
    clipped = np.clip(extent_m, low_m, high_m)
    of_any_size = shown / (clipped * np.log(high_m / low_m)) + (1 - shown) / _AWAY_M
    unknown = _UNKNOWN_PRIOR * of_any_size.prod(axis=1)
    unknown *= class_likelihood[:, -1]
    total = weight.sum(axis=(1, 2)) + unknown
    probs = np.zeros((num, len(CLASSES)))
    for row, (label, _, _, _) in enumerate(_SIZES):
        probs[:, CLASSES.index(label)] += weight[:, row].sum(axis=1) / total
    probs[:, -1] = unknown / total
    # what is as good as impossible is not worth a hypothesis in every message
    probs[probs < _NEGLIGIBLE] = 0.0
    probs /= probs.sum(axis=1, keepdims=True)

    # the box follows the best row, its variance speaks for all of them
    best = np.argmax(weight.max(axis=2), axis=1)
    rows = np.arange(num)
    known = np.argmax(probs, axis=1) != len(CLASSES) - 1
    longer = extent_m[:, 1] > extent_m[:, 0]
    swapped = np.where(known, weight[rows, best, 1] > weight[rows, best, 0], longer)
    way = swapped.astype(np.intp)
    ways = weight.sum(axis=1)
    swap_probability = ways[rows, 1 - way] / np.maximum(ways.sum(axis=1), _TINY)
    share = seen_whole / np.maximum(seen_whole + seen_part, _TINY)
    hidden_m, hidden_m2 = _beyond(extent_m[:, None, None, :], _BOTH, _SPREAD)
    size_if = share * extent_m[:, None, None, :] + (1 - share) * hidden_m
    size = np.where(known[:, None], size_if[rows, best, way], extent_m)
    # an unknown thing may go on as far as it is seen to be long
    longest_m = np.column_stack([*[extent_m[:, :2].max(axis=1)] * 2, extent_m[:, 2]])
    deviation_m = middle_deviation(
        np.append(weight.reshape(num, _NUM_WAYS), unknown[:, None], axis=1) / total[:, None],
        np.append(share.reshape(num, _NUM_WAYS, 3), whole[:, None, :], axis=1),
        extent_m - size,
        np.append(hidden_m.reshape(num, _NUM_WAYS, 3), extent_m[:, None, :], axis=1)
        - size[:, None, :],
        np.append(hidden_m2.reshape(num, _NUM_WAYS, 3), longest_m[:, None, :] ** 2, axis=1),
        noise=_EXTENT_NOISE_M,
    )
    return SizeBelief(
        class_probs=probs,
        swapped=swapped,
        swap_probability=np.where(known, swap_probability, 0.5),
        size_m=size,
        size_variance_m2=deviation_m**2,
    )


def _densities(
    extent_m: FloatArray, shown: FloatArray, whole: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Of the extents if they are seen whole, and if not, [M, row, way round, axis]."""
    from scipy.special import ndtr

    extent, shown, whole = (one[:, None, None, :] for one in (extent_m, shown, whole))
    noisy = np.hypot(_SPREAD, _EXTENT_NOISE_M)
    seen_whole = whole * _normal((extent - _BOTH) / noisy) / noisy
    seen_part = (shown - whole) / _BOTH + (1 - shown) / _AWAY_M
    seen_part = seen_part * ndtr((_BOTH - extent) / _SPREAD)
    return seen_whole, seen_part


def _normal(x: FloatArray) -> FloatArray:
    density: FloatArray = np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)
    return density


def _beyond(
    extent_m: FloatArray, mean_m: FloatArray, sigma_m: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of a normal length that is known to be at least the extent seen."""
    from scipy.special import log_ndtr

    alpha = (extent_m - mean_m) / sigma_m
    # the hazard of the normal distribution, without a quotient of two tiny numbers
    hazard = np.exp(-0.5 * alpha**2 - 0.5 * np.log(2 * np.pi) - log_ndtr(-alpha))
    mean = mean_m + sigma_m * hazard
    variance = sigma_m**2 * np.clip(1 - hazard * (hazard - alpha), 0, 1)
    return np.maximum(mean, extent_m), variance
