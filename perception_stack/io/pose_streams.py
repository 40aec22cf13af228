"""Poses over time out of files: tables of numbers, and TF of recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError, TransformUnavailableError
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.bags import BagReader
from perception_stack.io.messages.transforms import transforms_from_msg
from perception_stack.io.text_files import read_numbers

_S = 1_000_000_000
_TF, _TF_STATIC = "/tf", "/tf_static"
_ALL_S = 1e9


def read_pose_table(path: Path, *, target: str, source: str) -> PoseStream:
    """Rows of t [s], x, y, z [m], qx, qy, qz, qw with commas, as hand_eye_calibration has them.

    Raises:
        DataFileError: no such file, or not of this layout.
    """
    rows = read_numbers(path)
    if rows.shape[1] != 8:
        raise DataFileError(path, f"{rows.shape[1]} columns; expected t, x, y, z, qx, qy, qz, qw")
    rows = rows[np.isfinite(rows[:, 0])]
    return PoseStream.of(
        target=target,
        source=source,
        stamps_ns=np.round(rows[:, 0] * _S).astype(np.int64),
        quat_xyzw=rows[:, 4:],
        translation_m=rows[:, 1:4],
    )


def read_tf_poses(path: Path, pairs: list[tuple[str, str]]) -> list[PoseStream]:
    """Poses of frames in others out of a recording's TF, at the stamps of what moves in between.

    Args:
        path: The recording.
        pairs: Target and source of each stream.

    Raises:
        DataFileError: no recording, no TF, or nothing that moves between two frames.
        UnknownFrameError: a frame that is not there.
    """
    reader = BagReader(path)
    if _TF not in reader.topics:
        raise DataFileError(path, f"no topic {_TF}; it has {', '.join(reader.topics)}")
    record = _Record()
    for message in reader.messages([one for one in (_TF, _TF_STATIC) if one in reader.topics]):
        for transform, stamp_ns in transforms_from_msg(message.message):
            record.add(transform, stamp_ns, static=message.topic == _TF_STATIC)
    streams = [record.stream(*pair) for pair in pairs]
    for one in streams:
        if not len(one):
            raise DataFileError(path, f"nothing moves between {one.target} and {one.source}")
    return streams


class _Record:
    """All transforms of a recording."""

    def __init__(self) -> None:
        self._tree = FrameTree(history_s=_ALL_S)
        self._parents: dict[str, str] = {}
        self._stamps: dict[str, set[int]] = {}

    def add(self, transform: RigidTransform, stamp_ns: int, *, static: bool) -> None:
        self._tree.add(transform, stamp_ns=stamp_ns, static=static)
        self._parents[transform.source] = transform.target
        if not static:
            self._stamps.setdefault(transform.source, set()).add(stamp_ns)

    def stream(self, target: str, source: str) -> PoseStream:
        """Poses at every stamp of what moves between two frames."""
        between = set(self._upwards(target)) ^ set(self._upwards(source))
        times = sorted(set[int]().union(*(self._stamps.get(one, set()) for one in between)))
        poses = []
        problem: TransformUnavailableError | None = None
        for stamp_ns in times or [0]:  # nothing moves: look once, for frames that are not there
            try:
                poses.append((stamp_ns, self._tree.lookup(target, source, stamp_ns)))
            except TransformUnavailableError as error:  # before the slowest part was first seen
                problem = error
        if problem is not None and not poses:
            raise problem
        poses = poses if times else []
        return PoseStream.of(
            target=target,
            source=source,
            stamps_ns=np.array([stamp_ns for stamp_ns, _ in poses], dtype=np.int64),
            quat_xyzw=_array([pose.quat_xyzw for _, pose in poses], 4),
            translation_m=_array([pose.translation_m for _, pose in poses], 3),
        )

    def _upwards(self, frame: str) -> list[str]:
        chain = [frame]
        while (parent := self._parents.get(chain[-1])) is not None:
            chain.append(parent)
        return chain


def _array(rows: list[FloatArray], width: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(-1, width)
