"""Delay and false alarms of the calibration monitor on simulated drives.

    python benchmarks/calibration_monitor.py record --streets 30 --out readings.npz
    python benchmarks/calibration_monitor.py bumps --in readings.npz
    python benchmarks/calibration_monitor.py alarms --in readings.npz
    python benchmarks/calibration_monitor.py cost

``record`` renders drives (small sensors, another street each, 5 frames a second) and keeps what
the watches read. ``alarms`` strings recorded drives together, drawn at random with whole drives as
blocks, to many hours and counts alarms: hours of readings from minutes of rendered road, so what
no recorded drive shows is not in it. ``bumps`` renders the same streets with a bumped sensor after
detectors have learnt on recorded drives of other streets.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from perception_stack.calibration.monitor import (
    AlignmentWatch,
    ChangeDetector,
    GroundWatch,
    MonitorConfig,
    Reading,
    State,
    alignment_watch,
    ground_watch,
)
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.rig import Mount, RoadRig
from perception_stack.simulation.road import RoadConfig
from perception_stack.simulation.scene import BASE_FRAME, CAMERA_FRAME, LIDAR_FRAME, pinhole

_PERIOD_S, _NUM_FRAMES, _NUM_BUMPED = 0.2, 60, 25
_CAMERA = pinhole(width_px=640, height_px=214, focal_px=371)
_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_WATCHES = {"camera-lidar": (6, alignment_watch.FLOOR), "ground": (3, ground_watch.FLOOR)}
_BUMPS = {
    f"{sensor} {what}": (sensor, np.eye(6)[axis] * size)
    for sensor in ("camera", "lidar")
    for axis, (what, size) in enumerate(
        [
            ("turn 0.5 deg about x", np.deg2rad(0.5)),
            ("turn 0.5 deg about y", np.deg2rad(0.5)),
            ("turn 0.5 deg about z", np.deg2rad(0.5)),
            ("shift 5 cm along x", 0.05),
            ("shift 5 cm along y", 0.05),
            ("shift 5 cm along z", 0.05),
        ]
    )
}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("record", "bumps", "alarms", "cost"))
    parser.add_argument("--streets", type=int, default=30)
    parser.add_argument("--first-street", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--in", dest="readings", type=Path)
    parser.add_argument("--hours", type=float, default=100.0)
    args = parser.parse_args()
    if args.what == "record":
        streets = range(args.first_street, args.first_street + args.streets)
        table = [_drive(street, range(_NUM_FRAMES), _mount()) for street in streets]
        np.savez(args.out, **{name: np.array([one[name] for one in table]) for name in _WATCHES})
    elif args.what == "bumps":
        _bumps(dict(np.load(args.readings)), args.streets, args.first_street)
    elif args.what == "alarms":
        _alarms(dict(np.load(args.readings)), args.hours)
    else:
        _cost()


def _mount(sensor: str = "", bump: FloatArray | None = None) -> Mount:
    """The rig, one sensor turned about and shifted along its own axes."""
    poses = {
        "camera": RigidTransform(
            target=BASE_FRAME,
            source=CAMERA_FRAME,
            rotation=_OPTICAL,
            translation_m=np.array([0.27, 0.06, -0.08]),
        ),
        "lidar": RigidTransform(
            target=BASE_FRAME, source=LIDAR_FRAME, rotation=np.eye(3), translation_m=np.zeros(3)
        ),
    }
    if bump is not None:
        frame = poses[sensor].source
        poses[sensor] = poses[sensor] @ RigidTransform(
            target=frame,
            source=frame,
            rotation=Rotation.from_rotvec(bump[:3]).as_matrix(),
            translation_m=bump[3:],
        )
    return Mount(base_from_camera=poses["camera"], base_from_lidar=poses["lidar"])


def _drive(street: int, frames: range, mount: Mount) -> dict[str, FloatArray]:
    """Readings of a drive, [frames, P]; NaN where a watch could not tell."""
    believed = _mount()
    config = RoadConfig(seed=5000 + street, num_frames=150, num_azimuths=900)
    rig = RoadRig(config, _CAMERA)
    edges = AlignmentWatch(_CAMERA, believed.camera_from_lidar)
    ground = GroundWatch(believed.base_from_lidar)
    rows: dict[str, list[FloatArray]] = {name: [] for name in _WATCHES}
    for i in frames:
        image, cloud = rig.picture(i * _PERIOD_S, mount), rig.turn(i * _PERIOD_S, mount)
        for name, one in (
            ("camera-lidar", edges.read(image, cloud)),
            ("ground", ground.read(cloud)),
        ):
            rows[name].append(
                one.values if not one.why_not else np.full(_WATCHES[name][0], np.nan)
            )
    print(f"street {street} done", flush=True)
    return {name: np.array(one) for name, one in rows.items()}


def _detector(name: str) -> ChangeDetector:
    config = MonitorConfig()
    num, floor = _WATCHES[name]
    return ChangeDetector(
        num,
        learn=config.learn_frames,
        readings_per_false_alarm=config.false_alarm_hours * 3600 / config.period_s,
        lasting=config.lasting_frames,
        blind_after=config.blind_frames,
        floor=floor,
    )


def _feed(detector: ChangeDetector, rows: FloatArray) -> int | None:
    """Number of rows until the alarm; None if there is none."""
    for i, row in enumerate(rows):
        lost = bool(np.isnan(row).any())
        detector.add(Reading.none("no reading") if lost else Reading(values=row))
        if detector.state is State.MOVED:
            return i + 1
    return None


def _alarms(readings: dict[str, FloatArray], hours: float) -> None:
    rng = np.random.default_rng(3)
    for name, drives in readings.items():
        blind = float(np.isnan(drives).any(axis=2).mean())
        num_alarms, done, need = 0, 0, int(hours * 3600 / _PERIOD_S)
        highest = 0.0
        while done < need:  # an hour each
            detector = _detector(name)
            order = rng.integers(len(drives), size=int(3600 / _PERIOD_S / _NUM_FRAMES))
            for one in order:
                if _feed(detector, drives[one]) is not None:
                    num_alarms += 1
                    break
                highest = max(highest, detector.level)
            done += len(order) * _NUM_FRAMES
        std = np.nanstd(drives.reshape(-1, drives.shape[2]), axis=0)
        print(
            f"{name}: {num_alarms} alarms in {done * _PERIOD_S / 3600:.0f} hours strung from "
            f"{drives.shape[0] * drives.shape[1]} frames; highest level {highest:.2f}; no reading "
            f"in {blind:.1%}; std of readings {np.round(std, 4).tolist()}",
            flush=True,
        )


def _bumps(readings: dict[str, FloatArray], num_streets: int, first_street: int) -> None:
    """Frames at 10 Hz from a bump to the alarm; two frames pass for each that is looked at.

    The first of the readings are those of the first street.
    """
    rng = np.random.default_rng(4)
    for number, (what, (sensor, bump)) in enumerate(_BUMPS.items()):
        delays: dict[str, list[float]] = {name: [] for name in _WATCHES}
        first = number * num_streets
        for street in np.arange(first, first + num_streets) % len(readings["ground"]):
            rows = _drive(first_street + int(street), range(_NUM_BUMPED), _mount(sensor, bump))
            for name in _WATCHES:
                others = np.delete(np.arange(len(readings[name])), street)
                detector = _detector(name)
                for one in rng.choice(others, 3, replace=False):
                    _feed(detector, readings[name][one])
                late = _feed(detector, rows[name])
                delays[name].append(2 * late if late else np.inf)
        soonest = np.min([delays[name] for name in _WATCHES], axis=0)
        text = "; ".join(f"{name} {sorted(one)}" for name, one in delays.items())
        print(f"{what}: within 30 frames {np.mean(soonest <= 30):.0%}; frames: {text}", flush=True)


def _cost() -> None:
    rig = RoadRig(
        RoadConfig(seed=1, num_frames=10), pinhole(width_px=1242, height_px=375, focal_px=720)
    )
    camera = pinhole(width_px=1242, height_px=375, focal_px=720)
    mount = _mount()
    image, cloud = rig.picture(0.5, mount), rig.turn(0.5, mount)
    edges = AlignmentWatch(camera, mount.camera_from_lidar)
    ground = GroundWatch(mount.base_from_lidar)
    for name, call in (
        ("camera-lidar", lambda: edges.read(image, cloud)),
        ("ground", lambda: ground.read(cloud)),
    ):
        call()
        spent = []
        for _ in range(20):
            begin = time.process_time()
            call()
            spent.append(time.process_time() - begin)
        print(f"{name}: {1e3 * np.median(spent):.0f} ms of processor time a frame looked at")


if __name__ == "__main__":
    main()
