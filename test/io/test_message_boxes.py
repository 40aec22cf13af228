"""Boxes, detections, tracked objects, cameras and transforms survive the wire."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, Detections2D, TrackedObjects
from perception_stack.errors import CalibrationError, DecodeError, FrameMismatchError, ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io import interfaces, messages
from perception_stack.io.messages import _kernels
from perception_stack.io.messages.boxes import Hypotheses, beliefs

Tracked = Callable[[Boxes3D, int], TrackedObjects]

_CLASSES = ("car", "cyclist", "unknown")
_SENSORS = ((), ("lidar",), ("camera", "lidar"))


def _through_the_wire(message: Any) -> Any:
    raw, name = interfaces.encode(message)
    return interfaces.decode(bytes(raw), name)


def _boxes(
    num: int, seed: int, *, frame_id: str = "odom", stamp_ns: int = 12_000_000_034
) -> Boxes3D:
    rng = np.random.default_rng(seed)
    quat = rng.normal(size=(num, 4))
    half = rng.normal(size=(num, 6, 6))
    weights = rng.random((num, len(_CLASSES))) * (rng.random((num, len(_CLASSES))) > 0.3)
    weights[:, 0] += 0.1
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=stamp_ns,
        center_m=rng.normal(scale=50, size=(num, 3)),
        quat_xyzw=quat / np.linalg.norm(quat, axis=1, keepdims=True),
        size_lwh_m=rng.uniform(0.1, 20, size=(num, 3)),
        covariance=half @ half.swapaxes(1, 2),
        score=rng.uniform(0.01, 1, size=num),
        classes=_CLASSES,
        class_probs=weights / weights.sum(axis=1, keepdims=True),
        sensors=tuple(_SENSORS[i] for i in rng.integers(0, len(_SENSORS), num)),
    )


def _assert_same_boxes(one: Boxes3D, other: Boxes3D, *, score_rtol: float = 1e-12) -> None:
    assert (one.frame_id, one.stamp_ns, one.sensors) == (
        other.frame_id,
        other.stamp_ns,
        other.sensors,
    )
    for name in ("center_m", "quat_xyzw", "size_lwh_m", "covariance"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_allclose(one.score, other.score, rtol=score_rtol)
    for row in range(len(one)):
        probs = [
            {name: p for name, p in zip(x.classes, x.class_probs[row], strict=True) if p > 0}
            for x in (one, other)
        ]
        assert probs[0] == pytest.approx(probs[1], rel=1e-12)


@settings(deadline=None, max_examples=30)
@given(num=st.integers(0, 6), seed=st.integers(0, 10**6))
def test_boxes_there_and_back(num: int, seed: int) -> None:
    boxes = _boxes(num, seed)
    back = messages.boxes3d_from_msg(_through_the_wire(messages.boxes3d_to_msg(boxes)))
    _assert_same_boxes(back, boxes)


@settings(deadline=None, max_examples=50)
@given(
    num=st.integers(0, 6),
    seed=st.integers(0, 10**6),
    frame_id=st.text(max_size=9).filter(lambda text: "\0" not in text),
)
def test_bytes_are_those_of_the_message(num: int, seed: int, frame_id: str) -> None:
    boxes = _boxes(num, seed, frame_id=frame_id)
    raw, name = interfaces.encode(messages.boxes3d_to_msg(boxes))
    ours = messages.boxes3d_to_bytes(boxes)
    assert len(ours) == len(raw)
    back = messages.boxes3d_from_msg(interfaces.decode(ours, name))
    _assert_same_boxes(back, boxes)
    for one in (ours, bytes(raw)):
        _assert_same_boxes(messages.boxes3d_from_bytes(one), back, score_rtol=0)


@given(cut=st.integers(0, 2000), seed=st.integers(0, 10**6))
def test_bytes_cut_short_are_an_error(cut: int, seed: int) -> None:
    raw = messages.boxes3d_to_bytes(_boxes(3, seed))
    if cut < len(raw):
        with pytest.raises(DecodeError):
            messages.boxes3d_from_bytes(raw[:cut])


def test_bytes_of_another_encoding_are_refused() -> None:
    raw = messages.boxes3d_to_bytes(_boxes(1, 0))
    with pytest.raises(DecodeError, match="little-endian"):
        messages.boxes3d_from_bytes(b"\x00\x00" + raw[2:])


@given(place=st.integers(4, 400), value=st.integers(0, 255))
def test_broken_bytes_are_an_error_or_boxes(place: int, value: int) -> None:
    raw = bytearray(messages.boxes3d_to_bytes(_boxes(2, 0)))
    raw[place] = value
    with suppress(DecodeError, FrameMismatchError, ShapeError):
        messages.boxes3d_from_bytes(bytes(raw))


def test_scores_of_a_box_sum_to_its_existence() -> None:
    boxes = _boxes(5, 3)
    message = messages.boxes3d_to_msg(boxes)
    for i, one in enumerate(message.detections):
        scores = {each.hypothesis.class_id: each.hypothesis.score for each in one.results}
        assert sum(scores.values()) == pytest.approx(boxes.score[i])
        expected = dict(zip(_CLASSES, boxes.class_probs[i] * boxes.score[i], strict=True))
        assert scores == {name: score for name, score in expected.items() if score > 0}
        assert one.id == "+".join(boxes.sensors[i])


def test_existence_of_zero_keeps_the_classes() -> None:
    boxes = replace(_boxes(1, 0), score=np.zeros(1), class_probs=np.array([[0.5, 0.5, 0.0]]))
    back = messages.boxes3d_from_msg(messages.boxes3d_to_msg(boxes))
    assert back.score.tolist() == [0]
    assert back.classes == ("car", "cyclist")
    assert back.class_probs.tolist() == [[0.5, 0.5]]


def test_truth_keeps_identities() -> None:
    boxes = replace(_boxes(3, 1), score=np.ones(3), sensors=((),) * 3)
    back, ids = messages.truth_from_msg(messages.truth_to_msg(boxes, ["7", "8", "a+b"]))
    assert ids == ("7", "8", "a+b")
    _assert_same_boxes(back, boxes)
    with pytest.raises(DecodeError, match="2 identities for 3 boxes"):
        messages.truth_to_msg(boxes, ["1", "2"])


def _spoil_orientation(message: Any) -> None:
    message.detections[1].bbox.center.orientation.w = 0.0
    message.detections[1].bbox.center.orientation.x = 0.0
    message.detections[1].bbox.center.orientation.y = 0.0
    message.detections[1].bbox.center.orientation.z = 0.0


def _spoil_results(message: Any) -> None:
    message.detections[1].results = []


def _spoil_score(value: float) -> Any:
    def spoil(message: Any) -> None:
        message.detections[1].results[0].hypothesis.score = value

    return spoil


def _spoil_frame(message: Any) -> None:
    message.detections[1].header = messages.header_to_msg(0, "elsewhere")


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (_spoil_orientation, DecodeError, "orientation of box 1 has length 0, not 1"),
        (_spoil_results, DecodeError, "detection 1 has no hypothesis"),
        (_spoil_score(1.5), DecodeError, "detection 1 are no probabilities: car 1.5"),
        (_spoil_score(-0.1), DecodeError, "no probabilities"),
        (_spoil_score(float("nan")), DecodeError, "no probabilities"),
        (_spoil_frame, FrameMismatchError, "expected frame 'odom', got 'elsewhere'"),
    ],
    ids=["orientation", "hypothesis", "above one", "negative", "nan", "frame"],
)
def test_boxes_that_do_not_hold_together(spoil: Any, error: type[Exception], text: str) -> None:
    message = messages.boxes3d_to_msg(_boxes(3, 2))
    spoil(message)
    with pytest.raises(error, match=text):
        messages.boxes3d_from_msg(message)


def test_detections_without_a_frame_of_their_own() -> None:
    message = messages.boxes3d_to_msg(_boxes(2, 2))
    for one in message.detections:
        one.header = messages.header_to_msg(0, "")
    assert messages.boxes3d_from_msg(message).frame_id == "odom"


@settings(deadline=None, max_examples=30)
@given(num=st.integers(0, 6), seed=st.integers(0, 10**6))
def test_detections_there_and_back(num: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-5, 1000, (num, 2))
    detections = Detections2D(
        frame_id="camera_optical",
        stamp_ns=5,
        xyxy_px=np.hstack([corner, corner + rng.uniform(0, 500, (num, 2))]),
        score=rng.random(num),
        labels=tuple(_CLASSES[i] for i in rng.integers(0, 3, num)),
    )
    message = _through_the_wire(messages.detections2d_to_msg(detections))
    back = messages.detections2d_from_msg(message)
    np.testing.assert_allclose(back.xyxy_px, detections.xyxy_px, atol=1e-9)
    np.testing.assert_array_equal(back.score, detections.score)
    assert (back.labels, back.frame_id, back.stamp_ns) == (detections.labels, "camera_optical", 5)


def _detection(*scores: tuple[str, float], theta: float = 0.0) -> Any:
    one = Detections2D(
        frame_id="c",
        stamp_ns=0,
        xyxy_px=np.array([[10.0, 20.0, 50.0, 40.0]] * max(1, len(scores))),
        score=np.array([score for _, score in scores] or [0.5]),
        labels=tuple(name for name, _ in scores) or ("car",),
    )
    message = messages.detections2d_to_msg(one)
    results = [each.results[0] for each in message.detections] if scores else []
    message.detections = message.detections[:1]
    message.detections[0].results = results
    message.detections[0].bbox.center.theta = theta
    return message


def test_best_hypothesis_is_taken() -> None:
    back = messages.detections2d_from_msg(_detection(("car", 0.2), ("van", 0.7), ("bus", 0.1)))
    assert (back.labels, back.score.tolist()) == (("van",), [0.7])


def test_rotated_box_is_enclosed() -> None:
    back = messages.detections2d_from_msg(_detection(("car", 0.2), theta=np.pi / 2))
    np.testing.assert_allclose(back.xyxy_px, [[20, 10, 40, 50]])


@pytest.mark.parametrize(
    "scores", [[], [("car", 1.2)], [("car", float("nan"))]], ids=["none", "above one", "nan"]
)
def test_detections_without_a_score(scores: list[tuple[str, float]]) -> None:
    with pytest.raises(DecodeError, match="detection 0"):
        messages.detections2d_from_msg(_detection(*scores))


@settings(deadline=None, max_examples=30)
@given(num=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_objects_there_and_back(tracked: Tracked, num: int, seed: int) -> None:
    objects = tracked(_boxes(num, seed), seed)
    raw, name = interfaces.encode(messages.objects_to_msg(objects))
    back = messages.objects_from_msg(interfaces.decode(bytes(raw), name))
    ours = messages.objects_to_bytes(objects)
    assert len(ours) == len(raw)
    again, _ = interfaces.encode(interfaces.decode(ours, name))
    assert bytes(again) == bytes(raw)
    _assert_same_boxes(back.boxes, objects.boxes, score_rtol=1e-6)
    assert back.ids == objects.ids
    for name in TrackedObjects.__slots__[2:]:
        np.testing.assert_array_equal(getattr(back, name), getattr(objects, name))


def test_object_of_unknown_state_is_refused() -> None:
    message = SimpleNamespace(
        header=messages.header_to_msg(0, "odom"), objects=[SimpleNamespace(state=9)]
    )
    with pytest.raises(DecodeError, match="object 0 has unknown state 9"):
        messages.objects_from_msg(message)


_CAMERA = CameraModel(
    frame_id="camera_optical",
    width_px=640,
    height_px=480,
    k=np.array([[500.0, 0, 320], [0, 501, 240], [0, 0, 1]]),
    distortion_model="plumb_bob",
    distortion=np.array([0.1, -0.2, 0.001, 0.002, 0.3]),
    rectification=np.eye(3),
    projection=np.array([[490.0, 0, 321, -50], [0, 490, 241, 0], [0, 0, 1, 0]]),
)


def test_camera_there_and_back() -> None:
    back = messages.camera_from_msg(
        _through_the_wire(messages.camera_to_msg(_CAMERA, stamp_ns=77))
    )
    for name in CameraModel.__slots__:
        np.testing.assert_array_equal(getattr(back, name), getattr(_CAMERA, name))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"k": np.zeros(9)}, "uncalibrated"),
        ({"distortion_model": "fisheye"}, "'fisheye' is not one of"),
        ({"d": np.zeros(3)}, "3 coefficients"),
        ({"width": 0}, "0x480"),
        ({"binning_x": 2}, "binning"),
    ],
    ids=["uncalibrated", "model", "coefficients", "size", "binning"],
)
def test_camera_info_that_cannot_be_used(change: dict[str, Any], text: str) -> None:
    message = messages.camera_to_msg(_CAMERA, stamp_ns=0)
    vars(message).update(change)
    with pytest.raises(CalibrationError, match=text):
        messages.camera_from_msg(message)


def test_transforms_there_and_back() -> None:
    boxes = _boxes(4, 9)
    transforms = [
        RigidTransform.from_quat(
            target="odom",
            source=f"frame{i}",
            quat_xyzw=boxes.quat_xyzw[i],
            translation_m=boxes.center_m[i],
        )
        for i in range(4)
    ]
    message = _through_the_wire(messages.transforms_to_msg(transforms, stamp_ns=6_000_000_001))
    back = messages.transforms_from_msg(message)
    assert [stamp_ns for _, stamp_ns in back] == [6_000_000_001] * 4
    for (one, _), other in zip(back, transforms, strict=True):
        assert (one.target, one.source) == (other.target, other.source)
        np.testing.assert_allclose(one.matrix, other.matrix, atol=1e-12)


def test_transform_without_a_rotation_is_refused() -> None:
    message = messages.transforms_to_msg(
        [RigidTransform(target="a", source="b", rotation=np.eye(3), translation_m=np.zeros(3))],
        stamp_ns=0,
    )
    message.transforms[0].transform.rotation.w = 0.0
    with pytest.raises(CalibrationError, match="a <- b: quaternion has length 0"):
        messages.transforms_from_msg(message)


@pytest.mark.parametrize("at_ns", [0, 1, 999_999_999, 10**9, 1_317_000_000_123_456_789])
def test_stamps_are_exact(at_ns: int) -> None:
    assert messages.stamp_ns(messages.header_to_msg(at_ns, "a")) == at_ns
    clock = messages.clock_to_msg(at_ns).clock
    assert clock.sec * 10**9 + clock.nanosec == at_ns


def test_a_detector_that_scores_each_class_by_itself_is_as_sure_as_its_best_class() -> None:
    existence, classes, probs = beliefs(
        Hypotheses.of([[("car", 0.8), ("truck", 0.6)], [("car", 0.5)]])
    )
    assert classes == ("car", "truck")
    np.testing.assert_allclose(existence, [0.8, 0.5])
    np.testing.assert_allclose(probs, [[0.8 / 1.4, 0.6 / 1.4], [1.0, 0.0]])


def test_warm_up_compiles_what_any_list_takes(tracked: Tracked) -> None:
    messages.warm_up()
    compiled = {
        name: len(code.signatures)
        for name, code in vars(_kernels).items()
        if hasattr(code, "signatures")
    }
    by_class = np.asfortranarray(_boxes(5, 1).class_probs)
    boxes = replace(_boxes(5, 1), class_probs=by_class)
    assert len(messages.boxes3d_from_bytes(messages.boxes3d_to_bytes(boxes))) == 5
    messages.objects_to_bytes(tracked(_boxes(4, 2), 2))
    for name, num in compiled.items():
        assert len(getattr(_kernels, name).signatures) == num, name
