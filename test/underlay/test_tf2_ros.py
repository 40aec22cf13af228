"""tf2_ros: the buffer against composed matrices, and transforms over topics."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rclpy")
tf2_ros = pytest.importorskip("tf2_ros")
TransformStamped = pytest.importorskip("geometry_msgs.msg").TransformStamped
Duration = pytest.importorskip("rclpy.duration").Duration
Time = pytest.importorskip("rclpy.time").Time
scipy_rotation = pytest.importorskip("scipy.spatial.transform")
Rotation, Slerp = scipy_rotation.Rotation, scipy_rotation.Slerp

pytestmark = pytest.mark.ros

S = 10**9


def transform(
    target: str,
    source: str,
    stamp_s: float = 0.0,
    *,
    xyz: Any = (0.0, 0.0, 0.0),
    quat: Any = (0.0, 0.0, 0.0, 1.0),
) -> Any:
    message = TransformStamped()
    message.header.frame_id, message.child_frame_id = target, source
    message.header.stamp = Time(nanoseconds=round(stamp_s * S)).to_msg()
    where, turned = message.transform.translation, message.transform.rotation
    where.x, where.y, where.z = map(float, xyz)
    turned.x, turned.y, turned.z, turned.w = map(float, quat)
    return message


def at(stamp_s: float) -> Any:
    return Time(nanoseconds=round(stamp_s * S))


def parts(message: Any) -> tuple[np.ndarray, Any]:
    where, turned = message.transform.translation, message.transform.rotation
    xyz = np.array([where.x, where.y, where.z])
    return xyz, Rotation.from_quat([turned.x, turned.y, turned.z, turned.w])


def matrix(message: Any) -> np.ndarray:
    result = np.eye(4)
    result[:3, 3], rotation = parts(message)
    result[:3, :3] = rotation.as_matrix()
    return result


def stamp_s(message: Any) -> float:
    return message.header.stamp.sec + message.header.stamp.nanosec / S


def moving(*stamps_s: float, target: str = "odom", source: str = "base") -> Any:
    """A buffer with one frame that moves 1 m/s along x."""
    buffer = tf2_ros.Buffer()
    for each_s in stamps_s:
        buffer.set_transform(transform(target, source, each_s, xyz=(each_s, 0, 0)), "test")
    return buffer


numbers = st.floats(-100.0, 100.0)
xyzs = st.tuples(numbers, numbers, numbers)
quats = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .filter(lambda quat: np.linalg.norm(quat) > 0.1)
    .map(lambda quat: tuple(np.array(quat) / np.linalg.norm(quat)))
)


@settings(deadline=None, max_examples=60)
@given(xyzs, quats, xyzs, quats, st.floats(0.01, 0.99))
def test_between_samples_position_is_linear_and_rotation_slerp(
    xyz0: Any, quat0: Any, xyz1: Any, quat1: Any, fraction: float
) -> None:
    turn = (Rotation.from_quat(quat0).inv() * Rotation.from_quat(quat1)).magnitude()
    if turn > 3.0:
        return  # which way round a half turn goes is nobody's promise
    buffer = tf2_ros.Buffer()
    buffer.set_transform(transform("a", "b", 10.0, xyz=xyz0, quat=quat0), "test")
    buffer.set_transform(transform("a", "b", 11.0, xyz=xyz1, quat=quat1), "test")
    found = buffer.lookup_transform("a", "b", at(10.0 + fraction))
    xyz, rotation = parts(found)
    np.testing.assert_allclose(
        xyz, np.array(xyz0) * (1 - fraction) + np.array(xyz1) * fraction, atol=1e-6
    )
    expected = Slerp([0, 1], Rotation.from_quat([quat0, quat1]))(fraction)
    assert (expected.inv() * rotation).magnitude() < 1e-6
    assert stamp_s(found) == pytest.approx(10.0 + fraction, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans(), xyzs, quats), min_size=1, max_size=5))
def test_any_tree_gives_the_product_of_its_transforms(links: Any) -> None:
    buffer = tf2_ros.Buffer()
    root_from = {"f0": np.eye(4)}
    for i, (parent, is_static, xyz, quat) in enumerate(links, start=1):
        target, source = f"f{parent % i}", f"f{i}"
        message = transform(target, source, 1.0, xyz=xyz, quat=quat)
        (buffer.set_transform_static if is_static else buffer.set_transform)(message, "test")
        root_from[source] = root_from[target] @ matrix(message)
    for (target, left), (source, right) in itertools.product(root_from.items(), repeat=2):
        found = buffer.lookup_transform(target, source, at(1.0))
        assert (found.header.frame_id, found.child_frame_id) == (target, source)
        np.testing.assert_allclose(matrix(found), np.linalg.inv(left) @ right, atol=1e-8)


@pytest.mark.parametrize("when_s", [9.999999999, 12.000000001, 0.5, 100.0])
def test_nothing_is_extrapolated(when_s: float) -> None:
    buffer = moving(10.0, 11.0, 12.0)
    with pytest.raises(tf2_ros.ExtrapolationException):
        buffer.lookup_transform("odom", "base", at(when_s))
    assert not buffer.can_transform("base", "odom", at(when_s))


@pytest.mark.parametrize("when_s", [10.0, 10.25, 11.0, 12.0])
def test_within_the_samples_there_is_a_transform(when_s: float) -> None:
    buffer = moving(11.0, 10.0, 12.0)
    assert buffer.can_transform("base", "odom", at(when_s))
    assert parts(buffer.lookup_transform("odom", "base", at(when_s)))[0][0] == pytest.approx(
        when_s
    )


def test_one_sample_holds_at_its_stamp_only() -> None:
    buffer = moving(10.0)
    assert buffer.can_transform("odom", "base", at(10.0))
    assert not buffer.can_transform("odom", "base", at(10.000000001))


def test_static_transforms_hold_always() -> None:
    buffer = moving(10.0, 11.0)
    buffer.set_transform_static(transform("base", "lidar", 500.0, xyz=(0, 0, 2)), "test")
    for when_s in (10.0, 10.5, 11.0):
        xyz, _ = parts(buffer.lookup_transform("odom", "lidar", at(when_s)))
        np.testing.assert_allclose(xyz, (when_s, 0, 2))
    for when_s in (1.0, 12345.0):
        found = buffer.lookup_transform("base", "lidar", at(when_s))
        assert (stamp_s(found), parts(found)[0][2]) == (when_s, 2.0)


def test_a_newer_static_transform_replaces_the_older() -> None:
    buffer = tf2_ros.Buffer()
    for height in (1.0, 2.0):
        buffer.set_transform_static(transform("a", "b", xyz=(0, 0, height)), "test")
    assert parts(buffer.lookup_transform("a", "b", at(3.0)))[0][2] == 2.0


def test_time_zero_is_the_latest_common_time() -> None:
    buffer = moving(10.0, 11.0, 12.0)
    for each_s in (10.5, 11.5):
        buffer.set_transform(transform("base", "arm", each_s, xyz=(0, each_s, 0)), "test")
    buffer.set_transform_static(transform("arm", "hand"), "test")
    assert buffer.get_latest_common_time("odom", "hand").nanoseconds == 11.5 * S
    for zero in (Time(), Time().to_msg()):
        found = buffer.lookup_transform("odom", "hand", zero)
        assert stamp_s(found) == 11.5
        np.testing.assert_allclose(parts(found)[0], (11.5, 11.5, 0.0))
    assert stamp_s(buffer.lookup_transform("odom", "base", Time())) == 12.0
    assert stamp_s(buffer.lookup_transform("arm", "hand", Time())) == 0.0
    assert buffer.get_latest_common_time("arm", "hand").nanoseconds == 0


def test_without_a_common_time_there_is_no_latest_transform() -> None:
    buffer = moving(10.0, 11.0)
    buffer.set_transform(transform("base", "arm", 20.0), "test")
    with pytest.raises(tf2_ros.ExtrapolationException):
        buffer.lookup_transform("odom", "arm", Time())


def test_a_frame_is_itself_at_any_time() -> None:
    found = moving(10.0).lookup_transform("base", "base", at(3.0))
    assert stamp_s(found) == 3.0
    np.testing.assert_array_equal(matrix(found), np.eye(4))


def test_unknown_frames() -> None:
    buffer = moving(10.0)
    for target, source in (("odom", "camera"), ("camera", "base"), ("camera", "lidar")):
        with pytest.raises(tf2_ros.LookupException):
            buffer.lookup_transform(target, source, at(10.0))
        assert not buffer.can_transform(target, source, Time())
    is_possible, why = buffer.can_transform("odom", "camera", at(10.0), return_debug_tuple=True)
    assert not is_possible
    assert "camera" in why


def test_frames_of_separate_trees() -> None:
    buffer = moving(10.0)
    buffer.set_transform_static(transform("rig", "camera"), "test")
    for when in (at(10.0), Time()):
        with pytest.raises(tf2_ros.ConnectivityException):
            buffer.lookup_transform("odom", "camera", when)


@pytest.mark.parametrize("name", ["", "/odom"])
def test_names_that_no_frame_can_have(name: str) -> None:
    buffer = moving(10.0)
    with pytest.raises(tf2_ros.InvalidArgumentException):
        buffer.lookup_transform(name, "base", at(10.0))
    assert not buffer.can_transform("base", name, at(10.0))


def test_a_leading_slash_of_a_message_is_left_out() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform_static(transform("/a", "/b"), "test")
    assert buffer.can_transform("a", "b", at(1.0))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(transform("b", "b"), id="own parent"),
        pytest.param(transform("", "b"), id="no parent name"),
        pytest.param(transform("a", ""), id="no child name"),
        pytest.param(transform("a", "b", xyz=(np.nan, 0, 0)), id="NaN position"),
        pytest.param(transform("a", "b", quat=(np.nan, 0, 0, 1)), id="NaN rotation"),
        pytest.param(transform("a", "b", quat=(0, 0, 0, 0)), id="zero rotation"),
        pytest.param(
            transform("a", "b", quat=(0, 0, 0, 1.01)),
            id="rotation too long",
            marks=pytest.mark.better_than_published("tf2_ros", "misses it by its own conversion"),
        ),
    ],
)
def test_what_cannot_be_a_transform_is_ignored(bad: Any) -> None:
    buffer = tf2_ros.Buffer()
    for method in (buffer.set_transform, buffer.set_transform_static):
        method(bad, "test")
    with pytest.raises(tf2_ros.LookupException):
        buffer.lookup_transform("a", "b", Time())


def test_a_rotation_of_nearly_unit_length_is_taken() -> None:
    buffer = tf2_ros.Buffer()
    buffer.set_transform_static(transform("a", "b", quat=(0, 0, 0.7078, 0.7085)), "test")
    _, rotation = parts(buffer.lookup_transform("a", "b", at(1.0)))
    assert rotation.magnitude() == pytest.approx(np.pi / 2, abs=2e-3)


def test_a_loop_leads_nowhere_and_hangs_nothing() -> None:
    buffer = tf2_ros.Buffer()
    for target, source in (("a", "b"), ("b", "c"), ("c", "a"), ("x", "y")):
        buffer.set_transform_static(transform(target, source), "test")
    for source in "abc":
        with pytest.raises(tf2_ros.TransformException):
            buffer.lookup_transform("y", source, at(1.0))


def test_a_loop_does_not_hide_what_was_known() -> None:
    buffer = tf2_ros.Buffer()
    for target, source in (("a", "b"), ("b", "c"), ("c", "a")):
        buffer.set_transform_static(transform(target, source, xyz=(1, 0, 0)), "test")
    assert parts(buffer.lookup_transform("a", "c", at(1.0)))[0][0] == 2.0


def test_a_new_parent_replaces_the_old() -> None:
    buffer = moving(10.0, 11.0)
    buffer.set_transform_static(transform("odom", "map"), "test")
    for each_s in (12.0, 13.0):
        buffer.set_transform(transform("map", "base", each_s, xyz=(0, each_s, 0)), "test")
    found = buffer.lookup_transform("odom", "base", at(12.5))
    np.testing.assert_allclose(parts(found)[0], (0, 12.5, 0))


def test_what_is_older_than_the_cache_is_forgotten() -> None:
    buffer = tf2_ros.Buffer(cache_time=Duration(seconds=2))
    for each_s in (1.0, 2.0, 3.0, 4.0, 5.0, 1.5):
        buffer.set_transform(transform("a", "b", each_s), "test")
    assert buffer.can_transform("a", "b", at(3.0))
    assert not buffer.can_transform("a", "b", at(2.5))


def test_clearing_forgets_what_moves() -> None:
    buffer = moving(10.0)
    buffer.set_transform_static(transform("base", "lidar"), "test")
    buffer.clear()
    with pytest.raises(tf2_ros.TransformException):
        buffer.lookup_transform("odom", "base", at(10.0))
    assert buffer.can_transform("base", "lidar", at(1.0))


def test_waiting_ends_with_the_transform_or_with_the_time() -> None:
    buffer = tf2_ros.Buffer()
    assert not buffer.can_transform("odom", "base", at(10.0), timeout=Duration(seconds=0.05))
    message = transform("odom", "base", 10.0)
    timer = threading.Timer(0.05, lambda: buffer.set_transform(message, "test"))
    timer.start()
    found = buffer.lookup_transform("odom", "base", at(10.0), timeout=Duration(seconds=20))
    timer.join()
    assert stamp_s(found) == 10.0


def test_every_reason_is_a_transform_exception() -> None:
    for name in ("Lookup", "Connectivity", "Extrapolation", "InvalidArgument"):
        assert issubclass(getattr(tf2_ros, f"{name}Exception"), tf2_ros.TransformException)


class Record:
    """The least that a listener feeds."""

    def __init__(self) -> None:
        self.moving: list[Any] = []
        self.static: list[Any] = []

    def set_transform(self, message: Any, _: str) -> None:
        self.moving.append(message)

    def set_transform_static(self, message: Any, _: str) -> None:
        self.static.append(message)


def test_transforms_over_topics(ros: Any) -> None:
    static = tf2_ros.StaticTransformBroadcaster(ros.node)
    static.sendTransform(transform("base", "lidar", xyz=(0, 0, 2)))
    static.sendTransform([transform("base", "camera", xyz=(1, 0, 0))])
    record, buffer = Record(), tf2_ros.Buffer()
    listeners = [tf2_ros.TransformListener(sink, ros.node) for sink in (record, buffer)]
    ros.spin_until(lambda: len(record.static) == 2)  # who comes late gets all of them
    assert {message.child_frame_id for message in record.static} == {"lidar", "camera"}
    broadcaster = tf2_ros.TransformBroadcaster(ros.node)
    ros.spin_until(lambda: broadcaster.pub_tf.get_subscription_count() == 2)
    broadcaster.sendTransform(transform("odom", "base", 10.0, xyz=(10, 0, 0)))
    broadcaster.sendTransform([transform("odom", "base", 11.0, xyz=(11, 0, 0))])
    ros.spin_until(lambda: buffer.can_transform("odom", "lidar", at(10.5)))
    np.testing.assert_allclose(
        parts(buffer.lookup_transform("odom", "lidar", at(10.5)))[0], (10.5, 0, 2)
    )
    ros.spin_until(lambda: len(record.moving) == 2)
    for listener in listeners:
        listener.unregister()


@pytest.mark.better_than_published("tf2_ros", "sends the first transform of a frame for ever")
def test_the_newest_static_transform_of_a_frame_is_sent(ros: Any) -> None:
    broadcaster = tf2_ros.StaticTransformBroadcaster(ros.node)
    for height in (1.0, 2.0):
        broadcaster.sendTransform(transform("base", "lidar", xyz=(0, 0, height)))
    record = Record()
    listener = tf2_ros.TransformListener(record, ros.node)
    ros.spin_until(lambda: record.static)
    assert [message.transform.translation.z for message in record.static] == [2.0]
    listener.unregister()


@pytest.mark.better_than_published("tf2_ros", "spins in the default context only")
def test_a_listener_may_spin_by_itself(ros: Any) -> None:
    import rclpy

    heard = threading.Event()

    class Sink(Record):
        def set_transform_static(self, *_: Any) -> None:
            heard.set()

    other = rclpy.create_node("sender", context=ros.node.context)
    broadcaster = tf2_ros.StaticTransformBroadcaster(other)
    broadcaster.sendTransform(transform("base", "lidar"))
    own = rclpy.create_node("listener", context=ros.node.context)
    listener = tf2_ros.TransformListener(Sink(), own, spin_thread=True)
    assert heard.wait(20.0)
    listener.unregister()
    other.destroy_node()
    own.destroy_node()
