"""The commands that find and trade transforms, as a user types them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from perception_stack.geometry.pose_stream import PoseStream
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import read_extrinsics
from perception_stack.simulation.boards import record_boards
from perception_stack.simulation.hand_eye import HandEyeRecording, Turning, record_hand_eye
from perception_stack.simulation.yard import make_yard, scan_yard
from perception_stack.tools.main import FORMATS, main


def _table(path: Path, stream: PoseStream) -> str:
    rows = np.column_stack([stream.seconds(), stream.translation_m, stream.quat_xyzw])
    np.savetxt(path, rows, delimiter=",", fmt="%.9f")
    return str(path)


def _run_hand_eye(record: HandEyeRecording, folder: Path) -> int:
    return main(
        [
            *("calibrate", "hand-eye", "--eye-gives", "target-in-camera"),
            *("--hand", _table(folder / "hand.csv", record.base_from_hand)),
            *("--eye", _table(folder / "eye.csv", record.eye_from_target)),
            *("--base", "base_link", "--hand-frame", "tool0", "--camera", "lens"),
            *("--out", str(folder / "out" / "hand_eye.yaml")),
        ]
    )


@pytest.mark.parametrize("command", [one for one in FORMATS if one.startswith("calibrate ")])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert ended.value.code == 0
    assert f"perception-stack {command}" in capsys.readouterr().out


def test_hand_eye_writes_result_grade_and_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = record_hand_eye(np.random.default_rng(11))
    assert _run_hand_eye(record, tmp_path) == 0
    printed = capsys.readouterr().out
    assert "verdict: good; takes points of lens to tool0" in printed
    assert "to the stamps of the camera" in printed
    (result,) = read_extrinsics(tmp_path / "out" / "hand_eye.yaml")
    assert (result.parent_from_child.target, result.parent_from_child.source) == ("tool0", "lens")
    miss = result.parent_from_child.translation_m - record.mount_from_eye.translation_m
    assert np.linalg.norm(miss) < 0.005
    assert result.covariance is not None
    grade = yaml.safe_load((tmp_path / "out" / "hand_eye.grade.yaml").read_text())
    assert grade["verdict"] == "good"
    assert "data:image" in (tmp_path / "out" / "hand_eye.report.html").read_text()


def test_not_enough_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    record = record_hand_eye(np.random.default_rng(12), turning=Turning.ONE_AXIS)
    assert _run_hand_eye(record, tmp_path) == 1


def test_boards_to_calib_json_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = record_boards(np.random.default_rng(1), num=15)
    poses = np.zeros((15, 19, 3))
    poses[:, 2:6], poses[:, 8:12] = 1000 * record.camera_m, 1000 * record.lidar_m
    poses[:, 18, 0] = np.arange(15)
    np.savetxt(tmp_path / "poses.csv", poses.reshape(-1, 3), delimiter=",")
    rig, traded, back = (str(tmp_path / name) for name in ("rig.yaml", "calib.json", "back.yaml"))
    board = "x".join(map(str, record.size_m))
    command = ["calibrate", "lidar-camera", "--poses", str(tmp_path / "poses.csv")]
    assert main([*command, "--board", board, "--out", rig]) == 0
    assert main(["calibrate", "export", rig, "--to", "visual-lidar", "--out", traded]) == 0
    command = ["calibrate", "import", traded, "--from", "visual-lidar"]
    assert main([*command, "--out", back]) == 2
    assert "--frames" in capsys.readouterr().err
    assert main([*command, "--frames", "lidar", "camera", "--out", back]) == 0
    (one,), (other,) = read_extrinsics(Path(rig)), read_extrinsics(Path(back))
    np.testing.assert_allclose(
        one.parent_from_child.matrix, other.parent_from_child.matrix, atol=1e-12
    )
    assert main(["calibrate", "lidar-camera", "--poses", "x", "--board", "1", "--out", rig]) == 2


def test_lidar_above_ground(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    level = RigidTransform(
        target="world",
        source="lidar",
        rotation=np.eye(3),
        translation_m=np.array([0.0, 0.0, 1.5]),
    )
    points = scan_yard(rng, make_yard(rng), lidar_from_world=level.inverse(), num_beams=32)
    _write_pcd(tmp_path / "scan.pcd", points)
    out = tmp_path / "lidar.yaml"
    command = ["calibrate", "lidar-base", "--scan", str(tmp_path / "scan.pcd"), "--out", str(out)]
    assert main([*command, "--initial", "0.9", "0", "1.2", "3", "-2", "0"]) == 0
    (result,) = read_extrinsics(out)
    np.testing.assert_allclose(result.parent_from_child.translation_m, [0.9, 0, 1.5], atol=0.01)
    assert result.covariance is None  # x, y and yaw are not known


def _write_pcd(path: Path, points: np.ndarray) -> None:
    header = (
        "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\n"
        f"WIDTH {len(points)}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\n"
        "DATA binary\n"
    )
    path.write_bytes(header.encode() + points.astype("<f4").tobytes())
