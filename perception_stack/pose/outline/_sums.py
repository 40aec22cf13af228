"""Compiled: normal equations of a pose from its outline and from the depths inside.

Imported when first used. A step is float64 [6]: a turn about the object's middle and a shift,
along the axes of the camera.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free, machine_code
from perception_stack.pose.outline._drawing import UNKNOWN

_REACH, _BEYOND = 6, 8  # steps by which the outline may be off, and on each side of it
_SURE, _SLOPE = 0.43, 0.5  # of the step from inside to outside (Stoiber et al. 2022)
_CLEAR = 3  # steps on both sides that must be seen
_CHANCE = 0.1  # share of lines that say nothing true
_GRADIENT_PX = 2


@free
def outline_sums(  # noqa: PLR0917
    contour: tuple[FloatArray, FloatArray, FloatArray],
    odds: NDArray[np.float32],
    pinhole: FloatArray,
    step_px: float,
    least_px: float,
    middle: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What colours along lines across the outline say of where it is.

    Of each line the distribution of where inside turns to outside (Stoiber, Pfanne, Strobl,
    Triebel, Albu-Schäffer, "SRT3D", IJCV 2022, equations 3 to 8) gives a mean and a variance.

    Args:
        contour: Pixels [N, 2] of the outline, directions [N, 2] outwards, points [N, 3] there.
        odds: float32 [h, w], probability to be of the object.
        pinhole: Of the close-up.
        step_px: From one sample of a line to the next.
        least_px: Standard deviation of the place of an edge in the image, at best.
        middle: float64 [3], about which the object turns.

    Returns:
        Matrix [6, 6] and right side [6], of one measurement for each line; sums [3]: of lines that
        are not hidden; of log likelihoods of the outline's place over those of chance; of the
        contrast of inside to outside.
    """
    uv, directions, points = contour
    matrix, right, totals = np.zeros((6, 6)), np.zeros(6), np.zeros(3)
    num = 2 * _REACH + 1
    inside = 0.5 - _SURE * np.tanh(
        np.arange(-_BEYOND - _REACH, _BEYOND + _REACH + 1) / (2 * _SLOPE)
    )
    chance = (num * num - 1) / 12 * step_px**2
    fits, row = np.empty(num), np.empty(6)
    for k in range(len(uv)):
        fits[:] = 0.0
        contrast = 0.0
        num_clear = 0
        for r in range(-_BEYOND, _BEYOND + 1):
            share = _sampled(
                odds,
                uv[k, 0] + directions[k, 0] * r * step_px,
                uv[k, 1] + directions[k, 1] * r * step_px,
            )
            if share == UNKNOWN:
                continue
            num_clear += abs(r) <= _CLEAR
            if r != 0:
                contrast += (0.5 - share) * np.sign(r) / _BEYOND
            for i in range(num):
                here = inside[r - (i - _REACH) + _REACH + _BEYOND]
                fits[i] += np.log(here * share + (1 - here) * (1 - share))
        # where one side is hidden, all places on that side would do alike
        if num_clear <= 2 * _CLEAR:
            continue
        mean, variance = _moments(fits)
        mean, variance = mean * step_px, variance * step_px**2
        weight = 1 / (variance + least_px**2) - 1 / (chance + least_px**2)
        totals[0] += 1
        totals[1] += np.log((1 - _CHANCE) * _density(fits, least_px / step_px) + _CHANCE)
        totals[2] += contrast
        if weight <= 0:
            continue
        x, y, z = points[k, 0], points[k, 1], points[k, 2]
        a = pinhole[0] * directions[k, 0] / z
        b = pinhole[1] * directions[k, 1] / z
        _fill(row, (a, b, -(a * x + b * y) / z), (x, y, z), middle)
        _add(matrix, right, row, weight, mean)
    return matrix, right, totals


@machine_code
def _sampled(odds: NDArray[np.float32], u: float, v: float) -> float:
    """Between the pixels, linearly; unknown off the image and beside hidden ones."""
    u_low, v_low = int(np.floor(u)), int(np.floor(v))
    if u_low < 0 or v_low < 0 or u_low + 1 >= odds.shape[1] or v_low + 1 >= odds.shape[0]:
        return UNKNOWN
    a, b = odds[v_low, u_low], odds[v_low, u_low + 1]
    c, d = odds[v_low + 1, u_low], odds[v_low + 1, u_low + 1]
    if UNKNOWN in (a, b, c, d):
        return UNKNOWN
    x, y = u - u_low, v - v_low
    return float((1 - y) * ((1 - x) * a + x * b) + y * ((1 - x) * c + x * d))


@machine_code
def _density(fits: FloatArray, sigma: float) -> float:
    """How much likelier the middle is than by chance, blurred by the error of an edge."""
    best = fits.max()
    total = here = kernel = 0.0
    for i in range(len(fits)):
        share = np.exp(fits[i] - best)
        near = np.exp(-0.5 * ((i - _REACH) / sigma) ** 2)
        total += share
        here += share * near
        kernel += near
    return here / total / kernel * len(fits)


@machine_code
def _moments(fits: FloatArray) -> tuple[float, float]:
    """Mean and variance of a place, in steps from the middle, from log densities."""
    best = fits.max()
    total = first = second = 0.0
    for i in range(len(fits)):
        share = np.exp(fits[i] - best)
        total += share
        first += share * (i - _REACH)
        second += share * (i - _REACH) ** 2
    mean = first / total
    return mean, second / total - mean**2


@free
def depth_sums(  # noqa: PLR0917
    drawn: FloatArray,
    measured: NDArray[np.float32],
    pinhole: FloatArray,
    limit_m: float,
    sigma_m: float,
    margin_m: float,
    middle: FloatArray,
    trust: tuple[float, float],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What the depths measured where an object is drawn say of its pose.

    Each depth is laid beside the plane that is drawn at its pixel (Chen and Medioni 1992). By how
    much all depths of a camera are too large is unknown, so it is estimated and taken out (by a
    Schur complement).

    Args:
        drawn: Depth of the object at each pixel, inf where it is not.
        measured: float32 [h, w], inf where there is no depth.
        pinhole: Of the close-up.
        limit_m: Depths farther off count nothing, nearer ones the more the nearer.
        sigma_m: Standard deviation of a depth.
        margin_m: What is farther behind was seen through the object.
        middle: float64 [3], about which the object turns.
        trust: Share of pixels whose depths say something new; deviation of what all are off by.

    Returns:
        Matrix [6, 6] and right side [6], of all pixels that say something new; sums [3]: of pixels
        drawn, of those with a depth, of those seen through.
    """
    height, width = drawn.shape
    matrix, right, totals, row = np.zeros((6, 6)), np.zeros(6), np.zeros(3), np.empty(6)
    (depth_share, bias_m), with_bias, off_bias = trust, np.zeros(6), 0.0
    of_bias = 1 / bias_m**2
    n = _GRADIENT_PX
    for v in range(n, height - n):
        for u in range(n, width - n):
            z = drawn[v, u]
            if z == np.inf:
                continue
            totals[0] += 1
            seen = measured[v, u]
            if seen == np.inf:
                continue
            totals[1] += 1
            totals[2] += seen > z + margin_m
            share = 1 - ((seen - z) / limit_m) ** 2
            if share <= 0:
                continue
            # the inverse depth of a plane is linear in the pixel; 0 where nothing is drawn
            left, behind = 1 / drawn[v, u - n], 1 / drawn[v, u + n]
            above, below = 1 / drawn[v - n, u], 1 / drawn[v + n, u]
            if min(left, behind, above, below) <= 0:
                continue
            a, b = pinhole[0] * (behind - left) / (2 * n), pinhole[1] * (below - above) / (2 * n)
            x, y = (u - pinhole[2]) / pinhole[0], (v - pinhole[3]) / pinhole[1]
            c = 1 / z - a * x - b * y
            length = np.sqrt(a * a + b * b + c * c)
            normal = (a / length, b / length, c / length)
            slant = normal[0] * x + normal[1] * y + normal[2]
            gap = (seen - z) * slant
            _fill(row, normal, (x * z, y * z, z), middle)
            weight = depth_share * share * share / sigma_m**2
            _add(matrix, right, row, weight, gap)
            of_bias += weight * slant * slant
            off_bias += weight * slant * gap
            for i in range(6):
                with_bias[i] += weight * slant * row[i]
    for i in range(6):
        right[i] -= with_bias[i] * off_bias / of_bias
        for j in range(6):
            matrix[i, j] -= with_bias[i] * with_bias[j] / of_bias
    return matrix, right, totals


@machine_code
def _fill(
    row: FloatArray,
    along: tuple[float, float, float],
    point: tuple[float, float, float],
    middle: FloatArray,
) -> None:
    """How what is measured along a direction at a point changes with a step."""
    x, y, z = point[0] - middle[0], point[1] - middle[1], point[2] - middle[2]
    row[0] = along[2] * y - along[1] * z
    row[1] = along[0] * z - along[2] * x
    row[2] = along[1] * x - along[0] * y
    row[3], row[4], row[5] = along


@machine_code
def _add(
    matrix: FloatArray, right: FloatArray, row: FloatArray, weight: float, off: float
) -> None:
    for i in range(6):
        right[i] += weight * row[i] * off
        for j in range(6):
            matrix[i, j] += weight * row[i] * row[j]
