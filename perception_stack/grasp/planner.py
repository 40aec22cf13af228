"""The grasp step: objects, what is around them and what they stand on in, ranked grasps out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from perception_stack.datatypes import FloatArray, GraspSource
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.contacts import BAND_M, GIVE_M, Candidates, close, deviations, fitted
from perception_stack.grasp.kernels import close_on, first_clear
from perception_stack.grasp.quality import clear_score, hold_score
from perception_stack.grasp.relations import Relations, relate
from perception_stack.grasp.sampling import antipodal_pairs, frames_around, is_reachable
from perception_stack.grasp.targets import Poses, Support, Target
from perception_stack.journal import Journal, Reason
from perception_stack.shape.surfaces import SurfacePoints

_MOST_CLEAR_M = 0.03  # farther away nothing matters
_ENOUGH = 60  # clear grasps that are ranked
_MOST_POINTS = 1500  # of a surface
_MOST_SCENE_M = 0.35  # from the object
_ALIKE_M, _ALIKE = 0.02, np.cos(np.deg2rad(30.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Grasps of one object, best first.

    Attributes:
        grasps: None where there are none.
        source: Where they come from.
        reason: Why there are none; None where there are.
    """

    grasps: Candidates | None
    source: GraspSource
    reason: Reason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One surface that an object may have, and what is around it."""

    target: Target
    surface: SurfacePoints
    trust: float
    around_m: FloatArray
    support: Support


class GraspPlanner:
    """Ranked grasps of every object of a scene.

    Args:
        config: Gripper, approach, quality.
        journal: Told why an object has no grasp.
    """

    def __init__(self, config: GraspPlannerConfig, journal: Journal) -> None:
        self._config = config
        self._gripper = config.gripper
        self._journal = journal

    def warm_up(self) -> None:
        """Compile what the first frame would wait for."""
        points = np.array([[0.0, 0.0, 0.0], [0.0, 0.01, 0.0]])
        normals = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
        one, turn = np.zeros((1, 3)), np.eye(3)[None]
        low, high = self._gripper.boxes(np.zeros(1), np.zeros(1))
        close_on(one, turn, points, normals, np.ones(2), 0.1, 0.02, 0.01, GIVE_M, BAND_M)
        first_clear(one, turn, low, high, np.zeros(1), points, points, 0.0, _MOST_CLEAR_M, 1)

    def plan(
        self,
        targets: Sequence[Target],
        scene_m: FloatArray,
        support: Support,
        *,
        names: Sequence[str],
        stamp_ns: int,
    ) -> tuple[list[Planned], Relations]:
        """Grasps of each object, and what stands on what.

        Args:
            targets: The objects; the sensor is at the origin.
            scene_m: float64 [M, 3], points of what is no object, such as walls and clutter.
            support: What the objects stand on.
            names: Of the objects, for the journal.
            stamp_ns: Of the frame.
        """
        relations = relate(targets, support, touch_m=self._config.touch_m)
        planned = []
        for i, target in enumerate(targets):
            found: Candidates | Reason = Reason.CARRIES_OBJECT
            source = target.source
            if self._config.grasp_carriers or not relations.carries[i]:
                others = [one for k, each in enumerate(targets) if k != i for one in _points(each)]
                around_m = _near(np.concatenate([scene_m, *others]), target.center_m)
                found, source = self._plan_one(target, around_m, support)
            if isinstance(found, Reason):
                detail = f"{names[i]}: {found.text}"
                self._journal.count(found, stamp_ns=stamp_ns, detail=detail)
                planned.append(Planned(grasps=None, source=source, reason=found))
            else:
                planned.append(Planned(grasps=found, source=source, reason=None))
        return planned, relations

    def _plan_one(
        self, target: Target, around_m: FloatArray, support: Support
    ) -> tuple[Candidates | Reason, GraspSource]:
        """Grasps of the file, if any can be used, else of the first surface that has any."""
        tasks = [
            _Task(
                target=target,
                surface=surface.thinned(_MOST_POINTS),
                trust=trust,
                around_m=around_m,
                support=support,
            )
            for surface, trust in zip(target.surfaces, target.trust, strict=True)
        ]
        if target.library is not None:
            found = self._judge(target.library, tasks[0])
            if isinstance(found, Candidates):
                return found, GraspSource.LIBRARY
        first: Reason | None = None
        for task in tasks:
            found = self._computed(task)
            if isinstance(found, Candidates):
                return found, target.source
            first = first or found
        return first or Reason.NO_ANTIPODAL, target.source

    def _computed(self, task: _Task) -> Candidates | Reason:
        """Grasps of opposite points of a surface."""
        up = task.support.up
        pairs = antipodal_pairs(task.surface, self._config, up=up)
        if not len(pairs.middle_m):
            return Reason.TOO_WIDE if pairs.num_wide else Reason.NO_ANTIPODAL
        ahead = task.target.center_m
        poses = frames_around(pairs, self._config, up=up, ahead=ahead)
        poses = poses.rows(is_reachable(poses.rotation, self._config, up=up, ahead=ahead))
        if not len(poses):
            return Reason.OUT_OF_REACH
        return self._judge(fitted(poses, task.surface, self._config), task)

    def _judge(self, poses: Poses, task: _Task) -> Candidates | Reason:
        """The usable ones of many grasps, ranked; each test leaves out those that fail it."""
        if not len(poses):
            return Reason.NO_ANTIPODAL
        ahead = task.target.center_m
        reachable = is_reachable(poses.rotation, self._config, up=task.support.up, ahead=ahead)
        if not reachable.any():
            return Reason.OUT_OF_REACH
        found = close(poses.rows(reachable), task.target, task.surface, self._config)
        for test in (self._above_support, self._likely, self._clear):
            if isinstance(found, Reason):
                return found
            found = test(found, task)
        return found if isinstance(found, Reason) else _unlike(found, self._config.max_grasps)

    def _above_support(self, found: Candidates, task: _Task) -> Candidates | Reason:
        if not np.isfinite(task.support.height_m):
            return found
        above = self._lowest_m(found, task.support) > self._config.support_clearance_m
        return found.rows(above) if above.any() else Reason.HITS_SUPPORT

    def _likely(self, found: Candidates, task: _Task) -> Candidates | Reason:
        """Those that may hold for all that is known but the surroundings, best first."""
        score = found.score * hold_score(
            found,
            self._spread_m(found, task.target),
            task.target,
            trust=task.trust,
            up=task.support.up,
            config=self._config,
        )
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= self._config.min_score]
        return replace(found, score=score).rows(order) if len(order) else Reason.WEAK_GRASP

    def _clear(self, found: Candidates, task: _Task) -> Candidates | Reason:
        """Those that hit nothing, best first."""
        low, high = self._boxes(found)
        clear_m = first_clear(
            found.poses.position_m,
            found.poses.rotation,
            low,
            high,
            found.width_m / 2,
            np.concatenate([task.surface.points_m, *_points(task.target)[1:]]),
            task.around_m,
            self._config.clearance_m,
            _MOST_CLEAR_M,
            _ENOUGH,
        )
        free = clear_m >= 0
        if not free.any():
            # were there nothing else around, some would be free
            return Reason.HITS_SCENE if (clear_m == -2).any() else Reason.NO_ROOM
        found = found.rows(free)
        spread_m = self._spread_m(found, task.target).max(axis=1)
        score = found.score * clear_score(clear_m[free], spread_m)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= self._config.min_score]
        return replace(found, score=score).rows(order) if len(order) else Reason.WEAK_GRASP

    def _boxes(self, found: Candidates) -> tuple[FloatArray, FloatArray]:
        way_m = np.full(len(found), self._config.approach_distance_m)
        return self._gripper.boxes(found.opening_m, way_m)

    def _lowest_m(self, found: Candidates, support: Support) -> FloatArray:
        """Height of the gripper's lowest corner above the support on its way, float64 [G]."""
        low, high = self._boxes(found)
        up = np.einsum("gij,i->gj", found.poses.rotation, support.up)[:, None]
        corner_m = np.minimum(low * up, high * up).sum(axis=2).min(axis=1)
        height_m: FloatArray = corner_m + support.above_m(found.poses.position_m)
        return height_m

    def _spread_m(self, found: Candidates, target: Target) -> FloatArray:
        """Deviation of the object's place along the grasp's axes, where the fingers know it worst.

        A turn of the object moves what is at the tips and what is at the fingers' roots.
        """
        tips_m, rotation = found.poses.position_m, found.poses.rotation
        roots_m = tips_m - self._config.finger_length_m * rotation[:, :, 0]
        spread_m: FloatArray = np.maximum(
            deviations(target, tips_m, rotation), deviations(target, roots_m, rotation)
        )
        return spread_m


def _points(target: Target) -> list[FloatArray]:
    """Where an object is, for those that must not hit it."""
    return [target.surfaces[0].points_m, *([] if target.seen is None else [target.seen.points_m])]


def _near(points_m: FloatArray, center_m: FloatArray) -> FloatArray:
    away_m = points_m - center_m
    near: FloatArray = points_m[np.einsum("ni,ni->n", away_m, away_m) < _MOST_SCENE_M**2]
    return near


def _unlike(found: Candidates, most: int) -> Candidates:
    """The first ones, none of which are nearly alike."""
    position_m, rotation = found.poses.position_m, found.poses.rotation
    kept: list[int] = []
    for k in range(len(found)):
        near = np.linalg.norm(position_m[kept] - position_m[k], axis=1) < _ALIKE_M
        approach, closing = (rotation[kept, :, axis] @ rotation[k, :, axis] for axis in (0, 1))
        if not (near & (approach > _ALIKE) & (np.abs(closing) > _ALIKE)).any():
            kept.append(k)
        if len(kept) == most:
            break
    return found.rows(np.array(kept))
