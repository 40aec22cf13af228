"""Extrinsic calibrations: what their intervals hold on random rigs, and how they do on real data.

Simulated rigs with known truth, some with wrong observations, some with motion or surroundings
that do not fix the answer (seeds are none of those that anything was chosen on)::

    python benchmarks/calibration_extrinsic.py rigs --kind hand-eye --num 200
    python benchmarks/calibration_extrinsic.py rigs --kind lidar-camera --num 200
    python benchmarks/calibration_extrinsic.py rigs --kind lidar-lidar --num 200
    python benchmarks/calibration_extrinsic.py rigs --kind lidar-base --num 200

Real recordings: hand-eye against the five methods of OpenCV on samples of 1 Hz, with wrong poses
and a wrong clock; halves of the boards against each other::

    python benchmarks/calibration_extrinsic.py hand-eye --data ../shared/data
    python benchmarks/calibration_extrinsic.py boards --data ../shared/data --num 200
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from perception_stack.calibration.estimation.rotations import exp, log
from perception_stack.calibration.grading.grade import Grade, Verdict
from perception_stack.calibration.hand_eye.calibrate import HandEye, Setup, calibrate_hand_eye
from perception_stack.calibration.lidar_base.calibrate import calibrate_lidar_base
from perception_stack.calibration.lidar_camera.boards import poses_of_corners
from perception_stack.calibration.lidar_camera.calibrate import LidarCamera, calibrate_lidar_camera
from perception_stack.calibration.lidar_lidar.calibrate import calibrate_lidar_lidar
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.board_poses import BoardCorners, read_board_poses
from perception_stack.io.pose_streams import read_pose_table
from perception_stack.simulation.boards import record_boards
from perception_stack.simulation.hand_eye import Turning, record_hand_eye
from perception_stack.simulation.yard import Surroundings, make_yard, scan_yard

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
FIRST_SEED = 10_000
METHODS = ("TSAI", "PARK", "HORAUD", "ANDREFF", "DANIILIDIS")
ARMS = {
    "real": (
        "robot_arm_w_color_camera_real",
        "robot_arm_complete_bag_color_and_ir_base_link_sr300_hinge.csv",
        "robot_arm_complete_bag_color_and_ir_target_ir.csv",
    ),
    "simulated": (
        "robot_arm_w_color_camera_sim",
        "robot_arm_sim_hand.csv",
        "robot_arm_sim_camera.csv",
    ),
}
BOARD_M = (0.61, 0.85)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One rig: what was asked for, errors of the parameters, and the grade."""

    kind: str
    errors: FloatArray
    grade: Grade

    @property
    def deviations(self) -> FloatArray:
        """Errors over their standard deviations."""
        return self.errors / np.array([one.std for one in self.grade.parameters])


def hand_eye_trial(rng: np.random.Generator) -> Trial:
    kinds = [Turning.ALL] * 17 + [Turning.ONE_AXIS] * 2 + [Turning.NONE]
    turning = kinds[rng.integers(len(kinds))]
    record = record_hand_eye(
        rng,
        turning=turning,
        on_base=bool(rng.random() < 0.5),
        outliers=float(rng.choice([0, 0.1, 0.25])),
        correlated=bool(rng.random() < 0.5),
    )
    setup = Setup.ON_BASE if record.on_base else Setup.IN_HAND
    found = calibrate_hand_eye(
        record.base_from_hand,
        record.eye_from_target,
        setup=setup,
        now=NOW,
        farthest_offset_s=1.0,
    )
    errors = _errors(found.mount_from_eye, record.mount_from_eye)
    errors = np.append(errors, found.offset_s - record.offset_s)
    return Trial(kind=turning.value, errors=errors, grade=found.grade)


def lidar_camera_trial(rng: np.random.Generator) -> Trial:
    few = bool(rng.random() < 0.1)
    record = record_boards(
        rng,
        num=int(rng.integers(1, 3) if few else rng.integers(6, 30)),
        outliers=0.0 if few else float(rng.choice([0, 0.1, 0.25])),
        square=bool(rng.random() < 0.3),
    )
    truth = record.lidar_from_camera
    rough = replace(truth, rotation=exp(0.1 * rng.normal(size=3)) @ truth.rotation)
    found = calibrate_lidar_camera(
        poses_of_corners(record.camera_m, record.size_m),
        poses_of_corners(record.lidar_m, record.size_m),
        size_m=record.size_m,
        names=[str(i) for i in range(len(record.wrong))],
        lidar="lidar",
        camera="camera",
        now=NOW,
        initial=rough if few else None,
    )
    kind = "one or two boards" if few else "boards"
    return Trial(kind=kind, errors=_errors(found.lidar_from_camera, truth), grade=found.grade)


def lidar_lidar_trial(rng: np.random.Generator) -> Trial:
    kinds = [Surroundings.YARD] * 17 + [Surroundings.CORRIDOR] * 2 + [Surroundings.FIELD]
    surroundings = kinds[rng.integers(len(kinds))]
    yard = make_yard(rng, surroundings, bumps_m=rng.uniform(0, 0.01))
    world_from_target = _above_ground(rng, "target")
    truth = RigidTransform(
        target="target",
        source="source",
        rotation=exp(rng.normal(size=3) * np.deg2rad([10, 10, 60])),
        translation_m=rng.uniform(-0.6, 0.6, size=3),
    )
    noise_m = rng.uniform(0.01, 0.03)
    clouds = [
        scan_yard(
            rng, yard, lidar_from_world=pose.inverse(), num_beams=int(beams), noise_m=noise_m
        )
        for pose, beams in (
            (world_from_target @ truth, rng.choice([16, 32])),
            (world_from_target, rng.choice([32, 64])),
        )
    ]
    rough = replace(
        truth,
        rotation=exp(rng.normal(size=3) * np.deg2rad(4)) @ truth.rotation,
        translation_m=truth.translation_m + 0.15 * rng.normal(size=3),
    )
    found = calibrate_lidar_lidar(*clouds, initial=rough, now=NOW)
    errors = _errors(found.target_from_source, truth)
    return Trial(kind=surroundings.value, errors=errors, grade=found.grade)


def lidar_base_trial(rng: np.random.Generator) -> Trial:
    yard = make_yard(rng, bumps_m=rng.uniform(0, 0.005))
    truth = _above_ground(rng, "lidar")
    cloud = scan_yard(
        rng,
        yard,
        lidar_from_world=truth.inverse(),
        num_beams=int(rng.choice([16, 32, 64])),
        noise_m=rng.uniform(0.01, 0.03),
    )
    tilt = np.append(rng.normal(size=2) * np.deg2rad(5), 0)
    rough = replace(truth, rotation=exp(tilt) @ truth.rotation)
    found = calibrate_lidar_base(cloud, initial=rough, now=NOW)
    errors = _errors(found.base_from_lidar, truth)
    return Trial(kind="yard", errors=errors, grade=found.grade)


TRIALS: dict[str, Callable[[np.random.Generator], Trial]] = {
    "hand-eye": hand_eye_trial,
    "lidar-camera": lidar_camera_trial,
    "lidar-lidar": lidar_lidar_trial,
    "lidar-base": lidar_base_trial,
}


def rigs(kind: str, num: int) -> None:
    trials, refused = [], 0
    for seed in range(FIRST_SEED, FIRST_SEED + num):
        try:
            trials.append(TRIALS[kind](np.random.default_rng(seed)))
        except CalibrationError as error:
            refused += 1
            print(f"seed {seed} refused: {error}")
    print(f"{kind}: {len(trials)} of {num} answered, {refused} refused with a reason")
    for (what, verdict), count in sorted(
        Counter((one.kind, one.grade.verdict.value) for one in trials).items()
    ):
        print(f"  {what}: {count} {verdict}")
    answered = [one for one in trials if one.grade.verdict is not Verdict.NOT_ENOUGH]
    known = np.stack([one.deviations for one in answered])
    fixed = np.array([np.isfinite(one.std) for one in answered[0].grade.parameters])
    inside = np.abs(known[:, fixed]) < 1.96
    print(
        f"  95 % intervals hold {inside.mean():.1%}; by parameter {inside.mean(axis=0).round(3)}"
    )
    errors = np.stack([one.errors for one in answered])[:, fixed]
    print(f"  median error {np.median(np.abs(errors), axis=0)} m, rad, s")
    good = [one for one in answered if one.grade.verdict is Verdict.GOOD]
    over = [_over(one) for one in good]
    single = sum(bool((np.abs(one.deviations[fixed]) > 3).any()) for one in good)
    print(
        f"  of {len(good)} good ones {sum(over)} have a shift or a turn longer than 3 of its "
        f"standard deviations; in {single} a single parameter is (of Gaussian ones "
        f"{len(good) * (1 - 0.9973 ** int(fixed.sum())):.1f} would)"
    )


def _over(trial: Trial) -> bool:
    """Whether the length of the shift or of the turn is above three standard deviations."""
    std = np.array([one.std for one in trial.grade.parameters])
    parts = []
    for rows in (slice(0, 3), slice(3, 6)):
        here = np.isfinite(std[rows])
        error, sigma = trial.errors[rows][here], std[rows][here]
        parts.append(bool(np.linalg.norm(error) > 3 * np.linalg.norm(sigma)))
    return any(parts)


def hand_eye(data: Path) -> None:
    import cv2

    for name, (folder, hand_file, eye_file) in ARMS.items():
        root = data / "hand_eye" / folder
        hand = read_pose_table(root / hand_file, target="base", source="hand")
        eye = read_pose_table(root / eye_file, target="target", source="camera").inverse
        clean = _calibrated(hand, eye)
        rows = [("clean", eye)]
        for share in (0.1, 0.2):
            rows += [(f"{share:.0%} wrong, seed {i}", _spoiled(eye, share, i)) for i in range(3)]
        rows.append(("clock 100 ms off", replace(eye, stamps_ns=eye.stamps_ns + 100_000_000)))
        for what, stream in rows:
            found = _calibrated(hand, stream)
            moved = _apart(found.mount_from_eye, clean.mount_from_eye)
            print(
                f"{name}, {what}: {moved[0]:.2f} mm {moved[1]:.3f}°, offset "
                f"{1000 * found.offset_s:.1f} ms, verdict {found.grade.verdict.value}"
            )
        scatter: dict[str, list[tuple[float, float]]] = {one: [] for one in ("ours", *METHODS)}
        for phase in np.arange(0, 1, 0.1):
            pairs = _at_1_hz(hand, eye, clean.offset_s, phase)
            scatter["ours"].append(_scatter(clean.mount_from_eye, *pairs))
            for method in METHODS:
                rotation, shift = cv2.calibrateHandEye(
                    *[list(one) for one in pairs],
                    method=getattr(cv2, f"CALIB_HAND_EYE_{method}"),
                )
                rough = replace(
                    clean.mount_from_eye, rotation=rotation, translation_m=shift.ravel()
                )
                scatter[method].append(_scatter(rough, *pairs))
        for method, values in scatter.items():
            place, turn = np.median(values, axis=0)
            print(f"{name}, {method}: median scatter {place:.2f} mm, {turn:.3f}° on 1 Hz samples")


def _calibrated(hand: PoseStream, eye: PoseStream) -> HandEye:
    return calibrate_hand_eye(hand, eye, setup=Setup.IN_HAND, now=NOW)


def _spoiled(eye: PoseStream, share: float, seed: int) -> PoseStream:
    rng = np.random.default_rng(seed)
    bad = rng.random(len(eye)) < share
    rotation, shift = eye.rotation.copy(), eye.translation_m.copy()
    rotation[bad] = rotation[bad] @ exp(0.7 * rng.normal(size=(bad.sum(), 3)))
    shift[bad] += 0.3 * rng.normal(size=(bad.sum(), 3))
    return replace(eye, rotation=rotation, translation_m=shift)


def _at_1_hz(
    hand: PoseStream, eye: PoseStream, offset_s: float, phase: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    since = int(eye.stamps_ns[0])
    times = eye.seconds(since_ns=since)
    rows = np.unique([np.argmin(np.abs(times - one)) for one in np.arange(phase, times[-1])])
    rows = rows[hand.knows(times[rows] + offset_s, since_ns=since)]
    return (
        *hand.at(times[rows] + offset_s, since_ns=since),
        eye.rotation[rows],
        eye.translation_m[rows],
    )


def _scatter(
    mount_from_eye: RigidTransform,
    hand_r: FloatArray,
    hand_t: FloatArray,
    eye_r: FloatArray,
    eye_t: FloatArray,
) -> tuple[float, float]:
    """Median distance [mm] and angle [°] of the target's poses in the base from their mean."""
    place = np.einsum("nij,nj->ni", hand_r, mount_from_eye.apply(eye_t)) + hand_t
    turn = hand_r @ mount_from_eye.rotation @ eye_r
    left, _, right = np.linalg.svd(turn.mean(axis=0))
    angle = np.linalg.norm(log((left @ right).T @ turn), axis=1)
    distance = np.linalg.norm(place - place.mean(axis=0), axis=1)
    return 1000 * float(np.median(distance)), float(np.rad2deg(np.median(angle)))


def boards(data: Path, num: int) -> None:
    corners = read_board_poses(data / "calib_lidar_camera" / "acfr_vlp16" / "poses.csv")
    everything = np.arange(len(corners.names))
    whole = _of_boards(corners, everything)
    held_out = 1000 * np.linalg.norm(whole.errors_m, axis=2)
    print(
        f"all boards: {whole.lidar_from_camera.translation_m}; held-out distance of corners and "
        f"centre {held_out.mean():.2f} mm, of the centre {held_out[:, 4].mean():.2f} mm"
    )
    middle = poses_of_corners(corners.camera_m, BOARD_M).center_m.mean(axis=0)
    rows = []
    for seed in range(num):
        order = np.random.default_rng(seed).permutation(len(everything))
        one, other = (
            _of_boards(corners, half).lidar_from_camera for half in np.array_split(order, 2)
        )
        at_boards = 1000 * float(np.linalg.norm(one.apply(middle) - other.apply(middle)))
        rows.append((*_apart(one, other), at_boards))
    names = ("shift mm", "turn °", "mm at the boards")
    for name, column in zip(names, np.transpose(rows), strict=True):
        low, high, most = np.percentile(column, [50, 95, 100])
        print(f"halves: {name}: median {low:.2f}, 95 % below {high:.2f}, most {most:.2f}")
    print(f"halves: {np.mean([one[0] < 10 for one in rows]):.0%} within 10 mm")


def _of_boards(corners: BoardCorners, rows: FloatArray) -> LidarCamera:
    return calibrate_lidar_camera(
        poses_of_corners(corners.camera_m[rows], BOARD_M),
        poses_of_corners(corners.lidar_m[rows], BOARD_M),
        size_m=BOARD_M,
        names=[corners.names[i] for i in rows],
        lidar="lidar",
        camera="camera",
        now=NOW,
    )


def _above_ground(rng: np.random.Generator, lidar: str) -> RigidTransform:
    return RigidTransform(
        target="world",
        source=lidar,
        rotation=exp(rng.normal(size=3) * np.deg2rad([3, 3, 60])),
        translation_m=rng.uniform((-1, -1, 1.2), (1, 1, 2.2)),
    )


def _errors(found: RigidTransform, truth: RigidTransform) -> FloatArray:
    turn = log(found.rotation @ truth.rotation.T)
    return np.concatenate([found.translation_m - truth.translation_m, turn])


def _apart(one: RigidTransform, other: RigidTransform) -> tuple[float, float]:
    """Distance [mm] and angle [°]."""
    six = _errors(one, other)
    return 1000 * float(np.linalg.norm(six[:3])), float(np.rad2deg(np.linalg.norm(six[3:])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rigs", "hand-eye", "boards"))
    parser.add_argument("--kind", choices=TRIALS, default="hand-eye")
    parser.add_argument("--num", type=int, default=200)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    if args.what == "rigs":
        rigs(args.kind, args.num)
    elif args.what == "hand-eye":
        hand_eye(args.data)
    else:
        boards(args.data, args.num)


if __name__ == "__main__":
    main()
