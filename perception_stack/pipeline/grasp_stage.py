"""Grasps over time: joins depth images with poses of known objects and with the tracked list.

Each depth image gives one answer. What stands out of its supports are the objects; those that a pose
explains are known, to the others a shape is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import (
    UNKNOWN,
    Boxes3D,
    DepthImage,
    FloatArray,
    Grasps,
    GraspSource,
    SceneObjects,
    ShapeKind,
    TrackedObjects,
)
from perception_stack.depth.config import DepthDetectorConfig
from perception_stack.depth.detector import WIDEST_GAP, DepthDetector, occluded_shares
from perception_stack.depth.rays import pixel_rays
from perception_stack.depth.segmentation import Segmentation
from perception_stack.depth.support import UP_IN_CAMERA, Plane, choose_floor
from perception_stack.errors import CalibrationError, PerceptionError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_matrix,
)
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.planner import GraspPlanner, Planned
from perception_stack.grasp.relations import Relations
from perception_stack.grasp.targets import KnownObject, Poses, Support, Target
from perception_stack.journal import Journal, Reason
from perception_stack.shape.primitives import Primitive, fit_primitive, warm_up
from perception_stack.shape.surfaces import SurfacePoints

_DEPTH, _POSES, _OBJECTS = "depth", "object_poses", "objects"
_STANDS_M = 0.02  # from its support, that the lowest point of an object is at most
_LOWEST = 5.0  # percent of an object's points left out below
_EXPLAINED_M = 0.015  # from the surface of a known object, that its points are at most
_LEAST_EXPLAINED = 0.5
_THIN = 3  # of rows and columns of what is no object
_SCENE_M = 1.5  # from the sensor's nearest object; farther away nothing is in the way
_SHAPES_KEPT = 0.95  # a fitted shape that explains less is not the only one tried
_MIDDLE_SIGMA = {GraspSource.MODEL: 0.05, GraspSource.SEEN: 0.1}  # of the size
_COAXIAL, _COAXIAL_GAP_M = 0.2, 0.015  # of the diameter aside; between the parts
_TURNED = 0.9  # share of the points of both parts that one turned body must explain
_ROUND = (ShapeKind.CYLINDER, ShapeKind.SPHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One object: for the planner, and as it is published."""

    target: Target
    label: str
    shape: ShapeKind
    rotation: FloatArray
    center_m: FloatArray
    size_m: FloatArray
    covariance: FloatArray
    size_covariance: FloatArray
    score: float


class GraspStage:
    """Depth images, and what else is known of the objects, in; grasps out.

    Args:
        config: Parameters of the grasp planner.
        depth: Of the depth detector, which finds the objects.
        pairing: Tolerances by which streams are joined.
        known: Known objects by class name.
        frames: Where the sensors were.
        journal: Told of everything dropped, and why an object has no grasp.
    """

    def __init__(
        self,
        config: GraspPlannerConfig,
        depth: DepthDetectorConfig,
        pairing: FusionConfig,
        known: Mapping[str, KnownObject],
        frames: FrameTree,
        journal: Journal,
    ) -> None:
        self._config = config
        self._noise = depth.depth_noise
        self._known = known
        self._frames = frames
        self._journal = journal
        self._depth = DepthDetector(depth, journal)
        self._planner = GraspPlanner(config, journal)
        self._camera: CameraModel | None = None
        self._pairing = Pairing(
            _DEPTH,
            tuple(
                Companion(name=name, tolerance_s=pairing.tolerance_s)
                for name in (_POSES, _OBJECTS)
            ),
            timeout_s=pairing.timeout_s,
            queue_size=pairing.queue_size,
            reset_s=pairing.reset_s,
            journal=journal,
        )
        self.expect_poses(False)
        self.expect_objects(False)

    def warm_up(self) -> None:
        """Compile and load what the first image would wait for."""
        self._depth.warm_up()
        warm_up()
        self._planner.warm_up()

    def expect_poses(self, expected: bool) -> None:
        """Say whether poses of known objects come; what nobody sends is not waited for."""
        self._pairing.expect(_POSES, expected)

    def expect_objects(self, expected: bool) -> None:
        """Say whether the tracked list comes."""
        self._pairing.expect(_OBJECTS, expected)

    def set_camera(self, camera: CameraModel) -> None:
        """Intrinsics of the depth camera."""
        self._camera = camera

    def push_depth(self, depth: DepthImage, *, arrival_ns: int) -> list[Grasps]:
        """One depth image."""
        return self._all(self._pairing.push(_DEPTH, depth.stamp_ns, depth, arrival_ns=arrival_ns))

    def push_poses(self, poses: Boxes3D, *, arrival_ns: int) -> list[Grasps]:
        """Poses of known objects; class and centre are those of the model's frame."""
        return self._all(self._pairing.push(_POSES, poses.stamp_ns, poses, arrival_ns=arrival_ns))

    def push_objects(self, objects: TrackedObjects, *, arrival_ns: int) -> list[Grasps]:
        """The tracked list, which gives objects their identities."""
        return self._all(
            self._pairing.push(_OBJECTS, objects.stamp_ns, objects, arrival_ns=arrival_ns)
        )

    def expire(self, now_ns: int) -> list[Grasps]:
        """What has waited too long for its partners, at an arrival time of now."""
        return self._all(self._pairing.expire(now_ns))

    def flush(self) -> list[Grasps]:
        """Everything that still waits; nothing more will come."""
        return self._all(self._pairing.flush())

    def _all(self, sets: list[PairedSet]) -> list[Grasps]:
        grasps = []
        for one in sets:
            if self._camera is None:
                detail = "depth images wait for a first depth_camera_info"
                self._journal.count(Reason.NO_CALIBRATION, stamp_ns=one.stamp_ns, detail=detail)
                continue
            try:
                poses, objects = one.companions[_POSES], one.companions[_OBJECTS]
                grasps.append(self._plan(one.reference, self._camera, poses, objects))
            except PerceptionError as error:
                self._journal.count_error(error, stamp_ns=one.stamp_ns, where=_DEPTH)
        return grasps

    def _plan(
        self,
        depth: DepthImage,
        camera: CameraModel,
        poses: Boxes3D | None,
        objects: TrackedObjects | None,
    ) -> Grasps:
        """Grasps of one depth image, in its frame.

        Raises:
            TransformUnavailableError: poses of another camera, and it is not known where that is.
            CalibrationError: the camera's intrinsics are of another camera.
        """
        if camera.frame_id != depth.frame_id:
            text = f"depth of '{depth.frame_id}', depth_camera_info of '{camera.frame_id}'"
            raise CalibrationError(text)
        segmentation = self._depth.segmentation(depth, camera)
        if segmentation is None:
            return _grasps(depth, [], None, np.full(4, np.nan), [], self._config)
        points_m = _points(segmentation, camera)
        own = [points_m[segmentation.label == k + 1] for k in range(segmentation.num_objects)]
        plane = _carrier(segmentation.planes, own)
        support, support_plane = _support(plane)
        items = [] if poses is None else self._known_items(self._moved(poses, depth))
        taken = np.zeros(len(own), dtype=np.bool_)
        for item in items:
            taken |= _explained(item.target.surfaces[0], own)
        hidden = occluded_shares(segmentation.inverse, segmentation.label, len(own), WIDEST_GAP)
        unknown = [(own[k], float(hidden[k])) for k in np.flatnonzero(~taken)]
        items += self._fitted_items(unknown, support, depth.stamp_ns)
        scene_m = _surroundings(segmentation, points_m, plane, items)
        planned, relations = self._planner.plan(
            [one.target for one in items],
            scene_m,
            support,
            names=[one.label for one in items],
            stamp_ns=depth.stamp_ns,
        )
        grasps = _grasps(depth, items, relations, support_plane, planned, self._config)
        return grasps if objects is None else self._identified(grasps, objects)

    def _moved(self, boxes: Boxes3D, depth: DepthImage) -> Boxes3D:
        """Boxes in the depth image's frame, where they were at its stamp."""
        if boxes.frame_id == depth.frame_id:
            return boxes
        return transform_boxes(
            boxes, self._frames.lookup(depth.frame_id, boxes.frame_id, depth.stamp_ns)
        )

    def _known_items(self, poses: Boxes3D) -> list[_Item]:
        """The objects of poses whose models are known; the others are left to what is seen."""
        items = []
        for row, label in enumerate(poses.labels):
            known = self._known.get(label)
            if known is None:
                detail = f"no mesh for class '{label}'"
                self._journal.count(Reason.NO_MESH, stamp_ns=poses.stamp_ns, detail=detail)
                continue
            rotation = matrix_from_quat(poses.quat_xyzw[row])
            scene_from_model = RigidTransform(
                target=poses.frame_id,
                source=label,
                rotation=rotation,
                translation_m=poses.center_m[row],
            )
            items.append(_known_item(known, label, scene_from_model, poses, row))
        return items

    def _fitted_items(
        self, unknown: list[tuple[FloatArray, float]], support: Support, stamp_ns: int
    ) -> list[_Item]:
        """Unknown objects of their points and hidden shares, parts of one turned body joined."""
        items: list[_Item] = []
        points: list[tuple[FloatArray, float]] = []
        for points_m, hidden in unknown:
            item = self._fitted_item(points_m, support, hidden, stamp_ns)
            if item is None:
                continue
            for k, other in enumerate(items):
                if not _is_coaxial(item, other):
                    continue
                both = np.concatenate([points_m, points[k][0]]), max(hidden, points[k][1])
                whole = self._fitted_item(both[0], support, both[1], stamp_ns)
                if whole is not None and _is_turned(whole):
                    items[k], points[k] = whole, both
                    break
            else:
                items.append(item)
                points.append((points_m, hidden))
        return items

    def _fitted_item(
        self, points_m: FloatArray, support: Support, hidden: float, stamp_ns: int
    ) -> _Item | None:
        """An unknown object; None, and the reason noted, where no shape can be fitted.

        ``hidden`` is the share of its outline beyond which something nearer is: so much less sure
        is its far side to be where the shape says.
        """
        fitted = fit_primitive(
            points_m, up=support.up, support_m=support.height_m, noise=self._noise
        )
        if not fitted.primitives:
            detail = f"{len(points_m)} points"
            self._journal.count(Reason.NOT_FITTED, stamp_ns=stamp_ns, detail=detail)
            return None
        best = fitted.primitives[0]
        tried = fitted.primitives if best.score < _SHAPES_KEPT else fitted.primitives[:1]
        volume_m3, middle_m = best.surface.volume()
        target = Target(
            surfaces=tuple(_sure(one) for one in tried),
            trust=tuple(one.score * (1 - hidden) for one in tried),
            seen=fitted.seen,
            source=GraspSource.SEEN,
            covariance=_of_surface(best),
            center_m=best.center_m,
            volume_m3=volume_m3,
            middle_m=middle_m,
            middle_sigma_m=_MIDDLE_SIGMA[GraspSource.SEEN] * float(np.cbrt(volume_m3)),
        )
        return _Item(
            target=target,
            label=UNKNOWN,
            shape=best.kind,
            rotation=best.rotation,
            center_m=best.center_m,
            size_m=best.size_m,
            covariance=best.covariance,
            size_covariance=best.size_covariance,
            score=best.score,
        )

    def _identified(self, grasps: Grasps, tracked: TrackedObjects) -> Grasps:
        """The same with the identities of tracked objects, the nearest to each within its box."""
        try:
            to_scene = self._frames.lookup(grasps.frame_id, tracked.frame_id, grasps.stamp_ns)
        except PerceptionError as error:
            self._journal.count_error(error, stamp_ns=grasps.stamp_ns, where=_OBJECTS)
            return grasps
        boxes = grasps.objects.boxes
        centers_m = to_scene.apply(tracked.boxes.center_m)
        reach_m = np.linalg.norm(tracked.boxes.size_lwh_m, axis=1) / 2
        ids: list[UUID | None] = [None] * len(boxes)
        apart_m = np.linalg.norm(boxes.center_m[:, None] - centers_m, axis=2)
        apart_m = np.where(apart_m <= reach_m, apart_m, np.inf)
        while apart_m.size and np.isfinite(apart_m).any():
            row, track = np.unravel_index(np.argmin(apart_m), apart_m.shape)
            ids[int(row)] = tracked.ids[int(track)]
            apart_m[row], apart_m[:, track] = np.inf, np.inf
        return replace(grasps, objects=replace(grasps.objects, ids=tuple(ids)))


def _points(segmentation: Segmentation, camera: CameraModel) -> FloatArray:
    """Points of all pixels, float64 [H, W, 3]; NaN where nothing is measured."""
    with np.errstate(divide="ignore"):
        depth_m = np.where(segmentation.inverse > 0, 1.0 / segmentation.inverse, np.nan)
    rays = pixel_rays(camera)
    points = np.dstack([rays[..., 0] * depth_m, rays[..., 1] * depth_m, depth_m])
    return points.astype(np.float64)


def _carrier(planes: tuple[Plane, ...], own: list[FloatArray]) -> Plane | None:
    """The plane that most objects stand on; the floor where none does."""

    def num_standing(plane: Plane) -> int:
        lowest = [np.percentile(plane.height_m(one), _LOWEST) for one in own]
        return int((np.abs(np.array(lowest)) < _STANDS_M).sum())

    best = max(planes, key=num_standing, default=None)
    if best is None or not num_standing(best):
        return choose_floor(planes)
    return best


def _support(plane: Plane | None) -> tuple[Support, FloatArray]:
    if plane is None:
        return Support(up=UP_IN_CAMERA, height_m=np.nan), np.full(4, np.nan)
    # the camera, at the origin, is this far above
    above_m = 1 / float(np.linalg.norm(plane.inverse_m))
    return Support(up=plane.up, height_m=-above_m), np.append(plane.up, above_m)


def _is_coaxial(one: _Item, other: _Item) -> bool:
    """Whether two cylinders may be parts of one turned body, as neck and belly of a bottle are."""
    if not one.shape == other.shape == ShapeKind.CYLINDER:
        return False
    if one.size_m[0] > other.size_m[0]:
        one, other = other, one
    away_m = (one.center_m - other.center_m) @ other.rotation
    along_m = abs(float(away_m[2]))
    reach_m = (one.size_m.max() + other.size_m[2]) / 2 + _COAXIAL_GAP_M
    aside_m = float(np.hypot(*away_m[:2]))
    return aside_m < _COAXIAL * float(other.size_m[0]) and along_m < reach_m


def _is_turned(one: _Item) -> bool:
    return one.shape == ShapeKind.CYLINDER and one.score >= _TURNED


def _explained(surface: SurfacePoints, own: list[FloatArray]) -> NDArray[np.bool_]:
    """Which segments lie on a known surface."""
    from scipy.spatial import cKDTree

    tree = cKDTree(surface.points_m)
    shares = [
        np.isfinite(
            tree.query(one[:: len(one) // 200 + 1], distance_upper_bound=_EXPLAINED_M)[0]
        ).mean()
        for one in own
    ]
    explained: NDArray[np.bool_] = np.array(shares) > _LEAST_EXPLAINED
    return explained


def _surroundings(
    segmentation: Segmentation, points_m: FloatArray, plane: Plane | None, items: list[_Item]
) -> FloatArray:
    """Points that are in the way and of no object: neither on the support nor on a known surface."""
    from scipy.spatial import cKDTree

    thin = (slice(None, None, _THIN),) * 2
    label, points = segmentation.label[thin], points_m[thin]
    points = points[(label <= 0) & np.isfinite(points[..., 2])]
    if plane is not None:
        points = points[plane.height_m(points) > _STANDS_M / 2]
    if not items or not len(points):
        return points
    near_m = min(float(np.linalg.norm(one.center_m)) for one in items) + _SCENE_M
    points = points[np.linalg.norm(points, axis=1) < near_m]
    for item in items:
        if len(points):
            gap_m = cKDTree(item.target.surfaces[0].points_m).query(points)[0]
            points = points[gap_m > _EXPLAINED_M]
    return points


def _known_item(
    known: KnownObject, label: str, scene_from_model: RigidTransform, poses: Boxes3D, row: int
) -> _Item:
    library = known.library
    if library is not None:
        library = Poses(
            position_m=scene_from_model.apply(library.position_m),
            rotation=scene_from_model.rotation @ library.rotation,
            confidence=library.confidence,
        )
    target = Target(
        surfaces=(known.surface.moved(scene_from_model),),
        trust=(1.0,),
        seen=None,
        source=GraspSource.MODEL,
        covariance=poses.covariance[row],
        center_m=poses.center_m[row],
        volume_m3=known.volume_m3,
        middle_m=scene_from_model.apply(known.middle_m),
        middle_sigma_m=_MIDDLE_SIGMA[GraspSource.MODEL] * float(np.cbrt(known.volume_m3)),
        library=library,
    )
    return _Item(
        target=target,
        label=label,
        shape=ShapeKind.MODEL,
        rotation=scene_from_model.rotation,
        center_m=poses.center_m[row],
        size_m=poses.size_lwh_m[row],
        covariance=poses.covariance[row],
        size_covariance=np.zeros((3, 3)),
        score=float(poses.score[row]),
    )


def _sure(primitive: Primitive) -> SurfacePoints:
    """Its surface, with no area where it is not believed."""
    surface = primitive.surface
    return replace(surface, area_m2=surface.area_m2 * primitive.believed)


def _of_surface(primitive: Primitive) -> FloatArray:
    """Covariance of the place of a shape's surface: turns about its own axis do not move that."""
    covariance = primitive.covariance.copy()
    turn = primitive.rotation
    covariance[:3, :3] += turn @ primitive.size_covariance @ turn.T / 4
    if primitive.kind in _ROUND:
        covariance[3:, 3:] = 0.0
    return covariance


def _grasps(
    depth: DepthImage,
    items: list[_Item],
    relations: Relations | None,
    support_plane: FloatArray,
    planned: list[Planned],
    config: GraspPlannerConfig,
) -> Grasps:
    """Everything together, the best grasps first."""
    num = len(items)
    none = np.zeros((num, num), dtype=np.bool_)
    classes = tuple(sorted({one.label for one in items})) or (UNKNOWN,)
    boxes = Boxes3D(
        frame_id=depth.frame_id,
        stamp_ns=depth.stamp_ns,
        center_m=np.array([one.center_m for one in items]).reshape(-1, 3),
        quat_xyzw=quat_from_matrix(np.array([one.rotation for one in items]).reshape(-1, 3, 3)),
        size_lwh_m=np.array([one.size_m for one in items]).reshape(-1, 3),
        covariance=np.array([one.covariance for one in items]).reshape(-1, 6, 6),
        score=np.array([one.score for one in items]).reshape(-1),
        classes=classes,
        class_probs=np.array(
            [[float(name == one.label) for name in classes] for one in items]
        ).reshape(-1, len(classes)),
        sensors=(("depth",),) * num,
    )
    objects = SceneObjects(
        boxes=boxes,
        ids=(None,) * num,
        shape=np.array([one.shape for one in items], dtype=np.uint8),
        size_covariance=np.array([one.size_covariance for one in items]).reshape(-1, 3, 3),
        support=support_plane,
        on_support=np.zeros(num, dtype=np.bool_) if relations is None else relations.on_support,
        touches=none if relations is None else relations.touches,
        stands_on=none if relations is None else relations.stands_on,
        reasons=tuple("" if one.reason is None else one.reason.value for one in planned),
    )
    counts = [len(one.poses) for one in planned]
    score = np.concatenate([np.empty(0), *(one.poses.confidence for one in planned)])
    order = np.argsort(-score, kind="stable")
    rotation = np.concatenate([np.empty((0, 3, 3)), *(one.poses.rotation for one in planned)])
    source = np.array([one.source for one in planned], dtype=np.uint8)

    def ranked(rows: list[FloatArray], *shape: int) -> FloatArray:
        return np.concatenate([np.empty((0, *shape)), *rows])[order]

    return Grasps(
        objects=objects,
        object_idx=np.repeat(np.arange(num, dtype=np.int64), counts)[order],
        source=np.repeat(source, counts)[order],
        position_m=ranked([one.poses.position_m for one in planned], 3),
        quat_xyzw=quat_from_matrix(rotation[order]),
        opening_m=ranked([one.opening_m for one in planned]),
        width_m=ranked([one.width_m for one in planned]),
        approach_m=np.full(len(order), config.approach_distance_m),
        score=score[order],
    )
