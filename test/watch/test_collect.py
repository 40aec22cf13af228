"""What makes a frame worth a label, and what does not."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from perception_stack.datatypes import (
    Boxes3D,
    ColorImage,
    Detections2D,
    TrackedObjects,
    TrackState,
)
from perception_stack.watch.collect import (
    Budget,
    DisagreementWatch,
    FlickerWatch,
    FrameCollectorConfig,
    Interest,
    Novelty,
    Why,
    uncertain,
)

CONFIG = FrameCollectorConfig()
S = 1_000_000_000


def detections(scores: list[float], *, side_px: float = 100.0, stamp_ns: int = 0) -> Detections2D:
    return Detections2D(
        frame_id="camera",
        stamp_ns=stamp_ns,
        xyxy_px=np.tile([10.0, 10.0, 10 + side_px, 10 + side_px], (len(scores), 1)),
        score=np.array(scores, float),
        labels=("car", "dog", "car", "car", "car")[: len(scores)],
    )


def boxes(
    rows: list[tuple[float, float, str, float, tuple[str, ...]]], stamp_ns: int = 0
) -> Boxes3D:
    """x, y, class, score, sensors of each."""
    classes = ("car", "dog", "unknown")
    num = len(rows)
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=stamp_ns,
        center_m=np.array([(x, y, 0.0) for x, y, *_ in rows]).reshape(num, 3),
        quat_xyzw=np.tile([0.0, 0, 0, 1], (num, 1)),
        size_lwh_m=np.ones((num, 3)),
        covariance=np.zeros((num, 6, 6)),
        score=np.array([one[3] for one in rows], float),
        classes=classes,
        class_probs=np.array(
            [[one[2] == name for name in classes] for one in rows], float
        ).reshape(num, 3),
        sensors=tuple(one[4] for one in rows),
    )


def objects(
    rows: dict[int, tuple[float, str, float]], stamp_ns: int, *, confirmed: bool = True
) -> TrackedObjects:
    """x, class, existence by identity."""
    listed = boxes(
        [(x, 0.0, name, score, ("lidar",)) for x, name, score in rows.values()], stamp_ns
    )
    num = len(rows)
    state = TrackState.CONFIRMED if confirmed else TrackState.TENTATIVE
    return TrackedObjects(
        boxes=listed,
        ids=tuple(UUID(int=one) for one in rows),
        state=np.full(num, state, np.uint8),
        velocity_mps=np.tile([10.0, 0, 0], (num, 1)),
        angular_velocity_radps=np.zeros((num, 3)),
        twist_covariance=np.zeros((num, 6, 6)),
        acceleration_mps2=np.zeros((num, 3)),
        size_covariance=np.zeros((num, 3, 3)),
        orientation_known=np.ones(num, bool),
        stationary=np.zeros(num, bool),
        num_detections=np.ones(num, np.int64),
        last_seen_ns=np.zeros(num, np.int64),
    )


@pytest.mark.parametrize(
    ("scores", "about"),
    [
        pytest.param([], None, id="none"),
        pytest.param([0.9] * 5, None, id="sure"),
        pytest.param([0.31, 0.35, 0.9], None, id="two"),
        pytest.param([0.31, 0.39, 0.33, 0.8], "car", id="three"),
        pytest.param([0.31, 0.41, 0.42, 0.43], None, id="above-the-margin"),
    ],
)
def test_many_boxes_close_to_the_threshold_are_uncertain(
    scores: list[float], about: str | None
) -> None:
    found = uncertain(detections(scores), CONFIG)
    assert [one.about for one in found] == ([about] if about else [])


BOTH, CAMERA, LIDAR = ("camera", "lidar"), ("camera",), ("lidar",)


@pytest.mark.parametrize(
    ("seen", "fused", "about"),
    [
        pytest.param(
            detections([0.9, 0.9, 0.9]),
            [(10, 0, "car", 0.9, BOTH), (20, 0, "car", 0.9, CAMERA)],
            ["camera alone"],
            id="camera-alone",
        ),
        pytest.param(
            detections([0.9, 0.9]),
            [(10, 0, "car", 0.9, BOTH), (20, 0, "car", 0.9, BOTH)],
            [],
            id="agree",
        ),
        pytest.param(detections([0.9, 0.9], side_px=20.0), [], [], id="too-small-for-the-lidar"),
        pytest.param(detections([0.5, 0.5, 0.5]), [], [], id="unsure"),
        pytest.param(detections([0.9, 0.9], stamp_ns=100_000_000), [], [], id="other-time"),
        pytest.param(
            detections([0.9, 0.9]),
            [
                (10, 5, "car", 0.9, BOTH),
                (10, -5, "car", 0.9, BOTH),
                (10, 1, "dog", 0.9, LIDAR),
                (20, 0, "car", 0.9, LIDAR),
                (15, 0, "unknown", 0.9, LIDAR),
            ],
            ["no camera"],
            id="between-two-in-view",
        ),
        pytest.param(
            detections([0.9, 0.9]),
            [
                (10, 5, "car", 0.9, BOTH),
                (10, -5, "car", 0.9, BOTH),
                (-10, 1, "dog", 0.9, LIDAR),
                (5, 20, "car", 0.9, LIDAR),
            ],
            [],
            id="out-of-view",
        ),
    ],
)
def test_sensors_disagree(
    seen: Detections2D,
    fused: list[tuple[float, float, str, float, tuple[str, ...]]],
    about: list[str],
) -> None:
    watch = DisagreementWatch(CONFIG)
    watch.add_detections(seen)
    assert [one.about for one in watch.add_boxes(boxes(fused))] == about


def follow(rows: list[dict[int, tuple[float, str, float]]]) -> list[str]:
    watch, found = FlickerWatch(CONFIG), []
    for i, one in enumerate(rows):
        found += [each.about for each in watch.add(objects(one, i * S // 10))]
    return found


def test_a_steady_track_does_not_flicker() -> None:
    assert follow([{1: (0.0, "car", 0.9)}] * 50) == []


def test_a_class_that_flips_twice_in_two_seconds_flickers_once() -> None:
    rows = [{1: (0.0, "car", 0.9)}] * 5 + [{1: (0.0, "dog", 0.9)}] * 5 + [{1: (0.0, "car", 0.9)}]
    assert follow(rows) == ["class car"]
    assert follow([*rows[:10], *([rows[9]] * 20), rows[10]]) == []


def test_unknown_is_no_other_class() -> None:
    rows = [{1: (0.0, name, 0.9)} for name in ("car", "unknown") * 5]
    assert follow(rows) == []


def test_existence_that_goes_up_and_down_flickers() -> None:
    rows = [{1: (0.0, "car", score)} for score in (0.5, 0.9, 0.9, 0.5, 0.4, 0.8)]
    assert follow(rows) == ["existence car"]
    gentle = [{1: (0.0, "car", score)} for score in (0.5, 0.6, 0.5, 0.6, 0.5, 0.6)]
    assert follow(gentle) == []
    only_up = [{1: (0.0, "car", score)} for score in np.linspace(0.1, 0.99, 20)]
    assert follow(only_up) == []


def test_a_confirmed_track_that_ends_soon_is_told_and_an_old_one_is_not() -> None:
    assert follow([{1: (0.0, "car", 0.9)}] * 10 + [{}]) == ["short life"]
    assert follow([{1: (0.0, "car", 0.9)}] * 30 + [{}]) == []


def test_a_new_identity_where_the_old_one_should_be_is_told() -> None:
    old = [{1: (float(i), "car", 0.9)} for i in range(30)]  # 10 m/s
    assert follow([*old, {}, {2: (31.0, "car", 0.9)}]) == ["identity"]
    assert follow([*old, {}, {2: (34.0, "car", 0.9)}]) == []
    assert follow([*old, {}, {2: (31.0, "dog", 0.9)}]) == []
    assert follow([*old, *[{}] * 8, {2: (38.0, "car", 0.9)}]) == []


def test_lists_that_jump_back_begin_anew() -> None:
    watch = FlickerWatch(CONFIG)
    for i in range(30):
        watch.add(objects({1: (0.0, "car", 0.9)}, (100 + i) * S // 10))
    assert watch.add(objects({}, 0)) == []


def interest(stamp_s: float, why: Why = Why.UNCERTAIN, about: str = "car") -> Interest:
    return Interest(why=why, about=about, text="", stamp_ns=round(stamp_s * S))


def test_budget_spaces_snippets_and_the_same_thing_more() -> None:
    budget = Budget(replace(CONFIG, gap_s=10.0, repeat_s=100.0))
    assert budget.refusal(interest(0)) == ""
    budget.spend(interest(0))
    assert "gap_s" in budget.refusal(interest(9, about="dog"))
    assert budget.refusal(interest(11, about="dog")) == ""
    assert "repeat_s" in budget.refusal(interest(11))
    assert budget.refusal(interest(11, why=Why.FLICKER)) == ""
    assert budget.refusal(interest(101)) == ""


def test_known_images_are_known_in_any_light() -> None:
    rng = np.random.default_rng(0)
    first, second = (
        ColorImage(
            frame_id="",
            stamp_ns=0,
            bgr=np.kron(rng.integers(0, 200, (18, 32, 3)), np.ones((10, 10, 1))).astype(np.uint8),
        )
        for _ in range(2)
    )
    novelty = Novelty(0.97)
    assert not novelty.is_known(first)
    novelty.remember(first)
    assert novelty.is_known(replace(first, bgr=first.bgr // 2))
    assert not novelty.is_known(second)
    never = Novelty(1.0)
    never.remember(first)
    assert not never.is_known(first)
