"""Images of ROS from and to OpenCV, with the API of ROS 2's ``cv_bridge``."""

from __future__ import annotations

import array
import sys

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from cv_bridge.colors import convert_image
from cv_bridge.encodings import DEPTHS, CvBridgeError, parse_encoding

__all__ = ["CvBridge", "CvBridgeError"]

_DEPTH_OF_DTYPE = {dtype: depth for depth, dtype in DEPTHS.items()}
_COLOR_OF_CHANNELS = {1: "mono", 3: "bgr", 4: "bgra"}


class CvBridge:
    """Converts between ``sensor_msgs`` images and the arrays that OpenCV works on.

    Single-channel images are [H, W], all others [H, W, C].
    """

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """OpenCV's type number of an encoding.

        Raises:
            CvBridgeError: OpenCV cannot hold it.
        """
        return parse_encoding(encoding).cvtype

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Name of the numpy type, and number of channels, of an encoding.

        Raises:
            CvBridgeError: OpenCV cannot hold it.
        """
        parsed = parse_encoding(encoding)
        return parsed.dtype, parsed.num_channels

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype, n_channels: int) -> str:
        """The generic encoding of an array, e.g. ``"8UC3"``.

        Raises:
            CvBridgeError: OpenCV has no such type.
        """
        if dtype.name not in _DEPTH_OF_DTYPE:
            raise CvBridgeError(f"OpenCV has no images of {dtype.name}")
        return f"{_DEPTH_OF_DTYPE[dtype.name]}C{n_channels}"

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = "passthrough") -> np.ndarray:
        """The image of a message, in the byte order of this machine.

        With ``"passthrough"`` it is a view of the message's bytes where the rows are not padded
        and the byte order is this machine's; in all other cases a copy.

        Raises:
            CvBridgeError: unknown encoding, no such conversion, or size, step and number of bytes
                contradict each other.
        """
        image = _image_of(img_msg)
        if desired_encoding == "passthrough":
            return image
        return convert_image(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(
        self, cvim: np.ndarray, encoding: str = "passthrough", header: Header | None = None
    ) -> Image:
        """A message of an image, without padding, in the byte order of the array.

        Args:
            cvim: [H, W] or [H, W, C].
            encoding: What the values are; ``"passthrough"`` says their type only.
            header: Header of the message; an empty one when None.

        Raises:
            TypeError: not an array.
            CvBridgeError: the array's type is not that of the encoding.
        """
        _require_array(cvim)
        num_channels = 1 if cvim.ndim < 3 else cvim.shape[2]
        generic = self.dtype_with_channels_to_cvtype2(cvim.dtype, num_channels)
        if encoding == "passthrough":
            encoding = generic
        elif self.encoding_to_cvtype2(encoding) != self.encoding_to_cvtype2(generic):
            msg = f"encoding specified as {encoding}, but image has incompatible type {generic}"
            raise CvBridgeError(msg)
        img_msg = Image(
            height=cvim.shape[0],
            width=cvim.shape[1],
            encoding=encoding,
            is_bigendian=int(_is_big_endian(cvim.dtype)),
            step=cvim.shape[1] * num_channels * cvim.dtype.itemsize,
        )
        if header is not None:
            img_msg.header = header
        img_msg.data = _bytes_of(cvim)
        return img_msg

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = "passthrough"
    ) -> np.ndarray:
        """The image that a JPEG, PNG … message holds; colours are in the order of OpenCV.

        Raises:
            CvBridgeError: it cannot be decoded, or there is no such conversion.
        """
        encoded = np.frombuffer(cmprs_img_msg.data, dtype=np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
        if image is None:
            msg = f"{encoded.size} bytes of format '{cmprs_img_msg.format}' are no image"
            raise CvBridgeError(msg)
        if desired_encoding == "passthrough":
            return image
        num_channels = 1 if image.ndim < 3 else image.shape[2]
        color = _COLOR_OF_CHANNELS[num_channels]
        return convert_image(image, f"{color}{8 * image.itemsize}", desired_encoding)

    def cv2_to_compressed_imgmsg(
        self, cvim: np.ndarray, dst_format: str = "jpg"
    ) -> CompressedImage:
        """A compressed message of an image.

        Args:
            cvim: [H, W] or [H, W, C], colours in the order of OpenCV.
            dst_format: File ending of a format that OpenCV writes.

        Raises:
            TypeError: not an array.
            CvBridgeError: OpenCV cannot write the image in this format.
        """
        _require_array(cvim)
        try:
            is_done, encoded = cv2.imencode(f".{dst_format}", cvim)
        except cv2.error as error:
            raise CvBridgeError(f"format '{dst_format}': {error}") from error
        if not is_done:
            raise CvBridgeError(f"an image {cvim.shape} cannot be written as '{dst_format}'")
        message = CompressedImage(format=dst_format)
        message.data = _bytes_of(encoded)
        return message


def _image_of(img_msg: Image) -> np.ndarray:
    parsed = parse_encoding(img_msg.encoding)
    order = ">" if img_msg.is_bigendian else "<"
    dtype = np.dtype(parsed.dtype).newbyteorder(order)
    pixel_size = dtype.itemsize * parsed.num_channels
    if img_msg.step < img_msg.width * pixel_size:
        msg = (
            f"Image is wrongly formed: step {img_msg.step} < width {img_msg.width} "
            f"* {pixel_size} bytes of {img_msg.encoding}"
        )
        raise CvBridgeError(msg)
    if len(img_msg.data) < img_msg.height * img_msg.step:
        msg = (
            f"Image is wrongly formed: height {img_msg.height} * step {img_msg.step} "
            f"> {len(img_msg.data)} bytes of data"
        )
        raise CvBridgeError(msg)
    shape = (img_msg.height, img_msg.width, parsed.num_channels)
    if 0 in shape:
        image = np.empty(shape, dtype=dtype.newbyteorder("="))
    else:
        image = np.ndarray(
            shape,
            dtype=dtype,
            buffer=img_msg.data,
            strides=(img_msg.step, pixel_size, dtype.itemsize),
        )
        image = np.ascontiguousarray(image, dtype=dtype.newbyteorder("="))
    return image[..., 0] if parsed.num_channels == 1 else image


def _bytes_of(values: np.ndarray) -> array.array:
    data = array.array("B")
    if values.size:
        data.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
    return data


def _is_big_endian(dtype: np.dtype) -> bool:
    return dtype.byteorder == ">" or (dtype.byteorder == "=" and sys.byteorder == "big")


def _require_array(value: object) -> None:
    if not isinstance(value, np.ndarray):
        msg = f"Your input type is not a numpy array but {type(value).__name__}"
        raise TypeError(msg)
