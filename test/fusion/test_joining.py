"""Boxes of two sensors become one list."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D
from perception_stack.errors import FrameMismatchError, ShapeError
from perception_stack.fusion.joining import join_boxes


def boxes(
    *x_m: float, sensor: tuple[str, ...] = ("lidar",), label: str = "unknown", score: float = 0.5
) -> Boxes3D:
    num = len(x_m)
    classes = ("unknown",) if label == "unknown" else (label, "unknown")
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=5,
        center_m=np.array([[x, 0.0, 0.0] for x in x_m]).reshape(-1, 3),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (num, 1)),
        size_lwh_m=np.ones((num, 3)),
        covariance=np.tile(np.eye(6), (num, 1, 1)),
        score=np.full(num, score),
        classes=classes,
        class_probs=np.tile([1.0] if len(classes) == 1 else [0.9, 0.1], (num, 1)),
        sensors=(sensor,) * num,
    )


def test_what_one_sensor_alone_sees_stays() -> None:
    joined = join_boxes(boxes(1, 5), boxes(3, 5.2, 9, sensor=("depth",), score=0.7))
    assert joined.center_m[:, 0].tolist() == [1, 5, 3, 9]
    assert joined.sensors == (("lidar",), ("depth", "lidar"), ("depth",), ("depth",))
    np.testing.assert_allclose(joined.score, [0.5, 0.7, 0.7, 0.7])


def test_the_camera_behind_the_second_sensor_gives_the_class() -> None:
    joined = join_boxes(boxes(5), boxes(5, sensor=("camera", "depth"), label="mug"))
    assert joined.labels == ("mug",)
    assert joined.sensors == (("camera", "depth", "lidar"),)
    kept = join_boxes(boxes(5, label="car", sensor=("camera", "lidar")), boxes(5, label="mug"))
    assert kept.labels == ("car",)


@given(
    st.lists(st.floats(-50, 50), max_size=6),
    st.lists(st.floats(-50, 50), max_size=6),
)
def test_nothing_is_lost_and_nothing_doubled(first: list[float], second: list[float]) -> None:
    one, two = boxes(*first), boxes(*second, sensor=("depth",), label="mug")
    joined = join_boxes(one, two)
    np.testing.assert_array_equal(joined.center_m[: len(one)], one.center_m)
    apart = [x for x in second if all(abs(x - y) > 0.6 for y in first)]
    assert joined.center_m[len(one) :, 0].tolist() == apart
    np.testing.assert_allclose(joined.class_probs.sum(axis=1), 1)


def test_boxes_of_two_frames_are_refused() -> None:
    from dataclasses import replace

    with pytest.raises(FrameMismatchError, match="other"):
        join_boxes(boxes(1), replace(boxes(1), frame_id="other"))


def test_lists_over_other_classes_do_not_follow_each_other() -> None:
    one, other = (
        replace(Boxes3D.empty(frame_id="map", stamp_ns=0), classes=(name,))
        for name in ("car", "mug")
    )
    assert len(one.followed_by(one)) == 0
    with pytest.raises(ShapeError, match=r"classes.*car.*mug"):
        one.followed_by(other)
