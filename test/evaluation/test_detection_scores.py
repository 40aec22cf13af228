"""Average precision against a brute-force count, and the rules of what is ignored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.errors import ShapeError
from perception_stack.evaluation.detection import DetectionFrame, precision_recall


def frame(similarity, score, *, ignored_truth=(), unlabelled=()) -> DetectionFrame:
    score = np.asarray(score, dtype=float)
    similarity = np.asarray(similarity, dtype=float)
    ignored, outside = np.zeros(len(similarity), dtype=bool), np.zeros(len(score), dtype=bool)
    ignored[list(ignored_truth)] = True
    outside[list(unlabelled)] = True
    return DetectionFrame(
        similarity=similarity, score=score, ignored_truth=ignored, unlabelled=outside
    )


def test_perfect_detector():
    curve = precision_recall([frame(np.eye(3), [0.9, 0.8, 0.7])], threshold=0.5)
    assert curve.average_precision == 1.0
    np.testing.assert_allclose(curve.recall, [1 / 3, 2 / 3, 1])


def test_worked_by_hand():
    # by score: hit, false, hit; two of four truths are never found
    frames = [
        frame([[0.9, 0.0], [0.0, 0.1]], [0.9, 0.8]),
        frame([[0.7], [0.0]], [0.6]),
    ]
    curve = precision_recall(frames, threshold=0.5)
    np.testing.assert_allclose(curve.precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(curve.recall, [1 / 4, 1 / 4, 1 / 2])
    # precision 1 up to recall 1/4 (10 points), 2/3 up to 1/2 (10 points), then nothing
    assert curve.average_precision == pytest.approx((10 * 1 + 10 * 2 / 3) / 40)
    assert curve.at_score(0.9) == (1.0, 0.25)
    assert curve.at_score(0.0) == (pytest.approx(2 / 3), 0.5)
    assert curve.at_score(0.95) == (1.0, 0.0)


def test_one_truth_is_hit_once_and_by_the_surest():
    curve = precision_recall([frame([[0.9, 0.95]], [0.9, 0.3])], threshold=0.5)
    np.testing.assert_allclose(curve.precision, [1.0, 0.5])


def test_threshold_itself_is_a_hit():
    assert precision_recall([frame([[0.5]], [1.0])], threshold=0.5).average_precision == 1.0


class TestIgnored:
    def test_detection_on_ignored_truth_is_neither_right_nor_wrong(self):
        curve = precision_recall([frame([[0.9]], [1.0], ignored_truth=[0])], threshold=0.5)
        assert (curve.num_truth, len(curve.score)) == (0, 0)

    def test_unmatched_detection_where_nothing_was_labelled(self):
        curve = precision_recall([frame([[0.1, 0.8]], [1.0, 0.9], unlabelled=[0])], threshold=0.5)
        np.testing.assert_allclose(curve.precision, [1.0])

    def test_matched_detection_counts_even_there(self):
        curve = precision_recall([frame([[0.8]], [0.9], unlabelled=[0])], threshold=0.5)
        assert curve.average_precision == 1.0

    def test_truth_that_counts_comes_before_nearer_ignored_truth(self):
        one = frame([[0.9], [0.6]], [1.0], ignored_truth=[0])
        assert precision_recall([one], threshold=0.5).average_precision == 1.0


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([], id="no-frames"),
        pytest.param([frame(np.empty((0, 0)), [])], id="nothing"),
        pytest.param([frame(np.empty((0, 2)), [0.5, 0.6])], id="no-truth"),
        pytest.param([frame(np.empty((2, 0)), [])], id="no-detections"),
    ],
)
def test_empty(frames):
    curve = precision_recall(frames, threshold=0.5)
    assert curve.average_precision == 0.0
    assert np.isfinite(curve.precision).all()


def test_bad_shape():
    with pytest.raises(ShapeError, match="similarity"):
        frame([[0.1, 0.2]], [0.5, 0.6]).__class__(
            similarity=np.zeros((1, 2)),
            score=np.zeros(3),
            ignored_truth=np.zeros(1, dtype=bool),
            unlabelled=np.zeros(3, dtype=bool),
        )


def slow_average_precision(frames, threshold) -> float:
    """Every threshold on the score anew, every recall point by search."""
    scores = sorted({s for one in frames for s in one.score}, reverse=True)
    num_truth = sum(len(one.similarity) for one in frames)
    points = []
    for least in scores:
        hits = kept = 0
        for one in frames:
            free = set(range(len(one.similarity)))
            for det in sorted(range(len(one.score)), key=lambda k: -one.score[k]):
                if one.score[det] < least:
                    continue
                kept += 1
                best = max(free, key=lambda t: one.similarity[t, det], default=None)
                if best is not None and one.similarity[best, det] >= threshold:
                    free.remove(best)
                    hits += 1
        points.append((hits / num_truth, hits / kept))
    wanted = [k / 40 for k in range(1, 41)]
    return float(
        np.mean([max([p for r, p in points if r >= w - 1e-12], default=0.0) for w in wanted])
    )


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_agrees_with_a_slow_count(seed):
    rng = np.random.default_rng(seed)
    frames = [
        frame(rng.random((rng.integers(1, 5), num)) ** 2, rng.random(num))
        for num in rng.integers(0, 6, size=4)
    ]
    fast = precision_recall(frames, threshold=0.4).average_precision
    if any(len(one.score) for one in frames):
        assert fast == pytest.approx(slow_average_precision(frames, 0.4), abs=1e-12)
