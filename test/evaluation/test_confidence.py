"""Bootstrap limits of average precision: the value itself, and that they cover the truth."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.evaluation.confidence import ap_intervals
from perception_stack.evaluation.detection import (
    DetectionFrame,
    FrameHits,
    frame_hits,
    precision_recall,
)


def random_frames(rng: np.random.Generator, num: int, *, skill: float) -> list[FrameHits]:
    frames = []
    for _ in range(num):
        num_truth = int(rng.integers(0, 4))
        hits = int(rng.binomial(num_truth, skill))
        false = int(rng.poisson(0.5))
        score = np.concatenate([rng.beta(4, 2, hits), rng.beta(2, 4, false)])
        hit = np.arange(hits + false) < hits
        frames.append(FrameHits(score=score, hit=hit, num_truth=num_truth))
    return frames


def test_the_value_is_that_of_the_curve() -> None:
    rng = np.random.default_rng(3)
    frames = [
        DetectionFrame(
            similarity=rng.random(
                (truth := int(rng.integers(0, 5)), found := int(rng.integers(6)))
            ),
            score=rng.random(found),
            ignored_truth=rng.random(truth) < 0.2,
            unlabelled=rng.random(found) < 0.1,
        )
        for _ in range(30)
    ]
    curve = precision_recall(frames, threshold=0.5)
    hits = [frame_hits(frame, 0.5) for frame in frames]
    intervals = ap_intervals({"a": hits})
    assert intervals["a"].value == pytest.approx(curve.average_precision, abs=1e-12)
    assert intervals["mean"] == intervals["a"]
    assert intervals["a"].low < intervals["a"].value < intervals["a"].high


def test_limits_hold_what_more_data_says() -> None:
    rng = np.random.default_rng(0)
    true = ap_intervals({"a": random_frames(rng, 4_000, skill=0.8)})["a"].value
    inside = [
        one.low <= true <= one.high
        for one in (
            ap_intervals({"a": random_frames(rng, 120, skill=0.8)})["a"] for _ in range(30)
        )
    ]
    assert np.mean(inside) >= 0.85


def test_frames_of_one_drive_are_no_evidence_of_their_own() -> None:
    rng = np.random.default_rng(1)
    frames = random_frames(rng, 40, skill=0.7)
    alone = ap_intervals({"a": frames})["a"]
    repeated = ap_intervals({"a": frames * 5}, groups=list(range(40)) * 5)["a"]
    naive = ap_intervals({"a": frames * 5})["a"]
    assert repeated.value == alone.value
    assert repeated.high - repeated.low == pytest.approx(alone.high - alone.low, rel=0.1)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)


def test_classes_without_truth_have_no_precision() -> None:
    nothing = FrameHits(score=np.array([0.9]), hit=np.array([False]), num_truth=0)
    right = FrameHits(score=np.array([0.9]), hit=np.array([True]), num_truth=1)
    intervals = ap_intervals({"absent": [nothing] * 3, "there": [right] * 3})
    assert np.isnan(intervals["absent"].value)
    assert intervals["mean"].value == intervals["there"].value == 1.0


@pytest.mark.parametrize("classes", [{}, {"a": []}], ids=["no-class", "no-frame"])
def test_nothing_is_no_error(classes: dict[str, list[FrameHits]]) -> None:
    assert np.isnan(ap_intervals(classes)["mean"].value)
