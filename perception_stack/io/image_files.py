"""Image files and folders of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage
from perception_stack.errors import DataFileError

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def image_files(folder: Path) -> list[Path]:
    """The images of a folder by name.

    Raises:
        DataFileError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataFileError(folder, "no such folder")
    found = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
    if not found:
        raise DataFileError(folder, f"no images in it ({', '.join(sorted(SUFFIXES))})")
    return found


def load_images(paths: Iterable[Path]) -> Iterator[ColorImage]:
    """Image files with made-up stamps, 100 ms apart.

    Raises:
        DataFileError: a file that is no image.
    """
    for i, path in enumerate(paths):
        yield ColorImage(frame_id="camera", stamp_ns=i * 100_000_000, bgr=read_image(path))


def read_image(path: Path) -> NDArray[np.uint8]:
    """uint8 [H, W, 3], blue first.

    Raises:
        DataFileError: no image that OpenCV can read.
    """
    import cv2

    bgr: NDArray[np.uint8] = _read(path, cv2.IMREAD_COLOR)
    return bgr


def read_gray_image(path: Path) -> NDArray[np.uint8]:
    """uint8 [H, W].

    Raises:
        DataFileError: no image that OpenCV can read.
    """
    import cv2

    gray: NDArray[np.uint8] = _read(path, cv2.IMREAD_GRAYSCALE)
    return gray


def read_raw_image(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Numbers as they lie in the file, such as depths: uint8 or uint16 [H, W] or [H, W, C].

    Raises:
        DataFileError: no image that OpenCV can read.
    """
    import cv2

    raw: NDArray[np.uint8] | NDArray[np.uint16] = _read(path, cv2.IMREAD_UNCHANGED)
    return raw


def _read(path: Path, how: int) -> Any:
    import cv2

    image = cv2.imread(str(path), how)
    if image is None:
        why = "no image that OpenCV can read" if path.exists() else "no such file"
        raise DataFileError(path, why)
    return np.asarray(image)
