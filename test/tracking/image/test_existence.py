"""What the image adds to the existence and the classes that both trackers share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_stack.tracking.common.classes import fuse, statement
from perception_stack.tracking.image.config import ImageTrackerConfig, numbers
from perception_stack.tracking.image.detections import Found
from perception_stack.tracking.image.step import fuse_class, hidden_share

(_P,) = numbers(ImageTrackerConfig())


@given(st.floats(0.01, 0.99), st.integers(0, 1), st.floats(0, 5))
def test_a_label_is_fused_as_a_certain_class(first, label, unseen_s):
    probs = np.array([first, 1 - first, 0.0])
    expected = probs.copy()
    fuse(expected, statement(np.eye(3)[[label]], 2, _P)[0], unseen_s, _P)
    fuse_class(probs, label, unseen_s, _P)
    np.testing.assert_allclose(probs, expected, rtol=1e-9)


def test_only_what_stands_in_front_hides():
    box = np.array([100.0, 100.0, 140.0, 200.0])
    front, behind = [120.0, 100.0, 200.0, 220.0], [120.0, 100.0, 200.0, 180.0]
    found = Found(np.array([front, behind]), np.ones(2), np.zeros(2, dtype=np.int64))
    assert hidden_share(box, found, np.array([-1, 0])) == pytest.approx(0.5)
    assert hidden_share(box, found, np.array([-1, 1])) == 0.0
    assert hidden_share(box, found, np.array([-1])) == 0.0
