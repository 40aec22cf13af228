from __future__ import annotations

from dataclasses import replace

from perception_stack.datatypes import Boxes3D
from perception_stack.tools.evaluate import newest_of_each_stamp


def test_of_lists_of_one_stamp_the_last_is_scored() -> None:
    """A tracker of two sources gives one list for each."""
    early = Boxes3D.empty(frame_id="early", stamp_ns=1)
    late, next_one = replace(early, frame_id="late"), replace(early, stamp_ns=2)
    assert newest_of_each_stamp([early, late, next_one]) == [late, next_one]
