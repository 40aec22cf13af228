"""Result files are lossless and the same bytes for the same content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, TrackedObjects
from perception_stack.errors import DataFileError
from perception_stack.io.results import read_boxes, read_objects, write_boxes, write_objects

Tracked = Callable[[Boxes3D, int], TrackedObjects]


def _boxes(num: int, seed: int) -> Boxes3D:
    rng = np.random.default_rng(seed)
    quat = rng.normal(size=(num, 4))
    probs = rng.random((num, 2)) + 0.01
    boxes = Boxes3D(
        frame_id="odom",
        stamp_ns=1_317_000_000_123_456_789,
        center_m=rng.normal(size=(num, 3)) * 10.0 ** rng.integers(-9, 9),
        quat_xyzw=quat / np.linalg.norm(quat, axis=1, keepdims=True),
        size_lwh_m=rng.random((num, 3)),
        covariance=rng.normal(size=(num, 6, 6)),
        score=rng.random(num),
        classes=("car", "pedestrian"),
        class_probs=probs / probs.sum(axis=1, keepdims=True),
        sensors=(("camera", "lidar"),) * num,
    )
    return boxes if num else Boxes3D.empty(frame_id="odom", stamp_ns=boxes.stamp_ns)


def _assert_equal(one: TrackedObjects | Boxes3D, other: TrackedObjects | Boxes3D) -> None:
    for name in type(one).__slots__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if name == "boxes":
            _assert_equal(mine, theirs)
        else:
            np.testing.assert_array_equal(mine, theirs, err_msg=name)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(nums=st.lists(st.integers(0, 4), max_size=4), seed=st.integers(0, 10**6))
def test_there_and_back_to_the_last_bit(
    tracked: Tracked, tmp_path: Path, nums: list[int], seed: int
) -> None:
    frames = [tracked(_boxes(num, seed + i), seed + i) for i, num in enumerate(nums)]
    write_objects(tmp_path / "objects.jsonl", frames)
    back = read_objects(tmp_path / "objects.jsonl")
    assert len(back) == len(frames)
    for one, other in zip(back, frames, strict=True):
        _assert_equal(one, other)
    write_boxes(tmp_path / "poses.jsonl", [one.boxes for one in frames])
    for one, other in zip(read_boxes(tmp_path / "poses.jsonl"), frames, strict=True):
        _assert_equal(one, other.boxes)


def test_line_has_the_agreed_keys(tracked: Tracked, tmp_path: Path) -> None:
    write_objects(tmp_path / "objects.jsonl", [tracked(_boxes(1, 0), 0), tracked(_boxes(0, 1), 1)])
    first, second = (
        json.loads(line) for line in (tmp_path / "objects.jsonl").read_text().splitlines()
    )
    assert list(first) == ["stamp_ns", "frame_id", "objects"]
    (one,) = first["objects"]
    assert set(one) >= {
        "id",
        "state",
        "existence",
        "classes",
        "center_m",
        "quat_xyzw",
        "size_lwh_m",
        "pose_covariance",
        "velocity_mps",
        "angular_velocity_radps",
        "sensors",
        "num_detections",
        "last_seen_ns",
        "stationary",
        "orientation_known",
    }
    assert one["state"] in ("tentative", "confirmed", "coasting")
    assert one["acceleration_mps2"] == [None, None, None]
    assert sum(one["classes"].values()) == pytest.approx(1)
    assert second["objects"] == []


def test_zero_has_no_sign_and_no_class_is_listed_in_vain(tracked: Tracked, tmp_path: Path) -> None:
    objects = tracked(_boxes(1, 0), 0)
    texts = []
    for zero in (0.0, -0.0):
        boxes = replace(
            objects.boxes, center_m=np.full((1, 3), zero), class_probs=np.array([[1.0, 0.0]])
        )
        write_objects(tmp_path / "objects.jsonl", [replace(objects, boxes=boxes)])
        texts.append((tmp_path / "objects.jsonl").read_bytes())
    assert texts[0] == texts[1]
    assert b'"center_m":[0.0,0.0,0.0]' in texts[0]
    assert b'"classes":{"car":1.0}' in texts[0]


def test_order_of_classes_does_not_change_the_bytes(tracked: Tracked, tmp_path: Path) -> None:
    objects = tracked(_boxes(3, 0), 0)
    turned = replace(
        objects.boxes,
        classes=objects.boxes.classes[::-1],
        class_probs=objects.boxes.class_probs[:, ::-1],
    )
    write_objects(tmp_path / "one", [objects])
    write_objects(tmp_path / "two", [replace(objects, boxes=turned)])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file"),
        ("{", "line 1 is no frame"),
        (
            '{"stamp_ns":1,"frame_id":"a","objects":[]}\n{"stamp_ns":1}',
            "line 2 .*frame_id|objects",
        ),
        ('{"stamp_ns":1,"frame_id":"a","objects":[{"classes":{}}]}', "line 1 .*center_m"),
        ("[]", "line 1"),
    ],
    ids=["absent", "not json", "key", "row", "list"],
)
def test_files_that_are_no_results(tmp_path: Path, content: str | None, text: str) -> None:
    path = tmp_path / "objects.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataFileError, match=text):
        read_objects(path)
