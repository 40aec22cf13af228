"""Compressed images, and what goes with detections: labels of masks, keypoints, angles."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import ColorImage, Detections2D, Keypoints2D
from perception_stack.errors import DecodeError
from perception_stack.io import messages

_BGR = cv2.GaussianBlur(
    np.random.default_rng(0).integers(0, 256, (41, 53, 3), dtype=np.uint8), (0, 0), 5
)


def compressed(pixels: np.ndarray, kind: str, text: str) -> Any:
    data = cv2.imencode(f".{kind}", pixels)[1].tobytes()
    stamp = SimpleNamespace(sec=1, nanosec=2)
    header = SimpleNamespace(stamp=stamp, frame_id="camera")
    return SimpleNamespace(header=header, format=text, data=data)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_compressed_image_survives_as_far_as_its_kind_allows(kind: str) -> None:
    image = ColorImage(frame_id="camera", stamp_ns=7, bgr=_BGR)
    back = messages.compressed_from_msg(messages.compressed_to_msg(image, kind=kind))
    assert (back.frame_id, back.stamp_ns) == ("camera", 7)
    assert np.abs(back.bgr.astype(int) - _BGR).max() <= (8 if kind == "jpeg" else 0)


@pytest.mark.parametrize(
    ("pixels", "kind", "text"),
    [
        (_BGR, "png", "png"),
        (_BGR, "jpg", "rgb8; jpeg compressed bgr8"),
        (_BGR, "jpg", "bayer_rggb8; jpeg compressed bgr8"),
        (np.dstack([_BGR, _BGR[:, :, 0]]), "png", "bgra8; png compressed bgra8"),
    ],
)
def test_formats_of_colour(pixels: np.ndarray, kind: str, text: str) -> None:
    found = messages.compressed_from_msg(compressed(pixels, kind, text)).bgr
    assert np.abs(found.astype(int) - _BGR).max() <= (8 if kind == "jpg" else 0)


@pytest.mark.parametrize(("scale", "kind"), [(1, np.uint8), (257, np.uint16)])
def test_grey_has_three_equal_channels(scale: int, kind: type) -> None:
    grey = _BGR[:, :, 0].astype(kind) * kind(scale)
    bits = 8 * np.dtype(kind).itemsize
    text = f"mono{bits}; png compressed mono{bits}"
    found = messages.compressed_from_msg(compressed(grey, "png", text)).bgr
    np.testing.assert_array_equal(found, np.repeat(_BGR[:, :, :1], 3, axis=2))


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("jpeg", b"", "0 bytes of format 'jpeg' are no image"),
        ("jpeg", b"no image", "8 bytes of format 'jpeg' are no image"),
        ("16UC1; compressedDepth png", b"x", "is of a depth image"),
        ("bayer_rggb8; png compressed bayer_rggb8", b"x", "no colours; send bgr8"),
    ],
)
def test_what_is_no_colour_image_says_so(text: str, data: bytes, message: str) -> None:
    one = compressed(_BGR, "png", text)
    one.data = data
    with pytest.raises(DecodeError, match=message):
        messages.compressed_from_msg(one)


def detections(num: int) -> Detections2D:
    rng = np.random.default_rng(num)
    low = rng.uniform(0, 50, (num, 2))
    return Detections2D(
        frame_id="camera",
        stamp_ns=5,
        xyxy_px=np.hstack([low, low + rng.uniform(1, 50, (num, 2))]),
        score=rng.uniform(0, 1, num),
        labels=tuple(f"class {i % 3}" for i in range(num)),
    )


@given(num=st.integers(0, 4), num_points=st.integers(0, 4), seed=st.integers(0, 99))
def test_keypoints_survive(num: int, num_points: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keypoints = Keypoints2D(
        names=tuple(f"point {i}" for i in range(num_points)),
        uv_px=rng.normal(size=(num, num_points, 2)),
        score=rng.uniform(0, 1, (num, num_points)),
    )
    message = messages.keypoints_to_msg(replace(detections(num), keypoints=keypoints))
    back = messages.keypoints_from_msg(message)
    assert back.names == keypoints.names
    np.testing.assert_array_equal(back.uv_px, keypoints.uv_px)
    np.testing.assert_array_equal(back.score, keypoints.score)
    assert [one.detection_id for one in message.detections] == [str(i + 1) for i in range(num)]


def test_keypoints_that_do_not_add_up() -> None:
    keypoints = Keypoints2D(names=("head",), uv_px=np.zeros((1, 1, 2)), score=np.ones((1, 1)))
    message = messages.keypoints_to_msg(replace(detections(1), keypoints=keypoints))
    message.names.append("foot")
    with pytest.raises(DecodeError, match="'1' has 1 points and 1 scores for 2 names"):
        messages.keypoints_from_msg(message)


def test_labels_of_a_mask_are_the_numbers_and_classes_of_its_detections() -> None:
    one = replace(detections(3), mask=np.zeros((5, 5), np.uint8))
    info = messages.label_info_to_msg(one, threshold=0.25)
    assert [(each.class_id, each.class_name) for each in info.class_map] == [
        (1, "class 0"),
        (2, "class 1"),
        (3, "class 2"),
    ]
    assert info.threshold == 0.25
    array = messages.detections2d_to_msg(one)
    assert [each.id for each in array.detections] == ["1", "2", "3"]
    assert [each.id for each in messages.detections2d_to_msg(detections(2)).detections] == ["", ""]


@given(st.integers(0, 99))
def test_oriented_boxes_survive(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rotated_px = rng.uniform([0, 0, 1, 1, -1.5], [99, 99, 50, 50, 1.5], (3, 5))
    one = replace(detections(3), rotated_px=rotated_px)
    back = messages.detections2d_from_msg(messages.detections2d_to_msg(one))
    assert back.rotated_px is not None
    np.testing.assert_array_equal(back.rotated_px, rotated_px)
    upright = messages.detections2d_from_msg(messages.detections2d_to_msg(detections(3)))
    assert upright.rotated_px is None
