"""Clusters and the boxes of a network: one list in which nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.datatypes import UNKNOWN, Boxes3D, Obstacles
from perception_stack.errors import FrameMismatchError
from perception_stack.lidar.merging import merge


def boxes(*rows: tuple[float, float, float, float], classes=("car", UNKNOWN), frame="lidar"):
    """Upright boxes of x, y, length and width, a metre high, at yaw 0."""
    num = len(rows)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return Boxes3D(
        frame_id=frame,
        stamp_ns=5,
        center_m=np.column_stack([table[:, :2], np.zeros(num)]),
        quat_xyzw=np.tile([0.0, 0.0, 0.0, 1.0], (num, 1)),
        size_lwh_m=np.column_stack([table[:, 2:], np.ones(num)]),
        covariance=np.tile(np.eye(6), (num, 1, 1)),
        score=np.linspace(0.9, 0.5, num),
        classes=classes,
        class_probs=np.tile([0.8, 0.2], (num, 1)),
        sensors=(("lidar",),) * num,
    )


def clusters(*groups: tuple[float, float, int], others: int = 0) -> Obstacles:
    """Clusters of points along x around a place, and points of none."""
    xyz, rows = [], []
    for row, (x, y, num) in enumerate(groups):
        xyz += [[x + step, y, 0.0] for step in np.linspace(-1, 1, num)]
        rows += [row] * num
    xyz += [[50.0, 50.0, 0.0]] * others
    found = boxes(*((x, y, 2.0, 0.5) for x, y, _ in groups), classes=("tree", UNKNOWN))
    return Obstacles(
        boxes=found,
        xyz_m=np.array(xyz, dtype=np.float32).reshape(-1, 3),
        box_of_point=np.array(rows + [-1] * others, dtype=np.int32),
    )


def test_a_box_stands_for_the_cluster_it_explains_and_others_stay() -> None:
    merged = merge(
        clusters((0, 0, 20), (10, 0, 10), others=3), boxes((0, 0, 4, 2)), share=0.6, margin_m=0.1
    )
    assert len(merged.boxes) == 2
    np.testing.assert_allclose(merged.boxes.center_m[:, 0], [0, 10])
    assert merged.box_of_point.tolist() == [0] * 20 + [1] * 10 + [-1] * 3
    assert len(merged.xyz_m) == 33
    assert merged.boxes.labels == ("car", "tree")
    np.testing.assert_allclose(merged.boxes.class_probs.sum(axis=1), 1)


def test_two_boxes_explain_one_cluster_together() -> None:
    people = boxes((-0.55, 0, 0.9, 0.9), (0.55, 0, 0.9, 0.9))
    merged = merge(clusters((0, 0, 21)), people, share=0.8, margin_m=0.0)
    assert len(merged.boxes) == 2
    assert sorted(set(merged.box_of_point.tolist())) == [-1, 0, 1]


def test_cluster_of_which_a_box_takes_little_stays() -> None:
    merged = merge(clusters((0, 0, 20)), boxes((1, 0, 0.3, 1)), share=0.6, margin_m=0.0)
    assert len(merged.boxes) == 2
    assert 0 < (merged.box_of_point == 0).sum() < 6
    assert (merged.box_of_point == 1).sum() > 14


def test_point_in_two_boxes_belongs_to_the_better_one() -> None:
    merged = merge(clusters((0, 0, 9)), boxes((0, 0, 3, 1), (0, 0, 4, 1)), share=0.6, margin_m=0)
    assert set(merged.box_of_point.tolist()) == {0}
    assert len(merged.boxes) == 2


def test_turned_box_takes_what_lies_in_it() -> None:
    box = boxes((0, 0, 3, 0.4))
    half = np.sqrt(0.5)
    box.quat_xyzw[0] = [0, 0, half, half]
    merged = merge(clusters((0, 0, 21)), box, share=0.6, margin_m=0.0)
    assert 1 <= (merged.box_of_point == 0).sum() <= 5  # across the row of points
    assert len(merged.boxes) == 2


def test_nothing_found_changes_nothing() -> None:
    found = clusters((0, 0, 5))
    assert merge(found, boxes(), share=0.6, margin_m=0.1) is found


def test_boxes_where_nothing_stands() -> None:
    merged = merge(clusters(), boxes((0, 0, 4, 2)), share=0.6, margin_m=0.1)
    assert len(merged.boxes) == 1
    assert merged.boxes.labels == ("car",)


def test_other_frame_is_refused() -> None:
    with pytest.raises(FrameMismatchError, match="lidar"):
        merge(clusters((0, 0, 5)), boxes((0, 0, 4, 2), frame="map"), share=0.6, margin_m=0.1)
