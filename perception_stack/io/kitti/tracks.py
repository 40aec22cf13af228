"""Result files of the tracking benchmark: one for each sequence, all classes in it.

A row is frame, track, type, truncation, occlusion (both -1: not known), alpha, 2-D box, h, w, l,
x, y, z, ry, score. KITTI labels only what the camera sees, so objects of which not even half
projects into the image are left out; the 2-D box is the detection of a camera, else the rectangle
around the projected 3-D box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import (
    Boxes3D,
    FloatArray,
    TrackedObjects,
    check_array,
    check_shape,
)
from perception_stack.errors import DataFileError
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.labels import boxes_from_kitti, yaw_camera_from_quat
from perception_stack.io.kitti.stamps import stamp_of_frame
from perception_stack.io.text_files import read_rows
from perception_stack.io.track_numbers import TrackNumbers

CLASSES = ("car", "cyclist", "pedestrian")
"""What is detected and scored; objects of other classes are not written."""

_LEAST_INSIDE = 0.5
_SCORE_STEPS = 64.0
_CERTAIN = 1e-9  # probabilities nearer to 0 and 1 than this have the same log odds


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiTracks:
    """What a tracker says of one frame.

    Attributes:
        boxes: In ``camera_rect``, upright.
        ids: int64 [N], track of each box.
        xyxy_px: float64 [N, 4], the box in the image.
        score: float64 [N], greater is surer, of any range; ours are log odds of existence, which
            does not saturate as a probability would.
    """

    boxes: Boxes3D
    ids: NDArray[np.int64]
    xyxy_px: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        num = len(self.boxes)
        check_array("ids", self.ids, np.int64, num)
        check_shape("xyxy_px", self.xyxy_px, num, 4)
        check_shape("score", self.score, num)


def tracks_in_image(
    objects: TrackedObjects,
    *,
    rect_from_fixed: RigidTransform,
    camera_from_rect: RigidTransform,
    camera: CameraModel,
    numbers: TrackNumbers,
    xyxy_px_of: Mapping[UUID, FloatArray] | None = None,
) -> KittiTracks:
    """The tracked list of a frame as a result file can hold it: without tilt, as the camera sees.

    Args:
        objects: The list, in the fixed frame.
        rect_from_fixed: Where the camera is.
        camera_from_rect: From the rectified reference camera to ``camera``.
        camera: The left colour camera.
        numbers: Of the sequence.
        xyxy_px_of: Where a camera detected some of the objects, float64 [4]; the others get the
            rectangle around their projected box.
    """
    boxes = transform_boxes(objects.boxes, rect_from_fixed)
    height_m = boxes.size_lwh_m[:, 2:]
    bottom_m = boxes.center_m + height_m / 2 * np.array([0.0, 1.0, 0.0])
    yaw_rad = yaw_camera_from_quat(boxes.quat_xyzw)
    level = boxes_from_kitti(
        np.column_stack([boxes.size_lwh_m[:, ::-1], bottom_m, yaw_rad]),
        boxes.labels,
        score=boxes.score,
        stamp_ns=boxes.stamp_ns,
    )
    in_camera = transform_boxes(level, camera_from_rect)
    xyxy_px, shown = project_boxes(in_camera, camera)
    shown &= _mostly_inside(in_camera, xyxy_px, camera)
    shown = shown & np.isin(np.array(level.labels, dtype=str), CLASSES)
    level = level.rows(shown)
    sure = np.clip(level.score, _CERTAIN, 1 - _CERTAIN)
    for row, one in enumerate(objects.ids):
        if xyxy_px_of is not None and one in xyxy_px_of:
            xyxy_px[row] = xyxy_px_of[one]
    ids = tuple(objects.ids[i] for i in np.flatnonzero(shown))
    return KittiTracks(
        boxes=level, ids=numbers.of(ids), xyxy_px=xyxy_px[shown], score=np.log(sure / (1 - sure))
    )


def _mostly_inside(boxes: Boxes3D, xyxy_px: FloatArray, camera: CameraModel) -> NDArray[np.bool_]:
    """Whether at least half of a rectangle would be in the image if that had no borders."""
    margin_px = 10 * max(camera.width_px, camera.height_px)
    k = camera.k.copy()
    k[:2, 2] += margin_px
    wide = CameraModel.pinhole(
        frame_id=camera.frame_id,
        width_px=camera.width_px + 2 * margin_px,
        height_px=camera.height_px + 2 * margin_px,
        k=k,
    )
    whole_px, _ = project_boxes(boxes, wide)
    share = _area_px2(xyxy_px) / np.maximum(_area_px2(whole_px), 1e-9)
    inside: NDArray[np.bool_] = share >= _LEAST_INSIDE
    return inside


def _area_px2(xyxy_px: FloatArray) -> FloatArray:
    area: FloatArray = np.prod(xyxy_px[:, 2:] - xyxy_px[:, :2], axis=1)
    return area


def with_track_scores(frames: Mapping[int, KittiTracks]) -> dict[int, KittiTracks]:
    """The same, where each track has one score: its mean, in steps of 1/64.

    AB3DMOT's evaluator averages the score over each track, and again at every threshold. The mean
    of equal numbers with few binary digits is that number, so no track is lost to rounding there.
    """
    if not frames:
        return {}
    ids = np.concatenate([one.ids for one in frames.values()])
    scores = np.concatenate([one.score for one in frames.values()])
    num = np.bincount(ids)
    mean = np.bincount(ids, weights=scores) / np.maximum(num, 1)
    steps = np.round(mean * _SCORE_STEPS) / _SCORE_STEPS
    return {frame: replace(one, score=steps[one.ids]) for frame, one in frames.items()}


def write_tracks(path: Path, frames: Mapping[int, KittiTracks]) -> int:
    """Write the result file of a sequence; returns the number of rows.

    Args:
        path: The file, ``NNNN.txt``.
        frames: What is said of each frame, by its number.
    """
    lines = [line for number in sorted(frames) for line in _lines(number, frames[number])]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def read_tracks(path: Path) -> dict[int, KittiTracks]:
    """Tracks by frame number; frames without any are absent.

    Raises:
        DataFileError: no such file, a row that does not fit, or a track twice in one frame.
    """
    frames: dict[int, list[tuple[str, tuple[float, ...]]]] = {}
    for row in read_rows(path, names=(2,), num_columns=18):
        frames.setdefault(int(row.numbers[0]), []).append((row.names[0].lower(), row.numbers))
    result = {}
    for frame, rows in sorted(frames.items()):
        table = np.array([numbers for _, numbers in rows])
        ids = table[:, 1].astype(np.int64)
        if len(np.unique(ids)) < len(ids):
            raise DataFileError(path, f"frame {frame} has a track twice")
        boxes = boxes_from_kitti(
            table[:, 9:16],
            [label for label, _ in rows],
            score=np.ones(len(rows)),
            stamp_ns=stamp_of_frame(frame),
        )
        result[frame] = KittiTracks(
            boxes=boxes, ids=ids, xyxy_px=table[:, 5:9], score=table[:, 16]
        )
    return result


def _lines(number: int, tracks: KittiTracks) -> list[str]:
    boxes = tracks.boxes
    yaw_rad = yaw_camera_from_quat(boxes.quat_xyzw)
    bearing_rad = np.arctan2(boxes.center_m[:, 0], boxes.center_m[:, 2])
    alpha_rad = np.angle(np.exp(1j * (yaw_rad - bearing_rad)))
    bottom_m = boxes.center_m + boxes.size_lwh_m[:, 2:] / 2 * np.array([0.0, 1.0, 0.0])
    values = np.column_stack(
        [
            alpha_rad,
            tracks.xyxy_px,
            boxes.size_lwh_m[:, ::-1],
            bottom_m,
            yaw_rad,
            tracks.score,
        ]
    )
    return [
        f"{number} {track} {label.capitalize()} -1 -1 {' '.join(f'{one:.6f}' for one in row)}\n"
        for track, label, row in zip(tracks.ids, boxes.labels, values, strict=True)
    ]
