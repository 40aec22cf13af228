"""``sensor_msgs/Image``: colour images of any encoding, depth images (REP 118), masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, DepthImage, LabelImage
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import (
    Build,
    buffer_of,
    bytes_of,
    header_to_msg,
    stamp_ns,
)

# number type, channels, and OpenCV's name of the conversion to BGR ("" for none)
_COLOR: dict[str, tuple[str, int, str]] = {
    "bgr8": ("u1", 3, ""),
    "rgb8": ("u1", 3, "RGB2BGR"),
    "bgra8": ("u1", 4, "BGRA2BGR"),
    "rgba8": ("u1", 4, "RGBA2BGR"),
    "mono8": ("u1", 1, "GRAY2BGR"),
    "bgr16": ("u2", 3, ""),
    "rgb16": ("u2", 3, "RGB2BGR"),
    "bgra16": ("u2", 4, "BGRA2BGR"),
    "rgba16": ("u2", 4, "RGBA2BGR"),
    "mono16": ("u2", 1, "GRAY2BGR"),
    "8UC1": ("u1", 1, "GRAY2BGR"),
    "8UC3": ("u1", 3, ""),
    "8UC4": ("u1", 4, "BGRA2BGR"),
    "yuv422": ("u1", 2, "YUV2BGR_UYVY"),
    "uyvy": ("u1", 2, "YUV2BGR_UYVY"),
    "yuv422_yuy2": ("u1", 2, "YUV2BGR_YUY2"),
    "yuyv": ("u1", 2, "YUV2BGR_YUY2"),
    # OpenCV names a pattern by its second row, second and third pixel; ROS by the first two rows
    **{
        f"bayer_{ros}{bits}": (f"u{bits // 8}", 1, f"Bayer{opencv}2BGR")
        for ros, opencv in (("rggb", "BG"), ("bggr", "RG"), ("gbrg", "GR"), ("grbg", "GB"))
        for bits in (8, 16)
    },
}
_DEPTH = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_MASK = {"8UC1": "u1", "mono8": "u1", "16UC1": "u2", "mono16": "u2", "32SC1": "i4"}
_MM = 0.001
_FARTHEST_MEDIAN_M = 200.0  # metres beyond it are millimetres in a float image
_NEAREST_MEDIAN_M = 0.02  # below it are metres in an integer image
_SAMPLES_PER_SIDE = 64
_REP = "REP 118: 16UC1 is millimetres, 32FC1 is metres"


def image_from_msg(message: Any) -> ColorImage:
    """Colour image; ``bgr8`` without a copy, so its pixels are not to be written to.

    16-bit channels keep their upper byte.

    Args:
        message: ``sensor_msgs/Image`` with a colour, grey, Bayer or YUV 4:2:2 encoding.

    Raises:
        DecodeError: no pixels, an encoding not known, or fewer data than promised.
    """
    kind, channels, conversion = _lookup(_COLOR, message)
    pixels = _pixels(message, kind, channels)
    if conversion:
        import cv2

        size = f"{message.width}x{message.height}"
        # two pixels share their colour; not every OpenCV notices
        if conversion.startswith("YUV2BGR") and message.width % 2:
            raise DecodeError(f"no {message.encoding} image of {size} pixels: odd width")
        try:
            pixels = cv2.cvtColor(
                np.ascontiguousarray(pixels), getattr(cv2, f"COLOR_{conversion}")
            )
        except cv2.error as error:
            raise DecodeError(f"no {message.encoding} image of {size} pixels: {error}") from error
    if kind == "u2":
        pixels = (pixels >> 8).astype(np.uint8)
    header = message.header
    return ColorImage(frame_id=header.frame_id, stamp_ns=stamp_ns(header), bgr=pixels)


def depth_from_msg(message: Any) -> DepthImage:
    """Depth in metres by the encoding's unit; NaN where zero, negative or not finite.

    Args:
        message: ``sensor_msgs/Image`` with encoding ``16UC1`` (or ``mono16``) or ``32FC1``.

    Raises:
        DecodeError: no pixels, another encoding, fewer data than promised, or values that do not
            fit the unit.
    """
    kind = _lookup(_DEPTH, message)
    values = _pixels(message, kind, 1)
    if kind == "u2":
        depth_m = values.astype(np.float32)
        depth_m *= np.float32(_MM)
    else:
        depth_m = values
    valid = (depth_m > 0) & (depth_m < np.inf)  # False for NaN
    depth_m = np.where(valid, depth_m, np.float32(np.nan))
    _check_unit(depth_m, message.encoding)
    header = message.header
    return DepthImage(frame_id=header.frame_id, stamp_ns=stamp_ns(header), depth_m=depth_m)


def mask_from_msg(message: Any) -> LabelImage:
    """Label image of the detections of one camera image, uint8 or uint16 [H, W].

    A pixel is ``i + 1`` where it belongs to detection i of the ``Detection2DArray`` of the same
    stamp, 0 where to none.

    Args:
        message: ``sensor_msgs/Image`` of whole numbers in one channel.

    Raises:
        DecodeError: no pixels, another encoding, fewer data than promised, or numbers that no list
            of detections reaches.
    """
    labels = _pixels(message, _lookup(_MASK, message), 1)
    if labels.dtype == np.uint8:
        return labels
    if labels.dtype.itemsize > 2:
        low, high = labels.min(), labels.max()
        if low < 0 or high > np.iinfo(np.uint16).max:
            raise DecodeError(f"mask holds numbers from {low} to {high}, expected 0 to 65535")
    return labels.astype(np.uint16, copy=False)


def mask_to_msg(
    mask: LabelImage, *, frame_id: str, stamp_ns: int, build: Build = build_message
) -> Any:
    """A ``sensor_msgs/Image`` with encoding ``mono8`` or ``mono16`` of a label image."""
    encoding, kind = ("mono8", "u1") if mask.dtype == np.uint8 else ("mono16", "<u2")
    pixels = np.ascontiguousarray(mask, dtype=kind)
    return _to_msg(frame_id, stamp_ns, pixels, encoding=encoding, build=build)


def image_to_msg(image: ColorImage, *, build: Build = build_message) -> Any:
    """A ``sensor_msgs/Image`` with encoding ``bgr8``."""
    pixels = np.ascontiguousarray(image.bgr)
    return _to_msg(image.frame_id, image.stamp_ns, pixels, encoding="bgr8", build=build)


def depth_to_msg(
    depth: DepthImage, *, encoding: str = "32FC1", build: Build = build_message
) -> Any:
    """A ``sensor_msgs/Image`` of a depth image.

    Args:
        depth: Depth; what ``16UC1`` cannot hold (NaN, beyond 65.535 m) becomes 0 there.
        encoding: ``32FC1`` or ``16UC1``, which rounds to millimetres.
        build: Makes the messages.

    Raises:
        DecodeError: another encoding.
    """
    if encoding == "32FC1":
        values: NDArray[Any] = np.ascontiguousarray(depth.depth_m, dtype="<f4")
    elif encoding == "16UC1":
        values_mm = np.rint(depth.depth_m / np.float32(_MM))
        fits = (values_mm >= 0) & (values_mm < 65536)
        values = np.where(fits, values_mm, 0).astype("<u2")
    else:
        raise DecodeError(f"depth encoding '{encoding}' is neither 32FC1 nor 16UC1")
    return _to_msg(depth.frame_id, depth.stamp_ns, values, encoding=encoding, build=build)


def _lookup(table: dict[str, Any], message: Any) -> Any:
    if message.encoding not in table:
        known = ", ".join(table)
        raise DecodeError(f"image encoding '{message.encoding}' is not one of {known}")
    return table[message.encoding]


def _pixels(message: Any, kind: str, channels: int) -> NDArray[Any]:
    """[H, W] or [H, W, channels] view of the data; a copy if the byte order is foreign."""
    height, width, step = int(message.height), int(message.width), int(message.step)
    if height == 0 or width == 0:
        raise DecodeError(f"image has no pixels ({width}x{height})")
    dtype = np.dtype((">" if message.is_bigendian else "<") + kind)
    pixel = dtype.itemsize * channels
    if step < width * pixel:
        raise DecodeError(f"image rows of {step} bytes cannot hold {width} x {pixel} bytes")
    data = buffer_of(message, num_bytes=step * height)
    shape, strides = (height, width, channels), (step, pixel, dtype.itemsize)
    pixels: NDArray[Any] = np.ndarray(shape, dtype, data, 0, strides)
    if channels == 1:
        pixels = pixels[:, :, 0]
    return pixels.astype(dtype.newbyteorder("="), copy=False)


def _check_unit(depth_m: NDArray[np.float32], encoding: str) -> None:
    rows, columns = (max(1, side // _SAMPLES_PER_SIDE) for side in depth_m.shape)
    samples = depth_m[::rows, ::columns]
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return
    median_m = float(np.median(samples))
    if encoding == "32FC1" and median_m > _FARTHEST_MEDIAN_M:
        raise DecodeError(f"32FC1 depth has median {median_m:.0f} m: not metres? ({_REP})")
    if encoding != "32FC1" and median_m < _NEAREST_MEDIAN_M:
        raise DecodeError(
            f"{encoding} depth has median {median_m / _MM:.0f} mm: not millimetres? ({_REP})"
        )


def _to_msg(
    frame_id: str, stamp: int, pixels: NDArray[Any], *, encoding: str, build: Build
) -> Any:
    height, width = pixels.shape[:2]
    return build(
        "sensor_msgs/msg/Image",
        header=header_to_msg(stamp, frame_id, build=build),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // height if height else 0,
        data=bytes_of(pixels),
    )
