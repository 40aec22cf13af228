"""Suppression against the plainest way to write it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perception_stack.geometry.overlap import iou_2d, iou_rotated
from perception_stack.geometry.suppression import best_of_each, best_of_rotated


def plain(
    xyxy: np.ndarray, score: np.ndarray, class_idx: np.ndarray, iou: float, most: int
) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-score, kind="stable"):
        same = [j for j in kept if class_idx[j] == class_idx[i]]
        if not (iou_2d(xyxy[[i]], xyxy[same].reshape(-1, 4)) > iou).any():
            kept.append(int(i))
    return kept[:most]


@given(
    seed=st.integers(0, 2**32 - 1),
    num=st.integers(0, 60),
    iou=st.floats(0.05, 0.95),
    most=st.integers(0, 70),
    ties=st.booleans(),
)
def test_keeps_what_the_plain_loop_keeps(
    seed: int, num: int, iou: float, most: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (num, 2))
    xyxy = np.hstack([corner, corner + rng.uniform(-5, 60, (num, 2))])
    score = rng.integers(0, 4, num) / 4 if ties else rng.uniform(0, 1, num)
    class_idx = rng.integers(0, 3, num)
    found = best_of_each(xyxy, score, class_idx, iou=iou, most=most)
    assert found.tolist() == plain(xyxy, score, class_idx, iou, most)


@given(xyxy=arrays(np.float64, (6, 4), elements=st.sampled_from([np.nan, 0.0, 1.0, 2.0, np.inf])))
def test_what_is_no_box_suppresses_nothing_and_nothing_breaks(xyxy: np.ndarray) -> None:
    found = best_of_each(xyxy, np.ones(6), np.zeros(6, int), iou=0.5, most=6)
    broken = np.flatnonzero(np.isnan(xyxy).any(axis=1))
    assert set(broken) <= set(found.tolist())


@pytest.mark.parametrize(("iou", "num"), [(0.5, 2), (0.49, 1), (1.0, 2)])
def test_overlap_at_the_limit_stays(iou: float, num: int) -> None:
    xyxy = np.array([[0.0, 0, 3, 1], [1.0, 0, 4, 1]])  # 2 of 4
    assert len(best_of_each(xyxy, np.ones(2), np.zeros(2, int), iou=iou, most=9)) == num


@given(
    seed=st.integers(0, 2**32 - 1),
    num=st.integers(0, 40),
    iou=st.floats(0.05, 0.95),
    most=st.integers(0, 50),
)
def test_oriented_boxes_are_kept_as_by_the_plain_loop(
    seed: int, num: int, iou: float, most: int
) -> None:
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([0, 0, 1, 1, -3], [60, 60, 60, 30, 3], (num, 5))
    score, class_idx = rng.uniform(0, 1, num), rng.integers(0, 3, num)
    kept: list[int] = []
    for i in np.argsort(-score, kind="stable"):
        same = [j for j in kept if class_idx[j] == class_idx[i]]
        if not (iou_rotated(boxes[[i]], boxes[same].reshape(-1, 5)) > iou).any():
            kept.append(int(i))
    found = best_of_rotated(boxes, score, class_idx, iou=iou, most=most)
    assert found.tolist() == kept[:most]


def test_crossing_boxes_are_told_apart_that_upright_ones_would_merge() -> None:
    """Two long boxes crosswise: their upright outlines are the same."""
    boxes = np.array([[50, 50, 80, 8, np.pi / 4], [50, 50, 80, 8, -np.pi / 4]])
    assert len(best_of_rotated(boxes, np.ones(2), np.zeros(2, int), iou=0.3, most=9)) == 2
