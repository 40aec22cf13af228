"""Time offsets between sensors that turn together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.time_offset.calibrate import Turns, find_time_offset
from perception_stack.calibration.time_offset.turns import turns_of_images, turns_of_scans
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.simulation.rig import Mount
from perception_stack.simulation.scene import BASE_FRAME

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def walk(time_s: np.ndarray, rng: np.random.Generator, *, size: float) -> np.ndarray:
    """Orientation with the drift of odometry: noise on every increment."""
    vector = [
        size * np.sin(2 * np.pi * (0.2 + 0.13 * i) * time_s + phase)
        for i, phase in enumerate((0.3, 1.7, 4.0))
    ]
    rotation = Rotation.from_rotvec(np.stack(vector, axis=1)).as_matrix()
    steps = rotation[:-1].swapaxes(1, 2) @ rotation[1:]
    noise = Rotation.from_rotvec(2e-4 * rng.normal(size=(len(steps), 3))).as_matrix()
    result = [np.eye(3)]
    for step in steps @ noise:
        result.append(result[-1] @ step)
    return np.array(result)


def pair(offset_s: float, seed: int, *, size: float = 0.2) -> tuple[Turns, Turns]:
    rng = np.random.default_rng(seed)
    first_s, second_s = np.arange(1, 21, 0.1), np.arange(0, 22, 0.07)
    mount = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    turned = mount.T @ walk(first_s + offset_s, rng, size=size) @ mount
    other = walk(second_s, rng, size=size)
    return (
        Turns(name="a", stamps_ns=(first_s * 1e9).astype(np.int64), rotation=turned),
        Turns(name="b", stamps_ns=(second_s * 1e9).astype(np.int64), rotation=other),
    )


@pytest.mark.parametrize("offset_s", [-0.123, 0.0, 0.0471])
def test_offset_is_found_whatever_the_mount(offset_s: float) -> None:
    found = find_time_offset(*pair(offset_s, 3), farthest_s=0.2, now=NOW)
    assert found.offset_s == pytest.approx(offset_s, abs=0.002)
    assert found.std_s < 0.002
    assert found.grade.verdict is Verdict.GOOD


def test_std_is_that_of_the_errors() -> None:
    rng = np.random.default_rng(0)
    ratio = []
    for seed in range(40):
        offset_s = rng.uniform(-0.1, 0.1)
        found = find_time_offset(*pair(offset_s, seed), farthest_s=0.2, now=NOW)
        ratio.append((found.offset_s - offset_s) / found.std_s)
    assert 0.6 < np.sqrt(np.mean(np.square(ratio))) < 1.5


def test_without_turning_it_says_so() -> None:
    found = find_time_offset(*pair(0.05, 1, size=0.0), farthest_s=0.2, now=NOW)
    assert found.grade.verdict is Verdict.NOT_ENOUGH
    assert "Turn more" in found.grade.advice[0]
    assert not found.grade.parameters[0].observable


def test_bad_input_is_named() -> None:
    first, second = pair(0.0, 0)
    with pytest.raises(CalibrationError, match="do not rise"):
        replace(first, stamps_ns=first.stamps_ns[::-1].copy())
    with pytest.raises(CalibrationError, match="spans of a lie within"):
        find_time_offset(
            replace(first, stamps_ns=first.stamps_ns + 10**12), second, farthest_s=0.2, now=NOW
        )


def test_images_and_scans_tell_how_late_the_camera_is(road_rig, road_mount, road_camera) -> None:
    """Both sensors sway on the vehicle; the camera's images are stamped 60 ms after they were."""
    late_s = 0.06

    def swaying(time_s: float) -> Mount:
        yaw = 0.15 * np.sin(2 * np.pi * 0.45 * time_s) + 0.04 * np.sin(2 * np.pi * 1.1 * time_s)
        sway = RigidTransform(
            target=BASE_FRAME,
            source=BASE_FRAME,
            rotation=Rotation.from_rotvec([0, 0, yaw]).as_matrix(),
            translation_m=np.zeros(3),
        )
        return Mount(
            base_from_camera=sway @ road_mount.base_from_camera,
            base_from_lidar=sway @ road_mount.base_from_lidar,
        )

    scans = [road_rig.turn(t, swaying(t)) for t in np.arange(0, 4.5, 0.1)]
    images = [
        replace(road_rig.picture(t, swaying(t)), stamp_ns=round((t + late_s) * 1e9))
        for t in np.arange(0.4, 4.0, 0.1)
    ]
    found = find_time_offset(
        turns_of_images(images, road_camera), turns_of_scans(scans), farthest_s=0.2, now=NOW
    )
    assert found.offset_s == pytest.approx(-late_s, abs=max(4 * found.std_s, 0.01))
    assert found.std_s < 0.015
    assert found.grade.verdict is not Verdict.NOT_ENOUGH
