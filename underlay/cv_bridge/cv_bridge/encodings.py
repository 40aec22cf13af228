"""What the image encodings of ``sensor_msgs/image_encodings.hpp`` mean to OpenCV."""

from __future__ import annotations

import re
from dataclasses import dataclass

import cv2


class CvBridgeError(TypeError):
    """An image or encoding that cannot be converted."""


DEPTHS = {
    "8U": "uint8",
    "8S": "int8",
    "16U": "uint16",
    "16S": "int16",
    "32S": "int32",
    "32F": "float32",
    "64F": "float64",
}
"""OpenCV depths and their numpy types."""

_MOST_CHANNELS = 128  # of OpenCV 5; OpenCV 4 allows 512
_GENERIC = re.compile(rf"({'|'.join(DEPTHS)})(?:C([0-9]+))?")
_COLOR_CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3, "rgba": 4, "bgra": 4}
_NAMED = {
    **{f"{color}8": ("8U", num, color) for color, num in _COLOR_CHANNELS.items()},
    **{f"{color}16": ("16U", num, color) for color, num in _COLOR_CHANNELS.items()},
    **{
        f"bayer_{tile}{bits}": (f"{bits}U", 1, f"bayer_{tile}")
        for tile in ("rggb", "bggr", "gbrg", "grbg")
        for bits in (8, 16)
    },
    "yuv422": ("8U", 2, "uyvy"),
    "uyvy": ("8U", 2, "uyvy"),
    "yuv422_yuy2": ("8U", 2, "yuyv"),
    "yuyv": ("8U", 2, "yuyv"),
}
_NAMED["mono8"] = _NAMED.pop("gray8")
_NAMED["mono16"] = _NAMED.pop("gray16")


@dataclass(frozen=True)
class Encoding:
    """One encoding, taken apart.

    Attributes:
        name: As in the message.
        depth: Key of :data:`DEPTHS`.
        num_channels: Values per pixel.
        color: Order or pattern of the colours; empty where the encoding does not say.
    """

    name: str
    depth: str
    num_channels: int
    color: str

    @property
    def dtype(self) -> str:
        """Name of the numpy type of one value."""
        return DEPTHS[self.depth]

    @property
    def cvtype(self) -> int:
        """OpenCV's number for depth and channels, e.g. ``cv2.CV_8UC3``."""
        one, two = (int(getattr(cv2, f"CV_{self.depth}C{num}")) for num in (1, 2))
        # what a channel adds to the number changed in OpenCV 5
        return one + (self.num_channels - 1) * (two - one)


def parse_encoding(name: str) -> Encoding:
    """Take the name of an encoding apart.

    Raises:
        CvBridgeError: OpenCV has no type for it (nv21, nv24), or nobody has heard of it.
    """
    if name in _NAMED:
        return Encoding(name, *_NAMED[name])
    match = _GENERIC.fullmatch(name)
    num_channels = int(match[2] or 1) if match else 0
    if match is None or not 1 <= num_channels <= _MOST_CHANNELS:
        raise CvBridgeError(f"Unrecognized image encoding [{name}]")
    return Encoding(name, match[1], num_channels, "")
