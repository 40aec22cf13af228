"""Objects, relations and grasps of one frame as one list, with identities of tracked objects."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np

from perception_stack.datatypes import (
    UNKNOWN,
    Boxes3D,
    DepthImage,
    FloatArray,
    Grasps,
    SceneObjects,
    TrackedObjects,
)
from perception_stack.geometry.transforms import RigidTransform, quat_from_matrix
from perception_stack.grasp.planner import Planned
from perception_stack.grasp.relations import Relations
from perception_stack.grasp.targets import Support
from perception_stack.pipeline.grasp_scene import Item


def nothing(depth: DepthImage) -> Grasps:
    """The list of an image in which nothing can be told."""
    support = Support(up=np.full(3, np.nan), height_m=np.nan)
    return grasp_list(depth, [], Relations.none(), support, [], approach_m=0.0)


def grasp_list(
    depth: DepthImage,
    items: list[Item],
    relations: Relations,
    support: Support,
    planned: list[Planned],
    *,
    approach_m: float,
) -> Grasps:
    """Everything together, the best grasps first."""
    known_support = np.isfinite(support.height_m)
    objects = SceneObjects(
        boxes=_boxes(depth, items),
        ids=(None,) * len(items),
        shape=np.array([one.shape for one in items], dtype=np.uint8),
        size_covariance=_stacked([one.size_covariance for one in items], 3, 3),
        support=np.append(support.up, -support.height_m) if known_support else np.full(4, np.nan),
        on_support=relations.on_support,
        touches=relations.touches,
        stands_on=relations.stands_on,
        reasons=tuple("" if one.reason is None else one.reason.value for one in planned),
    )
    found = [(i, one) for i, one in enumerate(planned) if one.grasps is not None]
    grasps = [one.grasps for _, one in found if one.grasps is not None]
    counts = [len(one) for one in grasps]
    score = np.concatenate([np.empty(0), *(one.score for one in grasps)])
    order = np.argsort(-score, kind="stable")

    def ranked(rows: list[FloatArray], *shape: int) -> FloatArray:
        return np.asarray(np.concatenate([np.empty((0, *shape)), *rows])[order])

    return Grasps(
        objects=objects,
        object_idx=np.repeat(np.array([i for i, _ in found], dtype=np.int64), counts)[order],
        source=np.repeat(np.array([one.source for _, one in found], dtype=np.uint8), counts)[
            order
        ],
        position_m=ranked([one.poses.position_m for one in grasps], 3),
        quat_xyzw=quat_from_matrix(ranked([one.poses.rotation for one in grasps], 3, 3)),
        opening_m=ranked([one.opening_m for one in grasps]),
        width_m=ranked([one.width_m for one in grasps]),
        approach_m=np.full(len(order), approach_m),
        score=score[order],
    )


def identified(
    grasps: Grasps, tracked: TrackedObjects, scene_from_tracks: RigidTransform
) -> Grasps:
    """The same with the identity of the nearest tracked object, where its box reaches there."""
    centers_m = scene_from_tracks.apply(tracked.boxes.center_m)
    reach_m = np.linalg.norm(tracked.boxes.size_lwh_m, axis=1) / 2
    ids: list[UUID | None] = [None] * len(grasps.objects)
    apart_m = np.linalg.norm(grasps.objects.boxes.center_m[:, None] - centers_m, axis=2)
    apart_m = np.where(apart_m <= reach_m, apart_m, np.inf)
    while apart_m.size and np.isfinite(apart_m).any():
        row, track = np.unravel_index(np.argmin(apart_m), apart_m.shape)
        ids[int(row)] = tracked.ids[int(track)]
        apart_m[row], apart_m[:, track] = np.inf, np.inf
    return replace(grasps, objects=replace(grasps.objects, ids=tuple(ids)))


def _boxes(depth: DepthImage, items: list[Item]) -> Boxes3D:
    classes = tuple(sorted({one.label for one in items})) or (UNKNOWN,)
    probs = [np.array([float(name == one.label) for name in classes]) for one in items]
    return Boxes3D(
        frame_id=depth.frame_id,
        stamp_ns=depth.stamp_ns,
        center_m=_stacked([one.center_m for one in items], 3),
        quat_xyzw=quat_from_matrix(_stacked([one.rotation for one in items], 3, 3)),
        size_lwh_m=_stacked([one.size_m for one in items], 3),
        covariance=_stacked([one.covariance for one in items], 6, 6),
        score=np.array([one.score for one in items], dtype=np.float64),
        classes=classes,
        class_probs=_stacked(probs, len(classes)),
        sensors=(("depth",),) * len(items),
    )


def _stacked(rows: list[FloatArray], *shape: int) -> FloatArray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), *shape)
