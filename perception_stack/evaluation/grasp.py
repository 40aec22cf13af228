"""Whether a grasp holds: a quasi-static check on true meshes, apart from how grasps are planned.

The pads are rigid and flat, come together along y of the grasp frame, and touch where rays from
them meet the mesh first. Nothing here is shared with the planner but the gripper's dimensions.

1. *touches*: both pads meet the object.
2. *closes*: forces at the contact points squeeze the object and cancel each other, each of them in
   the friction cone of the object's normal there and in that of the pad (cones of eight edges,
   inscribed; Murray, Li and Sastry 1994, section 5.2; for two points that is Nguyen's condition).
3. *balanced*: each contact bears its share of the weight and of the torque that the weight has
   about the closing line, within the ellipsoid of forces and torque of a contact patch (Howe and
   Cutkosky, Practical force-motion models for sliding manipulation, IJRR 1996).
4. *clear*: the open gripper, swept along its approach, meets no triangle of the scene, the
   object's own included; the closing fingers meet nothing else, and the object nowhere but on the
   pads (boxes against triangles by separating axes; Akenine-Möller 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.gripper import Gripper
from perception_stack.geometry.transforms import matrix_from_quat

_GRAVITY_MPS2 = 9.81
_RAYS = (12, 8)  # along the pad and across it
_COMPLIANCE_M = 0.001  # of pads: what is this near behind the first contact touches too
_FLUSH_M = 0.002  # of the object beside the pads, before it counts as in the way
_LEAST_PATCH_M = 0.002  # radius of the patch of a point contact
_EDGE = 1e-9

Patch = tuple[FloatArray, FloatArray]
_MOST_CONTACTS = 24  # of one pad
_ROUND = 1e-6
_LENGTH_M = 0.02  # by which torques count as much as forces
_BALANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What is assumed of the world; the same for all grasps that are compared.

    Attributes:
        friction: Between pads and objects.
        force_n: Of each finger.
        density_kgpm3: Mass of the object by its volume.
    """

    friction: float = 0.5
    force_n: float = 40.0
    density_kgpm3: float = 500.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GraspCheck:
    """What one grasp fulfils."""

    touches: bool
    closes: bool
    balanced: bool
    clear: bool

    @property
    def holds(self) -> bool:
        """Whether the object can be lifted."""
        return self.touches and self.closes and self.balanced and self.clear


def check_grasp(
    position_m: FloatArray,
    quat_xyzw: FloatArray,
    *,
    opening_m: float,
    approach_m: float,
    gripper: Gripper,
    target_m: FloatArray,
    others_m: FloatArray,
    up: FloatArray,
    holding: Holding | None = None,
) -> GraspCheck:
    """Check one grasp.

    Args:
        position_m: float64 [3], between the finger tips.
        quat_xyzw: float64 [4], of the grasp frame.
        opening_m: Distance of the fingers before they close.
        approach_m: How far it comes along x.
        gripper: Its dimensions.
        target_m: float64 [T, 3, 3], closed mesh of the object, outward faces counter-clockwise.
        others_m: float64 [K, 3, 3], everything else, the table too.
        up: float64 [3], unit, against gravity.
        holding: What is assumed of the world.

    Returns:
        What it fulfils; all positions in one frame.
    """
    holding = holding or Holding()
    rotation = matrix_from_quat(quat_xyzw)
    target = (target_m - position_m) @ rotation
    others = (others_m - position_m) @ rotation
    left, right = _contacts(target, opening_m, gripper)
    touches = bool(len(left[0])) and bool(len(right[0]))
    low, high = (one[0] for one in gripper.boxes(np.array([opening_m]), np.array([approach_m])))
    everything = np.concatenate([target, others])
    clear = not any(_meets(a, b, everything) for a, b in zip(low, high, strict=True))
    if not touches:
        return GraspCheck(touches=False, closes=False, balanced=False, clear=clear)
    clear = clear and _closes_freely((left, right), target, others, opening_m, gripper)
    return GraspCheck(
        touches=True,
        closes=_squeezes(left, right, holding.friction),
        balanced=_balanced((left, right), target, up @ rotation, gripper, holding),
        clear=clear,
    )


def _contacts(target: FloatArray, opening_m: float, gripper: Gripper) -> tuple[Patch, Patch]:
    """Points and outward normals where the left and the right pad touch first."""
    num_x, num_z = _RAYS
    x = -gripper.pad_length_m * (np.arange(num_x) + 0.5) / num_x
    z = gripper.finger_width_m * ((np.arange(num_z) + 0.5) / num_z - 0.5)
    rays = np.stack(np.meshgrid(x, z, indexing="ij"), axis=-1).reshape(-1, 2)
    a, b, c = (target[:, k] for k in range(3))
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    near = (target[..., 0].max(axis=1) > rays[:, 0].min()) & (length > 0)
    near &= np.abs(normals[:, 1]) > _EDGE * length
    a, b, c, normals, length = (one[near] for one in (a, b, c, normals, length))

    def side(p: FloatArray, q: FloatArray) -> FloatArray:
        """Twice the area of p, q and each ray in the x-z plane, [R, T]."""
        edge = q - p
        area: FloatArray = edge[:, 0] * (rays[:, 1:] - p[:, 2]) - edge[:, 2] * (
            rays[:, :1] - p[:, 0]
        )
        return area

    sides = np.stack([side(b, c), side(c, a), side(a, b)], axis=-1)
    hit = (sides >= -(_EDGE**2)).all(axis=-1) | (sides <= _EDGE**2).all(axis=-1)
    total = sides.sum(axis=-1)
    hit &= total != 0
    weights = sides / np.where(total == 0, 1, total)[..., None]
    y = weights[..., 0] * a[:, 1] + weights[..., 1] * b[:, 1] + weights[..., 2] * c[:, 1]
    hit &= np.abs(y) < opening_m / 2
    found = []
    for sign in (1.0, -1.0):
        depth = np.where(hit & (sign * normals[:, 1] > 0), sign * y, -np.inf)
        face = np.argmax(depth, axis=1) if depth.shape[1] else np.zeros(len(rays), dtype=int)
        first = (
            depth[np.arange(len(rays)), face] if depth.shape[1] else np.full(len(rays), -np.inf)
        )
        touching = first > first.max() - _COMPLIANCE_M if np.isfinite(first.max()) else first > 0
        points = np.column_stack([rays[touching, 0], sign * first[touching], rays[touching, 1]])
        found.append((points, normals[face[touching]] / length[face[touching], None]))
    return found[0], found[1]


def _squeezes(left: Patch, right: Patch, friction: float) -> bool:
    """Whether forces at the contacts press from both sides and cancel each other."""
    from scipy.optimize import nnls

    columns, cosine = [], float(np.cos(np.arctan(friction)))
    for sign, (points, normals) in ((1.0, left), (-1.0, right)):
        chosen = np.linspace(0, len(points) - 1, min(len(points), _MOST_CONTACTS)).astype(int)
        pad = np.array([0.0, -sign, 0.0])
        of_pad = _cone(pad, friction)
        for point, normal in zip(points[chosen], normals[chosen], strict=True):
            forces = np.vstack([of_pad, _cone(-normal, friction)])
            inside = (forces @ pad > cosine - _ROUND) & (forces @ -normal > cosine - _ROUND)
            forces = forces[inside]
            pressing = np.maximum(-sign * forces[:, 1:2], 0.0) if sign > 0 else forces[:, 1:2] * 0
            torques = np.cross(point, forces) / _LENGTH_M
            columns.append(np.hstack([forces, torques, pressing]))
    wrenches = np.vstack(columns).T
    if not wrenches.shape[1]:
        return False
    wanted = np.append(np.zeros(6), 1.0)
    return bool(nnls(wrenches, wanted)[1] < _BALANCE)


def _cone(axis: FloatArray, friction: float) -> FloatArray:
    """Its axis and eight edges, unit, float64 [9, 3]."""
    aside = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    aside /= np.linalg.norm(aside)
    angle = np.arange(8) * np.pi / 4
    edges = axis + friction * (
        np.cos(angle)[:, None] * aside + np.sin(angle)[:, None] * np.cross(axis, aside)
    )
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    return np.vstack([axis, edges])


def _balanced(
    patches: tuple[Patch, Patch],
    target: FloatArray,
    up: FloatArray,
    gripper: Gripper,
    holding: Holding,
) -> bool:
    left, right = patches
    volume, middle = _volume(target)
    weight = holding.density_kgpm3 * volume * _GRAVITY_MPS2
    # the patches, not single points, carry: their middles
    p, q = left[0].mean(axis=0), right[0].mean(axis=0)
    width = max(float(p[1] - q[1]), _EDGE)
    line = np.array([0.0, 1.0, 0.0])
    share = float(np.clip((middle - q) @ line / width, -10, 10))  # of the weight, on the left
    torque = abs(float(np.cross(middle - (p + q) / 2, -weight * up) @ line)) / 2
    cell_m2 = gripper.pad_length_m * gripper.finger_width_m / (_RAYS[0] * _RAYS[1])
    most = holding.friction * holding.force_n
    for part, patch in ((share, left[0]), (1 - share, right[0])):
        radius = max(float(np.sqrt(len(patch) * cell_m2 / np.pi)), _LEAST_PATCH_M)
        if (part * weight / most) ** 2 + (torque / (2 / 3 * most * radius)) ** 2 > 1:
            return False
    return True


def _volume(triangles: FloatArray) -> tuple[float, FloatArray]:
    """Volume and centre of mass of a closed mesh, by tetrahedra from the origin."""
    a, b, c = (triangles[:, k] for k in range(3))
    volumes = np.einsum("ti,ti->t", a, np.cross(b, c)) / 6
    volume = float(volumes.sum())
    middle: FloatArray = (volumes[:, None] * (a + b + c) / 4).sum(axis=0) / volume
    return volume, middle


def _closes_freely(
    patches: tuple[Patch, Patch],
    target: FloatArray,
    others: FloatArray,
    opening_m: float,
    gripper: Gripper,
) -> bool:
    left, right = patches
    width, thick = gripper.finger_width_m / 2, gripper.finger_thickness_m
    for sign, contact in ((1.0, float(left[0][:, 1].max())), (-1.0, float(right[0][:, 1].min()))):
        ends = np.sort([contact, sign * (opening_m / 2 + thick)])
        low = np.array([-gripper.finger_length_m, ends[0], -width])
        high = np.array([0.0, ends[1], width])
        if _meets(low, high, others):
            return False
        ends = np.sort([contact + sign * _FLUSH_M, sign * opening_m / 2])
        low[1], high[1] = ends
        high[0] = -gripper.pad_length_m
        if sign * opening_m / 2 > sign * contact + _FLUSH_M and _meets(low, high, target):
            return False
    return True


def _meets(low: FloatArray, high: FloatArray, triangles: FloatArray) -> bool:
    """Whether a box and any of the triangles overlap, float64 [T, 3, 3] in the box's frame."""
    near = (triangles.min(axis=1) < high).all(axis=1) & (triangles.max(axis=1) > low).all(axis=1)
    if not near.any():
        return False
    half = (high - low) / 2
    corners = triangles[near] - (low + high) / 2
    edges = np.roll(corners, -1, axis=1) - corners
    apart: NDArray[np.bool_] = np.zeros(len(corners), dtype=np.bool_)
    axes = [np.cross(edges[:, 0], edges[:, 1])]
    axes += [np.cross(edges[:, k], unit) for k in range(3) for unit in np.eye(3)]
    for axis in axes:
        along = np.einsum("tki,ti->tk", corners, axis)
        reach = np.abs(axis) @ half
        apart |= (along.min(axis=1) > reach) | (along.max(axis=1) < -reach)
    return not bool(apart.all())
