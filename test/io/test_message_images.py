"""Images of every encoding, and depth images in the unit of their encoding."""

from __future__ import annotations

import array
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception_stack.datatypes import ColorImage, DepthImage
from perception_stack.errors import DecodeError
from perception_stack.io.messages import (
    depth_from_msg,
    depth_to_msg,
    image_from_msg,
    image_to_msg,
    mask_from_msg,
    mask_to_msg,
)


def _message(
    pixels: np.ndarray, encoding: str, *, padding: int = 0, big: bool = False, holder: Any = bytes
) -> Any:
    height, width = pixels.shape[:2]
    wire = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = [wire[i].tobytes() + b"\xaa" * padding for i in range(height)]
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2), frame_id="camera"),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(big),
        step=len(rows[0]) if rows else 0,
        data=holder(b"".join(rows)),
    )


_BGR = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
_GRAY = _BGR[:, :, 0]
_ALPHA = np.full((4, 6, 1), 77, dtype=np.uint8)
_GRAY_BGR = np.repeat(_GRAY[:, :, None], 3, axis=2)


def _wide(pixels: np.ndarray) -> np.ndarray:
    """16-bit pixels whose upper byte is the given one."""
    return pixels.astype(np.uint16) * 256 + 99


_CASES = {
    "bgr8": (_BGR, _BGR),
    "rgb8": (_BGR[:, :, ::-1], _BGR),
    "bgra8": (np.dstack([_BGR, _ALPHA]), _BGR),
    "rgba8": (np.dstack([_BGR[:, :, ::-1], _ALPHA]), _BGR),
    "mono8": (_GRAY, _GRAY_BGR),
    "8UC1": (_GRAY, _GRAY_BGR),
    "8UC3": (_BGR, _BGR),
    "8UC4": (np.dstack([_BGR, _ALPHA]), _BGR),
    "bgr16": (_wide(_BGR), _BGR),
    "rgb16": (_wide(_BGR[:, :, ::-1]), _BGR),
    "bgra16": (_wide(np.dstack([_BGR, _ALPHA])), _BGR),
    "rgba16": (_wide(np.dstack([_BGR[:, :, ::-1], _ALPHA])), _BGR),
    "mono16": (_wide(_GRAY), _GRAY_BGR),
}


@pytest.mark.parametrize(
    "holder", [bytes, lambda raw: array.array("B", raw)], ids=["bytes", "array"]
)
@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("encoding", _CASES)
def test_colour_encodings(encoding: str, big: bool, padding: int, holder: Any) -> None:
    pixels, expected = _CASES[encoding]
    message = _message(pixels, encoding, padding=padding, big=big, holder=holder)
    image = image_from_msg(message)
    np.testing.assert_array_equal(image.bgr, expected)
    assert image.bgr.dtype == np.uint8
    assert (image.frame_id, image.stamp_ns) == ("camera", 1_000_000_002)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns(pattern: str, bits: int) -> None:
    colour = {"r": 10, "g": 100, "b": 200}
    tile = np.array(
        [[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]]
    )
    mosaic = np.tile(tile, (6, 6)).astype(np.uint8)
    pixels = mosaic if bits == 8 else _wide(mosaic)
    image = image_from_msg(_message(pixels, f"bayer_{pattern}{bits}"))
    # a uniform colour is rebuilt exactly, away from the border
    np.testing.assert_array_equal(image.bgr[2:-2, 2:-2].reshape(-1, 3), [[200, 100, 10]] * 64)


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "UYVY"), ("uyvy", "UYVY"), ("yuv422_yuy2", "YUYV"), ("yuyv", "YUYV")],
)
def test_yuv_encodings(encoding: str, order: str) -> None:
    value = {"Y": 120, "U": 90, "V": 160}
    pixels = np.tile(np.array([value[one] for one in order], dtype=np.uint8), (4, 3))
    image = image_from_msg(_message(pixels.reshape(4, 6, 2), encoding))
    # BT.601, limited range
    luma = 1.164 * (120 - 16)
    expected = [
        luma + 2.018 * (90 - 128),
        luma - 0.391 * (90 - 128) - 0.813 * 32,
        luma + 1.596 * 32,
    ]
    np.testing.assert_allclose(image.bgr.reshape(-1, 3), [expected] * 24, atol=1.5)


def test_bgr8_is_not_copied() -> None:
    message = _message(_BGR, "bgr8", padding=3, holder=lambda raw: array.array("B", raw))
    pixels = image_from_msg(message).bgr
    message.data[0] ^= 0xFF
    assert pixels[0, 0, 0] == _BGR[0, 0, 0] ^ 0xFF


@settings(deadline=None)
@given(bgr=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_colour_there_and_back(bgr: np.ndarray) -> None:
    image = ColorImage(frame_id="camera", stamp_ns=5, bgr=bgr)
    back = image_from_msg(image_to_msg(image))
    np.testing.assert_array_equal(back.bgr, bgr)
    assert (back.frame_id, back.stamp_ns) == ("camera", 5)


_NAN = float("nan")


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    ("pixels", "encoding", "expected_m"),
    [
        (np.array([[0, 500], [1500, 65535]], "u2"), "16UC1", [[_NAN, 0.5], [1.5, 65.535]]),
        (np.array([[0, 500], [1500, 65535]], "u2"), "mono16", [[_NAN, 0.5], [1.5, 65.535]]),
        (np.array([[0, 0.5], [_NAN, np.inf]], "f4"), "32FC1", [[_NAN, 0.5], [_NAN, _NAN]]),
        (np.array([[-1, -np.inf], [150, 2]], "f4"), "32FC1", [[_NAN, _NAN], [150, 2]]),
        (np.zeros((2, 2), "u2"), "16UC1", [[_NAN, _NAN]] * 2),
    ],
    ids=["millimetres", "mono16", "metres", "too near", "nothing measured"],
)
def test_depth_is_metres(
    pixels: np.ndarray, encoding: str, expected_m: list[list[float]], big: bool
) -> None:
    depth = depth_from_msg(_message(pixels, encoding, big=big, padding=2))
    np.testing.assert_allclose(depth.depth_m, np.array(expected_m), rtol=1e-6)
    assert depth.depth_m.dtype == np.float32


@pytest.mark.parametrize(
    ("pixels", "encoding"),
    [
        (np.full((480, 640), 1500, "f4"), "32FC1"),
        (np.full((480, 640), 3, "u2"), "16UC1"),
    ],
    ids=["millimetres as float", "metres as integers"],
)
def test_depth_in_the_wrong_unit_is_refused(pixels: np.ndarray, encoding: str) -> None:
    pixels[:, ::3] = 0  # holes must not hide it
    with pytest.raises(DecodeError, match="REP 118"):
        depth_from_msg(_message(pixels, encoding))


def test_peer_fault_metres_are_not_divided_by_a_thousand() -> None:
    message = _message(np.full((4, 4), 2.5, "f4"), "32FC1")
    assert (depth_from_msg(message).depth_m == 2.5).all()


@settings(deadline=None)
@given(
    depth_m=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 9), st.integers(1, 9)),
        elements=st.one_of(st.floats(0.03125, 60, width=32), st.just(np.nan)),
    )
)
def test_depth_there_and_back(depth_m: np.ndarray) -> None:
    depth = DepthImage(frame_id="camera", stamp_ns=5, depth_m=depth_m)
    np.testing.assert_array_equal(depth_from_msg(depth_to_msg(depth)).depth_m, depth_m)
    millimetres = depth_from_msg(depth_to_msg(depth, encoding="16UC1")).depth_m
    np.testing.assert_allclose(millimetres, depth_m, atol=0.000501)


def test_depth_that_millimetres_cannot_hold_is_no_measurement() -> None:
    depth_m = np.array([[70.0, -1.0, np.inf, 1.0]], dtype=np.float32)
    message = depth_to_msg(DepthImage(frame_id="a", stamp_ns=0, depth_m=depth_m), encoding="16UC1")
    assert message.data.view("<u2").tolist() == [0, 0, 0, 1000]


@pytest.mark.parametrize("read", [image_from_msg, depth_from_msg], ids=["colour", "depth"])
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"height": 0}, "no pixels"),
        ({"width": 0}, "no pixels"),
        ({"encoding": "jpeg"}, "'jpeg' is not one of .*mono16"),
        ({"encoding": ""}, "'' is not one of"),
        ({"height": 5}, "60 bytes by height and step, but 48"),
        ({"step": 11}, "rows of 11 bytes cannot hold 6 x 2"),
    ],
    ids=["no rows", "no columns", "encoding", "no encoding", "cut", "step"],
)
def test_images_that_do_not_hold_together(read: Any, change: dict[str, Any], text: str) -> None:
    message = _message(np.full((4, 6), 500, "u2"), "mono16")
    vars(message).update(change)
    with pytest.raises(DecodeError, match=text):
        read(message)


def test_yuv_of_odd_width_is_refused() -> None:
    with pytest.raises(DecodeError, match="3x4"):
        image_from_msg(_message(np.zeros((4, 3, 2), np.uint8), "yuv422"))


def test_opencv_has_every_conversion() -> None:
    from perception_stack.io.messages import images

    for _, _, conversion in images._COLOR.values():
        assert not conversion or hasattr(cv2, f"COLOR_{conversion}")


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [("8UC1", "u1"), ("mono8", "u1"), ("16UC1", "<u2"), ("mono16", ">u2"), ("32SC1", "<i4")],
)
def test_mask_of_any_whole_numbers(encoding: str, kind: str) -> None:
    labels = np.array([[0, 1, 2], [200, 0, 0]])
    message = _message(labels.astype(kind), encoding, big=kind.startswith(">"))
    mask = mask_from_msg(message)
    assert mask.dtype == (np.uint8 if kind == "u1" else np.uint16)
    np.testing.assert_array_equal(mask, labels)


@given(hnp.arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_mask_survives_a_round_trip(mask: np.ndarray) -> None:
    message = mask_to_msg(mask, frame_id="camera", stamp_ns=5)
    np.testing.assert_array_equal(mask_from_msg(message), mask)
    assert (message.header.frame_id, message.header.stamp.nanosec) == ("camera", 5)


@pytest.mark.parametrize("value", [-1, 65536])
def test_mask_with_numbers_of_no_detection(value: int) -> None:
    with pytest.raises(DecodeError, match=f"{value}"):
        mask_from_msg(_message(np.full((2, 2), value, "<i4"), "32SC1"))


def test_mask_of_floats_is_refused() -> None:
    with pytest.raises(DecodeError, match="32FC1"):
        mask_from_msg(_message(np.ones((2, 2), "<f4"), "32FC1"))
