"""KITTI data to bags."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from perception_stack.datatypes import Boxes3D, ColorImage
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.geometry.boxes import transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.bags import BagWriter
from perception_stack.io.image_files import read_image
from perception_stack.io.kitti import KittiCalibration, KittiLabels, read_scan
from perception_stack.io.kitti.calibration import CAMERA, VELODYNE
from perception_stack.io.kitti.layout import (
    KittiFrame,
    object_frames,
    raw_frames,
    tracking_frames,
)
from perception_stack.io.kitti.poses import FIRST_CAMERA
from perception_stack.io.recording import (
    BASE,
    ODOM,
    standing_vehicle,
    write_frame,
    write_static,
)

KINDS = ("kitti-object", "kitti-raw", "kitti-tracking")

# that the vehicle's frame is the LiDAR's is how these bags are defined
_BASE_FROM_VELODYNE = RigidTransform(
    target=BASE, source=VELODYNE, rotation=np.eye(3), translation_m=np.zeros(3)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSummary:
    """What went into a bag, and what did not.

    Attributes:
        num_frames: Frames written.
        num_labels: Boxes of ground truth written, by class.
        num_dont_care: Image regions marked as not labelled, which a bag cannot hold.
    """

    num_frames: int
    num_labels: dict[str, int]
    num_dont_care: int


def convert_kitti(
    kind: str,
    source: Path,
    out: Path,
    *,
    storage: str = "mcap",
    sequence: str = "",
    static_ego: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ConvertSummary:
    """Write a KITTI data set as a bag that also plays with ``ros2 bag play``.

    Frames: ``odom`` (the first LiDAR pose) from ``base_link`` by the ego poses of the data, on
    ``/tf``; ``base_link`` is the LiDAR's pose; ``camera_optical`` from the calibration. Ground
    truth is in ``odom``, or in ``base_link`` where there is no ego motion. Stamps: frame 0 at
    :data:`~perception_stack.io.kitti.EPOCH_NS`, 10 Hz; the stills of ``kitti-object`` 5 s apart,
    with their calibration on ``/tf`` because each has its own. A bag that cannot be finished is
    removed.

    Args:
        kind: One of :data:`KINDS`.
        source: Folder of the data.
        out: Folder of the bag to make.
        storage: One of :data:`~perception_stack.io.bags.STORAGES`.
        sequence: Which sequence of tracking data; empty where there is only one.
        static_ego: The vehicle is known to stand still: publish ``odom`` as static.
        progress: Called with frames done and frames in all.

    Raises:
        DataFileError: a file is missing or malformed; says which.
        CalibrationError: a calibration file cannot be used.
        ConfigError: an unknown kind, an ``out`` that exists, or ``static_ego`` for data with
            ego poses.
    """
    frames = _frames(kind, source, sequence)
    moving = frames[0].first_from_camera is not None
    if static_ego and moving:
        raise ConfigError(f"'{source}' has ego poses, so the vehicle is not standing by decree")
    fixed_rig = kind != "kitti-object"
    writer = BagWriter(out, storage=storage)
    try:
        with writer:
            static = [_BASE_FROM_VELODYNE, *([standing_vehicle()] if static_ego else [])]
            if fixed_rig:
                static.append(_base_from_camera(frames[0].calibration))
            write_static(writer, static, stamp_ns=frames[0].stamp_ns)
            for done, frame in enumerate(frames, start=1):
                _write(writer, frame, fixed_rig=fixed_rig, static_ego=static_ego)
                progress(done, len(frames))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    labels = [frame.labels for frame in frames if frame.labels is not None]
    return ConvertSummary(
        num_frames=len(frames),
        num_labels=dict(
            sorted(Counter(name for one in labels for name in one.boxes.labels).items())
        ),
        num_dont_care=sum(len(one.dont_care_xyxy_px) for one in labels),
    )


def _frames(kind: str, source: Path, sequence: str) -> list[KittiFrame]:
    if not source.is_dir():
        raise DataFileError(source, "no such folder")
    if kind == "kitti-object":
        return object_frames(source)
    if kind == "kitti-raw":
        return raw_frames(source)
    if kind == "kitti-tracking":
        return tracking_frames(source, sequence=sequence)
    raise ConfigError(f"'{kind}' is not one of {', '.join(KINDS)}")


def _write(writer: BagWriter, frame: KittiFrame, *, fixed_rig: bool, static_ego: bool) -> None:
    transforms = [] if fixed_rig else [_base_from_camera(frame.calibration)]
    odom_from_base = standing_vehicle() if static_ego else _odom_from_base(frame)
    if odom_from_base is not None and not static_ego:
        transforms.insert(0, odom_from_base)
    image = None if frame.image is None else _image(frame.image, frame.stamp_ns)
    truth = None
    if frame.labels is not None:
        truth = _truth(frame.labels, frame.calibration, odom_from_base)
    write_frame(
        writer,
        stamp_ns=frame.stamp_ns,
        transforms=transforms,
        camera=_camera(frame, image),
        truth=truth,
        truth_ids=_truth_ids(frame),
        detections=frame.detections,
        image=image,
        cloud=read_scan(frame.scan, stamp_ns=frame.stamp_ns),
    )


def _base_from_camera(calibration: KittiCalibration) -> RigidTransform:
    return _BASE_FROM_VELODYNE @ calibration.camera_from_velodyne.inverse()


def _odom_from_base(frame: KittiFrame) -> RigidTransform | None:
    """Ego pose of the LiDAR, from that of the camera; the first one is ``odom``."""
    if frame.first_from_camera is None:
        return None
    base_from_camera = _base_from_camera(frame.calibration)
    odom_from_first = replace(base_from_camera, target=ODOM, source=FIRST_CAMERA)
    return odom_from_first @ frame.first_from_camera @ base_from_camera.inverse()


def _truth(
    labels: KittiLabels, calibration: KittiCalibration, odom_from_base: RigidTransform | None
) -> Boxes3D:
    base_from_rect = _BASE_FROM_VELODYNE @ calibration.rect_from_velodyne.inverse()
    target_from_rect = odom_from_base @ base_from_rect if odom_from_base else base_from_rect
    return transform_boxes(labels.boxes, target_from_rect)


def _truth_ids(frame: KittiFrame) -> tuple[str, ...]:
    """Track numbers; the objects of stills have none and are different ones in each."""
    if frame.labels is None:
        return ()
    return tuple(
        str(track) if track >= 0 else f"{frame.scan.stem}-{row}"
        for row, track in enumerate(frame.labels.ids)
    )


def _image(path: Path, stamp_ns: int) -> ColorImage:
    return ColorImage(frame_id=CAMERA, stamp_ns=stamp_ns, bgr=read_image(path))


def _camera(frame: KittiFrame, image: ColorImage | None) -> CameraModel | None:
    if image is not None:
        height_px, width_px = image.bgr.shape[:2]
    elif frame.detections is not None:
        width_px, height_px = frame.calibration.image_size_px
    else:
        return None
    return frame.calibration.camera(width_px=width_px, height_px=height_px)
