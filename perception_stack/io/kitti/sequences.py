"""Sequences of the tracking benchmark without their sensor data: detections, calibration, poses.

Labels are not touched: what is read here is what a tracker may see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, Detections2D
from perception_stack.errors import DataFileError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import read_calibration
from perception_stack.io.kitti.pointrcnn import FOLDERS, read_pointrcnn
from perception_stack.io.kitti.poses import FIRST_CAMERA, read_poses
from perception_stack.io.kitti.rrc import believed, read_rrc

# x ahead, y left, z up, out of the camera's x right, y down, z ahead
_BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSequence:
    """What there is to track in one sequence, one entry per frame.

    Attributes:
        name: Such as ``0006``.
        detections: In ``camera_rect``; scores are probabilities, covariances are filled in.
        image_detections: In the image of ``camera``, scores are probabilities; None where they
            were not asked for.
        fixed_from_rect: Ego motion; the fixed frame has the first camera's place, z up.
        camera: The left colour camera.
        camera_from_rect: From the rectified reference camera to the left colour camera.
    """

    name: str
    detections: list[Boxes3D]
    image_detections: list[Detections2D] | None
    fixed_from_rect: list[RigidTransform]
    camera: CameraModel
    camera_from_rect: RigidTransform

    def __len__(self) -> int:
        return len(self.detections)


def sequence_names(
    root: Path, wanted: Iterable[str] = (), *, folders: Iterable[str] = tuple(FOLDERS.values())
) -> list[str]:
    """Names of the sequences that have detections, in order; or the wanted ones, checked.

    Args:
        root: A tracking folder, with ``detection``, ``calib`` and ``orbslam3_pose``.
        wanted: Names; all when empty.
        folders: Where in ``detection`` to look.

    Raises:
        DataFileError: no such folder, no detections in it, or a wanted sequence is not there.
    """
    paths = [root / "detection" / name for name in folders]
    found = sorted({path.stem for folder in paths for path in folder.glob("*.txt")})
    if not found:
        places = ", ".join(f"detection/{path.name}" for path in paths)
        raise DataFileError(root, f"no .txt files in any of {places}")
    names = list(wanted) or found
    for name in names:
        if name not in found:
            raise DataFileError(root, f"no sequence '{name}'; there are {' '.join(found)}")
    return names


def read_sequence(
    root: Path,
    name: str,
    *,
    fixed_frame: str,
    image_size_px: tuple[int, int] | None = None,
    with_image_detections: bool = False,
) -> TrackingSequence:
    """One sequence.

    Args:
        root: A tracking folder.
        name: Such as ``0006``.
        fixed_frame: What to call the frame in which the ego motion is given.
        image_size_px: Width and height; None for what KITTI's days of recording have.
        with_image_detections: Read those of RRC, too.

    Raises:
        DataFileError: a file is missing or a row does not fit.
        CalibrationError: the calibration is not what it should be.
    """
    file = f"{name}.txt"
    calibration = read_calibration(root / "calib" / file)
    fixed_from_first = RigidTransform(
        target=fixed_frame,
        source=FIRST_CAMERA,
        rotation=_BODY_FROM_OPTICAL,
        translation_m=np.zeros(3),
    )
    poses = read_poses(root / "orbslam3_pose" / file)
    width_px, height_px = image_size_px or calibration.image_size_px
    images = None
    if with_image_detections:
        raw = read_rrc(root / "detection", file, num_frames=len(poses))
        images = [believed(one) for one in raw]
    return TrackingSequence(
        name=name,
        detections=read_pointrcnn(root / "detection", file, num_frames=len(poses)),
        image_detections=images,
        fixed_from_rect=[fixed_from_first @ pose @ calibration.camera_from_rect for pose in poses],
        camera=calibration.camera(width_px=width_px, height_px=height_px),
        camera_from_rect=calibration.camera_from_rect,
    )
