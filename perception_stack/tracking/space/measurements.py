"""Detections of one frame made ready: unusable rows out, set upright, in an order of their own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.journal import Journal, Reason
from perception_stack.tracking.common.classes import columns_of
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.space.tracks import Rows
from perception_stack.tracking.space.turns import cholesky, write_axes

FOUND = np.dtype(
    [
        ("center_m", np.float64, (3,)),
        ("quat_xyzw", np.float64, (4,)),
        ("size_lwh_m", np.float64, (3,)),
        ("noise", np.float64, (6, 6)),
        ("ends_noise_m2", np.float64, (3,)),
        ("yaw_variance_rad2", np.float64),
        ("score", np.float64),
    ],
    align=True,
)
"""One detection, in the fixed frame.

- ``quat_xyzw``: unit, upright.
- ``noise``: of the pose, positive definite.
- ``ends_noise_m2``: variance of each side for ends that were not seen.
- ``yaw_variance_rad2``: as the detector states it.
"""

FoundTable = NDArray[np.void]
"""Rows of :data:`FOUND`."""

UNKNOWN_HEADING_RAD = np.pi / 4
"""Yaw deviation beyond which no side of the box is nearer than another."""

Given = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""Centres [M, 3], rotations [M, 4], sizes [M, 3], covariances [M, 6, 6], scores [M] and class
probabilities [M, V], of any values."""

_ROOT_HALF = np.sqrt(0.5)
# turns that bring axis x, y, z (row) pointing up or down (column) to z
_TURNS_TO_Z = np.array(
    [
        [[0, _ROOT_HALF, 0, _ROOT_HALF], [0, -_ROOT_HALF, 0, _ROOT_HALF]],
        [[-_ROOT_HALF, 0, 0, _ROOT_HALF], [_ROOT_HALF, 0, 0, _ROOT_HALF]],
        [[0, 0, 0, 1], [1, 0, 0, 0]],
    ]
)
_AXES_AFTER = np.array([[2, 1, 0], [0, 2, 1], [0, 1, 2]])


class Measurements(Rows):
    """Usable detections, rows of :data:`FOUND`, sorted by what they say and not how they came."""

    __slots__ = ()


def measurements_from_boxes(
    boxes: Boxes3D, *, vocabulary: tuple[str, ...], parameters: Parameters, journal: Journal
) -> Measurements:
    """Detections as the filter takes them.

    Args:
        boxes: Detections in the fixed frame, in any order.
        vocabulary: Sorted class names, among them those of ``boxes``.
        parameters: Of them the noise floors.
        journal: Told of the rows left out.
    """
    # each layout in memory would be compiled for by itself, at the first frame that has it
    given = (
        _plain(boxes.center_m),
        _plain(boxes.quat_xyzw),
        _plain(boxes.size_lwh_m),
        _plain(boxes.covariance),
        _plain(boxes.score),
        _plain(boxes.class_probs),
    )
    columns = columns_of(boxes.classes, vocabulary)
    order, table, class_probs = prepared(given, columns, len(vocabulary), parameters)
    if len(order) < len(boxes):
        journal.count(
            Reason.NON_FINITE_BOXES,
            stamp_ns=boxes.stamp_ns,
            detail="boxes with NaN, infinite or impossible values were left out",
            num=len(boxes) - len(order),
        )
    return Measurements(
        table=table,
        class_probs=class_probs,
        sensors=tuple([boxes.sensors[m] for m in order.tolist()]),
    )


def _plain(array: FloatArray) -> FloatArray:
    """The array in C order and free to be written to; itself where it is so."""
    in_order = np.ascontiguousarray(array)
    return in_order if in_order.flags.writeable else in_order.copy()


@machine_code
def prepared(
    given: Given, columns: NDArray[np.intp], num_classes: int, parameters: Parameters
) -> tuple[NDArray[np.intp], FoundTable, FloatArray]:
    """What can be used of detections.

    Args:
        given: M detections.
        columns: Of their classes in the vocabulary.
        num_classes: V, of the vocabulary.
        parameters: Of them the noise floors.

    Returns:
        Usable rows in an order that does not depend on how they came, int [<= M]; these rows
        in that order: their table, and class probabilities over the vocabulary, float64 [<= M, V].
    """
    center, quat, size, covariance, score, class_probs = given
    p, table = parameters[0], np.empty(len(center), dtype=FOUND)
    probs = np.zeros((len(center), num_classes))
    usable = np.empty(len(center), dtype=np.intp)
    num, factor = 0, np.empty((6, 6))
    for m in range(len(center)):
        if _is_possible((center[m], quat[m], size[m], covariance[m], class_probs[m]), score[m]):
            f = table[m]
            for c in range(len(columns)):
                probs[m, columns[c]] = class_probs[m, c]
            f.score = score[m]
            f.yaw_variance_rad2 = covariance[m, 5, 5]
            for i in range(3):
                f.center_m[i] = center[m, i]
            _set_upright(quat[m], size[m], f)
            _write_noise(covariance[m], f, p)
            for i in range(6):
                for j in range(6):
                    factor[i, j] = f.noise[i, j]
            if cholesky(factor, 6):
                usable[num] = m
                num += 1
    order = _in_order(usable[:num], table, probs)
    ordered = np.empty_like(table[:num])
    for k in range(num):
        ordered[k] = table[order[k]]
    return order, ordered, probs[order]


@machine_code
def _is_possible(
    given: tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray], score: float
) -> bool:
    """Whether centre, rotation, size, covariance and class probabilities mean a box."""
    center, quat, size, covariance, probs = given
    turn = np.sum(np.abs(quat))
    total = (
        np.sum(np.abs(center)) + np.sum(size) + np.sum(np.abs(covariance)) + np.sum(probs) + turn
    )
    return bool(np.isfinite(total) and turn > 0 and np.min(size) > 0 and 0 <= score <= 1)


@machine_code
def _set_upright(quat: FloatArray, size: FloatArray, f: Row) -> None:
    """Name the axes of a box such that z points up more than x and y."""
    axes = np.empty((3, 3))
    unit = quat / np.sqrt(np.sum(quat**2))
    write_axes(unit, axes)
    up = 2
    for k in range(2):
        # z unless another axis points up clearly more
        if abs(axes[2, k]) > abs(axes[2, up]) + 1e-9:
            up = k
    a, b, c, d = _TURNS_TO_Z[up, 1 if axes[2, up] < 0 else 0]
    x, y, z, w = unit
    f.quat_xyzw[0] = w * a + x * d + y * c - z * b
    f.quat_xyzw[1] = w * b - x * c + y * d + z * a
    f.quat_xyzw[2] = w * c + x * b - y * a + z * d
    f.quat_xyzw[3] = w * d - x * a - y * b - z * c
    for k in range(3):
        f.size_lwh_m[k] = size[_AXES_AFTER[up, k]]


@machine_code
def _write_noise(covariance: FloatArray, f: Row, p: Row) -> None:
    """Noise of a pose, on top of a floor, and what it means for the ends of the sides."""
    noise = f.noise
    for i in range(6):
        for j in range(6):
            noise[i, j] = 0.5 * (covariance[i, j] + covariance[j, i])
    if noise[5, 5] > UNKNOWN_HEADING_RAD**2:
        for i in range(5):
            noise[5, i] = noise[i, 5] = 0.0
        noise[5, 5] = p.axis_noise_rad**2
    place_m2 = 0.0
    for k in range(3):
        place_m2 += (p.position_noise_per_size * f.size_lwh_m[k]) ** 2
    for i in range(3):
        noise[i, i] += place_m2
        noise[i + 3, i + 3] += p.rotation_noise_rad**2
    axes = np.empty((3, 3))
    write_axes(f.quat_xyzw, axes)
    for k in range(3):
        f.ends_noise_m2[k] = 0.0
        for i in range(3):
            for j in range(3):
                f.ends_noise_m2[k] += 4 * axes[i, k] * noise[i, j] * axes[j, k]


@machine_code
def _first_difference(a: FloatArray, b: FloatArray) -> float:
    """Of two vectors, 0 where they are equal."""
    for i in range(len(a)):
        if a[i] != b[i]:
            return float(a[i] - b[i])
    return 0.0


@machine_code
def _comes_before(a: Row, b: Row, probs_a: FloatArray, probs_b: FloatArray) -> bool:
    """Order by position, then by all else; equal rows are interchangeable."""
    order = _first_difference(a.center_m, b.center_m)
    if order != 0:
        return order < 0
    if a.score != b.score:
        return bool(a.score < b.score)
    order = _first_difference(a.size_lwh_m, b.size_lwh_m)
    if order == 0:
        order = _first_difference(a.quat_xyzw, b.quat_xyzw)
    if order == 0:
        order = _first_difference(probs_a, probs_b)
    for i in range(6):
        if order == 0:
            order = _first_difference(a.noise[i], b.noise[i])
    return order < 0


@machine_code
def _in_order(usable: NDArray[np.intp], table: FoundTable, probs: FloatArray) -> NDArray[np.intp]:
    """Rows in order of all they say: sorted along x, then the few that are equal in it."""
    x = np.empty(len(usable))
    for k in range(len(usable)):
        x[k] = table[usable[k]].center_m[0]
    order = usable[np.argsort(x, kind="mergesort")]
    for k in range(1, len(order)):
        m, place = order[k], k
        while place > 0:
            before = order[place - 1]
            if not _comes_before(table[m], table[before], probs[m], probs[before]):
                break
            order[place] = before
            place -= 1
        order[place] = m
    return order
