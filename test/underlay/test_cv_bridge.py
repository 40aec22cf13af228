"""cv_bridge: every encoding that OpenCV can hold, against bytes packed by ``struct``."""

from __future__ import annotations

import array
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

pytest.importorskip("rclpy")
cv2 = pytest.importorskip("cv2")
cv_bridge = pytest.importorskip("cv_bridge")
msgs = pytest.importorskip("sensor_msgs.msg")
Header = pytest.importorskip("std_msgs.msg").Header

pytestmark = pytest.mark.ros

CODES = {"8U": "B", "8S": "b", "16U": "H", "16S": "h", "32S": "i", "32F": "f", "64F": "d"}
BRIDGE = cv_bridge.CvBridge()
ENCODINGS = {
    **{f"{depth}C{num}": (depth, num) for depth in CODES for num in (1, 2, 3, 4)},
    **{
        f"{name}8": ("8U", num) for name, num in [("rgb", 3), ("bgr", 3), ("rgba", 4), ("bgra", 4)]
    },
    **{
        f"{name}16": ("16U", num)
        for name, num in [("rgb", 3), ("bgr", 3), ("rgba", 4), ("bgra", 4)]
    },
    **{f"bayer_{tile}8": ("8U", 1) for tile in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{tile}16": ("16U", 1) for tile in ("rggb", "bggr", "gbrg", "grbg")},
    "mono8": ("8U", 1),
    "mono16": ("16U", 1),
    "yuv422": ("8U", 2),
    "yuv422_yuy2": ("8U", 2),
    "8UC": None,
    "16UC7": ("16U", 7),
    "32F": ("32F", 1),
}
del ENCODINGS["8UC"]


def message(
    encoding: str, *, height: int = 3, width: int = 4, big: bool = False, padding: int = 0
) -> tuple[Any, np.ndarray]:
    """A message whose values count up, and these values, [H, W] or [H, W, C]."""
    depth, num_channels = ENCODINGS[encoding]
    values = np.arange(height * width * num_channels) + (250 if depth != "8S" else -20)
    values = (values % 256 if depth == "8U" else values).reshape(height, width * num_channels)
    row_format = f"{'>' if big else '<'}{width * num_channels}{CODES[depth]}"
    rows = [struct.pack(row_format, *row) + b"\xaa" * padding for row in values.tolist()]
    image = msgs.Image(
        height=height, width=width, encoding=encoding, is_bigendian=int(big), step=len(rows[0])
    )
    image.data = array.array("B", b"".join(rows))
    shape = (height, width) if num_channels == 1 else (height, width, num_channels)
    return image, values.reshape(shape)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("pixels_of_padding", [0, 3])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_is_read(encoding: str, pixels_of_padding: int, big: bool) -> None:
    if (
        big
        and ENCODINGS[encoding][0] not in {"8U", "8S"}
        and not hasattr(np.ndarray, "newbyteorder")
    ):
        pytest.importorskip("cv_bridge.encodings", reason="published cv_bridge needs numpy 1 here")
    depth, num_channels = ENCODINGS[encoding]
    padding = pixels_of_padding * num_channels * struct.calcsize(CODES[depth])
    image, values = message(encoding, big=big, padding=padding)
    read = BRIDGE.imgmsg_to_cv2(image)
    assert read.dtype == np.dtype(CODES[depth])
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, values)


@pytest.mark.better_than_published("cv_bridge", "shears images whose padding is no whole pixel")
@pytest.mark.parametrize("encoding", ["bgr8", "32FC3", "mono16"])
def test_any_padding_is_skipped(encoding: str) -> None:
    image, values = message(encoding, padding=5)
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(image), values)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_types_of_encodings(encoding: str) -> None:
    depth, num_channels = ENCODINGS[encoding]
    dtype = np.dtype(CODES[depth]).name
    assert BRIDGE.encoding_to_dtype_with_channels(encoding) == (dtype, num_channels)
    if num_channels <= 4:
        expected = getattr(cv2, f"CV_{depth}C{num_channels}")
        assert BRIDGE.encoding_to_cvtype2(encoding) == expected
    assert BRIDGE.dtype_with_channels_to_cvtype2(np.dtype(dtype), num_channels) == (
        f"{depth}C{num_channels}"
    )


@pytest.mark.parametrize(
    "encoding", ["", "nv21", "nv24", "rgb32", "8UC", "12UC1", "8UC1 ", "jpeg"]
)
def test_unknown_encodings_are_errors(encoding: str) -> None:
    image, _ = message("mono8")
    image.encoding = encoding
    for call in (
        lambda: BRIDGE.imgmsg_to_cv2(image),
        lambda: BRIDGE.encoding_to_cvtype2(encoding),
        lambda: BRIDGE.cv2_to_imgmsg(np.zeros((2, 2), np.uint8), encoding=encoding),
        lambda: BRIDGE.imgmsg_to_cv2(message("bgr8")[0], desired_encoding=encoding or "x"),
    ):
        with pytest.raises(cv_bridge.CvBridgeError):
            call()


@settings(deadline=None, max_examples=60)
@given(
    np_st.arrays(
        dtype=st.sampled_from(list(CODES.values())).map(np.dtype),
        shape=st.one_of(
            st.tuples(st.integers(1, 5), st.integers(1, 5)),
            st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(2, 4)),
        ),
        elements={"allow_nan": False},
    ),
    st.booleans(),
)
def test_arrays_there_and_back(image: np.ndarray, is_strided: bool) -> None:
    image = image[::-1, ::2] if is_strided else image
    sent = BRIDGE.cv2_to_imgmsg(image, header=Header(frame_id="camera"))
    assert (sent.height, sent.width, sent.header.frame_id) == (*image.shape[:2], "camera")
    assert sent.step * sent.height == len(sent.data) == image.nbytes
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(sent), image)


def test_big_endian_arrays_stay_big_endian() -> None:
    sent = BRIDGE.cv2_to_imgmsg(np.array([[1, 258]], dtype=">u2"), encoding="mono16")
    assert (bool(sent.is_bigendian), bytes(sent.data)) == (True, b"\x00\x01\x01\x02")


PIXELS = {
    "mono8": [200],
    "rgb8": [10, 20, 30],
    "bgr8": [30, 20, 10],
    "rgba8": [10, 20, 30, 40],
    "bgra8": [30, 20, 10, 40],
    "mono16": [51400],
    "rgb16": [2570, 5140, 7710],
    "bgra16": [7710, 5140, 2570, 10280],
}


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("rgb8", "bgr8", [30, 20, 10]),
        ("bgr8", "rgb8", [10, 20, 30]),
        ("bgr8", "bgr8", [30, 20, 10]),
        ("rgb8", "bgra8", [30, 20, 10, 255]),
        ("bgra8", "rgb8", [10, 20, 30]),
        ("rgba8", "bgra8", [30, 20, 10, 40]),
        ("mono8", "bgr8", [200, 200, 200]),
        ("mono8", "rgba8", [200, 200, 200, 255]),
        ("rgb8", "mono8", [18]),
        ("bgra8", "mono8", [18]),
        ("mono8", "mono16", [51400]),
        ("mono16", "mono8", [200]),
        ("mono16", "bgr8", [200, 200, 200]),
        ("rgb8", "bgr16", [7710, 5140, 2570]),
        ("rgb16", "bgr8", [30, 20, 10]),
        ("bgra16", "rgba8", [10, 20, 30, 40]),
        ("rgb16", "bgra16", [7710, 5140, 2570, 65535]),
        ("bgr8", "8UC3", [30, 20, 10]),
        ("bgr8", "32FC3", [30.0, 20.0, 10.0]),
        ("mono16", "16UC1", [51400]),
        ("mono8", "32FC1", [200.0]),
    ],
)
def test_colours_are_converted(source: str, target: str, expected: list[float]) -> None:
    depth, num_channels = ENCODINGS[source]
    pixels = np.array(PIXELS[source], dtype=CODES[depth])
    image = np.tile(pixels, (2, 3, 1)).reshape((2, 3, num_channels)[: 2 + (num_channels > 1)])
    sent = BRIDGE.cv2_to_imgmsg(image, encoding=source)
    read = BRIDGE.imgmsg_to_cv2(sent, desired_encoding=target)
    assert read.dtype == CODES[ENCODINGS[target][0]]
    assert read.reshape(2, 3, -1).tolist() == [[expected] * 3] * 2
    assert not np.shares_memory(read, np.asarray(sent.data))


@pytest.mark.parametrize(
    ("source", "target", "value", "expected"),
    [
        ("8UC1", "16UC1", 3, 771),
        ("16UC1", "8UC1", 771, 3),
        ("16UC1", "32FC1", 1500, 1500.0),
        ("32FC1", "16UC1", 1500.4, 1500),
        ("32FC1", "64FC1", np.inf, np.inf),
        ("32FC1", "8UC1", -7.0, 0),
        ("32SC1", "16SC1", 10**6, 32767),
    ],
)
def test_depths_are_converted(source: str, target: str, value: float, expected: float) -> None:
    image = np.full((2, 2), value, dtype=CODES[ENCODINGS[source][0]])
    read = BRIDGE.imgmsg_to_cv2(BRIDGE.cv2_to_imgmsg(image), desired_encoding=target)
    assert read.dtype == CODES[ENCODINGS[target][0]]
    assert read.tolist() == [[expected] * 2] * 2


def test_sixteen_to_eight_bits_rounds_to_the_nearest() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    sent = BRIDGE.cv2_to_imgmsg(values, encoding="mono16")
    read = BRIDGE.imgmsg_to_cv2(sent, desired_encoding="mono8")
    np.testing.assert_array_equal(read, (values.astype(int) + 128) // 257)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tile", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("target", ["rgb8", "bgr8", "bgr16", "mono8"])
def test_bayer_patterns_are_filled_in(tile: str, bits: int, target: str) -> None:
    scale = 257 if bits == 16 else 1
    red_green_blue = {"r": 200, "g": 100, "b": 50}
    tile_values = np.array([red_green_blue[color] for color in tile]).reshape(2, 2) * scale
    mosaic = np.tile(tile_values, (4, 4)).astype(f"u{bits // 8}")
    sent = BRIDGE.cv2_to_imgmsg(mosaic, encoding=f"bayer_{tile}{bits}")
    read = BRIDGE.imgmsg_to_cv2(sent, desired_encoding=target)[2:-2, 2:-2]
    out_scale = 257 if target.endswith("16") else 1
    letters = target.rstrip("0123456789")
    if letters == "mono":
        assert abs(int(read[0, 0]) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) <= 1
    else:
        assert read[0, 0].tolist() == [red_green_blue[letter] * out_scale for letter in letters]
    assert (read == read[0, 0]).all()


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", [1, 0, 3, 2]), ("yuv422_yuy2", [0, 1, 2, 3])]
)
def test_yuv_is_converted(encoding: str, order: list[int]) -> None:
    """Y 81, U 90, V 240 is pure red in ITU-R BT.601."""
    yuyv = np.array([81, 90, 81, 240], dtype=np.uint8)
    pairs = np.tile(yuyv[order], (2, 2)).reshape(2, 4, 2)
    sent = BRIDGE.cv2_to_imgmsg(pairs, encoding=encoding)
    red = BRIDGE.imgmsg_to_cv2(sent, desired_encoding="bgr8").astype(int)
    assert np.abs(red - [0, 0, 255]).max() <= 2
    assert (BRIDGE.imgmsg_to_cv2(sent, desired_encoding="mono8") == 81).all()


@pytest.mark.better_than_published("cv_bridge", "does not know the new names")
@pytest.mark.parametrize(("new", "old"), [("uyvy", "yuv422"), ("yuyv", "yuv422_yuy2")])
def test_new_names_of_yuv_mean_the_old(new: str, old: str) -> None:
    image, _ = message(old)
    expected = BRIDGE.imgmsg_to_cv2(image, desired_encoding="rgb8")
    image.encoding = new
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(image, desired_encoding="rgb8"), expected)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("8UC1", "mono8"),
        ("16UC1", "mono16"),
        ("8UC3", "bgr8"),
        ("8UC3", "8UC1"),
        ("bgr8", "8UC1"),
        ("mono8", "8UC3"),
        ("bayer_rggb8", "bgra8"),
        ("mono8", "bayer_rggb8"),
        ("bayer_rggb8", "bayer_bggr8"),
        ("bgr8", "yuv422"),
    ],
)
def test_conversions_without_meaning_are_errors(source: str, target: str) -> None:
    with pytest.raises(cv_bridge.CvBridgeError):
        BRIDGE.imgmsg_to_cv2(message(source)[0], desired_encoding=target)


def test_bytes_that_are_missing_are_an_error() -> None:
    image, _ = message("bgr8")
    image.data = image.data[:-1]
    with pytest.raises(TypeError):
        BRIDGE.imgmsg_to_cv2(image)


@pytest.mark.better_than_published("cv_bridge", "returns a narrower image")
def test_a_step_shorter_than_the_row_is_an_error() -> None:
    image, _ = message("bgr8")
    image.step -= 3
    with pytest.raises(cv_bridge.CvBridgeError, match="step 9 < width 4"):
        BRIDGE.imgmsg_to_cv2(image)


@pytest.mark.parametrize(("height", "width"), [(0, 0), (0, 4), (3, 0)])
def test_images_without_pixels(height: int, width: int) -> None:
    image = msgs.Image(height=height, width=width, encoding="bgr8", step=3 * width)
    assert BRIDGE.imgmsg_to_cv2(image).shape == (height, width, 3)
    with pytest.raises(cv_bridge.CvBridgeError):
        BRIDGE.imgmsg_to_cv2(image, desired_encoding="mono8")


@pytest.mark.better_than_published("cv_bridge", "divides by zero")
def test_an_image_without_rows_is_sent() -> None:
    sent = BRIDGE.cv2_to_imgmsg(np.zeros((0, 4, 3), np.uint8), encoding="bgr8")
    assert (sent.height, sent.width, sent.step, len(sent.data)) == (0, 4, 12, 0)


@pytest.mark.parametrize(
    ("error", "image", "encoding"),
    [
        (cv_bridge.CvBridgeError, np.zeros((2, 2), np.uint8), "bgr8"),
        (cv_bridge.CvBridgeError, np.zeros((2, 2, 3), np.uint16), "bgr8"),
        (cv_bridge.CvBridgeError, np.zeros((2, 2), np.float32), "16UC1"),
        ((cv_bridge.CvBridgeError, KeyError), np.zeros((2, 2), np.int64), "passthrough"),
        ((cv_bridge.CvBridgeError, KeyError), np.zeros((2, 2), bool), "passthrough"),
        (TypeError, [[1, 2]], "passthrough"),
    ],
    ids=["channels", "depth", "float", "int64", "bool", "list"],
)
def test_arrays_that_do_not_fit_are_errors(error: Any, image: Any, encoding: str) -> None:
    with pytest.raises(error):
        BRIDGE.cv2_to_imgmsg(image, encoding=encoding)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("num_channels", [1, 3, 4])
def test_lossless_compression_there_and_back(dtype: type, num_channels: int) -> None:
    shape = (4, 5, num_channels)[: 2 + (num_channels > 1)]
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    sent = BRIDGE.cv2_to_compressed_imgmsg(image, dst_format="png")
    assert sent.format == "png"
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(sent), image)


def test_jpeg_is_near_and_its_colours_are_converted() -> None:
    image = np.full((16, 16, 3), (30, 120, 220), np.uint8)
    sent = BRIDGE.cv2_to_compressed_imgmsg(image)
    assert sent.format == "jpg"
    near = BRIDGE.compressed_imgmsg_to_cv2(sent, desired_encoding="rgb8").astype(int)
    assert np.abs(near - (220, 120, 30)).max() <= 4


@pytest.mark.better_than_published("cv_bridge", "takes every picture for bgr8")
def test_a_compressed_gray_image_becomes_coloured() -> None:
    gray = np.full((2, 2), 300, np.uint16)
    sent = BRIDGE.cv2_to_compressed_imgmsg(gray, dst_format="png")
    read = BRIDGE.compressed_imgmsg_to_cv2(sent, desired_encoding="rgb8")
    assert read.tolist() == [[[1, 1, 1]] * 2] * 2


@pytest.mark.better_than_published("cv_bridge", "returns None")
@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    sent = msgs.CompressedImage(format="png")
    sent.data = array.array("B", data)
    with pytest.raises(cv_bridge.CvBridgeError):
        BRIDGE.compressed_imgmsg_to_cv2(sent)


@pytest.mark.better_than_published("cv_bridge", "lets OpenCV's error through")
def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(cv_bridge.CvBridgeError, match="xyz"):
        BRIDGE.cv2_to_compressed_imgmsg(np.zeros((2, 2), np.uint8), dst_format="xyz")
