"""Sequences of the tracking benchmark as a single camera sees them: 2-D detections in, tracks out.

A row of a result file is frame, track, type, truncation, occlusion (both -1: not known), alpha,
2-D box, h, w, l, x, y, z, ry, score; what an image cannot tell has the values that the benchmark
reserves for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from perception_stack.datatypes import Detections2D, TrackedBoxes2D
from perception_stack.io.kitti.calibration import read_calibration
from perception_stack.io.kitti.rrc import FOLDERS, read_rrc
from perception_stack.io.kitti.sequences import sequence_names
from perception_stack.io.track_numbers import TrackNumbers

_NO_ALPHA, _NO_BOX_3D = "-10", "-1 -1 -1 -1000 -1000 -1000 -10"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSequence:
    """What there is to track in one sequence.

    Attributes:
        name: Such as ``0006``.
        detections: One entry for each frame from 0 to the last that has any.
        image_size_px: Width and height.
    """

    name: str
    detections: list[Detections2D]
    image_size_px: tuple[int, int]


def image_sequence_names(root: Path, wanted: Iterable[str] = ()) -> list[str]:
    """Names of the sequences with 2-D detections; see :func:`sequence_names`."""
    return sequence_names(root, wanted, folders=FOLDERS.values())


def read_image_sequence(
    root: Path, name: str, *, image_size_px: tuple[int, int] | None = None
) -> ImageSequence:
    """One sequence; labels are not touched.

    Args:
        root: A tracking folder, with ``detection`` and ``calib``.
        name: Such as ``0006``.
        image_size_px: Width and height; None for what KITTI's days of recording have.

    Raises:
        DataFileError: a file is missing or a row does not fit.
        CalibrationError: the calibration is not what it should be.
    """
    file = f"{name}.txt"
    return ImageSequence(
        name=name,
        detections=read_rrc(root / "detection", file),
        image_size_px=image_size_px or read_calibration(root / "calib" / file).image_size_px,
    )


def write_image_tracks(path: Path, frames: Mapping[int, TrackedBoxes2D]) -> int:
    """Write the result file of a sequence; returns the number of rows.

    Args:
        path: The file, ``NNNN.txt``.
        frames: What is said of each frame, by its number.
    """
    numbers = TrackNumbers()
    lines = []
    for number in sorted(frames):
        tracks = frames[number]
        rows = zip(
            numbers.of(tracks.ids), tracks.labels, tracks.xyxy_px, tracks.score, strict=True
        )
        for track, label, box, score in rows:
            edges = " ".join(f"{one:.6f}" for one in box)
            lines.append(
                f"{number} {track} {label.capitalize()} -1 -1 {_NO_ALPHA} {edges} {_NO_BOX_3D} "
                f"{score:.6f}\n"
            )
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)
