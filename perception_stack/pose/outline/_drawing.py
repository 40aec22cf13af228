"""Compiled: an object drawn into a close-up, and what the colours inside and outside say.

Imported when first used. A close-up is a crop of the frame in which objects have a fixed size in
pixels; ``pinhole`` is float64 [4]: fx, fy, cx, cy of that crop. ``nearest`` is what may hide an
object: the least depth around each pixel, inf where none was measured and 0 off the image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free, machine_code

_LEAST_DEPTH_M = 1e-3
_EDGE = 1e-9
_INSIDE_PX = 4  # farther from the outline than its blur
_AROUND = 0.35  # of the extent of what is drawn; background beyond it is not that of the outline
_PSEUDO = 1e-1  # share of colours that nothing is known of

LEVELS = 16
"""Levels of each colour channel that are told apart."""
UNKNOWN = -1.0
"""In place of the probability of a pixel to be of an object, where something nearer hides it."""
_COARSE = LEVELS // 2

Bins = NDArray[np.uint16]
"""Of each pixel the number of its colour: (red * LEVELS + green) * LEVELS + blue."""


@free
def draw(  # noqa: PLR0917
    vertices: FloatArray,
    triangles: NDArray[np.int64],
    parts: NDArray[np.int64],
    pinhole: FloatArray,
    drawn: FloatArray,
    part: NDArray[np.int64],
) -> None:
    """Depth and part of the nearest surface at each pixel, written into ``drawn`` and ``part``.

    Inf and -1 where there is none. Triangles that reach behind the camera are left out.
    """
    height, width = drawn.shape
    drawn[:] = np.inf
    part[:] = -1
    seen = np.empty((len(vertices), 3))
    for i in range(len(vertices)):
        z = vertices[i, 2]
        seen[i, 2] = 1 / z if z > _LEAST_DEPTH_M else -1.0
        seen[i, 0] = pinhole[0] * vertices[i, 0] / z + pinhole[2]
        seen[i, 1] = pinhole[1] * vertices[i, 1] / z + pinhole[3]
    for t in range(len(triangles)):
        a, b, c = seen[triangles[t, 0]], seen[triangles[t, 1]], seen[triangles[t, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if min(a[2], b[2], c[2]) < 0 or abs(area) < _EDGE:
            continue
        first_u = max(int(np.ceil(min(a[0], b[0], c[0]))), 0)
        last_u = min(int(np.floor(max(a[0], b[0], c[0]))), width - 1)
        first_v = max(int(np.ceil(min(a[1], b[1], c[1]))), 0)
        last_v = min(int(np.floor(max(a[1], b[1], c[1]))), height - 1)
        for v in range(first_v, last_v + 1):
            for u in range(first_u, last_u + 1):
                p = ((b[0] - u) * (c[1] - v) - (c[0] - u) * (b[1] - v)) / area
                q = ((c[0] - u) * (a[1] - v) - (a[0] - u) * (c[1] - v)) / area
                r = 1 - p - q
                if min(p, q, r) < -_EDGE:
                    continue
                z = 1 / (p * a[2] + q * b[2] + r * c[2])
                if z < drawn[v, u]:
                    drawn[v, u], part[v, u] = z, parts[t]


@free
def region_gain(
    drawn: FloatArray, nearest: NDArray[np.float32], bins: Bins, margin_m: float
) -> float:
    """How much better two distributions of colour, inside and outside, fit a close-up than one.

    Log of the ratio of likelihoods, each distribution being that of the pixels themselves. Where
    something nearer hides the object, pixels are of neither.

    Returns:
        The gain in nats, 0 where nothing is drawn.
    """
    inside = np.zeros(_COARSE**3)
    outside = np.zeros(_COARSE**3)
    for v in range(drawn.shape[0]):
        for u in range(drawn.shape[1]):
            code = int(bins[v, u])
            coarse = code // (2 * LEVELS**2) * _COARSE + code // LEVELS % LEVELS // 2
            coarse = coarse * _COARSE + code % LEVELS // 2
            if drawn[v, u] == np.inf:
                outside[coarse] += 1
            elif nearest[v, u] >= drawn[v, u] - margin_m:
                inside[coarse] += 1
    num_inside, num_outside = inside.sum(), outside.sum()
    gain = 0.0
    if num_inside > 0 and num_outside > 0:
        for i in range(len(inside)):
            expected = (inside[i] + outside[i]) / (num_inside + num_outside)
            if inside[i] > 0:
                gain += inside[i] * np.log(inside[i] / num_inside / expected)
            if outside[i] > 0:
                gain += outside[i] * np.log(outside[i] / num_outside / expected)
    return gain


@free
def inside_odds(  # noqa: PLR0917
    drawn: FloatArray,
    nearest: NDArray[np.float32],
    bins: Bins,
    margin_m: float,
    middle_depth_m: float,
    odds: NDArray[np.float32],
) -> None:
    """Probability of each pixel to be of the object, by its colour alone, written into odds.

    By the colours inside and around what is drawn; unknown where something nearer hides it.
    """
    height, width = drawn.shape
    inside, outside = np.zeros(LEVELS**3), np.zeros(LEVELS**3)
    first_u, last_u, first_v, last_v = _extent(drawn)
    grow = int(_AROUND * max(last_u - first_u, last_v - first_v)) + 1
    odds[:] = UNKNOWN
    for v in range(max(first_v - grow, 0), min(last_v + grow + 1, height)):
        for u in range(max(first_u - grow, 0), min(last_u + grow + 1, width)):
            is_drawn = drawn[v, u] < np.inf
            if nearest[v, u] < (drawn[v, u] if is_drawn else middle_depth_m) - margin_m:
                continue
            left, right = max(u - _INSIDE_PX, 0), min(u + _INSIDE_PX, width - 1)
            top, bottom = max(v - _INSIDE_PX, 0), min(v + _INSIDE_PX, height - 1)
            num_alike = int((drawn[v, left] < np.inf) == is_drawn)
            num_alike += int((drawn[v, right] < np.inf) == is_drawn)
            num_alike += int((drawn[top, u] < np.inf) == is_drawn)
            num_alike += int((drawn[bottom, u] < np.inf) == is_drawn)
            if num_alike < 4:
                continue
            if is_drawn:
                inside[bins[v, u]] += 1
            else:
                outside[bins[v, u]] += 1
    inside, outside = _smooth(inside), _smooth(outside)
    for v in range(height):
        for u in range(width):
            depth = drawn[v, u] if drawn[v, u] < np.inf else middle_depth_m
            if nearest[v, u] >= depth - margin_m:
                here = inside[bins[v, u]]
                odds[v, u] = here / (here + outside[bins[v, u]])


@free
def crease_odds(  # noqa: PLR0917
    drawn: FloatArray,
    side: NDArray[np.int8],
    nearest: NDArray[np.float32],
    bins: Bins,
    margin_m: float,
    odds: NDArray[np.float32],
) -> int:
    """Probability of each pixel of two parts to be of the first, by its colour, into odds.

    By the colours of both as drawn; unknown elsewhere and where something nearer hides them.

    Args:
        drawn: Depth of the object at each pixel, inf where it is not.
        side: int8 [h, w], 1 on the first part, -1 on the second, 0 elsewhere.
        nearest: What may hide it.
        bins: Colours.
        margin_m: What is nearer by more than this hides it.
        odds: Written.

    Returns:
        Pixels of the part of which fewer are far enough from its border to be learnt from.
    """
    height, width = drawn.shape
    n = _INSIDE_PX
    first, second = np.zeros(LEVELS**3), np.zeros(LEVELS**3)
    odds[:] = UNKNOWN
    for v in range(n, height - n):
        for u in range(n, width - n):
            here = side[v, u]
            if here == 0 or nearest[v, u] < drawn[v, u] - margin_m:
                continue
            around = (side[v - n, u], side[v + n, u], side[v, u - n], side[v, u + n])
            if min(around) == here == max(around):
                if here > 0:
                    first[bins[v, u]] += 1
                else:
                    second[bins[v, u]] += 1
    fewest = int(min(first.sum(), second.sum()))
    first, second = _smooth(first), _smooth(second)
    for v in range(height):
        for u in range(width):
            if side[v, u] != 0 and nearest[v, u] >= drawn[v, u] - margin_m:
                share = first[bins[v, u]]
                odds[v, u] = share / (share + second[bins[v, u]])
    return fewest


@machine_code
def _extent(drawn: FloatArray) -> tuple[int, int, int, int]:
    """First and last column and row of what is drawn."""
    first_u, last_u, first_v, last_v = drawn.shape[1], -1, drawn.shape[0], -1
    for v in range(drawn.shape[0]):
        for u in range(drawn.shape[1]):
            if drawn[v, u] < np.inf:
                first_u, last_u = min(first_u, u), max(last_u, u)
                first_v, last_v = min(first_v, v), max(last_v, v)
    return first_u, last_u, first_v, last_v


@machine_code
def _smooth(counts: FloatArray) -> FloatArray:
    """Shares of colours, those of neighbouring levels blended, none of them zero."""
    for stride in (1, LEVELS, LEVELS * LEVELS):
        blended = np.empty_like(counts)
        for i in range(len(counts)):
            level = i // stride % LEVELS
            low = counts[i - stride] if level > 0 else counts[i]
            high = counts[i + stride] if level < LEVELS - 1 else counts[i]
            blended[i] = (low + 2 * counts[i] + high) / 4
        counts = blended
    total = 0.0
    for i in range(len(counts)):
        total += counts[i]
    for i in range(len(counts)):
        share = counts[i] / total if total > 0 else 0.0
        counts[i] = (share + _PSEUDO / len(counts)) / (1 + _PSEUDO)
    return counts
