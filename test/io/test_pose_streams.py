"""Poses out of tables and out of TF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.errors import DataFileError, UnknownFrameError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.bags import BagWriter
from perception_stack.io.board_poses import read_board_poses
from perception_stack.io.messages.transforms import transforms_to_msg
from perception_stack.io.pose_streams import read_pose_table, read_tf_poses

_S = 1_000_000_000


def _shift(target: str, source: str, x: float) -> RigidTransform:
    return RigidTransform(
        target=target, source=source, rotation=np.eye(3), translation_m=np.array([x, 0, 0])
    )


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "hand.csv"
    path.write_text(
        "1.5, 1, 2, 3, 0, 0, 0, 1\n1.5, 9, 9, 9, 0, 0, 0, 1\n2.0, 4, 5, 6, 0, 0, 1, 0\n"
    )
    stream = read_pose_table(path, target="base", source="hand")
    assert stream.stamps_ns.tolist() == [1_500_000_000, 2_000_000_000]
    assert stream.num_repeated == 1
    assert stream.translation_m.tolist() == [[1, 2, 3], [4, 5, 6]]
    np.testing.assert_allclose(stream.rotation[1], np.diag([-1, -1, 1]), atol=1e-12)


@pytest.mark.parametrize(("text", "says"), [("1, 2, 3\n", "columns"), ("a, b\n", "numbers")])
def test_other_tables_are_told(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "hand.csv"
    path.write_text(text)
    with pytest.raises(DataFileError, match=says):
        read_pose_table(path, target="base", source="hand")
    with pytest.raises(DataFileError):
        read_board_poses(path)
    with pytest.raises(DataFileError):
        read_pose_table(tmp_path / "nowhere.csv", target="base", source="hand")


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    path = tmp_path / "arm"
    with BagWriter(path) as writer:
        static = transforms_to_msg([_shift("flange", "hand", 0.1)], stamp_ns=0)
        writer.write("/tf_static", static, log_time_ns=0)
        for i in range(5):
            moving = [_shift("base", "flange", float(i)), _shift("camera", "board", 2.0 * i)]
            stamp_ns = i * _S
            message = transforms_to_msg(moving, stamp_ns=stamp_ns)
            writer.write("/tf", message, log_time_ns=stamp_ns)
    return path


def test_tf(bag: Path) -> None:
    hand, board = read_tf_poses(bag, [("base", "hand"), ("camera", "board")])
    assert hand.stamps_ns.tolist() == [i * _S for i in range(5)]
    np.testing.assert_allclose(hand.translation_m[:, 0], np.arange(5) + 0.1)
    np.testing.assert_allclose(board.translation_m[:, 0], 2.0 * np.arange(5))


def test_frames_that_are_not_there_or_do_not_move(bag: Path) -> None:
    with pytest.raises(UnknownFrameError, match="gripper"):
        read_tf_poses(bag, [("base", "gripper")])
    with pytest.raises(DataFileError, match="nothing moves"):
        read_tf_poses(bag, [("flange", "hand")])
