"""Comparison of lists of boxes, on hand-made ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D, Keypoints2D
from perception_stack.detection.comparison import Tolerance, compare

TOLERANCE = Tolerance(threshold=0.3)


def detections(*rows: tuple[float, float, float, float, float, str]) -> Detections2D:
    return Detections2D(
        frame_id="camera",
        stamp_ns=0,
        xyxy_px=np.array([row[:4] for row in rows], dtype=float).reshape(-1, 4),
        score=np.array([row[4] for row in rows], dtype=float),
        labels=tuple(row[5] for row in rows),
    )


BOX = (10.0, 10.0, 110.0, 60.0, 0.8, "car")


@pytest.mark.parametrize(
    ("other", "num_different"),
    [
        pytest.param(BOX, 0, id="same"),
        pytest.param((10.0, 10.0, 110.0, 60.4, 0.8, "car"), 0, id="iou-0.992"),
        pytest.param((10.0, 10.0, 110.0, 61.0, 0.8, "car"), 1, id="iou-0.980"),
        pytest.param((10.0, 10.0, 110.0, 60.0, 0.8009, "car"), 0, id="score-within"),
        pytest.param((10.0, 10.0, 110.0, 60.0, 0.802, "car"), 1, id="score-outside"),
        pytest.param((10.0, 10.0, 110.0, 60.0, 0.8, "truck"), 2, id="other-class"),
        pytest.param((500.0, 10.0, 600.0, 60.0, 0.8, "car"), 2, id="elsewhere"),
    ],
)
def test_one_box(other: tuple[float, float, float, float, float, str], num_different: int) -> None:
    assert compare(detections(BOX), detections(other), TOLERANCE).num_different == num_different


def test_box_at_the_threshold_may_be_missing_elsewhere() -> None:
    weak, strong = (*BOX[:4], 0.3009, "car"), (*BOX[:4], 0.302, "car")
    assert compare(detections(weak), detections(), TOLERANCE).num_different == 0
    assert compare(detections(), detections(strong), TOLERANCE).num_different == 1
    assert compare(detections(), detections(), TOLERANCE).num_different == 0


def test_pairs_are_those_whose_overlaps_are_largest_in_sum_in_any_order() -> None:
    left, right = BOX, (30.0, 10.0, 130.0, 60.0, 0.7, "car")
    found = compare(detections(left, right), detections(right, left), TOLERANCE)
    np.testing.assert_array_equal(found.iou, [1, 1])
    np.testing.assert_array_equal(found.score_difference, [0, 0])


def masked(left: int, *, order: tuple[int, int] = (1, 2)) -> Detections2D:
    """Two things side by side, the mask of the first of them beginning at ``left``."""
    mask = np.zeros((60, 200), np.uint8)
    mask[10:50, left:60] = order[0]
    mask[10:50, 100:150] = order[1]
    rows = ((10.0, 10.0, 60.0, 50.0, 0.8, "car"), (100.0, 10.0, 150.0, 50.0, 0.7, "car"))
    return replace(detections(*(rows[i - 1] for i in order)), mask=mask)


def test_masks_are_compared_by_their_pixels_whatever_their_numbers() -> None:
    found = compare(masked(10), masked(20, order=(2, 1)), TOLERANCE)
    np.testing.assert_allclose(sorted(found.mask_iou), [40 / 50, 1.0])
    assert found.num_different == 1
    assert compare(masked(10), masked(10, order=(2, 1)), TOLERANCE).num_different == 0


def test_masks_of_one_side_only_are_a_difference() -> None:
    one = masked(10)
    assert compare(one, replace(one, mask=None), TOLERANCE).num_different == 2
    assert one.mask is not None
    nothing = replace(one, mask=np.zeros_like(one.mask))
    assert compare(nothing, nothing, TOLERANCE).num_different == 0


@pytest.mark.parametrize(("moved_px", "num_different"), [(0.4, 0), (0.6, 1)])
def test_keypoints_count_where_they_are_seen(moved_px: float, num_different: int) -> None:
    def one(u: float, unseen: float) -> Detections2D:
        keypoints = Keypoints2D(
            names=("head", "foot"),
            uv_px=np.array([[[u, 20.0], [unseen, 0.0]]]),
            score=np.array([[0.9, 0.1]]),
        )
        return replace(detections(BOX), keypoints=keypoints)

    assert compare(one(20, 0), one(20 + moved_px, 99), TOLERANCE).num_different == num_different
    assert compare(one(20, 0), detections(BOX), TOLERANCE).num_different == 1


@pytest.mark.parametrize(
    ("angle_rad", "num_different"), [(0.005, 0), (0.02, 1), (np.pi - 0.005, 0)]
)
def test_half_a_turn_is_no_difference(angle_rad: float, num_different: int) -> None:
    def one(turn: float) -> Detections2D:
        return replace(detections(BOX), rotated_px=np.array([[60.0, 35, 50.2, 50, turn]]))

    found = compare(one(0.0), one(angle_rad), replace(TOLERANCE, iou=0.9))
    np.testing.assert_allclose(found.angle_rad, [min(angle_rad, np.pi - angle_rad)], atol=1e-12)
    assert found.num_different == num_different
