"""The rig as its calibration files describe it, checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_stack.calibration.config import CalibrationConfig
from perception_stack.calibration.grading.rig_check import check_rig
from perception_stack.errors import ConfigError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import read_camera_info, read_extrinsics


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """Cameras and where the sensors sit.

    Attributes:
        cameras: In the order of the configuration's files.
        extrinsics: Parent from child, for static TF.
    """

    cameras: tuple[CameraModel, ...]
    extrinsics: tuple[RigidTransform, ...]


def load_rig(config: CalibrationConfig) -> Rig:
    """Read and check every file that a configuration names.

    Raises:
        ConfigError: no file is named, or fewer topics than cameras.
        CalibrationError: a file cannot be used, or the files contradict each other.
    """
    if not (config.camera_info_files or config.extrinsics_files or config.live_board):
        raise ConfigError(
            "no calibration files; name them in calibration.camera_info_files and "
            "calibration.extrinsics_files, or a board in calibration.live_board"
        )
    if len(config.camera_info_topics) < len(config.camera_info_files):
        raise ConfigError(
            f"{len(config.camera_info_files)} camera_info_files need as many camera_info_topics, "
            f"got {len(config.camera_info_topics)}"
        )
    cameras = tuple(read_camera_info(Path(name)) for name in config.camera_info_files)
    extrinsics = tuple(
        one.parent_from_child
        for name in config.extrinsics_files
        for one in read_extrinsics(Path(name))
    )
    check_rig(cameras, extrinsics)
    return Rig(cameras=cameras, extrinsics=extrinsics)
