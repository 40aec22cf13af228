"""``models_info.json``: diameters, extents and symmetries of the objects of a data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import DataFileError
from perception_stack.io.bop.files import METRES, numbers, read_numbered


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BopModel:
    """One object.

    Attributes:
        obj_id: Its number.
        path: Its mesh, in millimetres.
        diameter_m: Largest distance of two of its points.
        low_m: float64 [3], least coordinates.
        size_m: float64 [3], extents.
        turns: float64 [S, 4, 4], motions after which it looks the same, without the one of none.
        axes: float64 [A, 2, 3], direction of and point on lines it may be turned about.
    """

    obj_id: int
    path: Path
    diameter_m: float
    low_m: FloatArray
    size_m: FloatArray
    turns: FloatArray
    axes: FloatArray

    def description(self) -> dict[str, Any]:
        """What the object's YAML file says in a folder of known objects."""
        entries: dict[str, Any] = {"unit": "mm", "size_m": self.size_m.round(6).tolist()}
        declared = [
            {"axis": direction.tolist(), "through_m": through_m.tolist()}
            for direction, through_m in self.axes
        ]
        for turn in self.turns:
            angle_rad = np.arccos(np.clip((np.trace(turn[:3, :3]) - 1) / 2, -1, 1))
            values, vectors = np.linalg.eig(turn[:3, :3])
            direction = np.real(vectors[:, np.argmin(np.abs(values - 1))])
            # a fixed point of the turn; least squares, as every point of the axis is one
            through_m = np.linalg.lstsq(np.eye(3) - turn[:3, :3], turn[:3, 3], rcond=None)[0]
            declared.append(
                {
                    "axis": direction.tolist(),
                    "angle_deg": float(np.rad2deg(angle_rad)),
                    "through_m": through_m.tolist(),
                }
            )
        if declared:
            entries["symmetries"] = declared
        return entries


def name_of(obj_id: int) -> str:
    """What an object is called: its file without the ending."""
    return f"obj_{obj_id:06d}"


def write_library(models: Iterable[BopModel], folder: Path) -> None:
    """Make a folder of known objects: links to the meshes, and what is known of each beside.

    Raises:
        DataFileError: a mesh is absent.
    """
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    for one in models:
        if not one.path.is_file():
            raise DataFileError(one.path, "no such file")
        link = folder / one.path.name
        link.unlink(missing_ok=True)
        link.symlink_to(one.path.resolve())
        text = yaml.safe_dump(one.description(), sort_keys=False)
        link.with_suffix(".yaml").write_text(text, encoding="utf-8")


def read_models(folder: Path) -> dict[int, BopModel]:
    """The objects of a folder ``models`` or ``models_eval``, by number.

    Raises:
        DataFileError: no ``models_info.json`` in it, or an entry is incomplete.
    """
    path = folder / "models_info.json"
    models = {}
    for obj_id, entry in read_numbered(path).items():
        turns = [_turn(path, one) for one in entry.get("symmetries_discrete", ())]
        axes = [
            [numbers(path, one, "axis", 3), METRES * numbers(path, one, "offset", 3)]
            for one in entry.get("symmetries_continuous", ())
        ]
        models[obj_id] = BopModel(
            obj_id=obj_id,
            path=folder / f"{name_of(obj_id)}.ply",
            diameter_m=METRES * float(numbers(path, entry, "diameter", 1)[0]),
            low_m=METRES * _vector(path, entry, "min"),
            size_m=METRES * _vector(path, entry, "size"),
            turns=np.array(turns).reshape(-1, 4, 4),
            axes=np.array(axes, dtype=np.float64).reshape(-1, 2, 3),
        )
    return models


def _vector(path: Path, entry: Any, name: str) -> FloatArray:
    return np.concatenate([numbers(path, entry, f"{name}_{axis}", 1) for axis in "xyz"])


def _turn(path: Path, values: Any) -> FloatArray:
    turn = numbers(path, {"turn": values}, "turn", 16).reshape(4, 4)
    turn[:3, 3] *= METRES
    return turn
