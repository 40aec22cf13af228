"""Overlap of boxes against halfspace intersection by Qhull and against hand-worked cases."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

import perception_stack
from perception_stack.datatypes import Boxes3D
from perception_stack.errors import FrameMismatchError, ShapeError
from perception_stack.geometry.boxes import corners, transform_boxes
from perception_stack.geometry.overlap import (
    giou_3d,
    intersection_2d_px2,
    iou_2d,
    iou_3d,
    iou_bev,
    iou_rotated,
)
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, quat_from_yaw

# Qhull itself is off by up to 1e-9
_TIGHT = 1e-8


def make_boxes(center, quat, size, frame_id="odom") -> Boxes3D:
    center = np.asarray(center, dtype=float).reshape(-1, 3)
    num = len(center)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=0,
        center_m=center,
        quat_xyzw=np.asarray(quat, dtype=float).reshape(num, 4),
        size_lwh_m=np.asarray(size, dtype=float).reshape(num, 3),
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=("car",),
        class_probs=np.ones((num, 1)),
        sensors=(("lidar",),) * num,
    )


def upright(center, yaw_rad, size) -> Boxes3D:
    return make_boxes(center, quat_from_yaw(np.atleast_1d(np.asarray(yaw_rad, float))), size)


def unit_box() -> Boxes3D:
    return upright([[0, 0, 0]], [0.0], [[2, 2, 2]])


def halfspaces(boxes: Boxes3D) -> np.ndarray:
    """Rows (n, d) with n·x + d <= 0 inside the first box."""
    axes = matrix_from_quat(boxes.quat_xyzw)[0].T
    normals = np.concatenate([axes, -axes])
    half = np.tile(boxes.size_lwh_m[0] / 2, 2)
    return np.column_stack([normals, -normals @ boxes.center_m[0] - half])


def reference_common_volume(a: Boxes3D, b: Boxes3D) -> float:
    planes = np.concatenate([halfspaces(a), halfspaces(b)])
    # the deepest point inside of all planes, from where Qhull can work
    lengths = np.linalg.norm(planes[:, :3], axis=1)
    solution = linprog(
        [0, 0, 0, -1],
        A_ub=np.column_stack([planes[:, :3], lengths]),
        b_ub=-planes[:, 3],
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    if solution.status != 0:
        return 0.0
    # Qhull takes too thin a space for none; of slivers the table below knows the truth
    assume(solution.x[3] > 1e-7)
    points = HalfspaceIntersection(planes, solution.x[:3]).intersections
    return ConvexHull(points, qhull_options="QJ Pp").volume


def reference_iou(a: Boxes3D, b: Boxes3D) -> float:
    common = reference_common_volume(a, b)
    return common / (a.size_lwh_m.prod() + b.size_lwh_m.prod() - common)


coordinates = st.floats(-1.5, 1.5)
sizes = st.floats(0.3, 4.0)
angles = st.floats(-4.0, 4.0)


@st.composite
def upright_boxes(draw) -> Boxes3D:
    center = [draw(coordinates) for _ in range(3)]
    return upright([center], [draw(angles)], [[draw(sizes) for _ in range(3)]])


@st.composite
def rotated_boxes(draw) -> Boxes3D:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    quat = generator.normal(size=4)
    center = [draw(coordinates) for _ in range(3)]
    return make_boxes(center, quat / np.linalg.norm(quat), [draw(sizes) for _ in range(3)])


@st.composite
def transforms(draw) -> RigidTransform:
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    quat = generator.normal(size=4)
    return RigidTransform.from_quat(
        target="map",
        source="odom",
        quat_xyzw=quat / np.linalg.norm(quat),
        translation_m=generator.uniform(-5, 5, 3),
    )


class TestIou2d:
    @pytest.mark.parametrize(
        ("a", "b", "expected"),
        [
            pytest.param([0, 0, 2, 2], [0, 0, 2, 2], 1.0, id="identical"),
            pytest.param([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, id="corner"),
            pytest.param([0, 0, 4, 4], [1, 1, 3, 3], 0.25, id="inside"),
            pytest.param([0, 0, 2, 2], [2, 0, 4, 2], 0.0, id="touching"),
            pytest.param([0, 0, 2, 2], [5, 5, 6, 6], 0.0, id="apart"),
            pytest.param([1, 1, 1, 3], [1, 1, 1, 3], 0.0, id="no-width"),
            pytest.param([2, 2, 0, 0], [0, 0, 2, 2], 0.0, id="inside-out"),
            pytest.param([np.nan] * 4, [0, 0, 2, 2], 0.0, id="nan"),
        ],
    )
    def test_table(self, a, b, expected):
        got = iou_2d(np.array([a], float), np.array([b], float))
        assert got.shape == (1, 1)
        assert got[0, 0] == pytest.approx(expected, abs=1e-15)

    def test_empty_and_shape(self):
        assert iou_2d(np.empty((0, 4)), np.ones((3, 4))).shape == (0, 3)
        with pytest.raises(ShapeError, match="b_xyxy_px"):
            iou_2d(np.ones((2, 4)), np.ones((2, 3)))

    def test_counts_pixels_of_integer_rectangles(self):
        rng = np.random.default_rng(3)
        corner = rng.integers(0, 20, (12, 2))
        rect = np.concatenate([corner, corner + rng.integers(1, 12, (12, 2))], axis=1)
        rows, cols = np.mgrid[:32, :32]
        masks = np.array([(cols >= x0) & (cols < x1) & (rows >= y0) & (rows < y1)
                          for x0, y0, x1, y1 in rect])  # fmt: skip
        common = np.einsum("nij,mij->nm", masks.astype(int), masks.astype(int))
        union = (masks[:, None] | masks[None]).sum(axis=(2, 3))
        np.testing.assert_array_equal(intersection_2d_px2(rect.astype(float), rect), common)
        np.testing.assert_allclose(iou_2d(rect.astype(float), rect), common / union, atol=1e-15)


class TestIou3d:
    @pytest.mark.parametrize(
        ("other", "expected"),
        [
            pytest.param(upright([0, 0, 0], 0.0, [2, 2, 2]), 1.0, id="identical"),
            pytest.param(upright([0, 0, 0], np.pi / 2, [2, 2, 2]), 1.0, id="quarter-turn"),
            pytest.param(upright([1, 0, 0], 0.0, [2, 2, 2]), 1 / 3, id="half-shifted"),
            pytest.param(upright([2, 0, 0], 0.0, [2, 2, 2]), 0.0, id="touching-face"),
            pytest.param(upright([2 - 2**-24, 0, 0], 0.0, [2, 2, 2]), 2**-26, id="sliver"),
            pytest.param(upright([0, 0, 2], 0.3, [2, 2, 2]), 0.0, id="stacked"),
            pytest.param(upright([2, 2, 2], 0.0, [2, 2, 2]), 0.0, id="touching-corner"),
            pytest.param(upright([9, 0, 0], 0.0, [2, 2, 2]), 0.0, id="far"),
            # a square and itself turned by 45 degrees share a regular octagon
            pytest.param(
                upright([0, 0, 0], np.pi / 4, [2, 2, 2]),
                1 / np.sqrt(2),
                id="octagon",
            ),
            pytest.param(upright([0, 0, 0], 0.7, [0.5, 0.5, 0.5]), 0.125 / 8, id="contained"),
            pytest.param(upright([0, 0, 0], 0.0, [2, 2, 0]), 0.0, id="no-height"),
            pytest.param(upright([np.nan, 0, 0], 0.0, [2, 2, 2]), 0.0, id="nan"),
            # standing on a corner, the cube of edge 0.5 still lies within the cube of edge 2
            pytest.param(
                make_boxes([0, 0, 0], np.array([1, 2, 3, 4]) / np.sqrt(30), [0.5] * 3),
                0.125 / 8,
                id="contained-any-rotation",
            ),
            pytest.param(make_boxes([0, 0, 0], [1, 0, 0, 0], [2, 2, 2]), 1.0, id="upside-down"),
            pytest.param(
                make_boxes([0, 0, 0], [np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [2, 2, 2]),
                1.0,
                id="on-its-side",
            ),
        ],
    )
    def test_table(self, other, expected):
        assert iou_3d(unit_box(), other)[0, 0] == pytest.approx(expected, abs=1e-12)
        assert iou_3d(other, unit_box())[0, 0] == pytest.approx(expected, abs=1e-12)

    @given(a=upright_boxes(), b=upright_boxes())
    @settings(max_examples=60, deadline=None)
    def test_upright_agrees_with_qhull(self, a, b):
        assert iou_3d(a, b)[0, 0] == pytest.approx(reference_iou(a, b), abs=_TIGHT)

    @given(a=rotated_boxes(), b=rotated_boxes())
    @settings(max_examples=80, deadline=None)
    def test_any_rotation_agrees_with_qhull(self, a, b):
        assert iou_3d(a, b)[0, 0] == pytest.approx(reference_iou(a, b), abs=_TIGHT)

    @given(a=rotated_boxes(), b=rotated_boxes(), map_from_odom=transforms())
    @settings(max_examples=60, deadline=None)
    def test_is_symmetric_bounded_and_independent_of_the_frame(self, a, b, map_from_odom):
        here = iou_3d(a, b)[0, 0]
        there = iou_3d(transform_boxes(a, map_from_odom), transform_boxes(b, map_from_odom))
        assert 0.0 <= here <= 1.0
        assert iou_3d(b, a)[0, 0] == pytest.approx(here, abs=1e-12)
        assert there[0, 0] == pytest.approx(here, abs=_TIGHT)
        assert iou_3d(a, a)[0, 0] == pytest.approx(1.0, abs=1e-12)

    @given(a=upright_boxes(), b=upright_boxes(), tilt=st.floats(1e-12, 1e-5))
    @settings(max_examples=40, deadline=None)
    def test_the_two_ways_of_computing_meet(self, a, b, tilt):
        lean = np.array([[tilt / 2, 0.0, 0.0, 1.0]])
        leaning = make_boxes(b.center_m, lean / np.linalg.norm(lean), b.size_lwh_m)
        straight = upright(b.center_m, [0.0], b.size_lwh_m)
        assert iou_3d(a, leaning)[0, 0] == pytest.approx(iou_3d(a, straight)[0, 0], abs=1e2 * tilt)

    def test_every_pair_at_once(self):
        rng = np.random.default_rng(0)
        num = 15
        a = upright(
            rng.uniform(-4, 4, (num, 3)), rng.uniform(-4, 4, num), rng.uniform(1, 5, (num, 3))
        )
        b = a.rows(np.arange(num)[::-2])
        got = iou_3d(a, b)
        each = [
            [iou_3d(a.rows([i]), b.rows([j]))[0, 0] for j in range(len(b))] for i in range(num)
        ]
        assert got.shape == (15, 8)
        np.testing.assert_array_equal(got, each)

    def test_empty(self):
        none = Boxes3D.empty(frame_id="odom", stamp_ns=0)
        for overlap in (iou_3d, iou_bev, giou_3d):
            assert overlap(none, unit_box()).shape == (0, 1)
            assert overlap(unit_box(), none).shape == (1, 0)
            assert overlap(none, none).shape == (0, 0)

    @pytest.mark.parametrize("overlap", [iou_3d, iou_bev, giou_3d])
    def test_other_frame_is_refused(self, overlap):
        other = make_boxes([0, 0, 0], [0, 0, 0, 1], [2, 2, 2], frame_id="velodyne")
        with pytest.raises(FrameMismatchError, match="'odom', got 'velodyne'"):
            overlap(unit_box(), other)

    def test_arrays_of_other_layout_are_taken(self):
        a = unit_box()
        odd = make_boxes(
            np.asfortranarray(np.zeros((2, 3))),
            np.tile([0.0, 0.0, 0.0, 1.0], (4, 1))[::2],
            np.full((2, 6), 2.0)[:, ::2],
        )
        np.testing.assert_allclose(iou_3d(odd, a), [[1.0], [1.0]])


class TestIouBev:
    def test_height_does_not_matter(self):
        low = upright([0, 0, 0], 0.0, [4, 2, 1])
        high = upright([2, 0, 50], 0.0, [4, 2, 9])
        assert iou_bev(low, high)[0, 0] == pytest.approx(1 / 3)
        assert iou_3d(low, high)[0, 0] == 0.0

    def test_roll_and_pitch_do_not_matter(self):
        tilted = make_boxes([0, 0, 0], np.array([0.3, 0, 0, 1]) / np.hypot(0.3, 1), [4, 2, 1])
        assert iou_bev(tilted, upright([0, 0, 0], 0.0, [4, 2, 1]))[0, 0] == pytest.approx(1.0)

    @given(a=upright_boxes(), b=upright_boxes())
    @settings(max_examples=40, deadline=None)
    def test_is_iou_of_boxes_of_equal_height(self, a, b):
        flat = [
            make_boxes(x.center_m * [1, 1, 0], x.quat_xyzw, x.size_lwh_m * [1, 1, 0] + [0, 0, 1])
            for x in (a, b)
        ]
        assert iou_bev(a, b)[0, 0] == pytest.approx(reference_iou(*flat), abs=_TIGHT)


class TestGiou3d:
    @pytest.mark.parametrize(
        ("other", "expected"),
        [
            pytest.param(upright([0, 0, 0], 0.3, [2, 2, 2]), None, id="turned"),
            pytest.param(unit_box(), 1.0, id="identical"),
            pytest.param(upright([2, 0, 0], 0.0, [2, 2, 2]), 0.0, id="touching"),
            # union 16, prism 8 x 2 x 2
            pytest.param(upright([6, 0, 0], 0.0, [2, 2, 2]), -0.5, id="gap"),
            # union 16; the hull of two squares on a diagonal is 12, two high
            pytest.param(upright([2, 2, 0], 0.0, [2, 2, 2]), 16 / 24 - 1, id="diagonal"),
            pytest.param(upright([0, 0, 6], 0.0, [2, 2, 2]), -0.5, id="above"),
        ],
    )
    def test_table(self, other, expected):
        got = giou_3d(unit_box(), other)[0, 0]
        if expected is None:
            footprint = corners(upright([0, 0, 0], 0.3, [2, 2, 2]))[0, :4, :2]
            square = corners(unit_box())[0, :4, :2]
            hull = 2 * ConvexHull(np.concatenate([footprint, square])).volume
            iou = iou_3d(unit_box(), other)[0, 0]
            expected = iou - 1 + 16 / (1 + iou) / hull
        assert got == pytest.approx(expected, abs=1e-12)

    def test_identical_boxes_of_any_rotation_give_one(self):
        rng = np.random.default_rng(5)
        quat = rng.normal(size=(20, 4))
        boxes = make_boxes(
            rng.uniform(-3, 3, (20, 3)),
            quat / np.linalg.norm(quat, axis=1, keepdims=True),
            rng.uniform(0.1, 4, (20, 3)),
        )
        np.testing.assert_allclose(np.diag(giou_3d(boxes, boxes)), 1.0, atol=1e-12)

    @given(a=rotated_boxes(), b=rotated_boxes(), map_from_odom=transforms())
    @settings(max_examples=60, deadline=None)
    def test_is_symmetric_bounded_and_independent_of_the_frame(self, a, b, map_from_odom):
        here = giou_3d(a, b)[0, 0]
        there = giou_3d(transform_boxes(a, map_from_odom), transform_boxes(b, map_from_odom))
        assert -1.0 <= here <= iou_3d(a, b)[0, 0] + 1e-12
        assert giou_3d(b, a)[0, 0] == pytest.approx(here, abs=1e-12)
        assert there[0, 0] == pytest.approx(here, abs=_TIGHT)

    @given(a=rotated_boxes(), b=rotated_boxes())
    @settings(max_examples=40, deadline=None)
    def test_the_body_around_both_holds_their_convex_hull(self, a, b):
        hull = ConvexHull(np.concatenate([corners(a)[0], corners(b)[0]])).volume
        iou = iou_3d(a, b)[0, 0]
        union = (a.size_lwh_m.prod() + b.size_lwh_m.prod()) / (1 + iou)
        assert giou_3d(a, b)[0, 0] <= iou - 1 + union / hull + _TIGHT

    def test_falls_with_distance(self):
        apart = [giou_3d(unit_box(), upright([x, 0, 0], 0.2, [2, 2, 2]))[0, 0] for x in (3, 5, 9)]
        assert 0 > apart[0] > apart[1] > apart[2] > -1

    def test_boxes_without_volume(self):
        flat = upright([0, 0, 0], 0.0, [0, 0, 0])
        assert giou_3d(flat, flat)[0, 0] == -1.0


def test_works_where_no_cache_can_be_written(tmp_path):
    """As in a read-only install: Numba finds no folder for its cache and must go without."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(perception_stack.__file__).parents[1])!r})
import numba.core.caching as caching
holder = caching.CacheImpl if hasattr(caching, "CacheImpl") else caching._CacheImpl
holder._locator_classes = []
import numpy as np
from perception_stack.geometry import _overlap_kernels as kernels
print(kernels.hull_area_m2(np.array([[0.0, 0], [2, 0], [2, 1], [0, 1], [1, 0.5]])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.stdout.strip() == "2.0", done.stderr


@given(st.integers(0, 2**32 - 1))
def test_oriented_rectangles_overlap_as_opencv_says(seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    rng = np.random.default_rng(seed)
    a, b = (rng.uniform([0, 0, 2, 2, -4], [40, 40, 60, 40, 4], (3, 5)) for _ in range(2))
    found = iou_rotated(a, b)
    for i in range(3):
        for j in range(3):
            rectangles = [
                ((x, y), (width, height), float(np.degrees(angle)))
                for x, y, width, height, angle in (a[i], b[j])
            ]
            kind, points = cv2.rotatedRectangleIntersection(*rectangles)
            common = 0.0 if kind == 0 else cv2.contourArea(cv2.convexHull(points))
            union = a[i, 2] * a[i, 3] + b[j, 2] * b[j, 3] - common
            assert found[i, j] == pytest.approx(common / union, abs=1e-3)


def test_oriented_rectangles_that_are_none_overlap_nothing() -> None:
    boxes = np.array([[0, 0, 2, 2, 0], [0, 0, 2, 0, 0], [0, 0, -2, 2, 0], [0, 0, 2, 2, np.nan]])
    expected = np.zeros((4, 4))
    expected[0, 0] = 1
    np.testing.assert_array_equal(iou_rotated(boxes, boxes), expected)
    assert iou_rotated(boxes, np.empty((0, 5))).shape == (4, 0)
