"""Which files make up a frame, in the layouts of the object, raw and tracking data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_stack.datatypes import Detections2D
from perception_stack.errors import DataFileError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import CAMERA, KittiCalibration, read_calibration
from perception_stack.io.kitti.detections import read_detections_2d
from perception_stack.io.kitti.labels import KittiLabels, read_object_labels, read_tracking_labels
from perception_stack.io.kitti.poses import read_poses
from perception_stack.io.kitti.rrc import rrc_files
from perception_stack.io.kitti.stamps import EPOCH_NS, stamp_of_frame

_STILL_PERIOD_NS = 5_000_000_000  # stills have nothing in common: no track may live on to the next
_SCAN_SUFFIXES = (".bin", ".pcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class KittiFrame:
    """One frame; images and scans are not read yet.

    Attributes:
        stamp_ns: Its stamp.
        calibration: Camera and LiDAR.
        scan: File of the LiDAR scan.
        image: File of the left colour image, None where the data have none.
        labels: Ground truth, None where the data have none.
        detections: Published 2-D detections, None where the data have none.
        first_from_camera: Ego motion: pose of the camera in that of the first frame, None where
            the data have none.
    """

    stamp_ns: int
    calibration: KittiCalibration
    scan: Path
    image: Path | None = None
    labels: KittiLabels | None = None
    detections: Detections2D | None = None
    first_from_camera: RigidTransform | None = None


def object_frames(root: Path) -> list[KittiFrame]:
    """Stills of the object benchmark: ``training/{velodyne,image_2,calib,label_2}``.

    A frame whose scan is only in ``velodyne_reduced`` takes that.

    Raises:
        DataFileError: something is missing; says what.
    """
    folder = _folder(root, "training")
    frames = []
    for i, calib in enumerate(_files(_folder(folder, "calib"), (".txt",))):
        stamp_ns = EPOCH_NS + i * _STILL_PERIOD_NS
        scan = folder / "velodyne" / f"{calib.stem}.bin"
        if not scan.exists():
            scan = _present(folder / "velodyne_reduced" / scan.name, instead_of=scan)
        labels = _present(folder / "label_2" / calib.name)
        frames.append(
            KittiFrame(
                stamp_ns=stamp_ns,
                calibration=read_calibration(calib),
                scan=scan,
                image=_present(folder / "image_2" / f"{calib.stem}.png"),
                labels=read_object_labels(labels, stamp_ns=stamp_ns),
            )
        )
    return frames


def raw_frames(root: Path) -> list[KittiFrame]:
    """An unlabelled drive: ``calib.txt``, ``image_02/*.png`` and ``velodyne_fov/*.bin``.

    Scans may also lie in ``velodyne``.

    Raises:
        DataFileError: something is missing; says what.
    """
    calibration = read_calibration(_present(root / "calib.txt"))
    images = _folder(root, "image_02")
    return [
        KittiFrame(
            stamp_ns=stamp_of_frame(int(scan.stem)),
            calibration=calibration,
            scan=scan,
            image=_present(images / f"{scan.stem}.png"),
        )
        for scan in _files(_folder(root, "velodyne_fov", "velodyne"), _SCAN_SUFFIXES)
    ]


def tracking_frames(root: Path, *, sequence: str = "") -> list[KittiFrame]:
    """A labelled sequence: ``calib/SSSS.txt``, ``label_02/SSSS.txt`` and scans.

    Scans lie in ``velodyne_fov`` or ``velodyne``, there or in a folder ``SSSS``. Taken where they
    are there: ``image_02``, ``orbslam3_pose/SSSS.txt``, ``detection/rrc2d_CLASS/SSSS.txt``.

    Args:
        root: Folder with all of these.
        sequence: ``SSSS``; empty where there is only one.

    Raises:
        DataFileError: something is missing, or there are several sequences; says what.
    """
    calibs = {one.stem: one for one in _files(_folder(root, "calib"), (".txt",))}
    if not sequence and len(calibs) > 1:
        raise DataFileError(root, f"several sequences, name one of {', '.join(calibs)}")
    sequence = sequence or next(iter(calibs))
    calibration = read_calibration(_present(root / "calib" / f"{sequence}.txt"))
    labels = read_tracking_labels(_present(root / "label_02" / f"{sequence}.txt"))
    poses = root / "orbslam3_pose" / f"{sequence}.txt"
    first_from_camera = read_poses(poses) if poses.exists() else None
    detectors = rrc_files(root / "detection", f"{sequence}.txt")
    detections = read_detections_2d(detectors)
    scans = _folder(root, "velodyne_fov", "velodyne")
    if (scans / sequence).is_dir():
        scans = scans / sequence
    images = root / "image_02" / sequence
    frames = []
    for scan in _files(scans, _SCAN_SUFFIXES):
        number = int(scan.stem)
        if first_from_camera is not None and number >= len(first_from_camera):
            raise DataFileError(poses, f"no pose for frame {number}")
        stamp_ns = stamp_of_frame(number)
        frames.append(
            KittiFrame(
                stamp_ns=stamp_ns,
                calibration=calibration,
                scan=scan,
                image=_present(images / f"{scan.stem}.png") if images.is_dir() else None,
                labels=labels.get(number, KittiLabels.empty(stamp_ns=stamp_ns)),
                detections=(
                    detections.get(number, Detections2D.empty(frame_id=CAMERA, stamp_ns=stamp_ns))
                    if detectors
                    else None
                ),
                first_from_camera=None if first_from_camera is None else first_from_camera[number],
            )
        )
    return frames


def _folder(root: Path, *names: str) -> Path:
    """The first of some folders that is there."""
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise DataFileError(root, f"no folder '{names[0]}' in it")


def _present(path: Path, *, instead_of: Path | None = None) -> Path:
    if not path.is_file():
        raise DataFileError(instead_of or path, "no such file")
    return path


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Numbered files by number, at least one."""
    files = [one for one in folder.iterdir() if one.suffix in suffixes and one.stem.isdigit()]
    if not files:
        raise DataFileError(folder, f"no numbered {' or '.join(suffixes)} file in it")
    return sorted(files, key=lambda one: int(one.stem))
