"""Several sources for one list: each with its own view, clock and transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, Detections2D, FrameResult
from perception_stack.errors import ConfigError, FrameMismatchError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.journal import Journal, Reason
from perception_stack.pipeline.tracking_stage import TrackingStage
from perception_stack.tracking.space.config import TrackerConfig

STEP_NS = 100_000_000
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])  # body from optical
TWO = {"box_topics": ("detections_3d", "arm/boxes"), "reorder_horizon_s": 1.0}


def link(source: str, rotation: np.ndarray | None = None) -> RigidTransform:
    return RigidTransform(
        target="odom",
        source=source,
        rotation=np.eye(3) if rotation is None else rotation,
        translation_m=np.zeros(3),
    )


def stage(**params) -> tuple[TrackingStage, Journal]:
    frames, journal = FrameTree(), Journal()
    frames.add(link("lidar"), stamp_ns=0, static=True)
    frames.add(link("camera_optical", OPTICAL), stamp_ns=0, static=True)
    return TrackingStage(TrackerConfig(**params), frames, journal), journal


def seen(
    index: int, *places_m: tuple[float, float, float], frame_id: str = "lidar", label: str = "car"
) -> Boxes3D:
    num = len(places_m)
    return Boxes3D(
        frame_id=frame_id,
        stamp_ns=index * STEP_NS,
        center_m=np.array(places_m, dtype=np.float64).reshape(-1, 3),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (num, 1)),
        size_lwh_m=np.tile([4.0, 1.8, 1.5], (num, 1)),
        covariance=np.tile(np.eye(6) * 0.01, (num, 1, 1)),
        score=np.full(num, 0.9),
        classes=(label,),
        class_probs=np.ones((num, 1)),
        sensors=(("lidar",),) * num,
    )


def run(one: TrackingStage, *given: tuple[str, Boxes3D]) -> list[FrameResult]:
    """The lists after boxes of some topics, pushed as they are told."""
    results: list[FrameResult] = []
    for topic, boxes in given:
        results += one.push(boxes, arrival_ns=boxes.stamp_ns, topic=topic)
    return results


def odds(results: list[FrameResult]) -> float:
    """Of the one object listed last being there."""
    score = float(results[-1].objects.boxes.score[0])
    return score / (1 - score)


def after_silence_of_another(**params) -> float:
    """Odds of a car behind, that one source sees, after another did not see it three times."""
    one, _ = stage(**TWO, **params)
    behind = (-10.0, 0.0, 0.0)
    given = [("detections_3d", seen(i, behind)) for i in range(10)]
    given += [("arm/boxes", seen(i)) for i in range(9, 12)]
    return odds(run(one, *given))


def test_a_source_cannot_miss_what_is_out_of_its_view_or_range_or_not_known_to_it() -> None:
    untouched = after_silence_of_another(box_views_rad=(2 * np.pi, 1.5))
    missed = after_silence_of_another()
    assert missed < 0.5 * untouched
    assert after_silence_of_another(box_ranges_m=(100.0, 2.0)) == untouched
    assert after_silence_of_another(box_classes=("", "mug bowl")) > 0.9 * untouched
    assert after_silence_of_another(box_classes=("", "mug car")) == pytest.approx(missed, rel=1e-3)


def test_an_optical_frame_looks_along_its_z_axis() -> None:

    def after_misses(place_m: tuple[float, float, float], view_rad: float) -> float:
        one, _ = stage(box_views_rad=(view_rad,))
        frames = [seen(i, place_m, frame_id="camera_optical") for i in range(6)]
        frames += [seen(i, frame_id="camera_optical") for i in range(6, 8)]
        return odds(run(one, *(("detections_3d", frame) for frame in frames)))

    ahead, beside = (0.0, 0.0, 20.0), (20.0, 0.0, 0.0)
    assert after_misses(ahead, 0.8) == pytest.approx(after_misses(ahead, 2 * np.pi))
    assert after_misses(beside, 0.8) > 2 * after_misses(beside, 2 * np.pi)


def test_a_source_without_transforms_holds_nobody_back() -> None:
    one, journal = stage(**TWO)
    lost = seen(0, (5.0, 0, 0), frame_id="nowhere")
    assert not run(one, ("arm/boxes", lost))
    assert len(run(one, *(("detections_3d", seen(i, (5.0, 0, 0))) for i in range(3)))) == 3
    assert one.waiting == 1
    one.ready(10**10)
    assert one.waiting == 0
    assert journal.counts[Reason.NO_TRANSFORM] == 1


def test_a_late_source_counts_as_if_it_had_been_in_time() -> None:
    places = [(0.5 * i, 0.0, 0.0) for i in range(10)]
    fused = [("detections_3d", seen(i, place)) for i, place in enumerate(places)]
    posed = [
        ("arm/boxes", replace(seen(i, place), stamp_ns=i * STEP_NS + STEP_NS // 2))
        for i, place in enumerate(places)
    ]
    in_time = [frame for pair in zip(fused, posed, strict=True) for frame in pair]
    late = [*fused[:1]]
    for i in range(9):
        late += [fused[i + 1], posed[i]]
    late.append(posed[9])
    one, other = stage(**TWO)[0], stage(**TWO)[0]
    first, second = run(one, *in_time)[-1].objects, run(other, *late)[-1].objects
    assert first.ids == second.ids
    np.testing.assert_array_equal(first.boxes.center_m, second.boxes.center_m)


def test_the_stamps_of_a_source_are_corrected() -> None:
    """Boxes that a slow sensor stamps 0.2 s late, of a car at 10 m/s."""
    one, _ = stage(box_offsets_s=(-0.2,))
    frames = [(1.0 * i, 0.0, 0.0) for i in range(20)]
    results = run(one, *(("detections_3d", seen(i + 2, place)) for i, place in enumerate(frames)))
    assert results[-1].stamp_ns == 19 * STEP_NS
    assert results[-1].objects.boxes.center_m[0, 0] == pytest.approx(19.0, abs=0.1)


CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=640,
    height_px=480,
    k=np.array([[400.0, 0, 320], [0, 400, 240], [0, 0, 1]]),
)


def car_in_image(index: int, place_m: tuple[float, float, float]) -> Detections2D:
    """The rectangle around a car whose front faces the camera."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    corners_m = np.array(place_m) + 0.5 * signs * [4.0, 1.8, 1.5]
    uv_px = CAMERA.project(corners_m @ OPTICAL).uv_px
    return Detections2D(
        frame_id="camera_optical",
        stamp_ns=index * STEP_NS,
        xyxy_px=np.concatenate([uv_px.min(axis=0), uv_px.max(axis=0)])[None],
        score=np.array([0.9]),
        labels=("car",),
    )


def test_what_the_lidar_lost_a_camera_keeps_in_place() -> None:
    one, journal = stage(image_topics=("rear/detections",), reorder_horizon_s=1.0)
    place = (15.0, 1.0, 0.0)
    image = car_in_image(0, place)
    assert not one.push_detections(image, arrival_ns=0, topic="rear/detections")
    assert journal.counts[Reason.NO_CALIBRATION] == 1
    one.set_camera(CAMERA, topic="rear/detections")
    run(one, *(("detections_3d", seen(i, place)) for i in range(10)))
    for i in range(10, 40):
        results = one.push_detections(
            car_in_image(i, place), arrival_ns=i * STEP_NS, topic="rear/detections"
        )
    objects = results[-1].objects
    assert results[-1].stamp_ns == 39 * STEP_NS
    assert len(results[-1].detections) == 0
    assert objects.boxes.sensors == (("camera",),)
    np.testing.assert_allclose(objects.boxes.center_m[0], place, atol=0.3)


def test_detections_of_another_camera_are_refused() -> None:
    one, _ = stage(image_topics=("rear/detections",), reorder_horizon_s=1.0)
    one.set_camera(replace(CAMERA, frame_id="other"), topic="rear/detections")
    with pytest.raises(FrameMismatchError, match="rear/detections"):
        one.push_detections(car_in_image(0, (15.0, 0, 0)), arrival_ns=0, topic="rear/detections")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"box_topics": ("a", "a")}, "different names"),
        ({"box_topics": ("a", "b")}, "reorder_horizon_s"),
        ({"box_ranges_m": (1.0, 2.0)}, "2 box_ranges_m for 1 box_topics"),
        ({"image_topics": ("detections",)}, "reorder_horizon_s"),
    ],
)
def test_sources_that_do_not_fit_are_refused(params: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        TrackerConfig(**params)


def test_the_first_image_finds_everything_compiled() -> None:
    from perception_stack.tracking.space.image_evidence import learn_from_image

    one, _ = stage(image_topics=("rear/detections",), reorder_horizon_s=1.0)
    one.warm_up()
    known = list(learn_from_image.signatures)
    assert known
    one.set_camera(CAMERA, topic="rear/detections")
    run(one, ("detections_3d", seen(0, (15.0, 1.0, 0.0))))
    assert one.push_detections(
        car_in_image(1, (15.0, 1.0, 0.0)), arrival_ns=STEP_NS, topic="rear/detections"
    )
    assert list(learn_from_image.signatures) == known
