"""Known objects: their surface as points with normals, sampled once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.pose.meshes import read_surface
from perception_stack.pose.surface import GriddedSurface, Surface

_SUFFIXES = (".ply", ".obj", ".stl", ".xyz")
_LARGEST_M = 5.0
_FINE, _ROUGH = 1 / 3, 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectModel:
    """One known object in the frame of its mesh.

    Attributes:
        name: Class of the detections it belongs to.
        surface: Its points, as far apart as the points looked at.
        rough: Few of them, to throw out bad poses.
        fine: Many, to find the place exactly.
        middle_m: float64 [3], middle of its extents.
        diameter_m: Diagonal of its extents.
        size_lwh_m: float64 [3], sides of the smallest box that is centred on the mesh's origin,
            parallel to its axes, and holds it.
    """

    name: str
    surface: GriddedSurface
    rough: GriddedSurface
    fine: Surface
    middle_m: FloatArray
    diameter_m: float
    size_lwh_m: FloatArray


def load_models(folder: Path, *, scale: float, resolution: float) -> dict[str, ObjectModel]:
    """The objects of all mesh files in a folder, by class name.

    Raises:
        DataFileError: no such folder, no mesh in it, two of one name, or one is unreadable.
        ConfigError: an object of impossible size.
    """
    if not folder.is_dir():
        raise DataFileError(folder, "no such folder of meshes; set pose_estimator.mesh_dir")
    models: dict[str, ObjectModel] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in _SUFFIXES:
            continue
        if path.stem in models:
            raise DataFileError(path, f"another mesh is of the name '{path.stem}' as well")
        models[path.stem] = load_model(path, scale=scale, resolution=resolution)
    if not models:
        raise DataFileError(folder, f"no mesh in it; known formats: {', '.join(_SUFFIXES)}")
    return models


def load_model(path: Path, *, scale: float, resolution: float) -> ObjectModel:
    """One object of a mesh or point file.

    Args:
        path: The file; ``.xyz`` has one point a line.
        scale: Metres per unit of the file.
        resolution: Distance of the points of the surface, relative to the diameter.

    Raises:
        DataFileError: the file cannot be read or holds no surface.
        ConfigError: the object is larger than anything that is grasped.
    """
    corners_m, fine = read_surface(path, scale=scale, resolution=_FINE * resolution)
    low, high = corners_m.min(axis=0), corners_m.max(axis=0)
    diameter_m = float(np.linalg.norm(high - low))
    if diameter_m > _LARGEST_M:
        text = f"'{path.name}' is {diameter_m:.4g} m large with mesh_scale {scale:g}"
        raise ConfigError(f"pose_estimator: {text}; meshes in millimetres need mesh_scale 0.001")
    return ObjectModel(
        name=path.stem,
        surface=fine.thinned(resolution * diameter_m),
        rough=fine.thinned(_ROUGH * resolution * diameter_m),
        fine=fine,
        middle_m=(low + high) / 2,
        diameter_m=diameter_m,
        size_lwh_m=2 * np.maximum(np.abs(low), np.abs(high)),
    )
