"""Known objects as the grasp step wants them: thinned surfaces, and grasps of their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.targets import KnownObject, Poses
from perception_stack.io.grasps import read_grasps
from perception_stack.objects.library import ObjectModel, load_library
from perception_stack.shape.surfaces import SurfacePoints

_SPACING = 0.025  # of the diameter


def load_known(mesh_dir: str, config: GraspPlannerConfig) -> dict[str, KnownObject]:
    """The objects of a folder of meshes, by name; none without a folder.

    Raises:
        DataFileError: the folder, a mesh or a grasp file cannot be used.
        ConfigError: ``gripper_from_grasp`` has no orientation.
    """
    models: Mapping[str, ObjectModel] = {}
    if mesh_dir:
        models = load_library(Path(mesh_dir).expanduser())
    return {name: known_object(model, config) for name, model in models.items()}


def known_object(model: ObjectModel, config: GraspPlannerConfig) -> KnownObject:
    """One object.

    Raises:
        DataFileError: its grasp file cannot be used.
        ConfigError: ``gripper_from_grasp`` has no orientation.
    """
    thinned = model.surface.thinned(_SPACING * model.diameter_m)
    area_m2 = _area_m2(model)
    surface = SurfacePoints(
        points_m=thinned.points_m,
        normals=thinned.normals,
        area_m2=np.full(len(thinned), area_m2 / len(thinned)),
    )
    volume_m3, middle_m = surface.volume()
    half = model.size_lwh_m / 2
    return KnownObject(
        surface=surface,
        volume_m3=volume_m3,
        middle_m=middle_m,
        extents_m=np.stack([model.middle_m - half, model.middle_m + half]),
        library=None if model.grasps is None else _library(model.grasps, config),
    )


def _area_m2(model: ObjectModel) -> float:
    if not len(model.triangles):
        return len(model.surface) * model.surface.spacing_m**2
    a, b, c = (model.vertices_m[model.triangles[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def _library(path: Path, config: GraspPlannerConfig) -> Poses:
    """Grasp frames of a file that holds poses of the gripper's frame."""
    grasps = read_grasps(path)
    offset: FloatArray = np.array(config.gripper_from_grasp)
    if not np.linalg.norm(offset[3:]) > 0:
        raise ConfigError("gripper_from_grasp: the quaternion has no length")
    rotation = matrix_from_quat(grasps.quat_xyzw)
    return Poses(
        position_m=grasps.position_m + rotation @ offset[:3],
        rotation=rotation @ matrix_from_quat(offset[3:]),
        confidence=grasps.confidence,
    )
