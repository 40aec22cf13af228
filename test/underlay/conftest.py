"""The same tests run over the underlay and over the published packages, whichever is importable.

Where the underlay is deliberately better than what is published, the test says so by a marker
and is skipped over the published package.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def _is_ours(package: str) -> bool:
    found = importlib.util.find_spec(package)
    return (
        found is not None
        and found.origin is not None
        and "underlay" in Path(found.origin).resolve().parts
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "better_than_published(package, fault): skipped over the published package"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only holds for the underlay where the package is the published one."""
    for item in items:
        for marker in item.iter_markers("better_than_published"):
            package, fault = marker.args
            if not _is_ours(package):
                item.add_marker(pytest.mark.skip(reason=f"published {package} {fault}"))


class RosNode:
    """A node in a context and domain of its own, and how to wait for what it hears."""

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=1 + os.getpid() % 100)
        self.node = rclpy.create_node("underlay_test", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def spin_until(self, is_met: Any, *, timeout_s: float = 20.0) -> None:
        """Work until a condition holds; the test fails if it never does."""
        import time

        deadline_s = time.monotonic() + timeout_s
        while not is_met():
            assert time.monotonic() < deadline_s, "waited in vain"
            self._executor.spin_once(timeout_sec=0.1)

    def close(self) -> None:
        """Leave the domain."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def ros() -> Iterator[RosNode]:
    """A node of this test alone."""
    node = RosNode()
    yield node
    node.close()
