"""The chain over recordings: reproducible, and clear about what it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, PointCloud
from perception_stack.errors import DataFileError
from perception_stack.io import messages
from perception_stack.io.bags import BagReader, BagWriter
from perception_stack.io.recording import write_frame, write_static
from perception_stack.io.results import read_objects
from perception_stack.journal import Reason
from perception_stack.pipeline.config import ChainConfig
from perception_stack.pipeline.replay import Replay
from perception_stack.simulation.road import RoadConfig, road_scene
from perception_stack.simulation.scene import SimulatedFrame
from perception_stack.tools.run import run_offline

Change = Callable[[int, SimulatedFrame], SimulatedFrame | None]
RESULTS = ("objects.jsonl", "detections.jsonl", "poses.jsonl", "journal.json")


@pytest.fixture(scope="module")
def scene_frames() -> tuple[list[SimulatedFrame], object]:
    scene = road_scene(RoadConfig(num_frames=10, num_azimuths=900, image_width_px=480))
    return list(scene.frames()), scene


@pytest.fixture
def record(
    scene_frames: tuple[list[SimulatedFrame], object], tmp_path: Path
) -> Callable[..., BagReader]:
    """Writes the scene into a bag, each frame changed or left out."""
    frames, scene = scene_frames

    def write(change: Change = lambda _i, frame: frame, *, static: bool = True) -> BagReader:
        path = tmp_path / "bag"
        with BagWriter(path) as bag:
            if static:
                write_static(bag, scene.static_transforms, stamp_ns=frames[0].stamp_ns)
            for i, original in enumerate(frames):
                frame = change(i, original)
                if frame is not None:
                    write_frame(
                        bag,
                        stamp_ns=frame.stamp_ns,
                        transforms=frame.transforms,
                        camera=frame.camera,
                        detections=frame.detections_2d,
                        image=frame.image,
                        cloud=frame.cloud,
                    )
        return BagReader(path)

    return write


def run(reader: BagReader) -> tuple[Replay, list]:
    replay = Replay(reader=reader, config=ChainConfig())
    return replay, list(replay.frames())


def test_same_input_gives_the_same_bytes(record: Callable[..., BagReader], tmp_path: Path) -> None:
    reader = record()
    contents = []
    for name in ("one", "two"):
        run_offline(reader, ChainConfig(), topics={}, out=tmp_path / name)
        contents.append([(tmp_path / name / file).read_bytes() for file in RESULTS])
    assert contents[0] == contents[1]
    lists = read_objects(tmp_path / "one" / "objects.jsonl")
    assert len(lists) == 10
    seen_by_both = [one for one in lists[-1].boxes.sensors if one == ("camera", "lidar")]
    assert len(seen_by_both) >= 3
    latencies = json.loads((tmp_path / "one" / "latency.json").read_text())
    assert {one["step"] for one in latencies} == {"lidar_detector", "fusion", "tracker"}


def test_every_frame_gives_one_list_with_its_stamp(
    record: Callable[..., BagReader], scene_frames: tuple[list[SimulatedFrame], object]
) -> None:
    _, results = run(record())
    assert [one.objects.stamp_ns for one in results] == [one.stamp_ns for one in scene_frames[0]]
    assert {one.objects.frame_id for one in results} == {"odom"}


def test_camera_that_stops_costs_nothing_but_its_share(record: Callable[..., BagReader]) -> None:
    def change(i: int, frame: SimulatedFrame) -> SimulatedFrame:
        if i < 5:
            return frame
        gone = frame.detections_2d
        # the camera's clock stands still: its messages are stale
        stamp_ns = frame.stamp_ns - (i - 4) * 100_000_000
        return replace(frame, detections_2d=replace(gone, stamp_ns=stamp_ns))

    replay, results = run(record(change))
    assert len(results) == 10
    assert replay.journals["fusion"].counts[Reason.STALE_STAMP] > 0
    assert all("camera" not in one for one in results[-1].detections.sensors)


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        pytest.param(np.empty((0, 3), np.float32), Reason.EMPTY_CLOUD, id="empty"),
        pytest.param(np.full((9, 3), np.nan, np.float32), Reason.NO_VALID_POINTS, id="nan"),
    ],
)
def test_cloud_without_points_ages_the_list(
    record: Callable[..., BagReader], points: np.ndarray, reason: Reason
) -> None:
    def change(i: int, frame: SimulatedFrame) -> SimulatedFrame:
        assert frame.cloud is not None
        if i != 8:
            return frame
        return replace(frame, cloud=replace(frame.cloud, xyz_m=points, intensity=None))

    replay, results = run(record(change))
    assert len(results) == 10
    assert replay.journals["lidar_detector"].counts[reason] == 1
    assert len(results[8].objects) > 0
    assert not any(results[8].objects.boxes.sensors)


def test_missing_transform_is_never_made_up(record: Callable[..., BagReader]) -> None:
    def change(i: int, frame: SimulatedFrame) -> SimulatedFrame:
        return frame if i < 5 else replace(frame, transforms=())

    replay, results = run(record(change))
    assert len(results) == 5
    assert replay.journals["tracker"].counts[Reason.NO_TRANSFORM] == 5
    assert "after the newest odom <- base_link" in (
        replay.journals["tracker"].last(Reason.NO_TRANSFORM).detail
    )


def test_without_static_transforms_nothing_is_tracked_and_it_says_why(
    record: Callable[..., BagReader],
) -> None:
    replay, results = run(record(static=False))
    assert results == []
    assert "velodyne" in replay.journals["tracker"].last(Reason.NO_TRANSFORM).detail


def test_uncalibrated_camera_is_refused_and_the_lidar_goes_on(
    record: Callable[..., BagReader], tmp_path: Path
) -> None:
    reader = record()
    spoilt = tmp_path / "spoilt"
    with BagWriter(spoilt) as bag:
        for message in reader.messages():
            if message.topic == "/camera_info":
                info = replace(message.message, k=np.zeros(9))
                bag.write(message.topic, info, log_time_ns=message.log_time_ns)
            else:
                bag.write_raw(
                    message.topic,
                    message.raw,
                    type_name=message.type,
                    log_time_ns=message.log_time_ns,
                )
    replay, results = run(BagReader(spoilt))
    assert len(results) == 10
    counts = {
        reason: num for one in replay.journals.values() for reason, num in one.counts.items()
    }
    assert counts[Reason.BAD_CALIBRATION] == 10
    assert counts[Reason.NO_CALIBRATION] > 0


def test_recording_that_loops_starts_a_new_list(
    record: Callable[..., BagReader], tmp_path: Path
) -> None:
    reader = record()
    length_ns = 20_000_000_000
    looped = tmp_path / "looped"
    with BagWriter(looped) as bag:
        for turn in range(2):
            for message in reader.messages():
                # stamps inside the messages jump back, log time goes on
                bag.write_raw(
                    message.topic,
                    message.raw,
                    type_name=message.type,
                    log_time_ns=message.log_time_ns + turn * length_ns,
                )
    replay = Replay(
        reader=BagReader(looped),
        config=ChainConfig.from_params(
            {"tracker": {"reset_s": 0.5}, "fusion": {"reset_s": 0.5}}, where="test"
        ),
    )
    results = list(replay.frames())
    assert len(results) == 20
    assert replay.journals["tracker"].counts[Reason.STAMP_JUMP] == 1
    first, second = results[:10], results[10:]
    for one, other in zip(first, second, strict=True):
        assert one.objects.ids == other.objects.ids
        np.testing.assert_allclose(one.objects.boxes.center_m, other.objects.boxes.center_m)


def test_other_topic_names_are_given_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "bag"
    cloud = PointCloud(frame_id="lidar", stamp_ns=1, xyz_m=np.zeros((1, 3), np.float32))
    with BagWriter(path) as bag:
        bag.write("/velodyne_points", messages.cloud_to_msg(cloud), log_time_ns=1)
    reader = BagReader(path)
    with pytest.raises(DataFileError, match=r"/velodyne_points .*--topic points:=/NAME"):
        run(reader)
    topics = {"points": "/velodyne_points"}
    replay = Replay(reader=reader, config=ChainConfig(), topics=topics)
    assert list(replay.frames()) == []  # no transform to odom
    assert replay.journals["tracker"].counts == {Reason.NO_TRANSFORM: 1}
    with pytest.raises(DataFileError, match="'/lidar' given for 'points' is not there"):
        list(Replay(reader=reader, config=ChainConfig(), topics={"points": "/lidar"}).frames())


def test_bag_cut_in_the_middle_is_used_as_far_as_it_goes(
    record: Callable[..., BagReader], caplog: pytest.LogCaptureFixture
) -> None:
    reader = record()
    (file,) = reader.path.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    cut = BagReader(reader.path)
    assert cut.damage
    _, results = run(cut)
    assert 4 <= len(results) <= 7
    assert "cut" in caplog.text or "not closed" in caplog.text


def test_image_is_used_only_by_a_model(record: Callable[..., BagReader]) -> None:
    """Without a model, the recorded detections are fused; images alone change nothing."""

    def change(_i: int, frame: SimulatedFrame) -> SimulatedFrame:
        dark = ColorImage(
            frame_id=frame.image.frame_id,
            stamp_ns=frame.stamp_ns,
            bgr=np.zeros((2, 2, 3), np.uint8),
        )
        return replace(frame, image=dark)

    replay, results = run(record(change))
    assert len(results) == 10
    assert replay.journals["detector"].counts == {}
