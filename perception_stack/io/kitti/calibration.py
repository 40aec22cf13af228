"""``calib`` files: where camera and LiDAR are, and what the camera's pixels mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, nearest_rotation
from perception_stack.io.text_files import read_text

VELODYNE, RECT, CAMERA = "velodyne", "camera_rect", "camera_optical"
_NUM_VALUES = {"P2": 12, "R0_rect": 9, "Tr_velo_to_cam": 12}
_OFFICIAL = {"R_rect": "R0_rect", "Tr_velo_cam": "Tr_velo_to_cam"}  # names in tracking files
# Rectified images of the five days of recording by their focal length: a calib file has only the
# latter (KITTI raw data, entry S_rect_02 of calib_cam_to_cam)
_IMAGE_SIZES_PX = {
    721.5377: (1242, 375),
    707.0493: (1224, 370),
    718.3351: (1238, 374),
    707.0912: (1226, 370),
    718.856: (1241, 376),
}
_ROUNDING = 5e-5  # of rotations with seven digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KittiCalibration:
    """One ``calib`` file.

    Attributes:
        k: float64 [3, 3], intrinsics of the rectified left colour camera.
        camera_from_rect: From the rectified reference camera to the left colour camera.
        rect_from_velodyne: From the LiDAR to the rectified reference camera.
    """

    k: FloatArray
    camera_from_rect: RigidTransform
    rect_from_velodyne: RigidTransform

    @property
    def camera_from_velodyne(self) -> RigidTransform:
        """From the LiDAR to the left colour camera."""
        return self.camera_from_rect @ self.rect_from_velodyne

    @property
    def image_size_px(self) -> tuple[int, int]:
        """Width and height of the rectified images of the day of recording.

        Raises:
            CalibrationError: KITTI has no day with this focal length.
        """
        focal_px = round(float(self.k[0, 0]), 4)
        if focal_px not in _IMAGE_SIZES_PX:
            raise CalibrationError(
                f"KITTI has no images of focal length {focal_px} px; say how large they are"
            )
        return _IMAGE_SIZES_PX[focal_px]

    def camera(self, *, width_px: int, height_px: int) -> CameraModel:
        """The left colour camera; its images are rectified, so without distortion."""
        return CameraModel.pinhole(
            frame_id=CAMERA, width_px=width_px, height_px=height_px, k=self.k
        )


def read_calibration(path: Path) -> KittiCalibration:
    """Calibration of an object frame or a tracking sequence.

    Points go to the image by ``P2 · R0_rect · Tr_velo_to_cam`` (Geiger et al., IJRR 2013, eq. 8);
    ``P2 = K [I | t]`` holds the offset ``t`` of the colour camera from the reference camera.

    Raises:
        DataFileError: no such file.
        CalibrationError: an entry is missing or is not what it should be.
    """
    entries: dict[str, FloatArray] = {}
    for line in read_text(path).splitlines():
        name, *values = line.replace(":", " ").split() or [""]
        name = _OFFICIAL.get(name, name)
        if name in _NUM_VALUES:
            try:
                entries[name] = np.array(values, dtype=np.float64)
            except ValueError as error:
                raise CalibrationError(f"'{path}': {name}: {error}") from error
    for name, num in _NUM_VALUES.items():
        if name not in entries:
            raise CalibrationError(f"'{path}' has no {name}")
        if len(entries[name]) != num:
            raise CalibrationError(f"'{path}': {name} has {len(entries[name])} values, not {num}")
    projection = entries["P2"].reshape(3, 4)
    k = projection[:, :3]
    if abs(np.linalg.det(k)) < np.finfo(np.float64).eps:
        raise CalibrationError(f"'{path}': P2 is no projection")
    cam_from_velodyne = entries["Tr_velo_to_cam"].reshape(3, 4)
    rotation = entries["R0_rect"].reshape(3, 3)
    rect_from_cam = nearest_rotation(rotation, f"'{path}': R0_rect", within=_ROUNDING)
    camera_from_rect_m: FloatArray = np.linalg.solve(k, projection[:, 3]).astype(np.float64)
    cam_rotation = nearest_rotation(
        cam_from_velodyne[:, :3], f"'{path}': Tr_velo_to_cam", within=_ROUNDING
    )
    return KittiCalibration(
        k=k,
        camera_from_rect=RigidTransform(
            target=CAMERA,
            source=RECT,
            rotation=np.eye(3),
            translation_m=camera_from_rect_m,
        ),
        rect_from_velodyne=RigidTransform(
            target=RECT,
            source=VELODYNE,
            rotation=rect_from_cam @ cam_rotation,
            translation_m=rect_from_cam @ cam_from_velodyne[:, 3],
        ),
    )
