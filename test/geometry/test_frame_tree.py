"""The tree of frames: interpolation, its limits, its shape over time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from perception_stack.errors import (
    ExtrapolationError,
    FrameMismatchError,
    TransformUnavailableError,
    UnconnectedFramesError,
    UnknownFrameError,
)
from perception_stack.geometry.frame_tree import FrameTree
from perception_stack.geometry.transforms import RigidTransform

S = 1_000_000_000
UNIT = (0.0, 0.0, 0.0, 1.0)

_numbers = st.floats(-100.0, 100.0)
_xyzs = st.tuples(_numbers, _numbers, _numbers)
_quats = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .filter(lambda quat: np.linalg.norm(quat) > 0.1)
    .map(lambda quat: tuple(np.array(quat) / np.linalg.norm(quat)))
)
_stamps = st.integers(0, 20 * S)


def link(
    target: str,
    source: str,
    *,
    xyz: tuple[float, ...] = (0.0, 0.0, 0.0),
    quat: tuple[float, ...] = UNIT,
) -> RigidTransform:
    return RigidTransform.from_quat(
        target=target, source=source, quat_xyzw=np.array(quat), translation_m=np.array(xyz)
    )


def moving(*stamps_s: float, target: str = "odom", source: str = "base") -> FrameTree:
    """One frame that moves 1 m/s along x."""
    tree = FrameTree()
    for each_s in stamps_s:
        tree.add(link(target, source, xyz=(each_s, 0, 0)), stamp_ns=round(each_s * S))
    return tree


def place(tree: FrameTree, target: str, source: str, stamp_s: float) -> list[float]:
    return tree.lookup(target, source, round(stamp_s * S)).translation_m.tolist()


@given(_xyzs, _quats, _xyzs, _quats, st.integers(1, S - 1))
def test_between_samples_position_is_linear_and_rotation_slerp(
    xyz0: tuple[float, ...],
    quat0: tuple[float, ...],
    xyz1: tuple[float, ...],
    quat1: tuple[float, ...],
    after_ns: int,
) -> None:
    ends = Rotation.from_quat([quat0, quat1])
    if (ends[0].inv() * ends[1]).magnitude() > 3.1:
        return  # either way round is as short
    tree = FrameTree()
    tree.add(link("a", "b", xyz=xyz0, quat=quat0), stamp_ns=5 * S)
    tree.add(link("a", "b", xyz=xyz1, quat=quat1), stamp_ns=6 * S)
    found = tree.lookup("a", "b", 5 * S + after_ns)
    fraction = after_ns / S
    expected = (1 - fraction) * np.array(xyz0) + fraction * np.array(xyz1)
    np.testing.assert_allclose(found.translation_m, expected, atol=1e-9)
    turned = Slerp([0, 1], ends)(fraction)
    np.testing.assert_allclose(found.rotation, turned.as_matrix(), atol=1e-6)


@given(st.lists(_stamps, min_size=1, max_size=12), _stamps, st.randoms(use_true_random=False))
def test_the_order_in_which_samples_come_does_not_matter(
    stamps_ns: list[int], asked_ns: int, rng: object
) -> None:
    def answer(order: list[int]) -> object:
        tree = FrameTree(history_s=100.0)
        for stamp_ns in order:
            tree.add(link("a", "b", xyz=(stamp_ns / S, 0, 0)), stamp_ns=stamp_ns)
        try:
            return tree.lookup("a", "b", asked_ns).translation_m.tolist()
        except ExtrapolationError:
            return None

    shuffled = list(stamps_ns)
    rng.shuffle(shuffled)
    assert answer(shuffled) == answer(stamps_ns)
    is_within = min(stamps_ns) <= asked_ns <= max(stamps_ns)
    assert (answer(stamps_ns) is not None) == is_within


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), _xyzs, _quats), min_size=1, max_size=5)
)
def test_any_tree_gives_the_product_of_its_transforms(
    links: list[tuple[int, bool, tuple[float, ...], tuple[float, ...]]],
) -> None:
    tree = FrameTree()
    root_from = {"f0": np.eye(4)}
    for i, (parent, is_static, xyz, quat) in enumerate(links, start=1):
        added = link(f"f{parent % i}", f"f{i}", xyz=xyz, quat=quat)
        tree.add(added, stamp_ns=S, static=is_static)
        root_from[added.source] = root_from[added.target] @ added.matrix
    assert tree.frames == set(root_from)
    for (target, left), (source, right) in itertools.product(root_from.items(), repeat=2):
        found = tree.lookup(target, source, S)
        assert (found.target, found.source) == (target, source)
        np.testing.assert_allclose(found.matrix, np.linalg.inv(left) @ right, atol=1e-8)


@pytest.mark.parametrize(
    ("stamp_s", "gap"),
    [(9.9, "100.0 ms before the oldest odom <- base"), (12.5, "500.0 ms after the newest")],
)
def test_nothing_is_extrapolated(stamp_s: float, gap: str) -> None:
    with pytest.raises(ExtrapolationError, match=gap):
        moving(10, 11, 12).lookup("base", "odom", round(stamp_s * S))


def test_one_sample_holds_at_its_stamp_only() -> None:
    tree = moving(10)
    assert place(tree, "odom", "base", 10) == [10, 0, 0]
    for stamp_ns in (10 * S - 1, 10 * S + 1):
        with pytest.raises(ExtrapolationError):
            tree.lookup("odom", "base", stamp_ns)


def test_links_above_the_common_ancestor_are_not_asked() -> None:
    tree = moving(10)
    for sensor in ("lidar", "camera"):
        tree.add(link("base", sensor), stamp_ns=0, static=True)
    assert tree.lookup("lidar", "camera", 99 * S).target == "lidar"


def test_a_sample_at_the_same_stamp_replaces_the_older() -> None:
    tree = moving(10)
    tree.add(link("odom", "base", xyz=(7, 0, 0)), stamp_ns=10 * S)
    assert place(tree, "odom", "base", 10) == [7, 0, 0]


def test_static_transforms_hold_always_and_the_newest_counts() -> None:
    tree = FrameTree()
    for height in (1.0, 2.0):
        tree.add(link("base", "lidar", xyz=(0, 0, height)), stamp_ns=5 * S, static=True)
    for stamp_s in (0, 5, 1e6):
        assert place(tree, "base", "lidar", stamp_s) == [0, 0, 2]


def test_a_frame_is_itself_even_if_nobody_knows_it() -> None:
    np.testing.assert_array_equal(FrameTree().lookup("a", "a", 3).matrix, np.eye(4))


@pytest.mark.parametrize(("target", "source"), [("odom", "x"), ("x", "base"), ("x", "y")])
def test_unknown_frames_are_named(target: str, source: str) -> None:
    tree = moving(10)
    for ask in (
        lambda: tree.lookup(target, source, 1),
        lambda: tree.latest_common_stamp(target, source),
    ):
        with pytest.raises(UnknownFrameError, match="frame 'x' is unknown; known: base, odom"):
            ask()


def test_frames_of_separate_trees_are_unconnected() -> None:
    tree = moving(10)
    tree.add(link("rig", "camera"), stamp_ns=0, static=True)
    for ask in (
        lambda: tree.lookup("odom", "camera", 10 * S),
        lambda: tree.latest_common_stamp("base", "camera"),
    ):
        with pytest.raises(UnconnectedFramesError, match="'odom' and 'rig' are roots"):
            ask()


@pytest.mark.parametrize(
    ("target", "source"), [("c", "a"), ("b", "a"), ("c", "b"), ("b", "b"), ("a", "a"), ("x", "x")]
)
def test_loops_are_refused_and_change_nothing(target: str, source: str) -> None:
    tree = FrameTree()
    tree.add(link("a", "b", xyz=(1, 0, 0)), stamp_ns=0, static=True)
    tree.add(link("b", "c", xyz=(1, 0, 0)), stamp_ns=0, static=True)
    with pytest.raises(FrameMismatchError, match="closes a loop"):
        tree.add(link(target, source), stamp_ns=0, static=True)
    assert place(tree, "a", "c", 0) == [2, 0, 0]


@pytest.mark.parametrize("is_static", [False, True])
def test_a_new_parent_replaces_the_old(is_static: bool) -> None:
    tree = moving(10, 11)
    tree.add(link("map", "base", xyz=(0, 5, 0)), stamp_ns=12 * S, static=is_static)
    assert place(tree, "map", "base", 12) == [0, 5, 0]
    with pytest.raises(TransformUnavailableError):
        tree.lookup("odom", "base", 11 * S)


def test_a_moving_frame_may_become_static_and_move_again() -> None:
    tree = moving(10, 11)
    tree.add(link("odom", "base", xyz=(9, 0, 0)), stamp_ns=0, static=True)
    assert place(tree, "odom", "base", 50) == [9, 0, 0]
    tree.add(link("odom", "base", xyz=(8, 0, 0)), stamp_ns=60 * S)
    assert place(tree, "odom", "base", 60) == [8, 0, 0]
    with pytest.raises(ExtrapolationError):
        tree.lookup("odom", "base", 50 * S)


def test_samples_older_than_the_history_are_forgotten() -> None:
    tree = FrameTree(history_s=2.0)
    for each_s in (1, 2, 3, 4, 5, 1):
        tree.add(link("a", "b", xyz=(each_s, 0, 0)), stamp_ns=each_s * S)
    assert place(tree, "a", "b", 3) == [3, 0, 0]
    with pytest.raises(ExtrapolationError):
        tree.lookup("a", "b", 3 * S - 1)


def test_clearing_forgets_what_moves() -> None:
    tree = moving(10)
    tree.add(link("base", "lidar"), stamp_ns=0, static=True)
    tree.clear()
    assert tree.frames == {"base", "lidar"}
    with pytest.raises(UnknownFrameError):
        tree.lookup("odom", "base", 10 * S)


def test_the_latest_common_stamp_is_the_oldest_of_the_newest() -> None:
    tree = moving(10, 12)
    for each_s in (10, 11, 9):
        tree.add(link("base", "arm"), stamp_ns=each_s * S)
    tree.add(link("arm", "hand"), stamp_ns=0, static=True)
    assert tree.latest_common_stamp("odom", "hand") == 11 * S
    assert tree.latest_common_stamp("hand", "odom") == 11 * S
    assert tree.latest_common_stamp("odom", "base") == 12 * S
    assert place(tree, "odom", "hand", 11) == [11, 0, 0]


@pytest.mark.parametrize(("target", "source"), [("arm", "hand"), ("hand", "hand"), ("new", "new")])
def test_where_nothing_moves_any_stamp_is_common(target: str, source: str) -> None:
    tree = moving(10)
    tree.add(link("base", "arm"), stamp_ns=10 * S)
    tree.add(link("arm", "hand"), stamp_ns=0, static=True)
    assert tree.latest_common_stamp(target, source) is None


def test_a_loop_begins_anew_where_it_is_asked_for() -> None:
    tree = FrameTree(history_s=10.0, reset_s=1.0)
    for each_s in (5, 6, 7):
        tree.add(link("a", "b", xyz=(each_s, 0, 0)), stamp_ns=each_s * S)
    tree.add(link("a", "b", xyz=(60, 0, 0)), stamp_ns=6 * S)
    assert place(tree, "a", "b", 7) == [7, 0, 0]
    for each_s in (5, 6):
        tree.add(link("a", "b", xyz=(-each_s, 0, 0)), stamp_ns=each_s * S)
    assert place(tree, "a", "b", 5) == [-5, 0, 0]
    with pytest.raises(ExtrapolationError, match="after the newest"):
        tree.lookup("a", "b", 7 * S)


@given(_xyzs, _quats, _xyzs, _quats, st.integers(1, S), st.integers(1, S))
def test_a_point_at_rest_is_found_by_another_sensor_at_another_time(
    start, turned, mount, mount_turned, first_ns: int, second_ns: int
) -> None:
    tree = FrameTree()
    tree.add(link("odom", "base"), stamp_ns=0)
    tree.add(link("odom", "base", xyz=start, quat=turned), stamp_ns=S)
    tree.add(link("base", "camera", xyz=mount, quat=mount_turned), stamp_ns=0, static=True)
    at_rest_m = np.array([[3.0, -2.0, 1.0]])
    seen_m = tree.lookup("base", "odom", first_ns).apply(at_rest_m)
    found = tree.lookup_between("camera", second_ns, "base", first_ns, fixed="odom").apply(seen_m)
    wanted = tree.lookup("camera", "odom", second_ns).apply(at_rest_m)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_one_stamp_needs_no_fixed_frame() -> None:
    tree = FrameTree()
    tree.add(link("base", "camera", xyz=(1, 0, 0)), stamp_ns=0, static=True)
    both = tree.lookup_between("base", 5, "camera", 5, fixed="odom")
    assert both.translation_m.tolist() == [1, 0, 0]
    with pytest.raises(UnknownFrameError):
        tree.lookup_between("base", 5, "camera", 6, fixed="odom")
