"""One frame to look at: what was there, what was reported, and which of it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray, PointCloud, TrackedObjects
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.matching import FramePair, assign
from perception_stack.evaluation.truth import TruthFrame
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraView:
    """An image to draw boxes into.

    Attributes:
        image: The image.
        camera: Its camera.
        camera_from_scene: Takes the frame of the scene to the camera's.
    """

    image: ColorImage
    camera: CameraModel
    camera_from_scene: RigidTransform


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One frame and the seconds before it.

    Attributes:
        truth: What was there.
        objects: What was reported.
        truth_found: bool [T].
        object_true: bool [O].
        object_ignored: bool [O]; neither right nor wrong.
        trails_m: For each object float64 [K, 2], its positions until now, oldest first.
        cloud: Points in the frame of the scene, if there are any to show.
        view: Image of the moment, if there is one.
    """

    truth: TruthFrame
    objects: TrackedObjects
    truth_found: NDArray[np.bool_]
    object_true: NDArray[np.bool_]
    object_ignored: NDArray[np.bool_]
    trails_m: tuple[FloatArray, ...]
    cloud: PointCloud | None = None
    view: CameraView | None = None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the frame."""
        return self.objects.stamp_ns


def make_scenes(
    truth: Sequence[TruthFrame],
    objects: Sequence[TrackedObjects],
    config: EvaluationConfig,
    *,
    num: int = 3,
    trail_s: float = 3.0,
    clouds: Mapping[int, PointCloud] | None = None,
    views: Mapping[int, CameraView] | None = None,
) -> tuple[Scene, ...]:
    """Frames spread evenly over a recording, first and last excepted.

    Args:
        truth: True frames.
        objects: Reported lists.
        config: What counts as a hit.
        num: How many frames; fewer where there are fewer.
        trail_s: How far back the trails reach.
        clouds: Points by stamp, in the frame of the truth.
        views: Images by stamp; if there are any, only frames with an image are picked.
    """
    clouds, views = clouds or {}, views or {}
    true_by_stamp = {one.stamp_ns: one for one in truth}
    by_stamp = {one.stamp_ns: one for one in objects}
    stamps = sorted(t for t in by_stamp if t in true_by_stamp and (not views or t in views))
    picked: Sequence[int] = ()
    if stamps:
        picked = np.linspace(0, len(stamps) - 1, num + 2).round().astype(int)[1:-1].tolist()
    return tuple(
        _scene(
            true_by_stamp[stamp],
            by_stamp[stamp],
            [by_stamp[t] for t in sorted(by_stamp) if 0 <= stamp - t <= trail_s * _NS_PER_S],
            config,
            cloud=clouds.get(stamp),
            view=views.get(stamp),
        )
        for stamp in dict.fromkeys(stamps[i] for i in picked)
    )


def _scene(
    truth: TruthFrame,
    objects: TrackedObjects,
    history: Sequence[TrackedObjects],
    config: EvaluationConfig,
    *,
    cloud: PointCloud | None,
    view: CameraView | None,
) -> Scene:
    pair = FramePair.of(truth, objects.boxes, config)
    kept = pair.of_class(None, config).without_ignored(threshold=config.threshold)
    rows, cols = assign(kept.similarity, threshold=config.threshold)
    truth_found = np.zeros(len(truth.boxes), dtype=bool)
    object_true = np.zeros(len(objects), dtype=bool)
    object_ignored = np.ones(len(objects), dtype=bool)
    truth_found[kept.truth_rows[rows]] = True
    object_true[kept.box_rows[cols]] = True
    object_ignored[kept.box_rows] = False
    return Scene(
        truth=truth,
        objects=objects,
        truth_found=truth_found,
        object_true=object_true,
        object_ignored=object_ignored,
        trails_m=tuple(_trail(one, history) for one in objects.ids),
        cloud=cloud,
        view=view,
    )


def _trail(id_: object, history: Sequence[TrackedObjects]) -> FloatArray:
    positions = [
        frame.boxes.center_m[frame.ids.index(id_), :2] for frame in history if id_ in frame.ids
    ]
    return np.array(positions).reshape(-1, 2)
