"""Compiled loops of :mod:`perception_stack.geometry.overlap`; imported when first used.

Every pair is worked out in the frame of the second box, where that box is the set
``|x| <= hx, |y| <= hy, |z| <= hz`` and cutting by it is a comparison of coordinates.
"""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code

# sine of the tilt below which two boxes count as upright to each other; the volume is then wrong
# by about the same fraction
_UPRIGHT = 1e-10
# the six tetrahedra of a box along its diagonal (Kuhn 1960); corner 4x + 2y + z
_TETRAHEDRA = np.array(
    [[0, 4, 6, 7], [0, 4, 5, 7], [0, 2, 6, 7], [0, 2, 3, 7], [0, 1, 5, 7], [0, 1, 3, 7]]
)
_DEEPEST = 24

BoxArrays = tuple[FloatArray, FloatArray, FloatArray]
"""Centres float64 [N, 3], axes (rotation matrices) [N, 3, 3], half extents [N, 3]; C order."""


@machine_code
def footprint_overlap_m2(quad_m: FloatArray, half_m: FloatArray) -> float:
    """Area of a convex quadrilateral inside the rectangle ``|x| <= hx, |y| <= hy``.

    Cut by one side after the other (Sutherland and Hodgman 1974).

    Args:
        quad_m: float64 [4, 2], corners in order.
        half_m: float64 [2] or longer, half extents.
    """
    polygon = np.empty((8, 2))
    num = 4
    for i in range(num):
        polygon[i, 0], polygon[i, 1] = quad_m[i, 0], quad_m[i, 1]
    kept = np.empty((8, 2))
    for side in range(4):
        axis = side // 2
        sign = 1.0 - 2.0 * (side % 2)
        num_kept = 0
        for i in range(num):
            j = (i + 1) % num
            depth = half_m[axis] - sign * polygon[i, axis]
            depth_after = half_m[axis] - sign * polygon[j, axis]
            if depth >= 0.0:
                kept[num_kept, 0], kept[num_kept, 1] = polygon[i, 0], polygon[i, 1]
                num_kept += 1
            if (depth >= 0.0) != (depth_after >= 0.0):
                share = depth / (depth - depth_after)
                for k in range(2):
                    kept[num_kept, k] = polygon[i, k] + share * (polygon[j, k] - polygon[i, k])
                num_kept += 1
        polygon, kept = kept, polygon
        num = num_kept
        if num < 3:
            return 0.0
    double = 0.0
    for i in range(num):
        j = (i + 1) % num
        double += polygon[i, 0] * polygon[j, 1] - polygon[j, 0] * polygon[i, 1]
    return float(abs(double) / 2.0)


@machine_code
def _tetrahedron_volume_m3(vertices_m: FloatArray) -> float:
    edges = np.empty((3, 3))
    for i in range(3):
        for k in range(3):
            edges[i, k] = vertices_m[i + 1, k] - vertices_m[0, k]
    a, b, c = edges[0], edges[1], edges[2]
    six = (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
    )
    return float(abs(six) / 6.0)


@machine_code
def _cross_plane(
    vertices_m: FloatArray, depth_m: FloatArray, inner: int, outer: int, point_m: FloatArray
) -> None:
    """Write where the edge from a vertex inside to one outside meets the plane."""
    share = depth_m[inner] / (depth_m[inner] - depth_m[outer])
    for k in range(3):
        start = vertices_m[inner, k]
        point_m[k] = start + share * (vertices_m[outer, k] - start)


@machine_code
def _cut_tetrahedron(
    vertices_m: FloatArray, depth_m: FloatArray, num_inside: int, parts_m: FloatArray
) -> int:
    """Tetrahedra that make up the part of a tetrahedron on the inner side of a plane.

    Args:
        vertices_m: float64 [4, 3], those inside first.
        depth_m: float64 [4], distance to the plane, not negative inside.
        num_inside: How many vertices lie inside; 1, 2 or 3.
        parts_m: float64 [3, 4, 3], receives the tetrahedra.

    Returns:
        How many there are.
    """
    if num_inside == 1:
        parts_m[0, 0] = vertices_m[0]
        for i in range(1, 4):
            _cross_plane(vertices_m, depth_m, 0, i, parts_m[0, i])
        return 1
    lower = np.empty((3, 3))
    upper = np.empty((3, 3))
    if num_inside == 2:
        lower[0], upper[0] = vertices_m[0], vertices_m[1]
        for i in range(1, 3):
            _cross_plane(vertices_m, depth_m, 0, i + 1, lower[i])
            _cross_plane(vertices_m, depth_m, 1, i + 1, upper[i])
    else:
        for i in range(3):
            lower[i] = vertices_m[i]
            _cross_plane(vertices_m, depth_m, i, 3, upper[i])
    # the body between the two triangles
    for part in range(3):
        for i in range(4):
            parts_m[part, i] = lower[i] if i < 3 - part else upper[i - 1]
    return 3


@machine_code
def _inside_volume_m3(corners_m: FloatArray, half_m: FloatArray) -> float:
    """Volume of a box with any rotation inside ``|x| <= hx, |y| <= hy, |z| <= hz``.

    The box is split into tetrahedra, and each plane cuts a tetrahedron into at most three. A cut
    neither loses nor gains volume, so faces that coincide need no special case.

    Args:
        corners_m: float64 [8, 3], corner 4x + 2y + z.
        half_m: float64 [3].
    """
    stack_m = np.empty((_DEEPEST, 4, 3))
    next_plane = np.zeros(_DEEPEST, dtype=np.int64)
    for i in range(6):
        for j in range(4):
            stack_m[i, j] = corners_m[_TETRAHEDRA[i, j]]
    top = 6
    vertices_m = np.empty((4, 3))
    depth_m = np.empty(4)
    parts_m = np.empty((3, 4, 3))
    volume = 0.0
    while top > 0:
        top -= 1
        plane = next_plane[top]
        if plane == 6:
            volume += _tetrahedron_volume_m3(stack_m[top])
            continue
        axis = plane // 2
        sign = 1.0 - 2.0 * (plane % 2)
        num_inside, last = 0, 3
        for i in range(4):
            depth = half_m[axis] - sign * stack_m[top, i, axis]
            slot = num_inside if depth >= 0.0 else last
            num_inside += depth >= 0.0
            last -= depth < 0.0
            depth_m[slot] = depth
            vertices_m[slot] = stack_m[top, i]
        if num_inside == 4:
            next_plane[top] += 1
            top += 1
        elif num_inside > 0:
            for i in range(_cut_tetrahedron(vertices_m, depth_m, num_inside, parts_m)):
                stack_m[top] = parts_m[i]
                next_plane[top] = plane + 1
                top += 1
    return volume


@machine_code
def _is_upright(turn: FloatArray) -> bool:
    return bool(abs(turn[0, 2]) + abs(turn[1, 2]) <= _UPRIGHT)


@machine_code
def _footprint_m(center_m: FloatArray, turn: FloatArray, half_m: FloatArray) -> FloatArray:
    """Corners of an upright box seen from above, in order; float64 [4, 2]."""
    quad_m = np.empty((4, 2))
    for i in range(4):
        along = half_m[0] if i in (0, 3) else -half_m[0]
        across = half_m[1] if i < 2 else -half_m[1]
        for k in range(2):
            quad_m[i, k] = center_m[k] + along * turn[k, 0] + across * turn[k, 1]
    return quad_m


@machine_code
def _corners_m(center_m: FloatArray, turn: FloatArray, half_m: FloatArray) -> FloatArray:
    """Corners of a box, corner 4x + 2y + z; float64 [8, 3]."""
    corners_m = np.empty((8, 3))
    for i in range(8):
        for k in range(3):
            corners_m[i, k] = (
                center_m[k]
                + (2 * (i // 4) - 1) * half_m[0] * turn[k, 0]
                + (2 * (i // 2 % 2) - 1) * half_m[1] * turn[k, 1]
                + (2 * (i % 2) - 1) * half_m[2] * turn[k, 2]
            )
    return corners_m


@machine_code
def _pair_volume_m3(
    center_m: FloatArray, turn: FloatArray, half_a_m: FloatArray, half_b_m: FloatArray
) -> float:
    """Common volume of a box and the box at the origin, in the latter's frame."""
    if not _is_upright(turn):
        return _inside_volume_m3(_corners_m(center_m, turn, half_a_m), half_b_m)
    height = min(center_m[2] + half_a_m[2], half_b_m[2]) - max(
        center_m[2] - half_a_m[2], -half_b_m[2]
    )
    if height <= 0.0:
        return 0.0
    area_m2 = footprint_overlap_m2(_footprint_m(center_m, turn, half_a_m), half_b_m)
    return float(height * area_m2)


@machine_code
def _length_m(vector_m: FloatArray) -> float:
    return float(np.sqrt(vector_m[0] ** 2 + vector_m[1] ** 2 + vector_m[2] ** 2))


@machine_code
def _relative_pose(
    offset_m: FloatArray, axes_a: FloatArray, axes_b: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Centre and axes of box a in the frame of box b."""
    center_m = np.zeros(3)
    turn = np.zeros((3, 3))
    for i in range(3):
        for k in range(3):
            center_m[i] += axes_b[k, i] * offset_m[k]
            for j in range(3):
                turn[i, j] += axes_b[k, i] * axes_a[k, j]
    return center_m, turn


@machine_code
def common_volume_m3(a: BoxArrays, b: BoxArrays) -> FloatArray:
    """Common volume of each pair of boxes.

    Args:
        a: N boxes.
        b: M boxes.

    Returns:
        float64 [N, M]; zero where a coordinate is NaN.
    """
    center_a_m, axes_a, half_a_m = a
    center_b_m, axes_b, half_b_m = b
    common = np.zeros((len(center_a_m), len(center_b_m)))
    offset_m = np.empty(3)
    for n in range(len(center_a_m)):
        for m in range(len(center_b_m)):
            for k in range(3):
                offset_m[k] = center_a_m[n, k] - center_b_m[m, k]
            # written so that NaN is left out
            if _length_m(offset_m) < _length_m(half_a_m[n]) + _length_m(half_b_m[m]):
                center_m, turn = _relative_pose(offset_m, axes_a[n], axes_b[m])
                common[n, m] = _pair_volume_m3(center_m, turn, half_a_m[n], half_b_m[m])
    return common


@machine_code
def rectangles_area(a: FloatArray, b: FloatArray) -> float:
    """Common area of two rectangles; zero where a number is NaN or a side is not positive.

    Args:
        a: float64 [5], centre, width, height and angle.
        b: float64 [5].
    """
    x, y = a[0] - b[0], a[1] - b[1]
    reach = np.hypot(a[2], a[3]) + np.hypot(b[2], b[3])
    # written so that NaN is left out
    if not (min(a[2], a[3]) > 0.0 and min(b[2], b[3]) > 0.0 and 2.0 * np.hypot(x, y) < reach):
        return 0.0
    cosine_b, sine_b = np.cos(b[4]), np.sin(b[4])
    cosine, sine = np.cos(a[4] - b[4]), np.sin(a[4] - b[4])
    quad = np.empty((4, 2))
    for i in range(4):
        along = a[2] / 2.0 if i in (0, 3) else -a[2] / 2.0
        across = a[3] / 2.0 if i < 2 else -a[3] / 2.0
        quad[i, 0] = cosine_b * x + sine_b * y + cosine * along - sine * across
        quad[i, 1] = cosine_b * y - sine_b * x + sine * along + cosine * across
    return footprint_overlap_m2(quad, b[2:4] / 2.0)


@machine_code
def rectangles_areas(a: FloatArray, b: FloatArray) -> FloatArray:
    """As :func:`rectangles_area` of each pair; float64 [N, M]."""
    common = np.empty((len(a), len(b)))
    for n in range(len(a)):
        for m in range(len(b)):
            common[n, m] = rectangles_area(a[n], b[m])
    return common


@machine_code
def hull_area_m2(points_m: FloatArray) -> float:
    """Area of the convex hull of points in a plane (monotone chain, Andrew 1979).

    Args:
        points_m: float64 [P, 2]; left ordered by x, then y.
    """
    num = len(points_m)
    for i in range(1, num):  # insertion sort: the points are few
        x, y = points_m[i]
        j = i
        while j > 0 and (
            points_m[j - 1, 0] > x or (points_m[j - 1, 0] == x and points_m[j - 1, 1] > y)
        ):
            points_m[j] = points_m[j - 1]
            j -= 1
        points_m[j, 0], points_m[j, 1] = x, y
    hull = np.empty((2 * num, 2))
    top = 0
    for half in range(2):
        floor = top + 1
        for i in range(num):
            point = points_m[i] if half == 0 else points_m[num - 1 - i]
            while top > floor:
                a, b = hull[top - 2], hull[top - 1]
                if (b[0] - a[0]) * (point[1] - a[1]) > (b[1] - a[1]) * (point[0] - a[0]):
                    break
                top -= 1
            hull[top] = point
            top += 1
        top -= 1  # the last point of one half is the first of the other
    double = 0.0
    for i in range(top):
        j = (i + 1) % top
        double += hull[i, 0] * hull[j, 1] - hull[j, 0] * hull[i, 1]
    return float(abs(double) / 2.0)


@machine_code
def _prism_volume_m3(
    center_m: FloatArray, turn: FloatArray, half_a_m: FloatArray, half_b_m: FloatArray
) -> float:
    """Volume of the prism along z around a box and the box at the origin."""
    if _is_upright(turn):
        low, high = center_m[2] - half_a_m[2], center_m[2] + half_a_m[2]
        other_m = _footprint_m(center_m, turn, half_a_m)
    else:
        other_m = _corners_m(center_m, turn, half_a_m)
        low, high = other_m[:, 2].min(), other_m[:, 2].max()
    points_m = np.empty((4 + len(other_m), 2))
    for i in range(4):
        points_m[i, 0] = half_b_m[0] if i in (0, 3) else -half_b_m[0]
        points_m[i, 1] = half_b_m[1] if i < 2 else -half_b_m[1]
    for i in range(len(other_m)):
        points_m[4 + i, 0], points_m[4 + i, 1] = other_m[i, 0], other_m[i, 1]
    height = max(high, half_b_m[2]) - min(low, -half_b_m[2])
    return float(height * hull_area_m2(points_m))


@machine_code
def enclosing_volume_m3(a: BoxArrays, b: BoxArrays) -> FloatArray:
    """Volume of the smaller of the prisms around each pair that stand along a's and b's z axis.

    Args:
        a: N boxes.
        b: M boxes.

    Returns:
        float64 [N, M].
    """
    center_a_m, axes_a, half_a_m = a
    center_b_m, axes_b, half_b_m = b
    volume = np.empty((len(center_a_m), len(center_b_m)))
    offset_m = np.empty(3)
    for n in range(len(center_a_m)):
        for m in range(len(center_b_m)):
            for k in range(3):
                offset_m[k] = center_a_m[n, k] - center_b_m[m, k]
            center_m, turn = _relative_pose(offset_m, axes_a[n], axes_b[m])
            volume[n, m] = _prism_volume_m3(center_m, turn, half_a_m[n], half_b_m[m])
            if not _is_upright(turn):
                center_m, turn = _relative_pose(-offset_m, axes_b[m], axes_a[n])
                other = _prism_volume_m3(center_m, turn, half_b_m[m], half_a_m[n])
                volume[n, m] = min(volume[n, m], other)
    return volume
