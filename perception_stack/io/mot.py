"""Text files of the MOTChallenge: detections and tracks of one camera.

A row is frame, track, left, top, width, height, score, and three numbers that are -1 in 2-D.
Frames and tracks count from one; a detection's track is -1 (Leal-Taixe et al., 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Detections2D, TrackedBoxes2D
from perception_stack.errors import DataFileError
from perception_stack.io.text_files import read_rows
from perception_stack.io.track_numbers import TrackNumbers

FRAME_ID = "camera"
"""Name given to the camera, for the files have none."""


def read_mot_detections(
    path: Path, *, rate_hz: float, class_name: str = "pedestrian"
) -> list[Detections2D]:
    """Detections of each frame from the first to the last that has any.

    Args:
        path: The file, ``det.txt``.
        rate_hz: Frames per second, for the files have no stamps.
        class_name: What is detected, for the files do not say.

    Raises:
        DataFileError: no such file, a row that does not fit, a frame before the first, or a score
            that is no probability.
    """
    rows = np.array([row.numbers for row in read_rows(path, num_columns=7)]).reshape(-1, 7)
    numbers, scores = rows[:, 0].astype(np.int64), rows[:, 6]
    if len(rows) and numbers.min() < 1:
        raise DataFileError(path, f"frames count from one, there is a frame {numbers.min()}")
    is_bad = (scores < 0) | (scores > 1)
    if is_bad.any():
        raise DataFileError(path, f"score {scores[is_bad][0]:g} is not in [0, 1]")
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
    by_frame = [np.flatnonzero(numbers == one) for one in range(1, numbers.max(initial=0) + 1)]
    return [
        Detections2D(
            frame_id=FRAME_ID,
            stamp_ns=round(index / rate_hz * 1e9),
            xyxy_px=boxes[chosen],
            score=scores[chosen],
            labels=(class_name,) * len(chosen),
        )
        for index, chosen in enumerate(by_frame)
    ]


def write_mot_tracks(path: Path, frames: Mapping[int, TrackedBoxes2D]) -> int:
    """Write tracks; returns the number of rows.

    Args:
        path: The file.
        frames: What is said of each frame, by its number from one on.
    """
    numbers = TrackNumbers()
    lines = []
    for number in sorted(frames):
        tracks = frames[number]
        for track, box, score in zip(
            numbers.of(tracks.ids), tracks.xyxy_px, tracks.score, strict=True
        ):
            left, top, right, bottom = box
            values = ",".join(f"{one:.4f}" for one in (left, top, right - left, bottom - top))
            lines.append(f"{number},{track + 1},{values},{score:.6f},-1,-1,-1\n")
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)
