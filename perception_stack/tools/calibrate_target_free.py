"""``perception-stack calibrate target-free``: LiDAR to camera from what both happen to see."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from perception_stack.calibration.estimation.rotations import covariance_of_inverse
from perception_stack.calibration.grading.overlay import Shot, overlay_section
from perception_stack.calibration.target_free import AlignedFrame, AlignmentConfig, calibrate
from perception_stack.calibration.target_free.calibrate import NUM_ROUNDS
from perception_stack.datatypes import ColorImage
from perception_stack.errors import CalibrationError, ConfigError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import read_camera_info, read_extrinsics
from perception_stack.io.image_files import read_image
from perception_stack.io.kitti.scans import read_scan
from perception_stack.lidar.deskew import timed_by_azimuth
from perception_stack.tools.console import progress
from perception_stack.tools.extrinsic_result import RESULT, finish
from perception_stack.tools.grades import now

EXAMPLES = (
    """examples:
  perception-stack calibrate target-free --images a.png b.png --clouds a.pcd b.pcd
      --camera-info front.yaml --start drawing.yaml --out rig.yaml
  perception-stack calibrate target-free --images a.png --clouds a.bin --camera-info front.yaml
      --start drawing.yaml --rotation-deg 1 --translation-m 0.05 --out rig.yaml

Clouds are PCD, or BIN as KITTI has it; image i and cloud i are of the same moment, motion within
the scan undone, or found with --turn-s. --start is an extrinsics file with the transform between
the two frames, in either direction; it may be off by about 3 degrees and 10 cm along each axis.
Take several frames of different scenes with things close by; best while standing.

"""
    + RESULT
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("--images", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--clouds", type=Path, nargs="+", required=True, metavar="FILE")
    parser.add_argument("--camera-info", type=Path, required=True, metavar="FILE")
    parser.add_argument("--start", type=Path, required=True, metavar="FILE", help="extrinsics")
    parser.add_argument("--rotation-deg", type=float, default=3.0, help="error of the start")
    parser.add_argument("--translation-m", type=float, default=0.1, help="error of the start")
    parser.add_argument(
        "--turn-s",
        type=float,
        metavar="S",
        help="scans are of a LiDAR that spins clockwise, z up and x ahead, their motion is not "
        "undone, and images are taken as it faces their middle: time of a turn, negative if "
        "anticlockwise",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="extrinsics")


def run(args: argparse.Namespace) -> int:
    """Calibrate and write."""
    if len(args.images) != len(args.clouds):
        raise ConfigError(f"{len(args.images)} images and {len(args.clouds)} clouds; give pairs")
    camera = read_camera_info(args.camera_info)
    start = _start(args.start, camera.frame_id)
    config = AlignmentConfig(
        start_rotation_rad=float(np.deg2rad(args.rotation_deg)),
        start_translation_m=args.translation_m,
    )
    frames = [
        _frame(image, cloud, start, args.turn_s)
        for image, cloud in zip(args.images, args.clouds, strict=True)
    ]
    with progress(NUM_ROUNDS, "align", "round") as bar:
        found = calibrate(
            frames,
            camera,
            start=start,
            config=config,
            now=now(),
            progress=lambda: bar.update(1),
        )
    pose = found.camera_from_lidar
    shots = [Shot(name=one.name, bgr=one.image.bgr, points_m=one.cloud.xyz_m) for one in frames]
    return finish(
        args.out,
        pose.inverse(),
        covariance_of_inverse(pose, found.covariance),
        found.grade,
        title=f"Place of {pose.target} in {pose.source}",
        sections=[overlay_section(shots, camera, {"start": start, "result": pose})],
    )


def _start(path: Path, camera_frame: str) -> RigidTransform:
    """Camera from LiDAR, whichever way round the file says it."""
    found = []
    for one in read_extrinsics(path):
        pose = one.parent_from_child
        if pose.target == camera_frame:
            found.append(pose)
        elif pose.source == camera_frame:
            found.append(pose.inverse())
    if len(found) != 1:
        raise CalibrationError(
            f"'{path}' has {len(found)} transforms to or from '{camera_frame}'; give one, between "
            "it and the LiDAR's frame"
        )
    return found[0]


def _frame(image: Path, cloud: Path, start: RigidTransform, turn_s: float | None) -> AlignedFrame:
    points = replace(read_scan(cloud, stamp_ns=0), frame_id=start.source)
    if turn_s is not None:
        ahead = start.rotation[2]  # the optical axis in the LiDAR's frame
        ahead_rad = float(np.arctan2(ahead[1], ahead[0]))
        points = timed_by_azimuth(points, turn_s=turn_s, ahead_rad=ahead_rad)
    return AlignedFrame(
        name=image.name,
        image=ColorImage(frame_id=start.target, stamp_ns=0, bgr=read_image(image)),
        cloud=points,
    )
