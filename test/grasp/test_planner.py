"""Grasps of boxes whose pose is known exactly, so that it is known which grasps there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import FloatArray, GraspSource
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat
from perception_stack.grasp.config import GraspPlannerConfig
from perception_stack.grasp.planner import GraspPlanner, Planned
from perception_stack.grasp.relations import Relations
from perception_stack.grasp.targets import Poses, Support, Target
from perception_stack.journal import Journal, Reason
from perception_stack.shape.primitives.box import box_surface

UP = np.array([0.0, 0.0, 1.0])
SENSOR_ABOVE_M = 0.6
TABLE = Support(up=UP, height_m=-SENSOR_ABOVE_M)


def box_target(
    size_m: tuple[float, float, float],
    *,
    at_m: tuple[float, float] = (0.5, 0.0),
    lift_m: float = 0.0,
    library: Poses | None = None,
    sigma_m: float = 0.0,
) -> Target:
    """A box of known pose on a table 0.6 m below the sensor, in a level frame."""
    size = np.array(size_m)
    center = np.array([*at_m, -SENSOR_ABOVE_M + lift_m + size[2] / 2])
    surface = box_surface(np.eye(3), center - size / 2, center + size / 2, 0.006)
    return Target(
        surfaces=(surface,),
        trust=(1.0,),
        seen=None,
        source=GraspSource.MODEL,
        covariance=np.diag([sigma_m**2] * 3 + [0.0] * 3),
        center_m=center,
        volume_m3=float(size.prod()),
        middle_m=center,
        middle_sigma_m=0.0,
        library=library,
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    planned: list[Planned]
    relations: Relations
    journal: Journal


Plan = Callable[..., Outcome]


@pytest.fixture(scope="session")
def plan() -> Plan:
    """Plans grasps of targets on the table, with parameters by name."""

    def planned(
        *targets: Target,
        scene_m: FloatArray | None = None,
        support: Support = TABLE,
        **parameters: object,
    ) -> Outcome:
        journal = Journal()
        planner = GraspPlanner(GraspPlannerConfig(**parameters), journal)
        scene = np.empty((0, 3)) if scene_m is None else scene_m
        names = [f"box {i}" for i in range(len(targets))]
        found, relations = planner.plan(targets, scene, support, names=names, stamp_ns=7)
        return Outcome(planned=found, relations=relations, journal=journal)

    return planned


SLIM = (0.12, 0.05, 0.1)


def test_best_grasp_closes_across_the_only_side_that_fits(plan: Plan) -> None:
    target = box_target(SLIM)
    best = plan(target).planned[0].grasps
    assert best is not None
    np.testing.assert_allclose(np.abs(best.poses.rotation[:, :, 1] @ [0, 1, 0]), 1, atol=1e-6)
    np.testing.assert_allclose(best.width_m, 0.05, atol=1e-6)
    assert (best.opening_m >= 0.05 + 2 * GraspPlannerConfig().clearance_m).all()
    np.testing.assert_allclose(best.poses.position_m[:, 1], 0.0, atol=1e-6)  # midway
    assert (np.diff(best.score) <= 0).all()
    # near the centre of mass, seen along the closing line
    assert abs(best.poses.position_m[0, 0] - 0.5) < 0.025


def test_gripper_stays_above_the_support(plan: Plan) -> None:
    config = GraspPlannerConfig()
    found = plan(box_target((0.1, 0.05, 0.03)), max_grasps=50).planned[0].grasps
    assert found is not None
    low, high = config.gripper.boxes(
        found.opening_m, np.full(len(found), config.approach_distance_m)
    )
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), axis=-1).reshape(-1, 3)
    for g in range(len(found)):
        for part in range(3):
            at = np.where(corners, high[g, part], low[g, part])
            placed = at @ found.poses.rotation[g].T + found.poses.position_m[g]
            assert TABLE.above_m(placed).min() >= config.support_clearance_m - 1e-9


@pytest.mark.parametrize(
    ("size_m", "parameters", "reason"),
    [
        ((0.12, 0.1, 0.11), {}, Reason.TOO_WIDE),
        ((0.1, 0.05, 0.002), {}, Reason.HITS_SUPPORT),
        ((0.1, 0.05, 0.06), {"max_tilt_rad": 0.0, "palm_depth_m": 0.5, "min_score": 1.0}, None),
        ((0.05, 0.05, 0.1), {"density_kgpm3": 20000.0, "grip_force_n": 1.0}, Reason.WEAK_GRASP),
    ],
    ids=["wider than the gripper", "flat", "straight down", "too heavy"],
)
def test_reason_when_there_is_none(
    plan: Plan, size_m: tuple, parameters: dict, reason: Reason | None
) -> None:
    outcome = plan(box_target(size_m), **parameters)
    if reason is None:
        grasps = outcome.planned[0].grasps
        if grasps is not None:
            np.testing.assert_allclose(grasps.poses.rotation[:, :, 0] @ UP, -1, atol=1e-6)
        return
    assert outcome.planned[0].reason == reason
    assert outcome.journal.counts == {reason: 1}
    assert "box 0" in outcome.journal.last(reason).detail
    assert outcome.journal.last(reason).stamp_ns == 7


def test_neighbours_on_both_sides_leave_the_ends(plan: Plan) -> None:
    """A box 5 cm wide with walls beside it can be held neither across nor from the side."""
    y, z = np.meshgrid([-0.035, 0.035], np.linspace(-0.6, -0.45, 30))
    x = np.linspace(0.3, 0.7, 80)
    walls = np.array([[a, b, c] for a in x for b, c in zip(y.ravel(), z.ravel(), strict=True)])
    outcome = plan(box_target(SLIM), scene_m=walls)
    assert outcome.planned[0].reason == Reason.HITS_SCENE
    free = plan(box_target(SLIM), scene_m=walls + np.array([0, 0, 5.0]))
    assert free.planned[0].reason is None


def test_what_carries_is_left_unless_asked(plan: Plan) -> None:
    below = box_target((0.07, 0.07, 0.08))
    above = box_target((0.05, 0.05, 0.06), lift_m=0.08)
    outcome = plan(below, above)
    relations = outcome.relations
    np.testing.assert_array_equal(relations.on_support, [True, False])
    np.testing.assert_array_equal(relations.stands_on, [[False, False], [True, False]])
    np.testing.assert_array_equal(relations.touches, [[False, True], [True, False]])
    assert [one.reason for one in outcome.planned] == [Reason.CARRIES_OBJECT, None]
    asked = plan(below, above, grasp_carriers=True)
    assert asked.planned[0].reason != Reason.CARRIES_OBJECT


def test_side_by_side_touches_but_carries_nothing(plan: Plan) -> None:
    relations = plan(
        box_target((0.05, 0.05, 0.1)), box_target((0.05, 0.05, 0.06), at_m=(0.5, 0.053))
    ).relations
    assert relations.touches[0, 1]
    assert not relations.stands_on.any()
    apart = plan(box_target((0.05, 0.05, 0.1)), box_target((0.05, 0.05, 0.06), at_m=(0.5, 0.07)))
    assert not apart.relations.touches.any()


def test_what_leans_is_carried(plan: Plan) -> None:
    """A board on its edge against a box: its centre of mass is beside the edge."""
    box = box_target((0.06, 0.08, 0.1))
    board = box_target((0.16, 0.08, 0.02), at_m=(0.0, 0.0))
    c, s = np.cos(1.0), np.sin(1.0)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    surface = board.surfaces[0].moved(
        RigidTransform(target="b", source="a", rotation=turn, translation_m=-turn @ board.center_m)
    )
    low = surface.points_m.min(axis=0)[2]
    # down to the table, and along x until it touches the box
    place = np.array([0.0, 0.0, -0.6 - low])
    edge = surface.points_m[surface.points_m[:, 2] + place[2] < -0.5][:, 0].max()
    place[0] = 0.47 - edge - 0.002
    moved = RigidTransform(target="c", source="b", rotation=np.eye(3), translation_m=place)
    leaning = replace(board, surfaces=(surface.moved(moved),), middle_m=place, center_m=place)
    outcome = plan(box, leaning)
    assert outcome.relations.touches[0, 1]
    assert outcome.relations.stands_on[1, 0]
    assert outcome.planned[0].reason == Reason.CARRIES_OBJECT


def test_grasps_of_a_file_come_first_and_are_checked(plan: Plan) -> None:
    down = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # x of the grasp looks down
    beside = np.eye(3)[:, [0, 1, 2]]
    library = Poses(
        position_m=np.array([[0.5, 0.01, -0.53], [0.5, 0.0, -0.6]]),
        rotation=np.stack([down, beside]),
        confidence=np.array([0.9, 1.0]),
    )
    planned = plan(box_target(SLIM, library=library)).planned[0]
    assert planned.source == GraspSource.LIBRARY
    assert planned.grasps is not None
    # the second one hits the table; the first one is moved so that both fingers touch together
    np.testing.assert_allclose(planned.grasps.poses.position_m, [[0.5, 0.0, -0.53]], atol=1e-6)
    assert 0.8 < planned.grasps.score[0] <= 0.9
    bad = replace(library, position_m=library.position_m + np.array([0.3, 0, 0]))
    assert plan(box_target(SLIM, library=bad)).planned[0].source == GraspSource.MODEL


def test_uncertain_place_opens_wider_and_scores_less(plan: Plan) -> None:
    sure = plan(box_target(SLIM)).planned[0].grasps
    vague = plan(box_target(SLIM, sigma_m=0.006)).planned[0].grasps
    assert sure is not None
    assert vague is not None
    assert vague.opening_m[0] > sure.opening_m[0] + 0.005
    assert vague.score[0] < sure.score[0] - 0.005


def test_approach_comes_from_the_sensors_side(plan: Plan) -> None:
    found = plan(box_target((0.05, 0.05, 0.2)), max_aside_rad=0.6, max_grasps=100).planned[0]
    assert found.grasps is not None
    approach = found.grasps.poses.rotation[:, :, 0]
    tilted = np.arccos(-approach @ UP) > 0.36
    assert tilted.any()
    level = approach[tilted, :2] / np.linalg.norm(approach[tilted, :2], axis=1, keepdims=True)
    assert (level[:, 0] >= np.cos(0.6) - 1e-6).all()


@settings(max_examples=10)
@given(
    quat=st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(
        lambda q: sum(v * v for v in q) > 0.1
    )
)
def test_turning_the_world_turns_the_grasps(plan: Plan, quat: list[float]) -> None:
    turn = RigidTransform(
        target="turned",
        source="level",
        rotation=matrix_from_quat(np.array(quat)),
        translation_m=np.zeros(3),
    )
    target = box_target(SLIM)
    turned = replace(
        target,
        surfaces=(target.surfaces[0].moved(turn),),
        center_m=turn.apply(target.center_m),
        middle_m=turn.apply(target.middle_m),
    )
    support = Support(up=turn.rotation @ UP, height_m=TABLE.height_m)
    expected = plan(target, max_grasps=1).planned[0].grasps
    found = plan(turned, support=support, max_grasps=1).planned[0].grasps
    assert expected is not None
    assert found is not None
    # points on the very edge of a pad count or not by rounding
    np.testing.assert_allclose(found.score, expected.score, atol=1e-3)
    np.testing.assert_allclose(found.width_m, expected.width_m, atol=1e-9)


def test_no_support_known_is_no_obstacle(plan: Plan) -> None:
    floating = Support(up=UP, height_m=np.nan)
    outcome = plan(box_target((0.1, 0.05, 0.002)), support=floating)
    assert not outcome.relations.on_support.any()
    assert outcome.planned[0].reason is None


def test_nothing_in_nothing_out(plan: Plan) -> None:
    outcome = plan()
    assert outcome.planned == []
    assert outcome.relations.touches.shape == (0, 0)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"pad_length_m": 0.06, "finger_length_m": 0.05}, "pad_length_m must not exceed"),
        ({"max_opening_m": 0.01, "clearance_m": 0.006}, "leaves no room"),
        ({"max_opening_m": 0.0}, "below"),
        ({"palm_width_m": 0.005}, "palm_width_m"),
        ({"gripper_from_grasp": (0.0, 1.0)}, "2 numbers"),
        ({"friction": float("nan")}, "friction"),
    ],
)
def test_impossible_gripper_is_refused(parameters: dict, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        GraspPlannerConfig(**parameters)
