"""LiDAR-LiDAR and LiDAR to base: truth, surroundings that fix nothing, and real scans."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from perception_stack.calibration.estimation.rotations import exp, log
from perception_stack.calibration.grading.grade import Verdict
from perception_stack.calibration.lidar_base.calibrate import calibrate_lidar_base
from perception_stack.calibration.lidar_base.figures import ground_section
from perception_stack.calibration.lidar_lidar.calibrate import LidarLidar, calibrate_lidar_lidar
from perception_stack.calibration.lidar_lidar.figures import clouds_section
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_formats.angles import rotation_of
from perception_stack.io.pcd import read_pcd
from perception_stack.simulation.yard import Surroundings, make_yard, scan_yard

_NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
_TRUTH = RigidTransform(
    target="top",
    source="side",
    rotation=exp(np.array([0.1, 0.3, 1.2])),
    translation_m=np.array([0.1, 0.5, -0.3]),
)
_ROUGH = replace(
    _TRUTH,
    rotation=exp(np.array([0.06, -0.07, 0.08])) @ _TRUTH.rotation,
    translation_m=np.array([0.3, 0.4, -0.2]),
)
_WORLD_FROM_TOP = RigidTransform(
    target="world",
    source="top",
    rotation=exp(np.array([0.03, -0.02, 0.4])),
    translation_m=np.array([0.2, 0.1, 1.7]),
)


def _scans(surroundings: Surroundings) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    yard = make_yard(rng, surroundings, bumps_m=0.004)
    side, top = (
        scan_yard(rng, yard, lidar_from_world=pose.inverse(), num_beams=beams)
        for pose, beams in ((_WORLD_FROM_TOP @ _TRUTH, 16), (_WORLD_FROM_TOP, 64))
    )
    return side, top


def test_truth_from_sixteen_beams() -> None:
    side, top = _scans(Surroundings.YARD)
    found = calibrate_lidar_lidar(side, top, initial=_ROUGH, now=_NOW)
    errors = np.concatenate(
        [
            found.target_from_source.translation_m - _TRUTH.translation_m,
            log(found.target_from_source.rotation @ _TRUTH.rotation.T),
        ]
    )
    std = np.sqrt(np.diag(found.covariance))
    assert (np.abs(errors) < 4 * std).all()
    assert np.abs(errors[:3]).max() < 0.005
    assert found.grade.verdict is Verdict.GOOD
    section = clouds_section(side, top, _ROUGH, found.target_from_source)
    assert [one.alt for one in section.pictures] == ["before", "after"]


@pytest.mark.parametrize("surroundings", [Surroundings.CORRIDOR, Surroundings.FIELD])
def test_surroundings_that_fix_nothing(surroundings: Surroundings) -> None:
    side, top = _scans(surroundings)
    found = calibrate_lidar_lidar(side, top, initial=_ROUGH, now=_NOW)
    assert found.grade.verdict is Verdict.NOT_ENOUGH
    assert any("is not fixed by the data" in one for one in found.grade.why)
    assert any("record where both see" in one for one in found.grade.advice)


def test_nothing_in_common() -> None:
    _, top = _scans(Surroundings.YARD)
    with pytest.raises(CalibrationError, match="points between"):
        calibrate_lidar_lidar(np.full((500, 3), np.nan), top, initial=_ROUGH, now=_NOW)
    high = replace(_ROUGH, translation_m=np.array([0, 0, 500.0]))
    with pytest.raises(CalibrationError, match="overlap"):
        calibrate_lidar_lidar(top[:3000], top, initial=high, now=_NOW)


def _points(path: Path) -> np.ndarray:
    return read_pcd(path, frame_id="", stamp_ns=0).xyz_m.astype(np.float64)


def _of_scan(
    data_dir: Path, name: str, degrees: tuple[float, float, float], place: list[float]
) -> LidarLidar:
    folder = data_dir / "calib_lidar_lidar" / "0001"
    initial = RigidTransform(
        target="top",
        source=name,
        rotation=rotation_of(*np.deg2rad(degrees)),
        translation_m=np.array(place),
    )
    return calibrate_lidar_lidar(
        _points(folder / f"{name}.pcd"), _points(folder / "top.pcd"), initial=initial, now=_NOW
    )


@pytest.mark.parametrize(
    ("name", "yaw", "place"),
    [
        ("left", 90.0, [-0.0676, 0.6258, -0.3515]),
        ("right", -90.0, [-0.0001, -0.4633, -0.4660]),
    ],
)
def test_real_side_lidars(data_dir: Path, name: str, yaw: float, place: list[float]) -> None:
    """The initial values lack that both look down by 45°."""
    found = _of_scan(data_dir, name, (0.0, 0.0, yaw), place)
    gap_m = np.abs(found.matches.gaps_m(found.target_from_source)).mean()
    assert gap_m < 0.035
    assert found.initial_gap_m > 1
    assert np.linalg.norm(found.target_from_source.translation_m - place) < 0.2
    # another start of the same rig ends at the same place
    other = _of_scan(data_dir, name, (3.0, 40.0, yaw + 5), place)
    apart = other.target_from_source.translation_m - found.target_from_source.translation_m
    assert np.linalg.norm(apart) < 0.02


def test_real_room(data_dir: Path) -> None:
    initial = RigidTransform(
        target="first",
        source="second",
        rotation=rotation_of(0, 0, 0.6931),
        translation_m=np.array([1.79387, 0.720047, 0]),
    )
    found = calibrate_lidar_lidar(
        _points(data_dir / "pcl_scenes" / "room_scan2.pcd"),
        _points(data_dir / "pcl_scenes" / "room_scan1.pcd"),
        initial=initial,
        now=_NOW,
    )
    # README of the data: point-to-plane ICP whose RMSE is 108 mm
    np.testing.assert_allclose(
        found.target_from_source.translation_m, [1.980, 0.060, 0.035], atol=0.03
    )
    rotation = found.target_from_source.rotation
    yaw_deg = float(np.rad2deg(np.arctan2(rotation[1, 0], rotation[0, 0])))
    assert yaw_deg == pytest.approx(40.81, abs=0.3)


def test_lidar_above_the_ground() -> None:
    _, top = _scans(Surroundings.YARD)
    tilted = exp(np.array([0.1, -0.08, 0])) @ _WORLD_FROM_TOP.rotation
    rough = replace(_WORLD_FROM_TOP, rotation=tilted, translation_m=np.array([0.2, 0.1, 1.0]))
    found = calibrate_lidar_base(top, initial=rough, now=_NOW)
    assert found.base_from_lidar.translation_m[2] == pytest.approx(1.7, abs=0.01)
    up = found.base_from_lidar.rotation[2]
    assert np.rad2deg(np.arccos(up @ _WORLD_FROM_TOP.rotation[2])) < 0.1
    assert found.base_from_lidar.translation_m[:2].tolist() == [0.2, 0.1]
    observable = [one.observable for one in found.grade.parameters]
    assert observable == [False, False, True, True, True, False]
    assert any("x, y and yaw" in one for one in found.grade.why)
    assert ground_section(found, rough, ground_z_m=0.0).pictures


def test_no_ground_below() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(CalibrationError, match="no ground"):
        calibrate_lidar_base(rng.normal(size=(5000, 3)) * 5, initial=_WORLD_FROM_TOP, now=_NOW)
    with pytest.raises(CalibrationError, match="no ground"):
        calibrate_lidar_base(np.empty((0, 3)), initial=_WORLD_FROM_TOP, now=_NOW)
