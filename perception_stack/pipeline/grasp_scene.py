"""From a depth image to the objects that may be grasped, and what is around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray, GraspSource, ShapeKind
from perception_stack.depth.rays import pixel_rays
from perception_stack.depth.segmentation import Segmentation
from perception_stack.depth.support import UP_IN_CAMERA, Plane, choose_floor
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.grasp.targets import KnownObject, Poses, Support, Target
from perception_stack.journal import Journal, Reason
from perception_stack.shape.primitives import Primitive, fit_primitive
from perception_stack.shape.surfaces import SurfacePoints

STANDS_M = 0.02
"""From its support, that the lowest point of an object is at most."""
_LOWEST = 5.0  # percent of an object's points left out below
_EXPLAINED_M = 0.015  # from the surface of an object, that its points are at most
_LEAST_EXPLAINED = 0.5
_THIN = 3  # of rows and columns of what is no object
_SCENE_M = 1.5  # behind the nearest object; farther away nothing is in the way
_SHAPES_KEPT = 0.95  # a fitted shape that explains less is not the only one tried
_MIDDLE_SIGMA = {GraspSource.MODEL: 0.05, GraspSource.SEEN: 0.1}  # of the size
_COAXIAL, _COAXIAL_GAP_M = 0.2, 0.015  # of the diameter aside; between the parts
_WITHIN = 0.4  # of the size, from its middle
_TURNED = 0.9  # share of the points of both parts that one turned body must explain
_ROUND = (ShapeKind.CYLINDER, ShapeKind.SPHERE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object: for the planner, and as it is published.

    Attributes:
        target: What the planner is given.
        label: Its class.
        shape: What it is stood for by.
        rotation: float64 [3, 3], the shape's axes in the columns.
        center_m: float64 [3].
        size_m: float64 [3], along the shape's axes.
        covariance: float64 [6, 6].
        size_covariance: float64 [3, 3].
        score: Share of what is seen that the shape explains.
    """

    target: Target
    label: str
    shape: ShapeKind
    rotation: FloatArray
    center_m: FloatArray
    size_m: FloatArray
    covariance: FloatArray
    size_covariance: FloatArray
    score: float


def pixel_points(segmentation: Segmentation, camera: CameraModel) -> FloatArray:
    """Points of all pixels, float64 [H, W, 3]; NaN where nothing is measured."""
    inverse = segmentation.inverse
    depth_m = np.full((*inverse.shape, 1), np.nan)
    np.divide(1.0, inverse[..., None], out=depth_m, where=inverse[..., None] > 0)
    rays = np.concatenate([pixel_rays(camera), np.ones_like(depth_m)], axis=2)
    return np.asarray(rays * depth_m)


def without_large(
    label: NDArray[np.int32], points_m: FloatArray, most_m: float
) -> tuple[NDArray[np.int32], int]:
    """Labels in which objects with a larger diagonal are -1, and how many those are."""
    num = int(label.max(initial=0))
    extents_m = [np.ptp(points_m[label == k + 1], axis=0) for k in range(num)]
    large = np.array([np.linalg.norm(one) > most_m for one in extents_m], dtype=np.bool_)
    # rows 0 and 1 for what is no object, then the objects
    named = np.full(num + 2, -1, dtype=np.int32)
    named[1] = 0
    named[2:][~large] = np.arange(1, num + 1 - large.sum())
    return named[label + 1], int(large.sum())


def carrier(planes: tuple[Plane, ...], objects: list[FloatArray]) -> Plane | None:
    """The plane that most objects stand on; the floor where none does."""

    def num_standing(plane: Plane) -> int:
        lowest = [np.percentile(plane.height_m(one), _LOWEST) for one in objects]
        return int((np.abs(np.array(lowest)) < STANDS_M).sum())

    best = max(planes, key=num_standing, default=None)
    if best is None or not num_standing(best):
        return choose_floor(planes)
    return best


def support_of(plane: Plane | None) -> Support:
    """The plane for the planner; without one, up is that of a camera held level."""
    if plane is None:
        return Support(up=UP_IN_CAMERA, height_m=np.nan)
    return Support(up=plane.up, height_m=-1 / float(np.linalg.norm(plane.inverse_m)))


def known_items(poses: Boxes3D, known: Mapping[str, KnownObject], journal: Journal) -> list[Item]:
    """The objects of poses whose models are known; the others are left to what is seen."""
    items = []
    for row, label in enumerate(poses.labels):
        if label in known:
            items.append(_known_item(known[label], label, poses, row))
        else:
            detail = f"no mesh for class '{label}'"
            journal.count(Reason.NO_MESH, stamp_ns=poses.stamp_ns, detail=detail)
    return items


def _known_item(known: KnownObject, label: str, poses: Boxes3D, row: int) -> Item:
    scene_from_model = RigidTransform(
        target=poses.frame_id,
        source=label,
        rotation=matrix_from_quat(poses.quat_xyzw[row]),
        translation_m=poses.center_m[row],
    )
    library = known.library
    if library is not None:
        library = Poses(
            position_m=scene_from_model.apply(library.position_m),
            rotation=scene_from_model.rotation @ library.rotation,
            confidence=library.confidence,
        )
    size = float(np.cbrt(known.volume_m3))
    target = Target(
        surfaces=(known.surface.moved(scene_from_model),),
        trust=(1.0,),
        seen=None,
        source=GraspSource.MODEL,
        covariance=poses.covariance[row],
        center_m=poses.center_m[row],
        volume_m3=known.volume_m3,
        middle_m=scene_from_model.apply(known.middle_m),
        middle_sigma_m=_MIDDLE_SIGMA[GraspSource.MODEL] * size,
        library=library,
    )
    return Item(
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


def explained(surface: SurfacePoints, objects: list[FloatArray]) -> NDArray[np.bool_]:
    """Which objects, float64 [N, 3] each, lie on a known surface."""
    from scipy.spatial import cKDTree

    tree = cKDTree(surface.points_m)
    shares = [
        np.isfinite(
            tree.query(one[:: len(one) // 200 + 1], distance_upper_bound=_EXPLAINED_M)[0]
        ).mean()
        for one in objects
    ]
    return np.asarray(np.array(shares) > _LEAST_EXPLAINED)


def fitted_items(
    objects: list[tuple[FloatArray, float]],
    support: Support,
    *,
    noise: float,
    stamp_ns: int,
    journal: Journal,
) -> list[Item]:
    """Shapes of unknown objects; the parts of one turned body are joined.

    Args:
        objects: Points of each, and the share of its outline beyond which something nearer is: so
            much less sure is its far side to be where the shape says.
        support: What they stand on.
        noise: Depth noise at 1 m.
        stamp_ns: Of the image.
        journal: Told of objects without a shape.
    """
    items: list[Item] = []
    parts: list[tuple[FloatArray, float]] = []
    for points_m, hidden in objects:
        item = _fitted_item(points_m, support, noise, hidden)
        if item is None:
            detail = f"{len(points_m)} points"
            journal.count(Reason.NOT_FITTED, stamp_ns=stamp_ns, detail=detail)
            continue
        for k, other in enumerate(items):
            if not _is_coaxial(item, other):
                continue
            both = np.concatenate([points_m, parts[k][0]]), max(hidden, parts[k][1])
            whole = _fitted_item(both[0], support, noise, both[1])
            if whole is not None and whole.shape == ShapeKind.CYLINDER and whole.score > _TURNED:
                items[k], parts[k] = whole, both
                break
        else:
            items.append(item)
            parts.append((points_m, hidden))
    inner = [any(_is_within(one, other) for other in items) for one in items]
    detail = "inside of another object, such as the bottom of a cup"
    journal.count(Reason.DUPLICATE, stamp_ns=stamp_ns, detail=detail, num=sum(inner))
    return [one for one, is_inner in zip(items, inner, strict=True) if not is_inner]


def _fitted_item(
    points_m: FloatArray, support: Support, noise: float, hidden: float
) -> Item | None:
    fitted = fit_primitive(points_m, up=support.up, support_m=support.height_m, noise=noise)
    if not fitted.primitives:
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
    return Item(
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


def _is_coaxial(one: Item, other: Item) -> bool:
    """Whether two cylinders may be parts of one turned body, as neck and belly of a bottle are."""
    if not one.shape == other.shape == ShapeKind.CYLINDER:
        return False
    if one.size_m[0] > other.size_m[0]:
        one, other = other, one
    away_m = (one.center_m - other.center_m) @ other.rotation
    reach_m = (one.size_m.max() + other.size_m[2]) / 2 + _COAXIAL_GAP_M
    aside_m = float(np.hypot(*away_m[:2]))
    return aside_m < _COAXIAL * float(other.size_m[0]) and abs(float(away_m[2])) < reach_m


def _is_within(one: Item, other: Item) -> bool:
    """Whether the middle of an object lies inside of another one."""
    offset_m = np.abs((one.center_m - other.center_m) @ other.rotation)
    return one is not other and bool((offset_m < _WITHIN * other.size_m).all())


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


def surroundings(
    segmentation: Segmentation, points_m: FloatArray, plane: Plane | None, items: list[Item]
) -> FloatArray:
    """Points in the way that are of no object: neither on the support nor on a surface known.

    Args:
        segmentation: Of the image.
        points_m: float64 [H, W, 3], of all pixels.
        plane: What the objects stand on.
        items: The objects.
    """
    from scipy.spatial import cKDTree

    thin = (slice(None, None, _THIN),) * 2
    label, points = segmentation.label[thin], points_m[thin]
    points = points[(label <= 0) & np.isfinite(points[..., 2])]
    if plane is not None:
        points = points[plane.height_m(points) > STANDS_M / 2]
    if not items:
        return np.asarray(points)
    far_m = min(float(np.linalg.norm(one.center_m)) for one in items) + _SCENE_M
    points = points[np.linalg.norm(points, axis=1) < far_m]
    for item in items:
        if len(points):
            gap_m = cKDTree(item.target.surfaces[0].points_m).query(points)[0]
            points = points[gap_m > _EXPLAINED_M]
    return np.asarray(points)
