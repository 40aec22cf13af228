"""What a person says of an object, in ``<name>.yaml`` beside its mesh; all of it may be left out.

::

    unit: mm                  # of the mesh: m (default), dm, cm, mm, in
    size_m: [0.06, 0.16, 0.21]  # real extents along x, y, z; another size is an error
    symmetries:               # instead of those found: auto (default), none, or a list
      - {axis: [0, 0, 1]}                       # any angle; through the middle unless said
      - {axis: [1, 0, 0], angle_deg: 180, through_m: [0, 0, 0.05]}
    grasps: grasps/box.yaml   # relative to this file
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import ConfigError
from perception_stack.objects.rotations import turns_about
from perception_stack.objects.surface import Surface
from perception_stack.objects.symmetry import Axis, Symmetries, find_symmetries, holds

UNITS_M = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254}
"""Metres per unit."""

_KEYS = ("unit", "size_m", "symmetries", "grasps")
_SIZE_TOLERANCE = 0.1
_SMALLEST_M, _LARGEST_M = 0.005, 3.0
_DECLARED_SLACK = 3.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Description:
    """The file's entries, checked.

    Attributes:
        path: The file, also when there is none.
        unit: A key of :data:`UNITS_M`.
        size_m: float64 [3] real extents, or None when not said.
        symmetries: ``"auto"``, ``"none"`` or a list of axes with or without an angle.
        grasps: File of grasps, or None.
    """

    path: Path
    unit: str
    size_m: FloatArray | None
    symmetries: Any
    grasps: Path | None

    @property
    def metres_per_unit(self) -> float:
        """Scale of the mesh."""
        return UNITS_M[self.unit]

    def check_size(self, extents_m: FloatArray, diameter_m: float) -> None:
        """Compare the scaled mesh with the size that was said, or with what can be grasped.

        Raises:
            ConfigError: it cannot be; says which unit would fit.
        """
        if self.size_m is None:
            if _SMALLEST_M <= diameter_m <= _LARGEST_M:
                return
            facts = f"the object is {diameter_m:.4g} m large with unit: {self.unit}"
            fits = [
                unit
                for unit, scale in UNITS_M.items()
                if _SMALLEST_M <= diameter_m * scale / self.metres_per_unit <= _LARGEST_M
            ]
        else:
            ratio = extents_m / np.maximum(self.size_m, 1e-9)
            if (np.abs(ratio - 1) <= _SIZE_TOLERANCE).all():
                return
            facts = f"the mesh is {_text(extents_m)} m large with unit: {self.unit}, "
            facts += f"but size_m says {_text(self.size_m)}"
            fits = [
                unit
                for unit, scale in UNITS_M.items()
                if (np.abs(ratio * scale / self.metres_per_unit - 1) <= _SIZE_TOLERANCE).all()
            ]
        hint = f"write 'unit: {fits[-1]}'" if fits else "no unit fits; is it the right mesh?"
        raise ConfigError(f"{self.path}: {facts}; {hint}")

    def symmetries_of(self, surface: Surface, diameter_m: float) -> Symmetries:
        """Those that were declared, else those of the shape.

        Raises:
            ConfigError: the shape is far from having a declared symmetry.
        """
        if self.symmetries == "auto":
            return find_symmetries(surface, diameter_m)
        if self.symmetries == "none":
            return Symmetries(turns=np.eye(4)[None])
        middle_m = (surface.points_m.min(axis=0) + surface.points_m.max(axis=0)) / 2
        turns, axes = [np.eye(4)], []
        for one in self.symmetries:
            direction = np.asarray(one["axis"], dtype=np.float64)
            direction = direction / np.linalg.norm(direction)
            through_m = np.asarray(one.get("through_m", middle_m), dtype=np.float64)
            if "angle_deg" not in one:
                axes.append(Axis(direction=direction, through_m=through_m))
                angles_rad = np.arange(1, 12) * np.pi / 6
            else:
                num = max(round(360 / one["angle_deg"]), 2)
                angles_rad = np.arange(1, num) * 2 * np.pi / num
            motions = turns_about(direction, angles_rad, through_m=through_m)
            if not holds(surface, motions, diameter_m, slack=_DECLARED_SLACK).all():
                text = f"the mesh is not symmetric about {_text(direction)} as declared"
                raise ConfigError(f"{self.path}: {text}; 'symmetries: auto' finds them")
            if "angle_deg" in one:
                turns = [first @ second for first in turns for second in (np.eye(4), *motions)]
        return Symmetries(turns=np.array(turns), axes=tuple(axes))


def read_description(path: Path) -> Description:
    """The file's entries, or the defaults where there is no such file.

    Raises:
        ConfigError: the file cannot be read, or an entry is unknown or of the wrong kind.
    """
    import yaml

    entries: Any = {}
    if path.is_file():
        try:
            entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"{path}: {error}") from error
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: expected entries such as 'unit: mm'")
    for key in entries:
        if key not in _KEYS:
            close = get_close_matches(str(key), _KEYS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known: {', '.join(_KEYS)}"
            raise ConfigError(f"{path}: unknown entry '{key}'; {hint}")
    unit = entries.get("unit", "m")
    if unit not in UNITS_M:
        raise ConfigError(f"{path}: unit '{unit}' is not one of {', '.join(UNITS_M)}")
    grasps = entries.get("grasps")
    return Description(
        path=path,
        unit=unit,
        size_m=None if "size_m" not in entries else _vector(path, "size_m", entries["size_m"]),
        symmetries=_symmetries(path, entries.get("symmetries", "auto")),
        grasps=None if grasps is None else path.parent / str(grasps),
    )


def _symmetries(path: Path, value: Any) -> Any:
    if value in ("auto", "none"):
        return value
    if not isinstance(value, list):
        raise ConfigError(f"{path}: symmetries are auto, none or a list of axes, not {value!r}")
    for one in value:
        if not isinstance(one, dict) or not {"axis"} <= set(one) <= {
            "axis",
            "angle_deg",
            "through_m",
        }:
            text = "each symmetry has an axis, and may have angle_deg and through_m"
            raise ConfigError(f"{path}: {text}, not {one!r}")
        if not np.any(_vector(path, "axis", one["axis"])):
            raise ConfigError(f"{path}: an axis of length 0")
        if "through_m" in one:
            _vector(path, "through_m", one["through_m"])
        angle = one.get("angle_deg", 180)
        if not (isinstance(angle, int | float) and 0 < angle <= 180):
            raise ConfigError(f"{path}: angle_deg must be in (0, 180], not {angle!r}")
    return value


def _vector(path: Path, name: str, value: Any) -> FloatArray:
    try:
        vector = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise ConfigError(f"{path}: {name} must be three numbers, not {value!r}")
    return vector


def _text(vector: FloatArray) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in vector) + "]"
