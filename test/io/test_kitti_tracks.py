"""Tracking folders and result files of KITTI."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.datatypes import TrackedObjects
from perception_stack.errors import DataFileError
from perception_stack.geometry.boxes import corners, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.kitti.calibration import CAMERA, RECT
from perception_stack.io.kitti.labels import boxes_from_kitti, yaw_camera_from_quat
from perception_stack.io.kitti.pointrcnn import stated
from perception_stack.io.kitti.sequences import read_sequence, sequence_names
from perception_stack.io.kitti.tracks import (
    KittiTracks,
    read_tracks,
    tracks_in_image,
    with_track_scores,
    write_tracks,
)
from perception_stack.io.track_numbers import TrackNumbers

_SAME = RigidTransform(target=CAMERA, source=RECT, rotation=np.eye(3), translation_m=np.zeros(3))
_CAMERA = CameraModel.pinhole(
    frame_id=CAMERA,
    width_px=1242,
    height_px=375,
    k=np.array([[700.0, 0, 600], [0, 700, 180], [0, 0, 1]]),
)
# odom: x ahead, y left, z up, at the camera
_RECT_FROM_ODOM = RigidTransform(
    target=RECT,
    source="odom",
    rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
    translation_m=np.zeros(3),
)
_finite = st.floats(-50, 50, allow_nan=False)
_side = st.floats(0.2, 20)


def boxes(rows, label="car", *, score=None):
    rows = np.array(rows, dtype=float).reshape(-1, 7)
    names = [label] * len(rows) if isinstance(label, str) else label
    score = np.full(len(rows), 0.5) if score is None else np.array(score, dtype=float)
    return boxes_from_kitti(rows, names, score=score, stamp_ns=0)


def listed(boxes_in_rect) -> TrackedObjects:
    """A tracked list in odom of boxes that are given as the camera sees them."""
    num = len(boxes_in_rect)
    return TrackedObjects(
        boxes=transform_boxes(boxes_in_rect, _RECT_FROM_ODOM.inverse()),
        ids=tuple(UUID(int=7 - i) for i in range(num)),
        state=np.full(num, 1, dtype=np.uint8),
        velocity_mps=np.zeros((num, 3)),
        angular_velocity_radps=np.zeros((num, 3)),
        twist_covariance=np.zeros((num, 6, 6)),
        acceleration_mps2=np.full((num, 3), np.nan),
        size_covariance=np.zeros((num, 3, 3)),
        orientation_known=np.ones(num, dtype=bool),
        stationary=np.zeros(num, dtype=bool),
        num_detections=np.ones(num, dtype=np.int64),
        last_seen_ns=np.zeros(num, dtype=np.int64),
    )


def in_image(objects, numbers=None) -> KittiTracks:
    return tracks_in_image(
        objects,
        rect_from_fixed=_RECT_FROM_ODOM,
        camera_from_rect=_SAME,
        camera=_CAMERA,
        numbers=numbers or TrackNumbers(),
    )


@given(
    st.lists(
        st.tuples(_side, _side, _side, _finite, _finite, _finite, st.floats(-3.14, 3.14)),
        max_size=5,
    )
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, rows) -> None:
    path = tmp_path_factory.mktemp("tracks") / "0000.txt"
    num = len(rows)
    given_tracks = KittiTracks(
        boxes=boxes(rows, "cyclist"),
        ids=np.arange(num, dtype=np.int64)[::-1].copy(),
        xyxy_px=np.arange(4.0 * num).reshape(num, 4),
        score=np.linspace(-3, 5, num),
    )
    assert write_tracks(path, {4: given_tracks}) == num
    found = read_tracks(path)
    assert list(found) == ([4] if num else [])
    if num:
        got = found[4]
        assert got.ids.tolist() == given_tracks.ids.tolist()
        assert set(got.boxes.labels) == {"cyclist"}
        np.testing.assert_allclose(got.xyxy_px, given_tracks.xyxy_px)
        np.testing.assert_allclose(got.score, given_tracks.score, atol=1e-6)
        # six decimals of place, size and turn
        np.testing.assert_allclose(corners(got.boxes), corners(given_tracks.boxes), atol=5e-5)


def test_a_row_is_as_the_benchmark_defines_it(tmp_path: Path) -> None:
    """A car 20 m ahead and 8 m to the right that points away."""
    path = tmp_path / "0001.txt"
    row = [1.5, 1.6, 4.0, 8.0, 1.7, 20.0, -np.pi / 2]
    write_tracks(path, {12: in_image(listed(boxes([row])))})
    cells = path.read_text().split()
    assert cells[:5] == ["12", "0", "Car", "-1", "-1"]
    numbers = np.array(cells[5:], dtype=float)
    np.testing.assert_allclose(numbers[0], -np.pi / 2 - np.arctan2(8, 20), atol=1e-6)
    # nearest edge at 18 m, farthest at 22 m; left side 7.2 m, right side 8.8 m to the right
    expected_px = [
        600 + 700 * 7.2 / 22,
        180 + 700 * 0.2 / 22,
        600 + 700 * 8.8 / 18,
        180 + 700 * 1.7 / 18,
    ]
    np.testing.assert_allclose(numbers[1:5], expected_px, atol=1e-4)
    np.testing.assert_allclose(numbers[5:12], row, atol=1e-6)
    assert numbers[12] == pytest.approx(0.0)  # existence 0.5


def test_only_what_the_camera_sees_is_written_and_numbered() -> None:
    rows = [
        [1.5, 1.6, 4.0, 0.0, 1.7, 20.0, 0.0],  # ahead
        [1.5, 1.6, 4.0, 0.0, 1.7, -20.0, 0.0],  # behind
        [1.5, 1.6, 4.0, 60.0, 1.7, 20.0, 0.0],  # right of the image
        [1.5, 1.6, 4.0, 19.0, 1.7, 20.0, 0.0],  # mostly right of the image
        [1.5, 1.6, 4.0, 2.0, 1.7, 30.0, 0.0],  # of a class that is not scored
    ]
    names = ["car", "car", "car", "car", "unknown"]
    tracks = in_image(listed(boxes(rows, names)))
    assert tracks.boxes.center_m[:, 2].tolist() == pytest.approx([20.0])
    assert tracks.ids.tolist() == [0]


def test_boxes_are_clipped_to_the_image_and_written_without_tilt() -> None:
    numbers = TrackNumbers()
    tilted = RigidTransform(
        target=RECT,
        source="odom",
        rotation=_RECT_FROM_ODOM.rotation
        @ np.array([[np.cos(0.1), 0, np.sin(0.1)], [0, 1, 0], [-np.sin(0.1), 0, np.cos(0.1)]]),
        translation_m=np.zeros(3),
    )
    near = listed(boxes([[1.5, 1.6, 4.0, -7.0, 1.7, 10.0, 0.3]]))
    tracks = tracks_in_image(
        near, rect_from_fixed=tilted, camera_from_rect=_SAME, camera=_CAMERA, numbers=numbers
    )
    low, high = tracks.xyxy_px[0, :2], tracks.xyxy_px[0, 2:]
    assert (low >= -0.5).all()
    assert low[0] < 0
    assert (high <= np.array([1241.5, 374.5])).all()
    up = corners(tracks.boxes)[0]
    assert len(np.unique(np.round(up[:, 1], 6))) == 2  # level top, level bottom
    assert yaw_camera_from_quat(tracks.boxes.quat_xyzw)[0] == pytest.approx(0.3, abs=0.03)


def test_numbers_and_scores_are_stable() -> None:
    numbers = TrackNumbers()
    rows = [[1.5, 1.6, 4.0, x, 1.7, 20.0, 0.0] for x in (-5.0, 0.0, 5.0)]
    objects = listed(boxes(rows, score=[0.0, 0.5, 1.0]))
    first, again = in_image(objects, numbers), in_image(objects, numbers)
    assert first.ids.tolist() == again.ids.tolist() == [0, 1, 2]
    assert np.isfinite(first.score).all()
    assert (np.diff(first.score) > 0).all()
    np.testing.assert_allclose(first.score[0], -first.score[2])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("0 1 Car -1 -1 0 0 0 9 9 1 1 1 0 0 9 0\n", "17 columns", id="no-score"),
        pytest.param("0 1 Car -1 -1 0 0 0 9 9 1 1 1 0 0 9 0 1\n" * 2, "twice", id="twice"),
    ],
)
def test_bad_result_files_say_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "0000.txt"
    path.write_text(text)
    with pytest.raises(DataFileError, match=message):
        read_tracks(path)


def test_scores_are_probabilities_that_rise_with_the_logit() -> None:
    rows = [[1.5, 1.6, 4.0, 0.0, 1.7, 20.0, 0.0]] * 5
    found = stated(boxes(rows), np.array([-20.0, 0.0, 2.7, 5.0, 30.0]))
    assert (np.diff(found.score) > 0).all()
    assert found.score[2] == pytest.approx(0.5)
    assert ((found.score >= 0) & (found.score <= 1)).all()
    assert (np.linalg.eigvalsh(found.covariance) > 0).all()


def test_real_sequences_are_read_whole(data_dir: Path) -> None:
    root = data_dir / "kitti_tracking"
    assert sequence_names(root, ["0012"]) == ["0012"]
    with pytest.raises(DataFileError, match="no sequence '0099'; there are 0003"):
        sequence_names(root, ["0099"])
    sequence = read_sequence(root, "0016", fixed_frame="odom")
    # the frames of this sequence that are among the data have this size
    assert (sequence.camera.width_px, sequence.camera.height_px) == (1224, 370)
    assert len(sequence) == len(sequence.fixed_from_rect) == 209
    assert sum(map(len, sequence.detections)) > 1000
    other = read_sequence(root, "0012", fixed_frame="map", image_size_px=(100, 50))
    assert (other.camera.width_px, other.fixed_from_rect[0].target) == (100, "map")


def test_the_calibration_gives_the_size_that_detections_reach(data_dir: Path) -> None:
    """Detections are cut off at the last pixel, which gives away what calib files leave out."""
    root = data_dir / "kitti_tracking"
    for name in sequence_names(root):
        camera = read_sequence(root, name, fixed_frame="odom").camera
        table = np.loadtxt(root / "detection" / "pointrcnn_Car" / f"{name}.txt", delimiter=",")
        assert table[:, 4].max() == camera.width_px - 1, name


def test_the_mean_score_of_a_track_is_its_score_to_the_last_bit() -> None:
    rng, numbers = np.random.default_rng(4), TrackNumbers()
    rows = [[1.5, 1.6, 4.0, x, 1.7, 20.0, 0.0] for x in (-5.0, 0.0, 5.0)]
    frames = {
        i: in_image(listed(boxes(rows, score=rng.uniform(0.3, 0.999, 3).tolist())), numbers)
        for i in range(37)
    }
    steady = with_track_scores(frames)
    for track in range(3):
        before = np.array([one.score[one.ids == track][0] for one in frames.values()])
        after = [float(one.score[one.ids == track][0]) for one in steady.values()]
        assert after[0] == pytest.approx(before.mean(), abs=1 / 128)
        assert sum(after) / len(after) == after[0] == float(f"{after[0]:.6f}")
    assert with_track_scores({}) == {}
