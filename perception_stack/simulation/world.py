"""Bodies with their motions, and the triangles they amount to at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform, quat_from_matrix
from perception_stack.simulation.mesh import Mesh
from perception_stack.simulation.motion import Motion, Pose, standing, velocity_mps

WORLD = "odom"
"""Frame of every body's pose."""
BACKGROUND = -1
"""Identity of all that is no object."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """Something that sensors see.

    Attributes:
        track_id: Identity of an object, 0 and up; :data:`BACKGROUND` for buildings and the like.
        label: Class of an object; empty for the background.
        size_lwh_m: float64 [3], extents of the labelled box, whose centre is the body's origin.
        motion: Pose of the body in the world.
        shapes: The meshes the body goes through in one cycle of its gait; one when rigid.
        cycle_hz: Cycles of the gait per second.
    """

    track_id: int
    label: str
    size_lwh_m: FloatArray
    motion: Motion
    shapes: tuple[Mesh, ...]
    cycle_hz: float = 0.0
    _middle_m: FloatArray = field(init=False)
    _reach_m: float = field(init=False)

    def __post_init__(self) -> None:
        bounds_m = np.stack([mesh.bounds_m for mesh in self.shapes])
        low, high = bounds_m[:, 0].min(axis=0), bounds_m[:, 1].max(axis=0)
        object.__setattr__(self, "_middle_m", (low + high) / 2)
        object.__setattr__(self, "_reach_m", float(np.linalg.norm(high - low)) / 2)

    def is_near(self, pose: Pose, center_m: FloatArray, radius_m: float) -> bool:
        """Whether its bounding sphere reaches into a sphere about a place."""
        rotation, position = pose
        offset = rotation @ self._middle_m + position - center_m
        return float(np.linalg.norm(offset)) < radius_m + self._reach_m

    def shape_at(self, time_s: float) -> Mesh:
        """The mesh at a time."""
        return self.shapes[int(time_s * self.cycle_hz * len(self.shapes)) % len(self.shapes)]


def background(mesh: Mesh) -> Body:
    """A body that stands still and is no object; its mesh is given in the world's frame."""
    return Body(
        track_id=BACKGROUND,
        label="",
        size_lwh_m=mesh.size_lwh_m,
        motion=standing(np.eye(3), np.zeros(3)),
        shapes=(mesh,),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """The bodies near a place at one instant, as triangles in the world's frame.

    Attributes:
        bodies: B bodies, objects and background.
        poses: Their poses.
        velocities_mps: float64 [B, 3], of their origins.
        body_idx: int64 [T], rising, row in ``bodies`` of each triangle.
        triangles_m: float64 [T, 3, 3].
        normals: float64 [T, 3], unit, outward.
        bgr: uint8 [T, 3].
        reflectance: float64 [T].
    """

    bodies: tuple[Body, ...]
    poses: tuple[Pose, ...]
    velocities_mps: FloatArray
    body_idx: NDArray[np.int64]
    triangles_m: FloatArray
    normals: FloatArray
    bgr: NDArray[np.uint8]
    reflectance: FloatArray

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """Identity of each body, int64 [B]."""
        return np.array([body.track_id for body in self.bodies], dtype=np.int64)

    @property
    def positions_m(self) -> FloatArray:
        """Origin of each body, float64 [B, 3]."""
        return np.array([position for _, position in self.poses]).reshape(-1, 3)

    @property
    def quats_xyzw(self) -> FloatArray:
        """Orientation of each body, float64 [B, 4]."""
        return quat_from_matrix(np.array([turn for turn, _ in self.poses]).reshape(-1, 3, 3))

    def triangles_in(self, sensor_from_world: RigidTransform) -> FloatArray:
        """The triangles in a sensor's frame, float64 [T, 3, 3]."""
        moved: FloatArray = sensor_from_world.apply(self.triangles_m)
        return moved


def take_snapshot(
    bodies: Sequence[Body], time_s: float, *, center_m: FloatArray, radius_m: float
) -> Snapshot:
    """All bodies with a point within a distance of a place, at one instant.

    Args:
        bodies: The world.
        time_s: Since the scene began.
        center_m: float64 [3].
        radius_m: Bodies that lie wholly farther away are left out.
    """
    near: list[tuple[Body, Pose, Mesh, FloatArray]] = []
    for body in bodies:
        rotation, position = pose = body.motion(time_s)
        if body.is_near(pose, center_m, radius_m):
            mesh = body.shape_at(time_s)
            near.append((body, pose, mesh, mesh.triangles_m @ rotation.T + position))
    triangles_m = np.concatenate([placed for *_, placed in near])
    a, b, c = np.moveaxis(triangles_m, 1, 0)
    normals = np.cross(b - a, c - a)
    return Snapshot(
        bodies=tuple(body for body, *_ in near),
        poses=tuple(pose for _, pose, *_ in near),
        velocities_mps=np.array([velocity_mps(body.motion, time_s) for body, *_ in near]),
        body_idx=np.repeat(np.arange(len(near)), [len(mesh) for *_, mesh, _ in near]),
        triangles_m=triangles_m,
        normals=normals / np.linalg.norm(normals, axis=1, keepdims=True),
        bgr=np.concatenate([mesh.bgr for *_, mesh, _ in near]),
        reflectance=np.concatenate([mesh.reflectance for *_, mesh, _ in near]),
    )
