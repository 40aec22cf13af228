"""The report: complete, self-contained, the same bytes each time, and safe with any text."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, Latency, PointCloud
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.drops import drops_of
from perception_stack.evaluation.evaluate import evaluate_detection, evaluate_tracking
from perception_stack.evaluation.figures.pictures import bird_view, camera_picture
from perception_stack.evaluation.latency import frame_timing, step_latencies
from perception_stack.evaluation.pose import evaluate_poses
from perception_stack.evaluation.report import render_html, write_report
from perception_stack.evaluation.results import Evaluation
from perception_stack.evaluation.scene import CameraView, make_scenes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason

_TEN_HZ = 100_000_000


class Page(HTMLParser):
    """Text of all cells, sources of all images, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells, self.images, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        if tag not in {"img", "meta"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "div", "h1", "b"} and data.strip():
            self.cells.append(data.strip())


def looking_ahead() -> CameraView:
    camera = CameraModel.pinhole(
        frame_id="camera",
        width_px=320,
        height_px=160,
        k=np.array([[200.0, 0, 160], [0, 200, 80], [0, 0, 1]]),
    )
    return CameraView(
        image=ColorImage(frame_id="camera", stamp_ns=0, bgr=np.full((160, 320, 3), 90, np.uint8)),
        camera=camera,
        camera_from_scene=RigidTransform(
            target="camera",
            source="odom",
            rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
            translation_m=np.zeros(3),
        ),
    )


@pytest.fixture
def frames(make_truth, make_objects):
    """Ten frames; the second object is always missed, the last reported one is false."""
    stamps = [k * _TEN_HZ for k in range(10)]
    truth = [
        make_truth([[10.0 + t / 1e8, 1], [20, -4], [30, 3]], stamp_ns=t, ignored=[2])
        for t in stamps
    ]
    objects = [make_objects([[10.2 + t / 1e8, 1], [15, 8]], stamp_ns=t) for t in stamps]
    return truth, objects


@pytest.fixture
def full(frames, make_boxes):
    truth, objects = frames
    config = EvaluationConfig()
    journal = Journal()
    journal.count(Reason.SYNC_MISS, stamp_ns=3, detail="gap <b>83</b> ms")
    poses = [make_boxes([[0, 0, 1]], "mug", frame_id="camera")]
    views = {k * _TEN_HZ: looking_ahead() for k in range(10)}
    cloud = PointCloud(
        frame_id="odom",
        stamp_ns=0,
        xyz_m=np.random.default_rng(0).uniform(-20, 40, (500, 3)).astype(np.float32),
    )
    return Evaluation(
        title="Road <script>alert(1)</script>",
        facts={"recording": "road.mcap"},
        tracking=(evaluate_tracking(truth, objects[:-1], config),),
        detection=(evaluate_detection(truth, [one.boxes for one in objects], config),),
        pose=evaluate_poses(poses, poses, {"mug": np.eye(3) * 0.1}),
        latency=step_latencies(
            Latency(step=step, stamp_ns=k, duration_ns=1000 * (k + 1))
            for k in range(10)
            for step in ("fusion", "tracker")
        ),
        timing=frame_timing([one.stamp_ns for one in objects]),
        drops=drops_of({"fusion": journal}),
        scenes=make_scenes(
            truth, objects, config, num=1, views=views, clouds=dict.fromkeys(views, cloud)
        ),
    )


def test_files(full, tmp_path):
    path = write_report(full, tmp_path / "new" / "folder")
    assert sorted(one.name for one in path.parent.iterdir()) == ["evaluation.json", "report.html"]
    content = json.loads((path.parent / "evaluation.json").read_text(encoding="utf-8"))
    assert content == json.loads(json.dumps(full.as_dict()))
    clear = content["tracking"][0]["any_class"]["clear"]
    assert (clear["true_positives"], clear["misses"], clear["false_positives"]) == (9, 11, 9)
    assert content["drops"][0]["text"] == Reason.SYNC_MISS.text
    assert content["latency"][1]["step"] == "tracker"
    assert content["timing"]["num_gaps"] == 0


def test_page(full):
    text = render_html(full)
    page = Page(text)
    assert page.open == []
    for expected in (
        "Road <script>alert(1)</script>",
        "gap <b>83</b> ms",
        Reason.SYNC_MISS.text,
        "any class",
        "car",
        "fusion",
        "road.mcap",
    ):
        assert expected in page.cells or any(expected in cell for cell in page.cells), expected
    assert "<script>" not in text
    # a frame with truth had no report: that is said
    assert any("1 frames with truth got no report" in cell for cell in page.cells)
    # nothing is loaded from anywhere
    assert all(one.startswith("data:image/") for one in page.images)
    assert len(page.images) == 7
    assert not re.search(r"(src|href)=\"(?!data:)", text)


def test_same_bytes(full):
    assert render_html(full) == render_html(full)


def test_nothing_evaluated(tmp_path):
    path = write_report(Evaluation(title="Empty"), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert Page(text).open == []
    assert "Nothing was dropped." in text


def test_nothing_there(tmp_path, make_truth, make_objects):
    truth, objects = [make_truth([])], [make_objects([])]
    config = EvaluationConfig()
    results = Evaluation(
        title="Empty frames",
        tracking=(evaluate_tracking(truth, objects),),
        detection=(evaluate_detection(truth, [objects[0].boxes]),),
        scenes=make_scenes(truth, objects, config),
    )
    assert Page(write_report(results, tmp_path).read_text(encoding="utf-8")).open == []


class TestScenes:
    def test_who_is_right(self, frames):
        (scene,) = make_scenes(*frames, EvaluationConfig(), num=1, trail_s=0.25)
        np.testing.assert_array_equal(scene.truth_found, [True, False, False])
        np.testing.assert_array_equal(scene.object_true, [True, False])
        np.testing.assert_array_equal(scene.object_ignored, [False, False])
        # now and the two frames before, oldest first
        assert [trail.shape for trail in scene.trails_m] == [(3, 2), (3, 2)]
        assert (np.diff(scene.trails_m[0][:, 0]) > 0).all()

    def test_spread_over_the_recording(self, frames):
        scenes = make_scenes(*frames, EvaluationConfig(), num=3)
        stamps = [scene.stamp_ns // _TEN_HZ for scene in scenes]
        assert len(stamps) == 3
        assert stamps == sorted(set(stamps))
        assert stamps[0] > 0
        assert stamps[-1] < 9

    def test_only_frames_with_an_image(self, frames):
        scenes = make_scenes(
            *frames, EvaluationConfig(), num=3, views={7 * _TEN_HZ: looking_ahead()}
        )
        assert [scene.stamp_ns for scene in scenes] == [7 * _TEN_HZ]

    def test_nothing_in_common(self, frames):
        assert make_scenes(frames[0], [], EvaluationConfig()) == ()


class TestPictures:
    def test_boxes_are_drawn_where_they_are_seen(self, frames):
        truth, objects = frames
        views = {5 * _TEN_HZ: looking_ahead()}
        (scene,) = make_scenes(truth, objects, EvaluationConfig(), num=1, views=views)
        uri = camera_picture(scene)
        content = base64.b64decode(uri.partition(",")[2])
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        changed = np.abs(image.astype(int) - 90).max(axis=2) > 40
        # the object right ahead, 15 m away and a little left; nothing at the image's border
        assert changed[60:100, 110:175].any()
        assert not changed[:20].any()
        assert not changed[140:].any()
        assert not changed[:, 260:].any()
        # the given image stays as it is
        assert (scene.view.image.bgr == 90).all()

    def test_a_box_around_the_camera(self, make_truth, make_objects):
        truth, objects = [make_truth([[0.5, 0], [-9, 0]])], [make_objects([[0.5, 0], [-9, 0]])]
        (scene,) = make_scenes(
            truth, objects, EvaluationConfig(), num=1, views={0: looking_ahead()}
        )
        assert camera_picture(scene).startswith("data:image/jpeg;base64,")

    def test_without_image(self, frames):
        (scene,) = make_scenes(*frames, EvaluationConfig(), num=1)
        assert camera_picture(scene) is None

    def test_from_above(self, frames):
        (scene,) = make_scenes(*frames, EvaluationConfig(), num=1)
        uri = bird_view(scene)
        svg = base64.b64decode(uri.partition(",")[2]).decode()
        # found truth and missed truth, right and false object each in their colour
        for color in ("#1c2733", "#c8323c", "#1f6fb4", "#d9730d"):
            assert f"stroke: {color}" in svg, color
