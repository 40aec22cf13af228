"""The grasp step: objects, what is around them and what they stand on in, ranked grasps out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray, GraspSource
from perception_stack.geometry.gripper import Gripper
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.kernels import close_on, first_clear
from perception_stack.grasp.quality import (
    Contacts,
    between_score,
    clear_score,
    friction_score,
    shape_score,
    weight_score,
)
from perception_stack.grasp.relations import Relations, relate
from perception_stack.grasp.sampling import (
    antipodal_pairs,
    frames_around,
    is_reachable,
    spacing_m2,
)
from perception_stack.grasp.targets import Poses, Support, Target
from perception_stack.journal import Journal, Reason
from perception_stack.shape.surfaces import SurfacePoints

_GIVE_M = 0.002  # of pads and of the spacing of points
_OPEN_SIGMAS = 2.0
_OPEN_M = 0.006  # on each side, beside the clearance
_MOST_CLEAR_M = 0.03
_ENOUGH = 60  # clear grasps that are ranked
_MOST_POINTS = 600  # of a surface
_MOST_SCENE_M = 0.35  # from the object
_ALIKE_M, _ALIKE = 0.02, np.cos(np.deg2rad(30.0))
_LEAST_PATCH = 0.6  # points of the surface
_DETAIL = "{name}: {why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Grasps of one object, best first.

    Attributes:
        poses: The grasp frames; confidence is the score.
        opening_m: float64 [G].
        width_m: float64 [G].
        source: Where they come from.
        reason: Why there are none; None where there are.
    """

    poses: Poses
    opening_m: FloatArray
    width_m: FloatArray
    source: GraspSource
    reason: Reason | None

    @classmethod
    def none(cls, source: GraspSource, reason: Reason) -> Planned:
        """No grasps."""
        nothing = Poses(
            position_m=np.empty((0, 3)), rotation=np.empty((0, 3, 3)), confidence=np.empty(0)
        )
        return cls(
            poses=nothing,
            opening_m=np.empty(0),
            width_m=np.empty(0),
            source=source,
            reason=reason,
        )


class GraspPlanner:
    """Ranked grasps of every object of a scene.

    Args:
        config: Gripper, approach, quality.
        journal: Told why an object has no grasp.
    """

    def __init__(self, config: GraspPlannerConfig, journal: Journal) -> None:
        self._config = config
        self._gripper: Gripper = config.gripper
        self._journal = journal

    def warm_up(self) -> None:
        """Compile what the first frame would wait for."""
        points = np.array([[0.0, 0.0, 0.0], [0.0, 0.01, 0.0]])
        normals = np.array([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
        one, turn = np.zeros((1, 3)), np.eye(3)[None]
        low, high = self._gripper.boxes(np.zeros(1), np.zeros(1))
        close_on(one, turn, points, normals, np.ones(2), 0.1, 0.02, 0.01, _GIVE_M)
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
            if relations.carries[i] and not self._config.grasp_carriers:
                one = Planned.none(target.source, Reason.CARRIES_OBJECT)
            else:
                others = [one for k, each in enumerate(targets) if k != i for one in _points(each)]
                around = _near(np.concatenate([scene_m, *others]), target.center_m)
                one = self._plan_one(target, around, support)
            if one.reason is not None:
                detail = _DETAIL.format(name=names[i], why=one.reason.text)
                self._journal.count(one.reason, stamp_ns=stamp_ns, detail=detail)
            planned.append(one)
        return planned, relations

    def _plan_one(self, target: Target, around_m: FloatArray, support: Support) -> Planned:
        """Grasps of the file if any of them can be used, else of the first surface that has any."""
        first = Planned.none(target.source, Reason.NO_ANTIPODAL)
        if target.library is not None and len(target.library):
            surface = target.surfaces[0].thinned(_MOST_POINTS)
            found = self._judge(
                target.library, target, surface, around_m, support, GraspSource.LIBRARY, trust=1.0
            )
            if found.reason is None:
                return found
        for k, one in enumerate(target.surfaces):
            surface = one.thinned(_MOST_POINTS)
            pairs = antipodal_pairs(surface, self._config, up=support.up)
            if len(pairs.middle_m):
                poses = frames_around(pairs, self._config, up=support.up, ahead=target.center_m)
                found = self._judge(
                    poses,
                    target,
                    surface,
                    around_m,
                    support,
                    target.source,
                    trust=target.trust[k],
                )
            else:
                wide = pairs.num_wide > 0
                why = Reason.TOO_WIDE if wide else Reason.NO_ANTIPODAL
                found = Planned.none(target.source, why)
            if found.reason is None:
                return found
            if k == 0:
                first = found
        return first

    def _judge(
        self,
        poses: Poses,
        target: Target,
        surface: SurfacePoints,
        around_m: FloatArray,
        support: Support,
        source: GraspSource,
        *,
        trust: float,
    ) -> Planned:
        """The usable ones of many grasps, ranked; each test leaves out those that fail it."""
        config = self._config
        ahead = target.center_m
        poses = _rows(poses, is_reachable(poses.rotation, config, up=support.up, ahead=ahead))
        if not len(poses):
            return Planned.none(source, Reason.OUT_OF_REACH)
        poses, contacts, why = self._close(poses, target, surface)
        if contacts is None:
            return Planned.none(source, why)
        low, high = self._gripper.boxes(
            contacts.opening_m, np.full(len(poses), config.approach_distance_m)
        )
        above = _lowest(poses, low, high, support) > config.support_clearance_m
        if np.isfinite(support.height_m) and not above.all():
            if not above.any():
                return Planned.none(source, Reason.HITS_SUPPORT)
            poses, contacts = _rows(poses, above), _contact_rows(contacts, above)
            low, high = low[above], high[above]
        held_m = _held(poses, contacts.reach_m)
        root_m = poses.position_m - config.finger_length_m * poses.rotation[:, :, 0]
        sigma_m = np.maximum(
            _deviations(target, poses.position_m, poses.rotation),
            _deviations(target, root_m, poses.rotation),
        )
        score = (
            poses.confidence
            * friction_score(contacts, _turn_deviation(target, poses.rotation), config)
            * between_score(contacts, sigma_m)
            * weight_score(contacts, held_m, poses.rotation, target, up=support.up, config=config)
        )
        if target.seen is not None:
            score *= shape_score(
                contacts, held_m, poses.rotation, target.seen, trust=trust, config=config
            )
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= config.min_score]
        if not len(order):
            return Planned.none(source, Reason.WEAK_GRASP)
        points_m = surface.points_m
        if target.seen is not None:
            points_m = np.concatenate([points_m, target.seen.points_m])
        clear_m = first_clear(
            poses.position_m[order],
            poses.rotation[order],
            low[order],
            high[order],
            contacts.width_m[order] / 2,
            points_m,
            around_m,
            config.clearance_m,
            _MOST_CLEAR_M,
            _ENOUGH,
        )
        if not (clear_m >= 0).any():
            by_object = np.count_nonzero(clear_m == -1) >= np.count_nonzero(clear_m == -2)
            return Planned.none(source, Reason.NO_ROOM if by_object else Reason.HITS_SCENE)
        order, clear_m = order[clear_m >= 0], clear_m[clear_m >= 0]
        score = score[order] * clear_score(clear_m, sigma_m[order].max(axis=1))
        order, score = order[score >= config.min_score], score[score >= config.min_score]
        if not len(order):
            return Planned.none(source, Reason.WEAK_GRASP)
        return _best(poses, contacts, order, score, config.max_grasps, source)

    def _close(
        self, poses: Poses, target: Target, surface: SurfacePoints
    ) -> tuple[Poses, Contacts | None, Reason]:
        """Those that touch on both sides, turned to the normals there and moved between them."""
        config = self._config
        found = self._touch(poses, surface)
        good = _touches(found, surface)
        if not good.any():
            return poses, None, Reason.NO_ANTIPODAL
        poses, found = _rows(poses, good), found[good]
        poses = _turned(poses, found[:, 11:14] - found[:, 5:8])
        found = self._touch(poses, surface)
        good = _touches(found, surface)
        width_m = found[:, 1] - found[:, 0]
        narrow = width_m + 2 * config.clearance_m <= config.max_opening_m
        if not (good & narrow).any():
            return poses, None, Reason.TOO_WIDE if good.any() else Reason.NO_ANTIPODAL
        good &= narrow
        poses, found, width_m = _rows(poses, good), found[good], width_m[good]
        shift = (found[:, 0] + found[:, 1]) / 2
        poses = replace(
            poses, position_m=poses.position_m + shift[:, None] * poses.rotation[:, :, 1]
        )
        reach_m = -(found[:, 8] + found[:, 14]) / 2
        sigma_m = _deviations(target, _held(poses, reach_m), poses.rotation)
        room_m = config.clearance_m + _OPEN_M + _OPEN_SIGMAS * sigma_m[:, 1]
        aside = np.hypot(found[:, 8] - found[:, 14], found[:, 9] - found[:, 15])
        cosines = [
            np.abs(found[:, at + 1]) / np.linalg.norm(found[:, at : at + 3], axis=1)
            for at in (5, 11)
        ]
        contacts = Contacts(
            width_m=width_m,
            opening_m=np.minimum(width_m + 2 * room_m, config.max_opening_m),
            cosine=np.minimum(*cosines),
            area_m2=np.minimum(found[:, 4], found[:, 10]),
            # flat patches find a line between them, however their middles lie
            slant=np.maximum(aside - config.finger_width_m / 2, 0) / np.maximum(width_m, 1e-3),
            reach_m=reach_m,
            deep_m=-found[:, 2],
        )
        return poses, contacts, Reason.WEAK_GRASP

    def _touch(self, poses: Poses, surface: SurfacePoints) -> FloatArray:
        """What :func:`~perception_stack.grasp.kernels.close_on` says of each, float64 [G, 16]."""
        config = self._config
        found: FloatArray = close_on(
            poses.position_m,
            poses.rotation,
            surface.points_m,
            surface.normals,
            surface.area_m2,
            config.max_opening_m / 2 + _MOST_CLEAR_M,
            config.pad_length_m,
            config.finger_width_m / 2,
            _GIVE_M,
        )
        return found


def _touches(found: FloatArray, surface: SurfacePoints) -> NDArray[np.bool_]:
    least = _LEAST_PATCH * spacing_m2(surface)
    touches: NDArray[np.bool_] = (
        np.isfinite(found[:, 0]) & (found[:, 4] > least) & (found[:, 10] > least)
    )
    return touches


def _turned(poses: Poses, normal: FloatArray) -> Poses:
    """The same with closing directions along normals given in the grasp frames, float64 [G, 3]."""
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    closing = np.einsum("gij,gj->gi", poses.rotation, normal)
    approach = poses.rotation[:, :, 0]
    approach = approach - np.einsum("gi,gi->g", approach, closing)[:, None] * closing
    approach /= np.maximum(np.linalg.norm(approach, axis=1, keepdims=True), 1e-9)
    rotation = np.stack([approach, closing, np.cross(approach, closing)], axis=2)
    return replace(poses, rotation=np.ascontiguousarray(rotation))


def _points(target: Target) -> list[FloatArray]:
    """Where an object is, for those that must not hit it."""
    return [target.surfaces[0].points_m, *([] if target.seen is None else [target.seen.points_m])]


def _near(points_m: FloatArray, center_m: FloatArray) -> FloatArray:
    close = np.einsum("ni,ni->n", points_m - center_m, points_m - center_m) < _MOST_SCENE_M**2
    return np.ascontiguousarray(points_m[close])


def _rows(poses: Poses, index: NDArray[np.bool_] | NDArray[np.intp]) -> Poses:
    return Poses(
        position_m=poses.position_m[index],
        rotation=poses.rotation[index],
        confidence=poses.confidence[index],
    )


def _contact_rows(contacts: Contacts, index: NDArray[np.bool_]) -> Contacts:
    return Contacts(
        width_m=contacts.width_m[index],
        opening_m=contacts.opening_m[index],
        cosine=contacts.cosine[index],
        area_m2=contacts.area_m2[index],
        slant=contacts.slant[index],
        reach_m=contacts.reach_m[index],
        deep_m=contacts.deep_m[index],
    )


def _held(poses: Poses, reach_m: FloatArray) -> FloatArray:
    """Middle between the touching patches of each grasp, float64 [G, 3]."""
    held: FloatArray = poses.position_m - poses.rotation[:, :, 0] * reach_m[:, None]
    return held


def _deviations(target: Target, at_m: FloatArray, rotation: FloatArray) -> FloatArray:
    """Deviation of a place on the object along the axes of each grasp frame, float64 [G, 3]."""
    axes = np.moveaxis(rotation, 2, 1)  # [G, axis, 3]
    lever = np.cross((at_m - target.center_m)[:, None], axes)
    along = np.concatenate([axes, lever], axis=2)
    variance = np.einsum("gki,ij,gkj->gk", along, target.covariance, along)
    return np.sqrt(np.maximum(variance, 0.0))


def _turn_deviation(target: Target, rotation: FloatArray) -> FloatArray:
    """Deviation of the object's turn across the closing direction of each grasp, radians."""
    turns = target.covariance[3:, 3:]
    variance = np.einsum("gik,ij,gjk->gk", rotation, turns, rotation)
    # a turn about the closing direction itself leaves the normals where they are
    return np.sqrt(np.maximum(variance[:, [0, 2]].max(axis=1), 0.0))


def _lowest(poses: Poses, low: FloatArray, high: FloatArray, support: Support) -> FloatArray:
    """Height of the gripper's lowest corner above the support on its way, float64 [G]."""
    up = np.einsum("gij,i->gj", poses.rotation, support.up)[:, None]  # in the grasp frame
    corner = np.minimum(low * up, high * up).sum(axis=2).min(axis=1)
    height: FloatArray = np.asarray(corner + support.above_m(poses.position_m))
    return height


def _best(
    poses: Poses,
    contacts: Contacts,
    order: NDArray[np.intp],
    score: FloatArray,
    most: int,
    source: GraspSource,
) -> Planned:
    """The best ones, none of which are nearly alike."""
    ranked = np.argsort(-score, kind="stable")
    order, score = order[ranked], score[ranked]
    kept: list[int] = []
    for k, row in enumerate(order):
        position, approach = poses.position_m[row], poses.rotation[row, :, 0]
        closing = poses.rotation[row, :, 1]
        alike = any(
            np.linalg.norm(poses.position_m[order[j]] - position) < _ALIKE_M
            and approach @ poses.rotation[order[j], :, 0] > _ALIKE
            and abs(closing @ poses.rotation[order[j], :, 1]) > _ALIKE
            for j in kept
        )
        if not alike:
            kept.append(k)
        if len(kept) == most:
            break
    rows = order[kept]
    return Planned(
        poses=Poses(
            position_m=poses.position_m[rows],
            rotation=poses.rotation[rows],
            confidence=score[kept],
        ),
        opening_m=contacts.opening_m[rows],
        width_m=contacts.width_m[rows],
        source=source,
        reason=None,
    )
