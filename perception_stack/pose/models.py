"""Known objects: their surface as points with normals, sampled once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.pose.surface import Nearest, Surface, surface_of_cloud, surface_of_mesh

_SUFFIXES = (".ply", ".obj", ".stl", ".xyz")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjectModel:
    """One known object in the frame of its mesh.

    Attributes:
        name: Class of the detections it belongs to.
        surface: Points with outward normals, evenly spread.
        diameter_m: Largest extent of the bounding box's diagonal.
        size_lwh_m: float64 [3], sides of the smallest box that is centred on the mesh's origin,
            parallel to its axes, and holds it.
    """

    name: str
    surface: Surface
    nearest: Nearest
    fine: Nearest
    diameter_m: float
    size_lwh_m: FloatArray


def model_paths(folder: Path) -> dict[str, Path]:
    """Mesh file by class name.

    Raises:
        DataFileError: no such folder, no mesh in it, or two of one name.
    """
    if not folder.is_dir():
        raise DataFileError(folder, "no such folder of meshes; set pose_estimator.mesh_dir")
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _SUFFIXES:
            if path.stem in paths:
                raise DataFileError(path, f"{paths[path.stem].name} is of the same name")
            paths[path.stem] = path
    if not paths:
        raise DataFileError(folder, f"no mesh in it; known formats: {', '.join(_SUFFIXES)}")
    return paths


def load_model(path: Path, *, scale: float, resolution: float) -> ObjectModel:
    """One object of a mesh or point file.

    Args:
        path: The file; ``.xyz`` has one point a line.
        scale: Metres per unit of the file.
        resolution: Distance of the sampled points, relative to the diameter.

    Raises:
        DataFileError: the file cannot be read or holds no surface.
    """
    read = surface_of_cloud if path.suffix.lower() == ".xyz" else surface_of_mesh
    corners_m, surface = read(path, scale, resolution)
    _, fine = read(path, scale, resolution / 3)
    low, high = corners_m.min(axis=0), corners_m.max(axis=0)
    diameter_m = float(np.linalg.norm(high - low))
    return ObjectModel(
        name=path.stem,
        surface=surface,
        nearest=Nearest(surface, margin_m=0.3 * diameter_m),
        fine=Nearest(fine, margin_m=0.1 * diameter_m),
        diameter_m=diameter_m,
        size_lwh_m=2 * np.maximum(np.abs(low), np.abs(high)),
    )
