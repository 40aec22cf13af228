"""Snippets: which messages they hold, what stops them, and the task that is made of them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.errors import ConfigError, DataFileError
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import interfaces, messages
from perception_stack.io.bags import BagReader
from perception_stack.io.image_sets.coco import read_coco
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.collector_stage import CollectorStage
from perception_stack.pipeline.labelling_task import write_task
from perception_stack.pipeline.snippets import INDEX, read_snippets
from perception_stack.watch.collect import FrameCollectorConfig, Why

S = 1_000_000_000
TENTH = S // 10


def picture(i: int) -> np.ndarray:
    blocks = np.random.default_rng(i).integers(0, 255, (9, 16, 3))
    return np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)


def image(i: int) -> bytes:
    one = ColorImage(frame_id="camera", stamp_ns=i * TENTH, bgr=picture(i))
    return bytes(interfaces.encode(messages.image_to_msg(one))[0])


def boxes(i: int, scores: list[float]) -> bytes:
    one = Detections2D(
        frame_id="camera",
        stamp_ns=i * TENTH,
        xyxy_px=np.array([[4.0 * j, 2.0, 4.0 * j + 20, 30.5] for j in range(len(scores))]).reshape(
            -1, 4
        ),
        score=np.array(scores, float),
        labels=("car", "dog", "car", "car")[: len(scores)],
    )
    return bytes(interfaces.encode(messages.detections2d_to_msg(one))[0])


def static() -> bytes:
    transform = RigidTransform(
        target="base_link", source="camera", rotation=np.eye(3), translation_m=np.zeros(3)
    )
    return bytes(interfaces.encode(messages.transforms_to_msg([transform], stamp_ns=0))[0])


SURE, UNSURE = [0.9, 0.9], [0.31, 0.35, 0.33, 0.9]


def collect(folder: Path, frames: dict[int, list[float]], **settings: Any) -> Journal:
    """Push frames at 10 Hz; returns the journal once everything is written."""
    journal = Journal()
    stage = CollectorStage(FrameCollectorConfig(out_dir=str(folder), **settings), journal)
    stage.push("tf_static", static())
    for i, scores in frames.items():
        stage.push("image", image(i))
        stage.push("detections", boxes(i, scores))
    stage.close()
    return journal


def stamps(bag: Path, topic: str) -> list[int]:
    with BagReader(bag) as reader:
        return [messages.stamp_ns(one.message.header) // TENTH for one in reader.messages([topic])]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_snippet_holds_what_came_before_and_after(tmp_path: Path, storage: str) -> None:
    frames = {i: UNSURE if i == 20 else SURE for i in range(40)}
    journal = collect(tmp_path / "s", frames, before_s=0.5, after_s=0.3, storage=storage)
    (snippet,) = read_snippets(tmp_path / "s")
    assert (snippet.stamp_ns, snippet.reasons[0].why) == (20 * TENTH, Why.UNCERTAIN)
    assert "3 of 4 boxes score below 0.40, mostly car" in snippet.reasons[0].text
    bag = tmp_path / "s" / snippet.bag
    assert stamps(bag, "/image") == list(range(15, 24))
    assert stamps(bag, "/detections") == list(range(15, 24))
    with BagReader(bag) as reader:
        raw = [one.raw for one in reader.messages(["/image"])]
        assert [one.log_time_ns for one in reader.messages(["/tf_static"])] == [15 * TENTH]
    assert raw == [image(i) for i in range(15, 24)]  # byte for byte as they came
    assert journal.counts == {}


def test_close_writes_what_still_waits(tmp_path: Path) -> None:
    collect(tmp_path, {0: SURE, 1: UNSURE})
    (snippet,) = read_snippets(tmp_path)
    assert stamps(tmp_path / snippet.bag, "/image") == [0, 1]


def test_what_is_not_kept_is_counted_with_the_reason(tmp_path: Path) -> None:
    frames = {i: UNSURE if i in (10, 30, 50) else SURE for i in range(60)}
    journal = collect(tmp_path / "gap", frames, after_s=0.0, gap_s=3.0, repeat_s=0.0)
    assert len(read_snippets(tmp_path / "gap")) == 2
    assert journal.counts == {Reason.OVER_BUDGET: 1}
    assert "2.0 s after the last snippet" in journal.last(Reason.OVER_BUDGET).detail
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other").write_bytes(bytes(2_000_000))
    journal = collect(tmp_path / "full", frames, quota_mb=1)
    assert journal.counts == {Reason.QUOTA_FULL: 3}
    assert not (tmp_path / "full" / INDEX).exists()


def test_the_same_view_again_is_no_news(tmp_path: Path) -> None:
    journal = Journal()
    config = FrameCollectorConfig(out_dir=str(tmp_path), gap_s=0.0, repeat_s=0.0, after_s=0.0)
    stage = CollectorStage(config, journal)
    for i in range(5):
        one = ColorImage(frame_id="camera", stamp_ns=i * S, bgr=picture(0))
        stage.push("image", bytes(interfaces.encode(messages.image_to_msg(one))[0]))
        stage.push("detections", boxes(10 * i, UNSURE))
    stage.note_drift("image", "images are darker")  # which the view does not excuse
    stage.close()
    whys = [one.reasons[0].why for one in read_snippets(tmp_path)]
    assert whys == [Why.UNCERTAIN, Why.DRIFT]
    assert journal.counts == {Reason.KNOWN_SCENE: 4}


def test_memory_is_bounded_and_says_so(tmp_path: Path) -> None:
    journal = Journal()
    stage = CollectorStage(
        FrameCollectorConfig(out_dir=str(tmp_path), before_s=30.0, buffer_mb=1), journal
    )
    for i in range(100):
        stage.push("image", image(i))
    stage.note_drift("image", "darker")
    stage.close()
    (snippet,) = read_snippets(tmp_path)
    assert 0.9e6 < snippet.num_bytes <= 1.03e6
    assert journal.counts[Reason.QUEUE_FULL] == 100 - len(stamps(tmp_path / snippet.bag, "/image"))


def test_stamps_that_jump_back_do_not_mix_recordings(tmp_path: Path) -> None:
    journal = Journal()
    stage = CollectorStage(FrameCollectorConfig(out_dir=str(tmp_path)), journal)
    for i in [*range(100, 106), *range(3)]:
        stage.push("image", image(i))
        stage.push("detections", boxes(i, UNSURE if i == 105 else SURE))
    stage.close()
    (snippet,) = read_snippets(tmp_path)
    assert stamps(tmp_path / snippet.bag, "/image") == list(range(100, 106))
    assert journal.counts == {Reason.STAMP_JUMP: 1}


def test_a_folder_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    journal = collect(tmp_path / "file" / "s", {0: UNSURE})
    assert journal.counts == {Reason.BAD_FILE: 1}


def test_without_a_folder_nothing_starts() -> None:
    with pytest.raises(ConfigError, match=r"set frame_collector\.out_dir"):
        CollectorStage(FrameCollectorConfig(), Journal())


@pytest.fixture(scope="module")
def snippets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snippets")
    frames = {i: UNSURE if i in (10, 40) else SURE for i in range(50)}
    collect(folder, frames, before_s=0.2, after_s=0.2, gap_s=1.0, repeat_s=1.0)
    return folder


def test_coco_task_comes_back_as_it_was(snippets: Path, tmp_path: Path) -> None:
    out = tmp_path / "task"
    assert write_task(snippets, out, layout="coco") == 2
    read = read_coco(out, "default").images
    assert [one.path.name.split("_")[-1] for one in read] == ["1000000000.png", "4000000000.png"]
    for one, frame in zip(read, (10, 40), strict=True):
        assert one.truth.labels == ("car", "dog", "car", "car")
        np.testing.assert_allclose(one.truth.xyxy_px[1], [4, 2, 24, 30.5])
        np.testing.assert_array_equal(cv2.imread(str(one.path)), picture(frame))
    content = json.loads((out / "annotations" / "instances_default.json").read_text())
    assert [one["score"] for one in content["annotations"]] == pytest.approx(2 * UNSURE)
    assert {(one["width"], one["height"]) for one in content["images"]} == {(128, 72)}
    reasons = json.loads((out / "reasons.json").read_text())
    assert all("mostly car" in one[0] for one in reasons.values())


def test_coco_task_is_what_cocos_own_program_reads(snippets: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    write_task(snippets, tmp_path / "task", layout="coco", every_image=True)
    read = coco.COCO(str(tmp_path / "task" / "annotations" / "instances_default.json"))
    assert len(read.getImgIds()) == 10
    assert {one["name"] for one in read.loadCats(read.getCatIds())} == {"car", "dog"}
    assert len(read.getAnnIds()) == 2 * 4 + 8 * 2


def test_cvat_task_holds_boxes_and_images(snippets: Path, tmp_path: Path) -> None:
    out = tmp_path / "task"
    assert write_task(snippets, out, layout="cvat") == 2
    with zipfile.ZipFile(out / "task.zip") as archive:
        assert archive.testzip() is None
        names = set(archive.namelist())
        root = ElementTree.fromstring(archive.read("annotations.xml"))
    assert root.findtext("version") == "1.1"
    assert [one.text for one in root.iter("name")] == ["car", "dog"]
    assert json.loads((out / "labels.json").read_text())[0] == {"name": "car", "attributes": []}
    images = root.findall("image")
    assert {f"images/{one.get('name')}" for one in images} | {"annotations.xml"} == names
    first = images[0]
    assert (first.get("width"), first.get("height")) == ("128", "72")
    box = first.findall("box")[1]
    corners = [float(box.get(name) or "nan") for name in ("xtl", "ytl", "xbr", "ybr")]
    assert (box.get("label"), corners) == ("dog", [4, 2, 24, 30.5])


def test_task_needs_snippets_and_a_new_folder(snippets: Path, tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="is it a folder of snippets"):
        write_task(tmp_path, tmp_path / "task", layout="coco")
    with pytest.raises(ConfigError, match="exists; remove it"):
        write_task(snippets, tmp_path, layout="coco")
    (tmp_path / INDEX).write_text("{}\n")
    with pytest.raises(DataFileError, match="line 1: KeyError"):
        write_task(tmp_path, tmp_path / "task", layout="coco")
