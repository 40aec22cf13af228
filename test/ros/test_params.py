"""One description becomes ROS parameters; what is wrong is refused with the right name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from rclpy.parameter import Parameter

from perception_stack.errors import ConfigError, PerceptionError, UnknownParameterError
from perception_stack.ros.step_node import StepNode, launch_overrides

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros


class Fuser(StepNode):
    def __init__(self, **options: Any) -> None:
        super().__init__("fusion", ("fusion",), **options)


def test_declared_with_range_unit_and_value(bench: Bench) -> None:
    node = bench.start(Fuser, fusion__tolerance_s=0.06)
    assert node.get_parameter("fusion.tolerance_s").value == 0.06
    descriptor = node.describe_parameter("fusion.tolerance_s")
    assert descriptor.read_only
    assert descriptor.description.endswith("[s]")
    assert descriptor.floating_point_range[0].to_value == 1.0


def test_sections_of_other_steps_are_let_go(bench: Bench) -> None:
    node = bench.start(Fuser, tracker__fixed_frame="map", use_sim_time=True)
    assert not node.has_parameter("tracker.fixed_frame")
    assert node.get_parameter("use_sim_time").value is True


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        pytest.param(
            {"fusion__tolerance": 0.1},
            UnknownParameterError,
            r"'tolerance' in fusion: fusion; did you mean 'tolerance_s'",
            id="unknown-of-own-section",
        ),
        pytest.param(
            {"tracker__fixed_fram": "map"},
            UnknownParameterError,
            r"did you mean 'tracker.fixed_frame'",
            id="unknown-of-other-section",
        ),
        pytest.param({"gate": 1.0}, ConfigError, "'gate' belongs to no section", id="no-section"),
        pytest.param(
            {"fusion__tolerance_s": 7.0}, ConfigError, r"7.0 s is above 1.0", id="out-of-range"
        ),
        pytest.param(
            {"fusion__tolerance_s": "0.1"}, ConfigError, "expected float", id="wrong-type"
        ),
    ],
)
def test_bad_parameters_stop_the_node(
    bench: Bench, parameters: dict[str, Any], error: type[PerceptionError], message: str
) -> None:
    with pytest.raises(error, match=message):
        bench.start(Fuser, **parameters)


def test_launch_argument_beats_the_file_and_empty_means_not_given() -> None:
    given = launch_overrides(["node", "detector.model:=a b.yaml", "pose_estimator.mesh_dir:="])
    assert [(one.name, one.value) for one in given] == [("detector.model", "a b.yaml")]
    assert isinstance(given[0], Parameter)
    with pytest.raises(ConfigError, match=r"'detector\.model=x' is not of the form"):
        launch_overrides(["node", "detector.model=x"])
