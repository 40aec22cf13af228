"""The check of grasps on boxes of which it is plain what holds and what does not."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.evaluation.grasp import GraspCheck, Holding, check_grasp
from perception_stack.geometry.gripper import Gripper
from perception_stack.geometry.transforms import quat_from_matrix
from perception_stack.simulation.builders import ball, box, turn
from perception_stack.simulation.mesh import Material

PAINT = Material(bgr=(0, 0, 0), reflectance=0.5)
GRIPPER = Gripper(
    max_opening_m=0.085,
    finger_length_m=0.05,
    finger_width_m=0.022,
    finger_thickness_m=0.012,
    pad_length_m=0.03,
    palm_width_m=0.15,
    palm_depth_m=0.075,
    palm_length_m=0.1,
)
UP = np.array([0.0, 0.0, 1.0])
TABLE = box((1.0, 1.0, 0.02), PAINT, center_m=(0.0, 0.0, -0.01)).triangles_m
DOWN = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # x looks down, y stays
BLOCK = box((0.1, 0.05, 0.08), PAINT, center_m=(0.0, 0.0, 0.04)).triangles_m


def check(
    target: np.ndarray = BLOCK,
    *,
    at: tuple[float, float, float] = (0.0, 0.0, 0.06),
    rotation: np.ndarray = DOWN,
    opening_m: float = 0.07,
    others: np.ndarray = TABLE,
    **assumed: float,
) -> GraspCheck:
    return check_grasp(
        np.array(at),
        quat_from_matrix(rotation),
        opening_m=opening_m,
        approach_m=0.08,
        gripper=GRIPPER,
        target_m=target,
        others_m=others,
        up=UP,
        holding=Holding(**assumed),
    )


def test_a_block_in_the_middle_holds() -> None:
    assert check() == GraspCheck(touches=True, closes=True, balanced=True, clear=True)


@pytest.mark.parametrize(
    ("failed", "given"),
    [
        ("touches", {"at": (0.0, 0.0, 0.1)}),
        ("touches", {"at": (0.08, 0.0, 0.06)}),
        ("closes", {"rotation": turn(2, np.deg2rad(30)) @ DOWN, "opening_m": 0.2}),
        ("balanced", {"at": (0.035, 0.0, 0.06), "density_kgpm3": 3000.0}),
        ("balanced", {"density_kgpm3": 3000.0, "force_n": 5.0}),
        ("clear", {"at": (0.0, 0.0, -0.005)}),
        ("clear", {"at": (0.0, 0.0, 0.02)}),  # the palm
        ("clear", {"at": (0.0, 0.015, 0.06)}),
        ("clear", {"opening_m": 0.048}),
    ],
)
def test_what_must_fail_fails(failed: str, given: dict) -> None:
    found = check(**given)
    assert not getattr(found, failed)
    assert not found.holds


def test_friction_decides_on_slanted_sides() -> None:
    """A wedge whose sides slope 20 degrees each slips below friction tan 20°."""
    slant = np.tan(np.deg2rad(20.0))
    top = (1.0, 1.0 - 2 * slant * 0.04 / 0.06)
    frustum = box((0.06, 0.06, 0.04), PAINT, center_m=(0, 0, 0.02), top_scale=top).triangles_m
    assert check(frustum, at=(0.0, 0.0, 0.01), friction=slant + 0.03, opening_m=0.08).closes
    assert not check(frustum, at=(0.0, 0.0, 0.01), friction=slant - 0.03, opening_m=0.08).closes


def test_a_neighbour_in_the_way_of_the_closing_fingers() -> None:
    thin = box((0.02, 0.003, 0.08), PAINT, center_m=(0.0, 0.03, 0.04)).triangles_m
    assert check().clear
    assert not check(others=np.concatenate([TABLE, thin])).clear


def test_a_ball_is_held_at_its_equator_only() -> None:
    mesh = ball((0.03,) * 3, PAINT, center_m=(0.0, 0.0, 0.03), num_sides=48).triangles_m
    assert check(mesh, at=(0.0, 0.0, 0.015)).holds
    assert not check(mesh, at=(0.0, 0.0, 0.052)).closes


def test_moving_everything_changes_nothing() -> None:
    motion, shift = turn(0, 0.7) @ turn(1, -1.1), np.array([1.0, -2.0, 0.5])
    moved = check_grasp(
        motion @ np.array([0.03, 0.0, 0.06]) + shift,
        quat_from_matrix(motion @ DOWN),
        opening_m=0.07,
        approach_m=0.08,
        gripper=GRIPPER,
        target_m=BLOCK @ motion.T + shift,
        others_m=TABLE @ motion.T + shift,
        up=motion @ UP,
    )
    assert moved == check(at=(0.03, 0.0, 0.06))
