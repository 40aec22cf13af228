"""Views of a board for the calibrating commands: from a folder, from files, from a recording."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.camera.selection import Answer, ViewCollector
from perception_stack.calibration.grading.grade import Observation
from perception_stack.calibration.targets.detection import Sighting, find_board
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.geometry.board import Board
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.image_files import read_gray_image
from perception_stack.tools.console import progress

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardViews:
    """What one camera saw.

    Attributes:
        sightings: One for each image with a board.
        stamps_ns: Of those; numbers of the images where these have no stamps.
        left_out: Images without a board, and why.
        width_px: Of the images.
        height_px: Of the images.
        frame_id: Of the images, empty where they have none.
    """

    sightings: tuple[Sighting, ...]
    stamps_ns: tuple[int, ...]
    left_out: tuple[Observation, ...]
    width_px: int
    height_px: int
    frame_id: str


def views_of_images(source: str, board: Board) -> BoardViews:
    """The board in every image of a folder, or of the files that a pattern names.

    Raises:
        DataFileError: there are none, one cannot be read, or they differ in size.
    """
    paths = _image_paths(source)
    sightings, numbers, left_out = [], [], []
    shape: tuple[int, ...] | None = None
    with progress(len(paths), "find the board", "image") as bar:
        for number, path in enumerate(paths):
            gray = read_gray_image(path)
            if shape is not None and gray.shape != shape:
                why = f"it is {gray.shape[::-1]} pixels large, others are {shape[::-1]}"
                raise DataFileError(path, why)
            shape = gray.shape
            found = find_board(gray, board, name=path.name)
            if found is None:
                left_out.append(_without(path.name, Answer.NO_BOARD.value))
            else:
                sightings.append(found)
                numbers.append(number)
            bar.update(1)
    if shape is None:
        raise DataFileError(source, "it has no images")
    return BoardViews(
        sightings=tuple(sightings),
        stamps_ns=tuple(numbers),
        left_out=tuple(left_out),
        width_px=shape[1],
        height_px=shape[0],
        frame_id="",
    )


def views_of_bag(bag: Path, topic: str, board: Board, *, all_frames: bool = False) -> BoardViews:
    """The frames of a recording that are new, sharp and still; or all with a board.

    Raises:
        DataFileError: no such recording or topic, or images that differ in size.
    """
    collector: ViewCollector | None = None
    frame_id, height = "", 0
    with BagReader(bag) as reader:
        reader.require({topic: "sensor_msgs/msg/Image"})
        with progress(reader.counts[topic], "find the board", "image") as bar:
            for stamp_ns, gray, frame in _frames(reader, topic):
                frame_id = frame
                if collector is None:
                    collector, height = ViewCollector(width_px=gray.shape[1]), gray.shape[0]
                elif gray.shape != (height, collector.width_px):
                    raise DataFileError(bag, f"images of {topic} change their size")
                found = find_board(gray, board, name=f"{stamp_ns / 1e9:.3f} s", thorough=False)
                if all_frames and found is not None:
                    collector.sightings.append(found)
                    collector.stamps_ns.append(stamp_ns)
                elif not all_frames:
                    collector.offer(gray, found, stamp_ns=stamp_ns)
                bar.update(1)
    if collector is None:
        raise DataFileError(bag, f"topic {topic} has no images")
    return BoardViews(
        sightings=tuple(collector.sightings),
        stamps_ns=tuple(collector.stamps_ns),
        left_out=(),
        width_px=collector.width_px,
        height_px=height,
        frame_id=frame_id,
    )


def _frames(reader: BagReader, topic: str) -> Iterator[tuple[int, NDArray[np.uint8], str]]:
    import cv2

    for one in reader.messages([topic]):
        image = messages.image_from_msg(one.message)
        gray: Any = cv2.cvtColor(image.bgr, cv2.COLOR_BGR2GRAY)
        yield image.stamp_ns, gray, image.frame_id


def _image_paths(source: str) -> list[Path]:
    folder = Path(source)
    if folder.is_dir():
        paths = [one for one in folder.iterdir() if one.suffix.lower() in _SUFFIXES]
    else:
        paths = [Path(one) for one in glob.glob(source)]  # noqa: PTH207  # absolute patterns too
    if not paths:
        raise ConfigError(f"no images at '{source}'; name a folder, or a pattern in quotes")
    return sorted(paths)


def _without(name: str, reason: str) -> Observation:
    return Observation(name=name, used=False, error=np.nan, reason=reason)
