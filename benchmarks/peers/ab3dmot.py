"""AB3DMOT on the sequences of benchmarks/tracking.py, from a checkout of its repository.

Its model class is used as it is; only where its ego motion comes from is replaced, since the data
folder has ORB-SLAM3 poses and no OXTS. Needs ``pip install filterpy``. Its licence allows research
alone and no redistribution, so nothing of it is here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from perception_stack.datatypes import Boxes3D
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.io.kitti.labels import boxes_from_kitti, yaw_camera_from_quat
from perception_stack.io.kitti.sequences import TrackingSequence
from perception_stack.io.kitti.tracks import KittiTracks


def load(checkout: Path) -> type:
    """Its model class; modules that only print and draw are left empty."""
    for name, functions in {
        "xinshuo_miscellaneous": ("print_log",),
        "xinshuo_io": ("mkdir_if_missing", "fileparts", "load_txt_file", "save_txt_file"),
        "xinshuo_visualization": ("random_colors",),
    }.items():
        module = ModuleType(name)
        for function in functions:
            setattr(module, function, lambda *_, **__: None)
        sys.modules[name] = module
    import numba

    jit, numba.jit = numba.jit, _jit_or_python
    sys.path.insert(0, str(checkout))
    try:
        from AB3DMOT_libs.model import AB3DMOT
    finally:
        numba.jit = jit
    return _with_given_poses(AB3DMOT)


def _jit_or_python(function: Callable[..., Any]) -> Callable[..., Any]:
    """Machine code where the function compiles, as older Numba did by itself."""
    import numba

    compiled, fails = numba.njit(function), False

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal fails
        if not fails:
            try:
                return compiled(*args, **kwargs)
            except (numba.core.errors.NumbaError, AssertionError):
                fails = True
        return function(*args, **kwargs)

    return call


def _with_given_poses(model: Any) -> type:
    class WithGivenPoses(model):  # type: ignore[misc]
        def ego_motion_compensation(self, frame: int, trks: list[Any]) -> list[Any]:
            poses, last = self.oxts
            now_from_last = poses[frame].inverse() @ poses[last[0]]
            for tracker, trk in zip(self.trackers, trks, strict=True):
                place = now_from_last.apply(np.array([[trk.x, trk.y, trk.z]]))[0]
                trk.x, trk.y, trk.z = place
                tracker.kf.x[:3] = place.reshape(3, 1)
            return trks

    return WithGivenPoses


def track(
    model: type, sequence: TrackingSequence, inputs: dict[int, Boxes3D], kind: str
) -> tuple[dict[int, KittiTracks], float]:
    """Tracks of one class, all of them, and the seconds they took.

    Args:
        model: What :func:`load` gives.
        sequence: Poses and camera.
        inputs: Detections by frame number, in ``camera_rect``.
        kind: Class, in lower case.
    """
    settings = SimpleNamespace(
        vis=False, ego_com=True, affi_pro=True, dataset="KITTI", det_name="pointrcnn"
    )
    last = [0]
    tracker = model(settings, kind.capitalize(), oxts=(sequence.fixed_from_rect, last), ID_init=1)
    rows_of: dict[int, np.ndarray] = {}
    given = {frame: _given(boxes, kind) for frame, boxes in inputs.items()}
    start = time.process_time()
    for frame, one in given.items():
        results, _ = tracker.track(one, frame, sequence.name)
        rows_of[frame], last[0] = results[0], frame
    seconds = time.process_time() - start
    return {frame: _taken(sequence, rows, kind) for frame, rows in rows_of.items()}, seconds


def _given(boxes: Boxes3D, kind: str) -> dict[str, np.ndarray]:
    index = np.array([i for i, label in enumerate(boxes.labels) if label == kind], dtype=int)
    boxes = boxes.rows(index)
    height_m = boxes.size_lwh_m[:, 2:]
    bottom_m = boxes.center_m + height_m / 2 * np.array([0.0, 1.0, 0.0])
    yaw_rad = yaw_camera_from_quat(boxes.quat_xyzw)
    score = _raw(boxes.score, kind)
    return {
        "dets": np.column_stack([boxes.size_lwh_m[:, ::-1], bottom_m, yaw_rad]),
        "info": np.column_stack([np.zeros((len(boxes), 6)), score]),
    }


def _raw(score: np.ndarray, kind: str) -> np.ndarray:
    """Scores as the detector gave them."""
    from perception_stack.io.kitti.pointrcnn import LOGIT_SCALE

    middle, width = LOGIT_SCALE[kind]
    return middle + width * np.log(score / (1 - score))


def _taken(sequence: TrackingSequence, rows: np.ndarray, kind: str) -> KittiTracks:
    boxes = boxes_from_kitti(
        rows[:, :7],
        [kind] * len(rows),
        score=np.ones(len(rows)),
        stamp_ns=0,
    )
    xyxy_px, shown = project_boxes(
        transform_boxes(boxes, sequence.camera_from_rect), sequence.camera
    )
    return KittiTracks(
        boxes=boxes.rows(np.flatnonzero(shown)),
        ids=rows[shown, 7].astype(np.int64),
        xyxy_px=xyxy_px[shown],
        score=rows[shown, -1],
    )
