"""Calibration files: camera_info YAML of ROS, and our own extrinsics YAML.

An extrinsics file is a list of transforms, each named as TF names them::

    transforms:
    - parent: base_link
      child: camera_optical
      # p_parent = R(quat_xyzw) · p_child + translation_m
      translation_m: [0.27, 0.06, -0.08]
      quat_xyzw: [0.5, -0.5, 0.5, -0.5]

Optional keys of a transform: ``covariance`` (6 rows of 6 numbers over x, y, z and rotation about
the parent's x, y, z axes; m², m·rad, rad²), ``method`` and ``provenance`` (free text).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.datatypes import FloatArray, check_shape
from perception_stack.errors import CalibrationError, ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.text_files import read_yaml

_HEADER = """\
# Where frames are. Each transform takes points of the child frame to the parent frame:
#   p_parent = R(quat_xyzw) * p_child + translation_m
# so translation_m [m] is the origin of the child in the parent. quat_xyzw is x, y, z, w.
# covariance: x, y, z, rotation about the parent's x, y, z axes [m^2, m rad, rad^2].
"""
_KEYS = ("parent", "child", "translation_m", "quat_xyzw", "covariance", "method", "provenance")
_NEEDED = _KEYS[:4]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Extrinsic:
    """One transform of an extrinsics file.

    Attributes:
        parent_from_child: The transform.
        covariance: float64 [6, 6], None where it is not known.
        method: How it was found.
        provenance: From which data, when, by whom.
    """

    parent_from_child: RigidTransform
    covariance: FloatArray | None = None
    method: str = ""
    provenance: str = ""

    def __post_init__(self) -> None:
        if self.covariance is not None:
            check_shape("covariance", self.covariance, 6, 6)


def read_camera_info(path: Path) -> CameraModel:
    """A camera_info file, as ``camera_calibration`` writes it.

    The optical frame is the key ``frame_id``, which the format of ROS lacks, or else
    ``<camera_name>_optical``.

    Raises:
        DataFileError: no such file, or not YAML.
        CalibrationError: a missing key or an impossible value; says which.
    """
    content = _load(path)
    name = content.get("frame_id") or f"{_get(content, 'camera_name', path)}_optical"
    try:
        return CameraModel(
            frame_id=str(name),
            width_px=int(_get(content, "image_width", path)),
            height_px=int(_get(content, "image_height", path)),
            k=_matrix(content, "camera_matrix", path, 3, 3),
            distortion_model=str(_get(content, "distortion_model", path)),
            distortion=_matrix(content, "distortion_coefficients", path, 1, None)[0],
            rectification=_matrix(content, "rectification_matrix", path, 3, 3),
            projection=_matrix(content, "projection_matrix", path, 3, 4),
        )
    except CalibrationError as error:
        raise _in_file(error, path) from error
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"'{path}': {error}") from error


def write_camera_info(path: Path, camera: CameraModel, *, camera_name: str) -> None:
    """Write a camera_info file that ROS reads too."""
    content = {
        "image_width": camera.width_px,
        "image_height": camera.height_px,
        "camera_name": camera_name,
        "frame_id": camera.frame_id,
        "camera_matrix": _table(camera.k),
        "distortion_model": camera.distortion_model,
        "distortion_coefficients": _table(camera.distortion[None, :]),
        "rectification_matrix": _table(camera.rectification),
        "projection_matrix": _table(camera.projection),
    }
    path.write_text(_dump(content), encoding="utf-8")


def read_extrinsics(path: Path) -> list[Extrinsic]:
    """The transforms of an extrinsics file.

    Raises:
        DataFileError: no such file, or not YAML.
        CalibrationError: a missing or unknown key, or an impossible value; says which.
    """
    content = _load(path)
    if list(content) != ["transforms"] or not isinstance(content["transforms"], list):
        raise CalibrationError(f"'{path}': expected a list 'transforms' and nothing else")
    return [
        _extrinsic(one, where=f"'{path}': transforms[{i}]")
        for i, one in enumerate(content["transforms"])
    ]


def write_extrinsics(path: Path, extrinsics: Sequence[Extrinsic]) -> None:
    """Write an extrinsics file, without loss."""
    transforms = []
    for one in extrinsics:
        entry: dict[str, Any] = {
            "parent": one.parent_from_child.target,
            "child": one.parent_from_child.source,
            "translation_m": one.parent_from_child.translation_m.tolist(),
            "quat_xyzw": one.parent_from_child.quat_xyzw.tolist(),
        }
        if one.covariance is not None:
            entry["covariance"] = one.covariance.tolist()
        for key in ("method", "provenance"):
            if text := getattr(one, key):
                entry[key] = text
        transforms.append(entry)
    path.write_text(_HEADER + _dump({"transforms": transforms}), encoding="utf-8")


def _extrinsic(entry: Any, *, where: str) -> Extrinsic:
    if not isinstance(entry, dict):
        raise CalibrationError(f"{where} is not a mapping")
    for key in entry:
        if key not in _KEYS:
            raise CalibrationError(f"{where}: unknown key '{key}'; known: {', '.join(_KEYS)}")
    for key in _NEEDED:
        if key not in entry:
            raise CalibrationError(f"{where} has no '{key}'")
    try:
        covariance = entry.get("covariance")
        return Extrinsic(
            parent_from_child=RigidTransform.from_quat(
                target=str(entry["parent"]),
                source=str(entry["child"]),
                quat_xyzw=np.array(entry["quat_xyzw"], dtype=np.float64),
                translation_m=np.array(entry["translation_m"], dtype=np.float64),
            ),
            covariance=None if covariance is None else np.array(covariance, dtype=np.float64),
            method=str(entry.get("method", "")),
            provenance=str(entry.get("provenance", "")),
        )
    except (CalibrationError, ShapeError, TypeError, ValueError) as error:
        raise CalibrationError(f"{where}: {error}") from error


def _load(path: Path) -> dict[str, Any]:
    content = read_yaml(path)
    if not isinstance(content, dict):
        raise CalibrationError(f"'{path}' is not a mapping of keys to values")
    return content


def _dump(content: dict[str, Any]) -> str:
    import yaml

    # None: lists of numbers on one line, mappings over several
    text: str = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    return text


def _get(content: dict[str, Any], key: str, path: Path) -> Any:
    if key not in content:
        raise CalibrationError(f"'{path}' has no '{key}'")
    return content[key]


def _matrix(
    content: dict[str, Any], key: str, path: Path, rows: int, cols: int | None
) -> FloatArray:
    """The ``rows``, ``cols``, ``data`` of one matrix."""
    table = _get(content, key, path)
    if not isinstance(table, dict) or not {"rows", "cols", "data"} <= set(table):
        raise CalibrationError(f"'{path}': {key} needs rows, cols and data")
    try:
        shape = int(table["rows"]), int(table["cols"])
        matrix = np.array(table["data"], dtype=np.float64).reshape(shape)
        check_shape(key, matrix, rows, cols)
    except (TypeError, ValueError) as error:
        raise CalibrationError(f"'{path}': {key}: {error}") from error
    return matrix


def _table(matrix: FloatArray) -> dict[str, Any]:
    rows, cols = matrix.shape
    return {"rows": rows, "cols": cols, "data": matrix.ravel().tolist()}


def _in_file(error: CalibrationError, path: Path) -> CalibrationError:
    text = str(error)
    return error if str(path) in text else CalibrationError(f"'{path}': {text}")
