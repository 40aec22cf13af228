"""Recordings as the numbers that the watch compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray
from perception_stack.detection.detector import Detector
from perception_stack.errors import DataFileError
from perception_stack.io import messages
from perception_stack.io.bags import BagReader
from perception_stack.io.image_files import load_images
from perception_stack.io.recording import TOPIC_TYPES
from perception_stack.watch.features import box_features, cloud_features, usual_classes
from perception_stack.watch.image_features import image_features
from perception_stack.watch.reference import Recording

_INPUTS = ("image", "detections", "points")


@dataclass(slots=True)
class Frames:
    """One recording, its boxes not yet as numbers, since those depend on the classes of all.

    Attributes:
        name: For people.
        image: Of each image, its features and stamp.
        detections: Of each image.
        points: Of each scan, its features and stamp.
    """

    name: str
    image: list[tuple[FloatArray, int]] = field(default_factory=list)
    detections: list[Detections2D] = field(default_factory=list)
    points: list[tuple[FloatArray, int]] = field(default_factory=list)

    def add_image(self, image: ColorImage, detector: Detector | None) -> None:
        """Take in an image and, with a detector, what that finds."""
        self.image.append((image_features(image), image.stamp_ns))
        if detector is not None:
            self.detections.append(detector.detect(image))


def read_bag(
    path: Path,
    *,
    detector: Detector | None,
    topics: Mapping[str, str],
    on_message: Callable[[], None],
) -> Frames:
    """Images, detections and scans of a bag.

    Args:
        path: The bag.
        detector: Finds the boxes; None takes the recorded ones, where there are any.
        topics: Topic by input, of inputs that do not have their usual name.
        on_message: Called after each message, for a progress bar.

    Raises:
        DataFileError: the bag has none of these.
    """
    frames = Frames(path.name)
    with BagReader(path) as reader:
        named = {topics.get(one, f"/{one}"): one for one in _INPUTS}
        kinds = {
            topic: one
            for topic, one in named.items()
            if reader.topics.get(topic) == TOPIC_TYPES[f"/{one}"]
            and not (one == "detections" and detector is not None)
        }
        if not kinds:
            there = ", ".join(reader.topics) or "nothing"
            why = f"no {' or '.join(named)} in it; it has {there}. Name them with --topic"
            raise DataFileError(path, why)
        for message in reader.messages(kinds):
            match kinds[message.topic]:
                case "image":
                    frames.add_image(messages.image_from_msg(message.message), detector)
                case "detections":
                    frames.detections.append(messages.detections2d_from_msg(message.message))
                case _:
                    cloud = messages.cloud_from_msg(message.message)
                    frames.points.append((cloud_features(cloud), cloud.stamp_ns))
            on_message()
    return frames


def read_images(
    paths: Sequence[Path], name: str, *, detector: Detector | None, on_image: Callable[[], None]
) -> Frames:
    """Image files, one after the other, as a recording at 10 Hz."""
    frames = Frames(name)
    for image in load_images(paths):
        frames.add_image(image, detector)
        on_image()
    return frames


def as_numbers(
    recordings: Sequence[Frames], classes: Sequence[str] | None = None
) -> tuple[tuple[str, ...], list[Recording]]:
    """Recordings as the watch learns from them.

    Args:
        recordings: What was read.
        classes: Those with a share of their own; None takes the frequent ones.
    """
    chosen = tuple(
        usual_classes([each for one in recordings for each in one.detections])
        if classes is None
        else classes
    )
    return chosen, [_as_numbers(one, chosen) for one in recordings]


def _as_numbers(frames: Frames, classes: Sequence[str]) -> Recording:
    boxes = [(box_features(one, classes), one.stamp_ns) for one in frames.detections]
    parts = {"image": frames.image, "detections": boxes, "points": frames.points}
    filled = {part: rows for part, rows in parts.items() if rows}
    return Recording(
        name=frames.name,
        values={part: np.array([row for row, _ in rows]) for part, rows in filled.items()},
        stamps_ns={part: np.array([at for _, at in rows]) for part, rows in filled.items()},
    )
