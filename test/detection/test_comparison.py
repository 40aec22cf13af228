"""Comparison of lists of boxes, on hand-made ones."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.datatypes import Detections2D
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
