"""Names and times to live of objects that a motion planner is told of."""

from __future__ import annotations

from uuid import UUID

import numpy as np

from perception_stack.datatypes import Boxes3D, SceneObjects
from perception_stack.pipeline.collision_objects import CollisionObjects


def objects(
    at_m: list[float], *, stamp_s: float, ids: tuple[UUID | None, ...] | None = None
) -> SceneObjects:
    num = len(at_m)
    empty = np.zeros((num, num), dtype=np.bool_)
    return SceneObjects(
        boxes=Boxes3D(
            frame_id="camera",
            stamp_ns=round(stamp_s * 1e9),
            center_m=np.array([[x, 0.0, 1.0] for x in at_m]).reshape(num, 3),
            quat_xyzw=np.tile([0.0, 0, 0, 1], (num, 1)),
            size_lwh_m=np.full((num, 3), 0.1),
            covariance=np.zeros((num, 6, 6)),
            score=np.ones(num),
            classes=("unknown",),
            class_probs=np.ones((num, 1)),
            sensors=(("depth",),) * num,
        ),
        ids=ids or (None,) * num,
        shape=np.zeros(num, dtype=np.uint8),
        size_covariance=np.zeros((num, 3, 3)),
        support=np.full(4, np.nan),
        on_support=np.zeros(num, dtype=np.bool_),
        touches=empty,
        stands_on=empty,
        reasons=("",) * num,
    )


def test_names_last_as_long_as_objects_stay() -> None:
    told = CollisionObjects(ttl_s=1.0)
    (first, second), gone = told.update(objects([0.0, 0.5], stamp_s=10.0))
    assert first != second
    assert gone == []
    # the other way round, and moved a little
    assert told.update(objects([0.51, 0.01], stamp_s=10.1)) == ([second, first], [])
    # somewhere else is another object
    (other,), _ = told.update(objects([2.0], stamp_s=10.2))
    assert other not in (first, second)


def test_what_is_not_seen_goes_after_its_time() -> None:
    told = CollisionObjects(ttl_s=1.0)
    (name,), _ = told.update(objects([0.0], stamp_s=10.0))
    assert told.update(objects([], stamp_s=10.9)) == ([], [])
    assert told.update(objects([], stamp_s=11.0)) == ([], [name])
    assert told.update(objects([], stamp_s=12.0)) == ([], [])
    # it comes back under a new name: what was told of it is gone
    (again,), _ = told.update(objects([0.0], stamp_s=12.1))
    assert again != name


def test_tracked_objects_are_called_by_their_identity() -> None:
    told = CollisionObjects(ttl_s=1.0)
    identity = UUID(int=5)
    for x, stamp_s in ((0.0, 1.0), (3.0, 1.1)):
        names, gone = told.update(objects([x], stamp_s=stamp_s, ids=(identity,)))
        assert (names, gone) == ([str(identity)], [])


def test_a_jump_back_in_time_clears() -> None:
    told = CollisionObjects(ttl_s=100.0)
    (name,), _ = told.update(objects([0.0], stamp_s=10.0))
    assert told.update(objects([], stamp_s=5.0)) == ([], [name])
