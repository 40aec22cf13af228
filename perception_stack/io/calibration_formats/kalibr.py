"""Camera chains of Kalibr (https://github.com/ethz-asl/kalibr/wiki/yaml-formats).

``T_cn_cnm1`` takes points of the camera before to this one, ``T_cam_imu`` those of the IMU to the
camera. The format has no frame names; ``frame_id`` is our own key, which Kalibr ignores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, nearest_rotation
from perception_stack.io.calibration_formats.parsing import (
    as_mapping,
    get,
    numbers,
    parse_yaml,
)

IMU = "imu"
_MODELS = {"plumb_bob": "radtan", "equidistant": "equidistant", "": "none"}
_NUM_COEFFICIENTS = 4
_ROUNDING = 1e-3  # of rotations copied by hand


def dump_camchain(
    cameras: Sequence[CameraModel],
    chain: Sequence[RigidTransform],
    *,
    camera_from_imu: RigidTransform | None = None,
) -> str:
    """Text of a camchain file.

    Args:
        cameras: In the order of the chain.
        chain: Each camera from the one before, one fewer than cameras.
        camera_from_imu: Of the first camera.

    Raises:
        CalibrationError: a lens that Kalibr cannot describe, or a chain with other frames.
    """
    import yaml

    if len(chain) != len(cameras) - 1:
        raise CalibrationError(f"{len(cameras)} cameras need {len(cameras) - 1} transforms")
    content: dict[str, Any] = {}
    for i, camera in enumerate(cameras):
        entry: dict[str, Any] = {
            "camera_model": "pinhole",
            "intrinsics": camera.k[[0, 1, 0, 1], [0, 1, 2, 2]].tolist(),
            **_distortion(camera),
            "resolution": [camera.width_px, camera.height_px],
            "frame_id": camera.frame_id,
        }
        if i:
            entry["T_cn_cnm1"] = _rows(chain[i - 1], camera, cameras[i - 1].frame_id)
        elif camera_from_imu is not None:
            entry["T_cam_imu"] = _rows(camera_from_imu, camera, camera_from_imu.source)
        content[f"cam{i}"] = entry
    text: str = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=99)
    return text


def load_camchain(text: str) -> tuple[list[CameraModel], list[RigidTransform]]:
    """The cameras, and each from the one before; last, if there, the first from the IMU.

    Raises:
        CalibrationError: a missing key, an unknown lens model, or an impossible value.
    """
    content = parse_yaml(text)
    entries = [
        as_mapping(get(content, f"cam{i}", "the camchain"), f"cam{i}") for i in range(len(content))
    ]
    cameras = [_camera(entry, f"cam{i}") for i, entry in enumerate(entries)]
    transforms = [
        _transform(entry, "T_cn_cnm1", cameras[i + 1].frame_id, cameras[i].frame_id)
        for i, entry in enumerate(entries[1:])
    ]
    if entries and "T_cam_imu" in entries[0]:
        transforms.append(_transform(entries[0], "T_cam_imu", cameras[0].frame_id, IMU))
    return cameras, transforms


def _distortion(camera: CameraModel) -> dict[str, Any]:
    model = _MODELS.get(camera.distortion_model)
    values = camera.distortion
    if model is None or np.any(values[_NUM_COEFFICIENTS:]):
        text = f"camera '{camera.frame_id}': Kalibr has no lens model like "
        raise CalibrationError(text + f"'{camera.distortion_model}' with {len(values)} numbers")
    padded = np.zeros(0 if model == "none" else _NUM_COEFFICIENTS)
    padded[: len(values)] = values[:_NUM_COEFFICIENTS]
    return {"distortion_model": model, "distortion_coeffs": padded.tolist()}


def _rows(transform: RigidTransform, camera: CameraModel, source: str) -> list[list[float]]:
    if (transform.target, transform.source) != (camera.frame_id, source):
        text = f"expected {camera.frame_id} <- {source} in the chain, got "
        raise CalibrationError(text + f"{transform.target} <- {transform.source}")
    rows: list[list[float]] = transform.matrix.tolist()
    return rows


def _camera(entry: dict[str, Any], what: str) -> CameraModel:
    if (kind := get(entry, "camera_model", what)) != "pinhole":
        raise CalibrationError(f"{what}: camera model '{kind}' is not supported, only pinhole is")
    names = {foreign: own for own, foreign in _MODELS.items()}
    model = str(get(entry, "distortion_model", what))
    if model not in names:
        raise CalibrationError(f"{what}: unknown distortion model '{model}'")
    fx, fy, cx, cy = numbers(get(entry, "intrinsics", what), 4, f"{what}: intrinsics")
    width, height = numbers(get(entry, "resolution", what), 2, f"{what}: resolution")
    k = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    size = 0 if model == "none" else _NUM_COEFFICIENTS
    values = get(entry, "distortion_coeffs", what) if size else []
    return CameraModel(
        frame_id=str(entry.get("frame_id", what)),
        width_px=int(width),
        height_px=int(height),
        k=k,
        distortion_model=names[model],
        distortion=numbers(values, size, f"{what}: distortion_coeffs"),
        rectification=np.eye(3),
        projection=np.hstack([k, np.zeros((3, 1))]),
    )


def _transform(entry: dict[str, Any], key: str, target: str, source: str) -> RigidTransform:
    what = f"{target}: {key}"
    matrix = numbers(get(entry, key, target), 16, what).reshape(4, 4)
    return RigidTransform(
        target=target,
        source=source,
        rotation=nearest_rotation(matrix[:3, :3], what, within=_ROUNDING),
        translation_m=matrix[:3, 3].copy(),
    )
