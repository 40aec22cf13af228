"""What a rectangle may be, by its size alone, and how long its hidden sides then are.

A side that is seen whole has the length of its class, normally distributed; of a side that is
seen in part anything up to its length may show, and how much says nothing of the class. With
``e`` the extent seen, ``m`` and ``s`` mean and deviation of the class, ``v`` the probability that
the side is seen whole, ``n`` the noise of an extent, ``d`` a constant:

    p(e | class) = v N(e; m, s² + n²) + (1 - v) Phi((m - e) / s) / d

An unknown thing may have any size, all orders of magnitude being equally likely. Both ways round
(which side is the length) are weighed against each other by the same formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, FloatArray

# length, width, height: mean and deviation in metres, rounded between what the labels of KITTI
# (compact European cars) and nuScenes (larger ones, Singapore and Boston) have in the mean;
# the last column is how often such a thing is met among the clusters of a street
_SIZES = (
    ("car", (4.2, 1.75, 1.6), (0.45, 0.15, 0.15), 0.2),
    ("truck", (5.1, 1.95, 2.2), (0.5, 0.15, 0.2), 0.03),  # van
    ("truck", (8.0, 2.55, 3.2), (2.0, 0.25, 0.4), 0.02),
    ("pedestrian", (0.75, 0.65, 1.72), (0.2, 0.12, 0.14), 0.1),
    ("cyclist", (1.75, 0.65, 1.7), (0.15, 0.15, 0.13), 0.05),
)
_NEGLIGIBLE = 0.01
_UNKNOWN_PRIOR = 0.6
_UNKNOWN_RANGE_M = (0.1, 16.0)
_EXTENT_NOISE_M = 0.15
_PART_M = 2.0
_TINY = 1e-300  # where a size fits so badly that its density vanishes

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
        size_variance_m2: float64 [M, 3], mean squared error of it, over all classes.
    """

    class_probs: FloatArray
    swapped: NDArray[np.bool_]
    swap_probability: FloatArray
    size_m: FloatArray
    size_variance_m2: FloatArray


def believe(
    extent_m: FloatArray, whole: FloatArray, class_likelihood: FloatArray | None = None
) -> SizeBelief:
    """Weigh every class, both ways round, against the extents seen.

    Args:
        extent_m: float64 [M, 3], seen along the first axis, the second axis and z.
        whole: float64 [M, 3], probability that each of them is the whole extent.
        class_likelihood: float64 [M, 5] over :data:`CLASSES`, what another sensor says; nothing
            if None.
    """
    from scipy.special import ndtr

    num = len(extent_m)
    if class_likelihood is None:
        class_likelihood = np.ones((num, len(CLASSES)))
    of_row = [CLASSES.index(row[0]) for row in _SIZES]
    mean = np.array([row[1] for row in _SIZES])
    sigma = np.array([row[2] for row in _SIZES])
    both = np.stack([mean, mean[:, [1, 0, 2]]], axis=1)  # [row, way round, axis]
    spread = np.stack([sigma, sigma[:, [1, 0, 2]]], axis=1)
    extent = extent_m[:, None, None, :]
    noisy = np.hypot(spread, _EXTENT_NOISE_M)
    seen_whole = whole[:, None, None, :] * _normal((extent - both) / noisy) / noisy
    short = (both - extent) / spread
    seen_part = (1 - whole[:, None, None, :]) * ndtr(short) / _PART_M
    prior = np.array([row[3] for row in _SIZES])
    weight = 0.5 * prior[:, None] * (seen_whole + seen_part).prod(axis=3)  # [M, row, way round]
    weight *= class_likelihood[:, of_row, None]

    low_m, high_m = _UNKNOWN_RANGE_M
    clipped = np.clip(extent_m, low_m, high_m)
    unknown = _UNKNOWN_PRIOR * (1 / (clipped * np.log(high_m / low_m))).prod(axis=1)
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
    hidden_m, hidden_variance = _beyond(extent, both, spread)
    size_if = share * extent + (1 - share) * hidden_m  # [M, row, way round, axis]
    size = np.where(known[:, None], size_if[rows, best, way], extent_m)
    variance_if = (1 - share) * (hidden_variance + share * (hidden_m - extent) ** 2)
    miss_if = variance_if + (size_if - size[:, None, None, :]) ** 2
    # of an unknown thing as much again may be hidden
    miss_unknown = (1 - whole) * extent_m**2 + (size - extent_m) ** 2
    probability = weight / total[:, None, None]
    miss = np.einsum("nrw,nrwk->nk", probability, miss_if) + probs[:, -1:] * miss_unknown
    return SizeBelief(
        class_probs=probs,
        swapped=swapped,
        swap_probability=np.where(known, swap_probability, 0.5),
        size_m=size,
        size_variance_m2=_EXTENT_NOISE_M**2 + miss,
    )


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
