"""The known objects: a folder with one mesh or point file and at most one YAML file each.

What takes long (samples, the look-up of the nearest point, symmetries) is done once and kept on
disk under a name made of the contents of the files and of these sources.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.objects.description import Description, read_description
from perception_stack.objects.files import SUFFIXES, Shape, read_shape
from perception_stack.objects.sampling import sample
from perception_stack.objects.surface import Surface
from perception_stack.objects.symmetry import Axis, Symmetries

_SPACING = 0.02  # of the samples, relative to the diameter
_BESIDE = (".mtl", ".png", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True, eq=False)
class ObjectModel:
    """One known object, metres, in the frame of its mesh.

    Attributes:
        name: Class of the detections it belongs to: the file's name without suffix.
        vertices_m: float64 [V, 3], corners of the mesh, or the points of a point file.
        triangles: int64 [T, 3], rows of ``vertices_m``; T is 0 for a point file.
        surface: Even samples of the outside with normals, a fiftieth of the diameter apart.
        rgb: uint8 [N, 3], colours of the samples; [0, 3] where the file has none.
        diameter_m: Largest distance of two points of it.
        size_lwh_m: float64 [3], extents along the mesh's axes.
        middle_m: float64 [3], middle of these extents.
        symmetries: Of its shape, found or declared.
        grasps: File of grasps its YAML file names, or None.
        digest: Of the contents of its files: another text for another object.
    """

    name: str
    vertices_m: FloatArray
    triangles: NDArray[np.int64]
    surface: Surface
    rgb: NDArray[np.uint8]
    diameter_m: float
    size_lwh_m: FloatArray
    middle_m: FloatArray
    symmetries: Symmetries
    grasps: Path | None
    digest: str


def load_library(folder: Path) -> dict[str, ObjectModel]:
    """The objects of all mesh and point files in a folder, by name.

    Raises:
        DataFileError: no such folder, nothing in it, two of one name, or one is unreadable.
        ConfigError: a YAML file that cannot be used, or an object of impossible size.
        ModelLoadError: trimesh, which reads meshes, is not installed.
    """
    if not folder.is_dir():
        raise DataFileError(folder, "no such folder of meshes; set pose_estimator.mesh_dir")
    models: dict[str, ObjectModel] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in models:
            raise DataFileError(path, f"another mesh is of the name '{path.stem}' as well")
        models[path.stem] = load_object(path)
    if not models:
        raise DataFileError(folder, f"no mesh in it; known formats: {', '.join(SUFFIXES)}")
    return models


def load_object(path: Path) -> ObjectModel:
    """One object, from the cache if it was prepared before.

    Args:
        path: The mesh or point file; ``<name>.yaml`` beside it may describe it.

    Raises:
        DataFileError: the file cannot be read or holds no surface.
        ConfigError: its YAML file cannot be used, or the object is of impossible size.
        ModelLoadError: trimesh, which reads meshes, is not installed.
    """
    description = read_description(path.with_suffix(".yaml"))
    digest = _digest(path)
    kept = _cache_dir() / f"{path.stem}-{digest[:24]}.npz"
    try:
        with np.load(kept) as arrays:
            return _from_arrays(path.stem, digest, description, dict(arrays))
    except (OSError, KeyError, ValueError, EOFError, BadZipFile):
        pass  # not prepared yet, or cut off
    shape = _scaled(read_shape(path), description)
    arrays = _prepare(shape, description)
    _keep(kept, arrays)
    return _from_arrays(path.stem, digest, description, arrays)


def _scaled(shape: Shape, description: Description) -> Shape:
    return Shape(
        vertices=shape.vertices * description.metres_per_unit,
        triangles=shape.triangles,
        rgb=shape.rgb,
    )


def _prepare(shape: Shape, description: Description) -> dict[str, Any]:
    used = shape.vertices
    if len(shape.triangles):  # corners of no face are no part of the object
        used = used[np.unique(shape.triangles)]
    diameter_m = _diameter(used)
    description.check_size(np.ptp(used, axis=0), diameter_m)
    surface, rgb = sample(shape, _SPACING * diameter_m)
    symmetries = description.symmetries_of(surface, diameter_m)
    _, _, low_m, cell_m, cells, index = surface.grid
    return {
        "vertices_m": shape.vertices,
        "triangles": shape.triangles,
        "points_m": surface.points_m,
        "normals": surface.normals,
        "spacing_m": np.array(surface.spacing_m),
        "rgb": rgb,
        "diameter_m": np.array(diameter_m),
        "low_high_m": np.stack([used.min(axis=0), used.max(axis=0)]),
        "turns": symmetries.turns,
        "axes": np.array(
            [[one.direction, one.through_m] for one in symmetries.axes], dtype=np.float64
        ).reshape(-1, 2, 3),
        "grid_low_m": low_m,
        "grid_cell_m": np.array(cell_m),
        "grid_cells": cells,
        "grid_index": index,
    }


def _from_arrays(
    name: str, digest: str, description: Description, arrays: dict[str, Any]
) -> ObjectModel:
    surface = Surface(
        points_m=arrays["points_m"],
        normals=arrays["normals"],
        spacing_m=float(arrays["spacing_m"]),
    )
    # a cached property is filled through the instance's dictionary
    surface.__dict__["grid"] = (
        surface.points_m,
        surface.normals,
        arrays["grid_low_m"],
        float(arrays["grid_cell_m"]),
        arrays["grid_cells"],
        arrays["grid_index"],
    )
    low_m, high_m = arrays["low_high_m"]
    return ObjectModel(
        name=name,
        vertices_m=arrays["vertices_m"],
        triangles=arrays["triangles"],
        surface=surface,
        rgb=arrays["rgb"],
        diameter_m=float(arrays["diameter_m"]),
        size_lwh_m=high_m - low_m,
        middle_m=(low_m + high_m) / 2,
        symmetries=Symmetries(
            turns=arrays["turns"],
            axes=tuple(Axis(direction=one[0], through_m=one[1]) for one in arrays["axes"]),
        ),
        grasps=description.grasps,
        digest=digest,
    )


def _diameter(points_m: FloatArray) -> float:
    """Largest distance of two points, by way of the corners of their hull."""
    from scipy.spatial import ConvexHull, QhullError
    from scipy.spatial.distance import pdist

    with suppress(QhullError, ValueError):  # flat or too few: all are corners then
        points_m = points_m[ConvexHull(points_m).vertices]
    return float(pdist(points_m[:: -(-len(points_m) // 4000)]).max(initial=0.0))


def _digest(path: Path) -> str:
    """Of the mesh, its description, materials and textures beside it, and these sources."""
    digest = hashlib.sha256()
    own = sorted(Path(__file__).parent.glob("*.py"))
    beside = [path.with_suffix(".yaml")]
    if path.suffix.lower() != ".xyz":
        beside += sorted(one for one in path.parent.iterdir() if one.suffix.lower() in _BESIDE)
    for one in (*own, path, *beside):
        if one.is_file():
            digest.update(one.name.encode() + b"\0" + one.read_bytes() + b"\0")
    return digest.hexdigest()


def _cache_dir() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "perception_stack" / "objects"


def _keep(path: Path, arrays: dict[str, Any]) -> None:
    """Write whole or not at all; without a folder to write to, not at all."""
    part = path.with_suffix(f".{os.getpid()}.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(part, **arrays)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
