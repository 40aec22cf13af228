"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

_ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_S = 30.0

# CI must say the same of the same code: there the examples are always the same ones. Elsewhere
# every run looks at new ones.
settings.register_profile("new", deadline=None)
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("same" if os.environ.get("CI") else "new")

# The pytest plugin of launch, on every computer with ROS, makes loggers that pass nothing on to
# the root: our warnings would not reach caplog.
logging.setLoggerClass(logging.Logger)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real sensor data; the test is skipped where it is absent."""
    path = Path(os.environ.get("PERCEPTION_STACK_DATA") or _ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no data at {path}; set PERCEPTION_STACK_DATA to its folder")
    return path


class Bench:
    """A node that talks to nodes under test and listens, with events instead of sleeps.

    The nodes run in this process (:meth:`start`) or elsewhere in the domain :attr:`domain_id`.
    """

    def __init__(self) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        # by process, so that sessions side by side do not hear each other
        self.domain_id = 101 + os.getpid() % 100
        self.context = rclpy.Context()
        rclpy.init(args=[], context=self.context, domain_id=self.domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Any] = []
        self.peer = self.add(Node("peer", context=self.context))

    def add(self, node: Any) -> Any:
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def start(self, kind: type, *args: str, **parameters: Any) -> Any:
        """A node under test.

        Args:
            kind: Its class.
            *args: ROS arguments, such as ``--params-file`` and a path.
            **parameters: Parameter overrides; two underscores stand for the dot.
        """
        from rclpy.parameter import Parameter

        overrides = [
            Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()
        ]
        cli_args = ["--ros-args", *args] if args else None
        return self.add(
            kind(context=self.context, parameter_overrides=overrides, cli_args=cli_args)
        )

    def hear(self, msg_type: Any, topic: str, *, latched: bool = False) -> list[Any]:
        """Every message of a topic from now on, whoever sends it and when, in a growing list."""
        from rclpy.qos import DurabilityPolicy, QoSProfile

        received: list[Any] = []
        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        self.peer.create_subscription(msg_type, topic, received.append, qos)
        return received

    def listen(self, msg_type: Any, topic: str, *, latched: bool = False) -> list[Any]:
        """As :meth:`hear`, of somebody who is there."""
        received = self.hear(msg_type, topic, latched=latched)
        self.until(lambda: self.peer.count_publishers(topic) > 0, f"a publisher of {topic}")
        return received

    def talk(
        self, msg_type: Any, topic: str, *, latched: bool = False, best_effort: bool = False
    ) -> Any:
        """A publisher that somebody already listens to, if anybody can (``best_effort``)."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        qos = QoSProfile(depth=100)
        if latched:
            qos.durability = DurabilityPolicy.TRANSIENT_LOCAL
        if best_effort:
            qos.reliability = ReliabilityPolicy.BEST_EFFORT
        publisher = self.peer.create_publisher(msg_type, topic, qos)
        if not best_effort:
            self.until(lambda: publisher.get_subscription_count() > 0, f"a subscriber of {topic}")
        return publisher

    def until(
        self, done: Callable[[], Any], what: str, *, failed: Callable[[], str] = lambda: ""
    ) -> None:
        """Spin until something holds.

        Args:
            done: Whether it holds.
            what: Said when it never does.
            failed: Why there is no hope, if so.
        """
        end = time.monotonic() + _TIMEOUT_S
        while not done():
            assert time.monotonic() < end, f"waited {_TIMEOUT_S} s for {what}"
            assert not failed(), f"{failed()}\nwhile waiting for {what}"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self.executor.shutdown()
        for node in self._nodes:
            node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """ROS for this test alone; the test is skipped where ROS or our messages are absent."""
    pytest.importorskip("rclpy")
    pytest.importorskip("perception_stack.msg")
    one = Bench()
    yield one
    one.close()


@pytest.fixture(scope="session")
def small_network() -> Callable[..., Path]:
    """Writes a network of a family, 64 x 64 pixels, that sees the left or the right half.

    In a dark image it finds class ``a`` in the left half, in a bright one ``b`` in the right half;
    both with a score of 0.9. Called with a folder and a family; ``files`` names the kinds of file,
    of ``onnx``, ``pt2``, ``pt``; ``fixed`` fixes the batch; others are keys of the manifest.
    """
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    return _write_network


def _write_network(
    folder: Path,
    family: str,
    *,
    files: tuple[str, ...] = ("onnx",),
    fixed: int | None = None,
    **changes: Any,
) -> Path:
    import warnings

    import torch
    import yaml

    flat = family == "mask_rcnn"
    network = _network(family).eval()
    images = torch.zeros(*(() if flat else (fixed or 2,)), 3, 64, 64)
    inputs = {"images": images}
    if family == "prompted":
        inputs["texts"] = torch.zeros(len(images), 4, 3)
    is_fixed = flat or fixed is not None
    sizes = None if is_fixed else tuple({0: torch.export.Dim("n")} for _ in inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "onnx" in files:
            axes = None if is_fixed else {name: {0: "n"} for name in inputs}
            torch.onnx.export(
                network, (*inputs.values(),), str(folder / "model.onnx"), dynamo=False,
                input_names=list(inputs), dynamic_axes=axes,
            )  # fmt: skip
        if "pt2" in files:
            program = torch.export.export(network, (*inputs.values(),), dynamic_shapes=sizes)
            torch.export.save(program, str(folder / "model.pt2"))
        if "pt" in files:
            torch.jit.trace(network, (*inputs.values(),)).save(str(folder / "model.pt"))
    content: dict[str, Any] = {
        "name": family,
        "file": "model.onnx" if "onnx" in files else f"model.{files[0]}",
        "family": "yolov8" if family == "prompted" else family,
        "input": {
            "name": "images", "width_px": 64, "height_px": 64, "colour": "rgb",
            "resize": "letterbox_center", "std": [255, 255, 255], "batch_axis": not flat,
        },
        "classes": ["a", "b"],
        "licence": "Apache-2.0",
        "card": "none",
    }  # fmt: skip
    content |= {
        "queries": {"outputs": ["scores", "boxes", "masks"], "nms_iou": 1},
        "mask_rcnn": {},
        "yolov8_pose": {"strides": [32], "keypoints": ["head", "foot"]},
    }.get(family, {"strides": [32]})
    if family == "prompted":
        del content["classes"]
        content["prompts"] = {"name": "texts", "file": "words.npz", "slots": 4}
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    return path


def _network(family: str) -> Any:
    """The network itself; cells 0 and 3 of a 2 x 2 grid speak, or queries 0 and 1."""
    import torch

    boxes = torch.tensor([[16.0, 32, 24, 40], [48.0, 32, 24, 40]])
    ramp = torch.arange(64) + 0.5

    def cells(rows: Any) -> Any:
        """Two rows as the first and last of four columns."""
        return torch.stack([rows[0], 0 * rows[0], 0 * rows[1], rows[1]], dim=1)

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            # the mask ends in the middle of its box: above row 32
            half = (32 - ramp).reshape(64, 1).expand(64, 64)
            more = {
                "yolov8_seg": torch.cat([torch.ones(2, 1), torch.zeros(2, 31)], dim=1),
                "yolov8_pose": torch.tensor(
                    [[10.0, 20, 0.9, 20, 40, 0.2], [40, 20, 0.9, 50, 40, 1]]
                ),
                "yolov8_obb": torch.tensor([[0.5], [-0.25]]),
            }.get(family, torch.zeros(2, 0))
            self.register_buffer("boxes", cells(boxes))
            self.register_buffer("more", cells(more))
            self.register_buffer("shares", boxes / 64)
            coarse = half.reshape(16, 4, 16, 4).mean(dim=(1, 3))
            self.register_buffer("grids", torch.stack([coarse, coarse]))
            self.register_buffer("prototypes", torch.cat([coarse[None], torch.zeros(31, 16, 16)]))
            corners = torch.cat(
                [boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1
            )
            self.register_buffer("corners", corners)
            self.register_buffer(
                "square", (half[::2, ::2][2:30, 2:30] > 0).float().expand(2, 1, 28, 28)
            )
            self.register_buffer("labels", torch.tensor([0, 1]))

        def forward(self, images: Any, texts: Any = None) -> Any:
            light = images.mean(dim=(-3, -2, -1))
            dark = 0.9 * (1 - light)
            bright = 0.9 * light
            if family == "mask_rcnn":
                scores = torch.stack([dark, bright])
                return self.corners + 0 * light, self.labels, scores, self.square + 0 * light
            zero = 0 * light[:, None, None]
            if family == "queries":
                none = 0 * light
                scores = torch.stack([dark, none, none, bright], dim=1).reshape(-1, 2, 2)
                return scores, self.shares + zero, self.grids + zero[:, None]
            none = 0 * light
            if family == "prompted":
                seen = torch.stack([dark, none, none, bright], dim=1).reshape(-1, 2, 2)
                scores = texts[:, :, :2] @ seen  # what is dark and what is bright, by cell
                scores = torch.stack([scores[..., 0], 0 * scores[..., 0], 0 * scores[..., 1],
                                      scores[..., 1]], dim=2)  # fmt: skip
            else:
                first = torch.stack([dark, none, none, none], dim=1)
                second = torch.stack([none, none, none, bright], dim=1)
                scores = torch.stack([first, second], dim=1)
            parts = [self.boxes + zero, scores]
            if len(self.more):
                parts.append(self.more + zero)
            out = torch.cat(parts, dim=1)
            if family == "yolov8_seg":
                return out, self.prototypes + zero[:, None]
            return out

    return Network()
