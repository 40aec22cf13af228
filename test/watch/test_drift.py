"""The watch as a whole: planted shifts in words, the file, recordings that jump back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from perception_stack.datatypes import ColorImage, Detections2D, FloatArray
from perception_stack.errors import ConfigError
from perception_stack.watch.drift import DriftWatch
from perception_stack.watch.features import IMAGE, box_features
from perception_stack.watch.reference import (
    Recording,
    Reference,
    learn,
    read_reference,
    write_reference,
)
from perception_stack.watch.report import write_watch_report
from perception_stack.watch.trace import follow

BRIGHTNESS = [one.name for one in IMAGE].index("brightness")
MIDDLES = np.array([1280.0, 720.0, 6.7, 5.8, -1.5, 60.0, 20.0])
SCALES = np.array([0.0, 0.0, 0.1, 0.1, 0.05, 4.0, 2.0])
SHIFTS = {
    "dark": ({"brightness": -1.3, "contrast": -1.3}, "images are darker: brightness 0.4"),
    "blur": ({"sharpness": -0.9}, "images are blurred"),
    "fog": ({"contrast": -1.0, "haze": 80.0, "colour": -10.0}, "images are hazy"),
    "size": ({"width": -640.0, "height": -240.0}, "images are narrower: width 640 px"),
}


def image_table(rng: np.random.Generator, num: int) -> FloatArray:
    """Features of images of one place; about its levels an autoregression with memory 0.8."""
    drawn = 0.6 * rng.standard_normal((num + 300, len(IMAGE)))
    around = np.asarray(lfilter([1.0], [1.0, -0.8], drawn, axis=0))[300:]
    return np.asarray(MIDDLES + SCALES * (around + rng.standard_normal(len(IMAGE))))


def recording(part: str, table: FloatArray) -> Recording:
    stamps_ns = np.arange(len(table)) * 100_000_000
    return Recording(name="one", values={part: table}, stamps_ns={part: stamps_ns})


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(0)
    return learn([recording("image", image_table(rng, 300)) for _ in range(8)], classes=())


@pytest.mark.parametrize("shift", SHIFTS)
def test_planted_shifts_are_found_named_and_ended(shift: str, reference: Reference) -> None:
    offsets, words = SHIFTS[shift]
    table = image_table(np.random.default_rng(42), 600)
    for name, offset in offsets.items():
        table[200:400, [one.name for one in IMAGE].index(name)] += offset
    trace = follow(recording("image", table), reference)
    assert {one.alarm.feature for one in trace.events} <= set(offsets)
    assert any(words in one.alarm.text for one in trace.events)
    for one in trace.events:
        assert 200 <= one.first < 300
        assert 400 <= one.last < 500
        assert one.alarm.since_ns == pytest.approx(20e9, abs=1e9)


def test_ten_thousand_frames_of_other_places_are_as_usual(reference: Reference) -> None:
    """By design one false alarm in so many frames; the same places on every run."""
    rng = np.random.default_rng(9)
    places = [recording("image", image_table(rng, 500)) for _ in range(20)]
    assert sum(len(follow(one, reference).events) for one in places) <= 1


def test_a_new_mix_of_classes_is_found() -> None:
    """Cars and pedestrians trade places; then a class that was never seen comes."""
    rng = np.random.default_rng(1)
    classes = ("car", "pedestrian", "cyclist")

    def table(shares: list[float], num: int) -> np.ndarray:
        names = np.array([*classes, "dog"])
        rows = []
        for _ in range(num):
            labels = tuple(names[rng.choice(4, size=1 + rng.poisson(4), p=shares)])
            found = Detections2D(
                frame_id="",
                stamp_ns=0,
                xyxy_px=np.tile([0.0, 0, 40, 40], (len(labels), 1)),
                score=rng.uniform(0.4, 0.9, len(labels)),
                labels=labels,
            )
            rows.append(box_features(found, classes))
        return np.array(rows)

    usual = [recording("detections", table([0.7, 0.2, 0.1, 0.0], 300)) for _ in range(6)]
    reference = learn(usual, classes=classes)
    for shares, feature in (
        ([0.2, 0.7, 0.1, 0.0], "share of pedestrian"),
        ([0.4, 0.15, 0.05, 0.4], "share of other classes"),
    ):
        mixed = np.vstack([table([0.7, 0.2, 0.1, 0.0], 200), table(shares, 100)])
        found = {
            one.alarm.feature: one
            for one in follow(recording("detections", mixed), reference).events
        }
        assert feature in found
        assert all(one.first >= 200 for one in found.values())


def test_order_of_frames_within_a_recording_matters_little_to_what_is_usual(
    reference: Reference,
) -> None:
    backwards = np.random.default_rng(0)
    tables = [image_table(backwards, 300)[::-1] for _ in range(8)]
    other = learn([recording("image", one) for one in tables], classes=())
    for one, two in zip(reference.usual["image"], other.usual["image"], strict=True):
        assert one.middle == pytest.approx(two.middle)
        assert one.noise_std == pytest.approx(two.noise_std, rel=0.1)


def test_stamps_that_jump_back_begin_anew(reference: Reference) -> None:
    table = image_table(np.random.default_rng(3), 30)
    table[:, BRIGHTNESS] -= 3.0
    watch = DriftWatch(reference)
    for stamps in (range(30), range(30), range(30)):  # 30 frames are too short a stretch
        for i, row in zip(stamps, table, strict=True):
            assert watch.add("image", row, int(i * 1e9)) == []
    for i, row in enumerate(table):  # but those that follow on are not
        watch.add("image", row, int((30 + i) * 1e9))
    assert [one.feature for one in watch.findings[0].alarms] == ["brightness"]


def test_parts_without_reference_are_not_watched(reference: Reference) -> None:
    watch = DriftWatch(reference)
    assert [one.part for one in watch.findings] == ["image"]
    assert watch.findings[0].text == "nothing has come yet"
    image = ColorImage(frame_id="", stamp_ns=0, bgr=np.zeros((720, 1280, 3), np.uint8))
    assert watch.add_image(image) == []
    nothing = Detections2D(
        frame_id="", stamp_ns=0, xyxy_px=np.empty((0, 4)), score=np.empty(0), labels=()
    )
    assert watch.add_detections(nothing) == []
    assert watch.findings[0].num_frames == 1


def test_the_file_says_what_was_learnt(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "usual.yaml"
    write_reference(reference, path)
    read = read_reference(path)
    assert read.sources == reference.sources
    for one, two in zip(reference.limits("image"), read.limits("image"), strict=True):
        assert one.feature == two.feature
        assert one.level == pytest.approx(two.level, rel=1e-4)
        assert one.step == pytest.approx(two.step, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [", "while parsing", id="no-yaml"),
        pytest.param("version: 9", "no line 'version: 1'", id="version"),
        pytest.param("version: 1\nimages: {}", "unknown key 'images'", id="key"),
        pytest.param("version: 1\nclasses: []", "malformed: KeyError('delay_frames')", id="lack"),
        pytest.param(
            "version: 1\ndelay_frames: 100\nfalse_alarm_frames: 1e4\nsources: []\nclasses: []\n"
            "image: {glare: {middle: 1}}",
            "unknown feature 'glare'; known: width",
            id="feature",
        ),
    ],
)
def test_bad_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "usual.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="perception-stack watch learn") as refused:
        read_reference(path)
    assert message in str(refused.value)


def test_recordings_that_are_too_short_are_refused() -> None:
    table = image_table(np.random.default_rng(0), 40)
    with pytest.raises(ConfigError, match="40 frames are too few"):
        learn([recording("image", table)], classes=())


def test_the_page_shows_alarms(reference: Reference, tmp_path: Path) -> None:
    table = image_table(np.random.default_rng(42), 300)
    table[100:, BRIGHTNESS] -= 3.0
    trace = follow(recording("image", table), reference)
    write_watch_report(tmp_path / "page.html", reference, [trace])
    page = (tmp_path / "page.html").read_text()
    assert "images are darker" in page
    assert page.count("data:image/svg+xml") == len(IMAGE)
