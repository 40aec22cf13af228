"""Conversion of an image from one encoding to another, by the rules of ``cv_bridge``.

Encodings that do not say what their values are (``8UC1``, ``32FC1`` …) convert to nothing that
does, and only with the same number of channels. Between 8 and 16 bits unsigned, values are scaled
by 257; all other changes of depth keep the value and saturate.
"""

from __future__ import annotations

import cv2
import numpy as np

from cv_bridge.encodings import CvBridgeError, Encoding, parse_encoding

_PLAIN = ("gray", "rgb", "bgr", "rgba", "bgra")
# OpenCV names Bayer patterns by the second row's second and third pixel, ROS by the first row's
_BAYER = {"bayer_rggb": "BG", "bayer_bggr": "RG", "bayer_gbrg": "GR", "bayer_grbg": "GB"}
_YUV = {"uyvy": "UYVY", "yuyv": "YUY2"}


def convert_image(image: np.ndarray, source: str, target: str) -> np.ndarray:
    """A new image in the encoding ``target``.

    Args:
        image: [H, W] or [H, W, C], of the type that ``source`` says.
        source: Encoding of ``image``.
        target: Encoding wanted.

    Raises:
        CvBridgeError: there is no such conversion, or the image has no pixels to convert.
    """
    if source == target:
        return image.copy()
    before, after = parse_encoding(source), parse_encoding(target)
    code = _color_code(before, after)
    if image.size == 0:
        raise CvBridgeError(f"an image of shape {image.shape} cannot become [{target}]")
    if code is not None:
        try:
            image = cv2.cvtColor(image, code)
        except cv2.error as error:
            raise CvBridgeError(f"[{source}] to [{target}]: {error}") from error
    if before.depth != after.depth or code is None:
        image = _change_depth(image, before, after)
    return image


def _color_code(before: Encoding, after: Encoding) -> int | None:
    """The argument of ``cv2.cvtColor``; None where the colours stay as they are."""
    if not (before.color and after.color):
        if after.color:
            msg = (
                f"[{before.name}] is not a color format, but [{after.name}] is. "
                "The conversion does not make sense"
            )
            raise CvBridgeError(msg)
        if before.num_channels != after.num_channels:
            msg = (
                f"[{before.name}] and [{after.name}] do not have the same number of channels, "
                "and not both of them are color formats"
            )
            raise CvBridgeError(msg)
        return None
    if before.color == after.color and before.color in _PLAIN:
        return None
    code = None
    if after.color in _PLAIN:
        if before.color in _PLAIN:
            code = f"{before.color}2{after.color}".upper()
        elif before.color in _YUV:
            code = f"YUV2{after.color.upper()}_{_YUV[before.color]}"
        elif after.color in {"gray", "rgb", "bgr"}:
            code = f"Bayer{_BAYER[before.color]}2{after.color.upper()}"
    if code is None:
        msg = f"Unsupported conversion from [{before.name}] to [{after.name}]"
        raise CvBridgeError(msg)
    return int(getattr(cv2, f"COLOR_{code}"))


def _change_depth(image: np.ndarray, before: Encoding, after: Encoding) -> np.ndarray:
    if before.depth == after.depth or after.depth in {"32F", "64F"}:
        return image.astype(after.dtype)
    factor = {("8U", "16U"): 257.0, ("16U", "8U"): 1 / 257.0}.get((before.depth, after.depth), 1.0)
    depth = getattr(cv2, f"CV_{after.depth}")
    # the one call of OpenCV's Python interface that scales, rounds and saturates any depth
    converted = cv2.addWeighted(image, factor, image, 0.0, 0.0, dtype=depth)
    return np.asarray(converted)
