"""How well LiDAR and camera are aligned without a target: simulated rigs and real frames.

    python benchmarks/calibration_target_free.py rigs --num 40 [--driving]
    python benchmarks/calibration_target_free.py real --data ../shared/data --starts 10

``rigs``: streets, mounts and starts drawn at random, true pose known: errors, how often 95 %
intervals hold the truth, verdicts. ``real``: KITTI and pjlab frames
against their reference, from random corners of +-3 degrees and +-10 cm.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from perception_stack.calibration.target_free import (
    AlignedFrame,
    Alignment,
    AlignmentConfig,
    calibrate,
)
from perception_stack.datatypes import ColorImage, FloatArray, PointCloud
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.lidar.deskew import timed_by_azimuth
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole

_NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_TURN_S = 0.1  # clockwise
_KITTI_DAY = ("000001", "000003", "000004", "000008", "000031", "000080")  # one calibration file


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("rigs", "real"))
    parser.add_argument("--data", type=Path, help="folder of the data sets, for real")
    parser.add_argument("--num", type=int, default=40, help="rigs")
    parser.add_argument("--first", type=int, default=0, help="number of the first rig")
    parser.add_argument(
        "--driving", action="store_true", help="scans of rigs spin at 10 Hz and up to 20 m/s"
    )
    parser.add_argument("--frames", type=int, default=2, help="frames of a rig")
    parser.add_argument("--starts", type=int, default=10, help="starts of each real set")
    parser.add_argument("--sets", nargs="*", help="names of real sets, all if not given")
    args = parser.parse_args()
    if args.what == "real" and args.data is None:
        parser.error("real needs --data DIR")
    if args.what == "rigs":
        numbers = range(args.first, args.first + args.num)
        rigs(numbers, num_frames=args.frames, driving=args.driving)
    else:
        real(args.data, args.starts, args.sets)


def rigs(numbers: Sequence[int], *, num_frames: int, driving: bool) -> None:
    """Random rigs on random streets."""
    scores = []
    for number in numbers:
        rng = np.random.default_rng([77, number])
        camera = pinhole(width_px=960, height_px=320, focal_px=rng.uniform(450, 800))
        rig = RoadRig(RoadConfig(seed=1000 + number, num_frames=200), camera)
        mount = _mount(rng)
        frames = [
            AlignedFrame(name=f"{t:.1f}", image=rig.picture(t, mount), cloud=rig.turn(t, mount))
            for t in rng.uniform(0, 19, num_frames)
        ]
        truth = mount.camera_from_lidar
        start = _off(truth, rng.uniform(-1, 1, 6))
        if driving:
            ahead = mount.base_from_lidar.rotation[0]
            frames = [_driven(one, rng.uniform(0, 20) * ahead) for one in frames]
        found = _solve(frames, camera, start)
        scores.append(_report(f"rig {number}", found, truth))
    _summary(scores)


def real(data: Path, num_starts: int, names: Sequence[str] | None) -> None:
    """Real frames against their reference."""
    for name, frames, camera, truth in _sets(data):
        if names and name not in names:
            continue
        scores = []
        for start in range(num_starts):
            rng = np.random.default_rng([78, start])
            found = _solve(frames, camera, _off(truth, rng.choice([-1.0, 1.0], 6)))
            scores.append(_report(name, found, truth))
        _summary(scores)


def _mount(rng: np.random.Generator) -> Mount:
    """LiDAR on the roof, camera around it, both askew."""

    def pose(frame: str, turn: FloatArray, place_m: FloatArray) -> RigidTransform:
        return RigidTransform(
            target=BASE_FRAME, source=frame, rotation=turn, translation_m=place_m
        )

    camera_turn = Rotation.from_euler("zyx", rng.uniform(-4, 4, 3), degrees=True).as_matrix()
    lidar_turn = Rotation.from_euler("zyx", rng.uniform(-2, 2, 3), degrees=True).as_matrix()
    place_m = np.array([0.3, 0.0, -0.2]) + rng.uniform(-0.3, 0.3, 3)
    return Mount(
        base_from_camera=pose(CAMERA_FRAME, camera_turn @ _OPTICAL, place_m),
        base_from_lidar=pose(LIDAR_FRAME, lidar_turn, np.zeros(3)),
    )


def _driven(frame: AlignedFrame, velocity_mps: FloatArray) -> AlignedFrame:
    """Its scan as met by a scanner that spins while it moves, velocity in its own frame."""
    cloud = timed_by_azimuth(frame.cloud, turn_s=_TURN_S)
    assert cloud.time_offset_s is not None
    moved_m = cloud.xyz_m - cloud.time_offset_s[:, None] * velocity_mps
    return replace(frame, cloud=replace(cloud, xyz_m=moved_m.astype(np.float32)))


def _off(truth: RigidTransform, share: FloatArray) -> RigidTransform:
    """A start that is off by shares of 3 degrees and 10 cm, about and along the camera's axes."""
    turn = Rotation.from_rotvec(np.deg2rad(3) * share[:3]).as_matrix()
    return RigidTransform(
        target=truth.target,
        source=truth.source,
        rotation=turn @ truth.rotation,
        translation_m=truth.translation_m + 0.1 * share[3:],
    )


def _solve(
    frames: Sequence[AlignedFrame], camera: CameraModel, start: RigidTransform
) -> Alignment:
    return calibrate(frames, camera, start=start, config=AlignmentConfig(), now=_NOW)


def _report(name: str, found: Alignment, truth: RigidTransform) -> FloatArray:
    """One line; error in six numbers, their sigmas, squared Mahalanobis distance, verdict."""
    error = found.camera_from_lidar @ truth.inverse()
    turn = Rotation.from_matrix(error.rotation).as_rotvec()
    shift = found.camera_from_lidar.translation_m - truth.translation_m
    size = np.concatenate([shift, turn])
    std = np.sqrt(np.diag(found.covariance))
    distance = float(size @ np.linalg.solve(found.covariance, size))
    verdict = ("good", "usable", "not enough").index(found.grade.verdict.value)
    degrees, cm = np.rad2deg(np.linalg.norm(turn)), 100 * np.linalg.norm(shift)
    sigmas = np.round(size / std, 1).tolist()
    print(
        f"{name}: {degrees:.2f} deg {cm:.1f} cm, sigmas {sigmas}, std "
        f"{np.round(np.rad2deg(std[3:]), 2).tolist()} {np.round(100 * std[:3], 1).tolist()}, "
        f"{found.grade.verdict.value}; {' '.join(found.grade.why)}; held out "
        f"{found.grade.held_out.median:.1f} px",
        flush=True,
    )
    return np.array([degrees, cm, distance, verdict, *(size / std)])


def _summary(scores: list[FloatArray]) -> None:
    table = np.array(scores)
    close = (table[:, 0] < 0.2) & (table[:, 1] < 5)
    good, given = table[:, 3] == 0, table[:, 3] < 2
    inside = table[:, 2] < chi2.ppf(0.95, 6)
    each = np.abs(table[:, 4:]) < 1.96
    far = (np.abs(table[:, 4:]) > 3).any(axis=1)
    sizes = np.full(6, np.nan)
    if given.any():
        # of normal numbers, the median of the squares is 0.455 of their variance
        sizes = np.sqrt(np.median(table[given, 4:] ** 2, axis=0) / 0.455).round(2)
    print(
        f"== {len(table)} runs: within 0.2 deg and 5 cm {close.mean():.0%}, median "
        f"{np.median(table[:, 0]):.3f} deg {np.median(table[:, 1]):.1f} cm; good {good.sum()}, "
        f"of these close {close[good].mean() if good.any() else 1:.0%}, beyond 3 sigma "
        f"{far[good].sum()}; good or usable {given.sum()}, of these 95 % ellipsoid holds the "
        f"truth {inside[given].mean() if given.any() else 1:.1%}, each 95 % interval "
        f"{each[given].mean() if given.any() else 1:.1%}; size of sigmas "
        f"{sizes.tolist()}; "
        f"not close and not flagged {(good & ~close).sum()}",
        flush=True,
    )


def _sets(
    data: Path,
) -> Iterator[tuple[str, list[AlignedFrame], CameraModel, RigidTransform]]:
    """Name, frames, camera and reference of every real set."""
    yield _pjlab(data / "calib_lidar_camera/pjlab_targetless/1")
    training, drive = data / "kitti_object/training", data / "kitti_sfnd_cam_lidar"
    driving = {
        one: (
            training / f"image_2/{one}.png",
            training / f"velodyne/{one}.bin",
            training / f"calib/{one}.txt",
        )
        for one in (*_KITTI_DAY, "000006", "000134")
    }
    waiting = [
        (
            drive / f"image_02/{i:010d}.png",
            drive / f"velodyne_fov/{i:010d}.bin",
            drive / "calib.txt",
        )
        for i in (0, 5, 10, 15)
    ]
    day = [driving[one] for one in _KITTI_DAY]
    for name, one in driving.items():
        yield name, *_kitti([one])
    yield "waiting 1", *_kitti(waiting[:1])
    yield "waiting 4", *_kitti(waiting)
    yield "kitti day", *_kitti(day)
    yield "kitti rig", *_kitti([*day, *waiting])


def _kitti(
    files: Sequence[tuple[Path, Path, Path]],
) -> tuple[list[AlignedFrame], CameraModel, RigidTransform]:
    import cv2

    from perception_stack.io.kitti import read_calibration, read_scan
    from perception_stack.io.kitti.calibration import CAMERA

    frames = []
    for image, scan, _ in files:
        bgr = cv2.imread(str(image))
        frames.append(
            AlignedFrame(
                name=image.stem,
                image=ColorImage(frame_id=CAMERA, stamp_ns=0, bgr=bgr),
                # raw, and the camera is triggered as the scanner faces ahead (Geiger 2013)
                cloud=timed_by_azimuth(read_scan(scan, stamp_ns=0), turn_s=_TURN_S),
            )
        )
    calibration = read_calibration(files[0][2])
    height, width = frames[0].image.bgr.shape[:2]
    camera = calibration.camera(width_px=width, height_px=height)
    return frames, camera, calibration.camera_from_velodyne


def _pjlab(
    folder: Path,
) -> tuple[str, list[AlignedFrame], CameraModel, RigidTransform]:
    import cv2

    from perception_stack.io.pcd import read_pcd

    bgr = cv2.imread(str(folder / "calib.jpg"))
    values = {
        line.split(":")[0]: np.array(line.split(":")[1].split(), dtype=np.float64)
        for line in (folder / "calib.txt").read_text().splitlines()
        if line
    }
    k, pose = values["K"].reshape(3, 3), values["T"].reshape(3, 4)
    left, _, right = np.linalg.svd(pose[:, :3])
    camera = CameraModel(
        frame_id="camera",
        width_px=bgr.shape[1],
        height_px=bgr.shape[0],
        k=k,
        distortion_model="plumb_bob",
        distortion=values["D"],
        rectification=np.eye(3),
        projection=np.hstack([k, np.zeros((3, 1))]),
    )
    cloud: PointCloud = read_pcd(folder / "calib.pcd", frame_id="lidar", stamp_ns=0)
    image = ColorImage(frame_id="camera", stamp_ns=0, bgr=bgr)
    truth = RigidTransform(
        target="camera", source="lidar", rotation=left @ right, translation_m=pose[:, 3]
    )
    return "pjlab", [AlignedFrame(name="1", image=image, cloud=cloud)], camera, truth


if __name__ == "__main__":
    main()
