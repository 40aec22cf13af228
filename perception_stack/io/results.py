"""Result files: one JSON object a line and frame, the same bytes for the same content.

Numbers are written so that reading gives back the same float64; NaN, which JSON lacks, is null.
There is no time of day, path or host in a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray, TrackedObjects, TrackState
from perception_stack.errors import DataFileError, PerceptionError
from perception_stack.io.text_files import read_text


def write_objects(path: Path, frames: Iterable[TrackedObjects]) -> None:
    """Write tracked lists, ``objects.jsonl``."""
    _write(path, (_line(one.boxes, "objects", _tracks(one)) for one in frames))


def read_objects(path: Path) -> list[TrackedObjects]:
    """Tracked lists of a file, classes sorted by name.

    Raises:
        DataFileError: no such file, or a line that is no frame; says which.
    """
    return [_parsed(_objects, *one, path=path) for one in _read(path)]


def write_boxes(path: Path, frames: Iterable[Boxes3D]) -> None:
    """Write boxes, as in ``poses.jsonl``."""
    _write(path, (_line(one, "boxes", [{} for _ in range(len(one))]) for one in frames))


def read_boxes(path: Path) -> list[Boxes3D]:
    """Boxes of a file, classes sorted by name.

    Raises:
        DataFileError: no such file, or a line that is no frame; says which.
    """
    return [_parsed(_boxes, *one, "boxes", path=path) for one in _read(path)]


def _line(boxes: Boxes3D, key: str, more: list[dict[str, Any]]) -> dict[str, Any]:
    rows = []
    for i, rest in enumerate(more):
        probs = dict(zip(boxes.classes, boxes.class_probs[i].tolist(), strict=True))
        rows.append(
            {
                **rest,
                "existence": _plain(boxes.score[i]),
                "classes": {
                    name: _plain(probs[name]) for name in sorted(probs) if probs[name] > 0
                },
                "center_m": _plain(boxes.center_m[i]),
                "quat_xyzw": _plain(boxes.quat_xyzw[i]),
                "size_lwh_m": _plain(boxes.size_lwh_m[i]),
                "pose_covariance": _plain(boxes.covariance[i]),
                "sensors": list(boxes.sensors[i]),
            }
        )
    return {"stamp_ns": int(boxes.stamp_ns), "frame_id": boxes.frame_id, key: rows}


def _tracks(objects: TrackedObjects) -> list[dict[str, Any]]:
    return [
        {
            "id": str(objects.ids[i]),
            "state": TrackState(objects.state[i]).name.lower(),
            "velocity_mps": _plain(objects.velocity_mps[i]),
            "angular_velocity_radps": _plain(objects.angular_velocity_radps[i]),
            "twist_covariance": _plain(objects.twist_covariance[i]),
            "acceleration_mps2": _plain(objects.acceleration_mps2[i]),
            "size_covariance": _plain(objects.size_covariance[i]),
            "orientation_known": bool(objects.orientation_known[i]),
            "stationary": bool(objects.stationary[i]),
            "num_detections": int(objects.num_detections[i]),
            "last_seen_ns": int(objects.last_seen_ns[i]),
        }
        for i in range(len(objects))
    ]


def _boxes(frame: dict[str, Any], key: str) -> Boxes3D:
    rows = frame[key]
    classes = tuple(sorted({name for row in rows for name in row["classes"]})) or (UNKNOWN,)
    return Boxes3D(
        frame_id=frame["frame_id"],
        stamp_ns=int(frame["stamp_ns"]),
        center_m=_column(rows, "center_m", 3),
        quat_xyzw=_column(rows, "quat_xyzw", 4),
        size_lwh_m=_column(rows, "size_lwh_m", 3),
        covariance=_column(rows, "pose_covariance", 6, 6),
        score=_column(rows, "existence"),
        classes=classes,
        class_probs=np.array(
            [[row["classes"].get(name, 0.0) for name in classes] for row in rows]
        ).reshape(len(rows), len(classes)),
        sensors=tuple(tuple(row["sensors"]) for row in rows),
    )


def _objects(frame: dict[str, Any]) -> TrackedObjects:
    rows = frame["objects"]
    return TrackedObjects(
        boxes=_boxes(frame, "objects"),
        ids=tuple(UUID(row["id"]) for row in rows),
        state=np.array([TrackState[row["state"].upper()] for row in rows], dtype=np.uint8),
        velocity_mps=_column(rows, "velocity_mps", 3),
        angular_velocity_radps=_column(rows, "angular_velocity_radps", 3),
        twist_covariance=_column(rows, "twist_covariance", 6, 6),
        acceleration_mps2=_column(rows, "acceleration_mps2", 3),
        size_covariance=_column(rows, "size_covariance", 3, 3),
        orientation_known=np.array([row["orientation_known"] for row in rows], dtype=np.bool_),
        stationary=np.array([row["stationary"] for row in rows], dtype=np.bool_),
        num_detections=np.array([row["num_detections"] for row in rows], dtype=np.int64),
        last_seen_ns=np.array([row["last_seen_ns"] for row in rows], dtype=np.int64),
    )


def _plain(values: NDArray[Any] | np.floating[Any] | float) -> Any:
    """Numbers for JSON: nested lists, -0.0 as 0.0, what is not finite as None."""
    array = np.asarray(values, dtype=np.float64) + 0.0
    if np.isfinite(array).all():
        return array.tolist()
    return np.where(np.isfinite(array), array, None).tolist()  # type: ignore[call-overload]


def _column(rows: list[dict[str, Any]], key: str, *shape: int) -> FloatArray:
    """One quantity of all rows, float64 [N, *shape]; null is NaN."""
    values = np.array([row[key] for row in rows], dtype=np.float64)
    return values.reshape(len(rows), *shape)


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            json.dump(line, file, separators=(",", ":"), allow_nan=False)
            file.write("\n")


def _read(path: Path) -> Iterator[tuple[int, str]]:
    return enumerate(read_text(path).splitlines(), start=1)


def _parsed(parse: Any, number: int, line: str, *more: str, path: Path) -> Any:
    try:
        return parse(json.loads(line), *more)
    except (KeyError, TypeError, ValueError, PerceptionError) as error:
        raise DataFileError(path, f"line {number} is no frame of results: {error!r}") from error
