"""MOTChallenge files in and out, and image tracks in KITTI's format."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import TrackedBoxes2D, TrackState
from perception_stack.errors import DataFileError
from perception_stack.io.kitti.image_sequences import write_image_tracks
from perception_stack.io.kitti.tracks import read_tracks
from perception_stack.io.messages import detections2d_from_msg, tracked2d_to_msg
from perception_stack.io.mot import read_mot_detections, write_mot_tracks


def tracks_of(*numbers: int) -> TrackedBoxes2D:
    num = len(numbers)
    corner = 10.0 * np.array(numbers).reshape(-1, 1)
    return TrackedBoxes2D(
        frame_id="camera",
        stamp_ns=0,
        xyxy_px=np.concatenate([corner, corner + 1, corner + 20, corner + 41], axis=1),
        score=np.full(num, 0.75),
        classes=("car", "pedestrian"),
        class_probs=np.tile([0.2, 0.8], (num, 1)),
        ids=tuple(UUID(int=one) for one in numbers),
        state=np.full(num, TrackState.CONFIRMED, dtype=np.uint8),
        velocity_px=np.zeros((num, 2)),
        num_detections=np.ones(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
    )


def test_detections(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("3,-1,10,20,30,40,0.5,-1,-1,-1\n1,-1,1.5,2,3,4,0.25,-1,-1,-1\n\n")
    frames = read_mot_detections(path, rate_hz=25.0)
    assert [len(one) for one in frames] == [1, 0, 1]
    assert [one.stamp_ns for one in frames] == [0, 40_000_000, 80_000_000]
    np.testing.assert_array_equal(frames[0].xyxy_px, [[1.5, 2, 4.5, 6]])
    np.testing.assert_array_equal(frames[2].score, [0.5])
    assert frames[2].labels == ("pedestrian",)


def test_a_file_without_detections_has_no_frames(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text("")
    assert read_mot_detections(tmp_path / "det.txt", rate_hz=25.0) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0,-1,1,2,3,4,0.5", "frames count from one"),
        ("1,-1,1,2,3,4,17.5", "score 17.5"),
        ("1,-1,1,2,3,4,nan", "line 1: a number that is not finite"),
        ("1,-1,1,2,3", "has 5 columns"),
        ("1,-1,1,2,three,4,0.5", "line 1"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "det.txt").write_text(row + "\n")
    with pytest.raises(DataFileError, match=message):
        read_mot_detections(tmp_path / "det.txt", rate_hz=25.0)


def test_tracks_are_numbered_from_one(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    assert write_mot_tracks(path, {2: tracks_of(7), 1: tracks_of(9, 7), 3: tracks_of()}) == 3
    rows = np.loadtxt(path, delimiter=",")
    np.testing.assert_array_equal(rows[:, :2], [[1, 1], [1, 2], [2, 2]])
    np.testing.assert_allclose(rows[0, 2:7], [90, 91, 20, 40, 0.75])


def test_image_tracks_can_be_judged_as_kitti(tmp_path: Path) -> None:
    path = tmp_path / "0001.txt"
    assert write_image_tracks(path, {0: tracks_of(7, 9), 4: tracks_of(9)}) == 3
    frames = read_tracks(path)
    assert sorted(frames) == [0, 4]
    assert frames[4].ids.tolist() == [1]
    assert frames[4].boxes.labels == ("pedestrian",)
    np.testing.assert_allclose(frames[4].xyxy_px, [[90, 91, 110, 131]])
    assert path.read_text().splitlines()[2].split()[3:6] == ["-1", "-1", "-10"]


def test_a_message_has_identities_and_all_classes() -> None:
    message = tracked2d_to_msg(tracks_of(7, 9))
    assert [UUID(one.id).int for one in message.detections] == [7, 9]
    scores = [
        (one.hypothesis.class_id, one.hypothesis.score) for one in message.detections[0].results
    ]
    assert [name for name, _ in scores] == ["pedestrian", "car"]
    assert sum(score for _, score in scores) == pytest.approx(0.75)
    np.testing.assert_allclose(
        detections2d_from_msg(message).xyxy_px, tracks_of(7, 9).xyxy_px, rtol=1e-12
    )
