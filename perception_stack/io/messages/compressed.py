"""``sensor_msgs/CompressedImage``: what image_transport sends beside an image, as JPEG or PNG."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_stack.datatypes import ColorImage
from perception_stack.errors import DecodeError
from perception_stack.io.interfaces import build_message
from perception_stack.io.messages.headers import Build, bytes_of, header_to_msg, stamp_ns

_MOSAIC = ("bayer", "yuv", "uyvy", "yuyv", "nv21", "nv24")


def compressed_from_msg(message: Any) -> ColorImage:
    """Colour image, as upright as it was recorded: what EXIF says of a turn is not heard.

    Args:
        message: ``sensor_msgs/CompressedImage``; ``format`` is as compressed_image_transport
            writes it (``bgr8; jpeg compressed bgr8``), or only the kind of file.

    Raises:
        DecodeError: bytes that are no image, or of a depth image, or whose pixels are a mosaic.
    """
    import cv2

    kind = message.format
    if "compressedDepth" in kind:
        raise DecodeError(f"format '{kind}' is of a depth image; take its colour image")
    pixels = kind.rpartition("compressed")[2].strip()
    if pixels.startswith(_MOSAIC):
        raise DecodeError(f"format '{kind}' holds pixels that are no colours; send bgr8 or mono8")
    data = np.frombuffer(message.data, dtype=np.uint8)
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        bgr = cv2.imdecode(data, flags) if len(data) else None
    except cv2.error as error:
        raise DecodeError(f"{len(data)} bytes of format '{kind}' are no image: {error}") from error
    if bgr is None:
        raise DecodeError(f"{len(data)} bytes of format '{kind}' are no image that OpenCV reads")
    header = message.header
    return ColorImage(
        frame_id=header.frame_id,
        stamp_ns=stamp_ns(header),
        bgr=np.asarray(bgr, dtype=np.uint8),
    )


def compressed_to_msg(
    image: ColorImage, *, kind: str = "jpeg", build: Build = build_message
) -> Any:
    """A ``sensor_msgs/CompressedImage`` of a colour image, ``kind`` jpeg or png."""
    import cv2

    _, encoded = cv2.imencode(f".{kind}", image.bgr)
    return build(
        "sensor_msgs/msg/CompressedImage",
        header=header_to_msg(image.stamp_ns, image.frame_id, build=build),
        format=f"bgr8; {kind} compressed bgr8",
        data=bytes_of(np.asarray(encoded)),
    )
