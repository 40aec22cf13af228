"""Existence in the image is the model of the 3-D tracker, said once more in machine code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.tracking.classification import statement
from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.image.config import ImageTrackerConfig
from perception_stack.tracking.image.kernels import existence as in_image
from perception_stack.tracking.image.kernels.rows import fuse_class
from perception_stack.tracking.image.kernels.state import Found
from perception_stack.tracking.image.tracker import ImageTracker
from perception_stack.tracking.kernels import existence as in_space
from perception_stack.tracking.kernels.classes import fuse

_SHARED = (
    "birth_odds",
    "hit_odds",
    "persistence_s",
    "unseen_s",
    "existence_memory_s",
    "class_memory_s",
    "class_confusion",
)
_CONFIG = ImageTrackerConfig()
_MODEL = ImageTracker(_CONFIG, None)._model
_SPACE = TrackerConfig(**{name: getattr(_CONFIG, name) for name in _SHARED})

log_odds = st.floats(-3, 7)
scores = st.floats(0, 1)


@given(log_odds, scores, st.floats(0, 1), st.floats(0, 1))
def test_log_odds_are_those_of_the_3d_tracker(before, score, share, dt_s):
    p = numbers(_SPACE)
    faded = in_space.faded(before, dt_s, p)
    expected = in_space.log_odds_of_score(score) + np.log(_SPACE.birth_odds)
    assert in_image.born(score, _MODEL) == pytest.approx(expected)
    expected = in_space.missed(faded, share * in_space.remembered_s(dt_s, p), p)
    assert in_image.missed(before, share, dt_s, _MODEL) == pytest.approx(expected)
    expected = in_space.seen(faded, score, dt_s, p)
    assert in_image.seen(before, score, dt_s, _MODEL) == pytest.approx(expected)


@given(st.floats(0.01, 0.99), st.integers(0, 1), st.floats(0, 5))
def test_classes_are_fused_as_in_the_3d_tracker(first, label, unseen_s):
    probs = np.array([first, 1 - first, 0.0])
    said = statement(np.eye(3)[[label]], ("a", "b", "unknown"), _SPACE)
    expected = probs.copy()
    fuse(expected, said[0], unseen_s, numbers(_SPACE))
    fuse_class(probs, label, unseen_s, _MODEL)
    np.testing.assert_allclose(probs, expected, rtol=1e-9)


def test_only_what_stands_in_front_hides():
    box = np.array([100.0, 100.0, 140.0, 200.0])
    front, behind = [120.0, 100.0, 200.0, 220.0], [120.0, 100.0, 200.0, 180.0]
    found = Found(np.array([front, behind]), np.ones(2), np.zeros(2, dtype=np.int64))
    assert in_image.hidden_share(box, found, np.array([-1, 0])) == pytest.approx(0.5)
    assert in_image.hidden_share(box, found, np.array([-1, 1])) == 0.0
    assert in_image.hidden_share(box, found, np.array([-1])) == 0.0
