"""Says clearly when a command needs ROS and there is none."""

from __future__ import annotations

from importlib.util import find_spec

from perception_stack.errors import PerceptionError


class RosMissingError(PerceptionError):
    """A command that talks to nodes was called where no ROS is at hand."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"this command needs ROS 2 ({missing} cannot be imported); source your ROS "
            "installation and workspace, or run 'make build' in the repository and use "
            ".venv/bin/perception-stack"
        )


def require_ros() -> None:
    """Check that the nodes' libraries and our messages can be imported.

    Raises:
        RosMissingError: they cannot.
    """
    for name in ("rclpy", "vision_msgs", "perception_stack.msg"):
        if find_spec(name) is None:
            raise RosMissingError(name)
