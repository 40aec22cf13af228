"""Node ``calibration`` over real DDS: rendered boards in, the true camera out, the driver told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("perception_stack.msg")

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image
from sensor_msgs.srv import SetCameraInfo
from std_srvs.srv import Trigger

from perception_stack.geometry.board import Board
from perception_stack.io.calibration_files import read_camera_info
from perception_stack.ros import conversions
from perception_stack.ros.nodes.calibration_node import CalibrationNode
from perception_stack.simulation.board_stream import BoardStream, board_stream

if TYPE_CHECKING:
    from conftest import Bench

pytestmark = pytest.mark.ros

BOARD = "chessboard:9x6:0.025"


@pytest.fixture(scope="module")
def stream() -> BoardStream:
    return board_stream(Board.parse(BOARD), seed=4, num_frames=14)


def call(bench: Bench, name: str) -> Any:
    client = bench.peer.create_client(Trigger, f"calibration/{name}")
    bench.until(client.service_is_ready, f"service {name}")
    future = client.call_async(Trigger.Request())
    bench.until(future.done, f"an answer of {name}")
    return future.result()


def test_from_images_to_the_driver(bench: Bench, stream: BoardStream, tmp_path: Path) -> None:
    told: list[Any] = []

    def driver(request: Any, response: Any) -> Any:
        told.append(request.camera_info)
        response.success, response.status_message = True, "stored"
        return response

    bench.peer.create_service(SetCameraInfo, "set_camera_info", driver)
    file = tmp_path / "front.yaml"
    bench.start(CalibrationNode, calibration__live_board=BOARD, calibration__live_file=str(file))
    assert not call(bench, "compute").success
    assert "compute" in call(bench, "save").message
    annotated = bench.listen(Image, "calibration_image")
    diagnostics = bench.listen(DiagnosticArray, "/diagnostics")
    images = bench.talk(Image, "image", best_effort=False)
    shown = []
    for i, (_, (left, _)) in enumerate(stream.pairs()):
        images.publish(conversions.image_msg(left))
        bench.until(lambda i=i: len(annotated) == i + 1, f"picture {i}")
        shown.append(left)
    # the same view again adds nothing, and is counted
    images.publish(conversions.image_msg(shown[0]))
    bench.until(lambda: len(annotated) == len(shown) + 1, "the last picture")
    drawn = np.frombuffer(annotated[-1].data, np.uint8).reshape(shown[0].bgr.shape)
    assert (drawn != shown[0].bgr).any()

    def values() -> dict[str, str]:
        return {one.key: one.value for one in diagnostics[-1].status[0].values}

    bench.until(lambda: diagnostics and "dropped.known_view" in values(), "diagnostics")
    num_views = int(values()["views"])
    assert num_views >= 12
    assert f"{num_views} views" in values()["progress"]

    computed = call(bench, "compute")
    assert computed.success
    assert computed.message.startswith(("good.", "usable."))
    assert call(bench, "save").success
    bench.until(lambda: told, "the driver to be told")
    camera, truth = read_camera_info(file), stream.cameras[0]
    np.testing.assert_array_equal(np.reshape(told[0].k, (3, 3)), camera.k)
    assert told[0].header.frame_id == truth.frame_id
    grade = yaml.safe_load(file.with_suffix(".grade.yaml").read_text(encoding="utf-8"))
    std = {one["name"]: one["std"] for one in grade["parameters"]}
    found = {
        "fx": camera.k[0, 0],
        "fy": camera.k[1, 1],
        "cx": camera.k[0, 2],
        "cy": camera.k[1, 2],
    }
    real = {"fx": truth.k[0, 0], "fy": truth.k[1, 1], "cx": truth.k[0, 2], "cy": truth.k[1, 2]}
    for name, value in real.items():
        # corners are found with a bias of a few hundredths of a pixel that no covariance knows
        assert abs(found[name] - value) < 4 * std[name] + 0.1, name

    assert call(bench, "start").success
    assert not call(bench, "compute").success


def test_an_image_of_another_size_is_dropped_and_counted(
    bench: Bench, stream: BoardStream
) -> None:
    node = bench.start(CalibrationNode, calibration__live_board=BOARD)
    images = bench.talk(Image, "image")
    _, (left, _) = next(stream.pairs())
    images.publish(conversions.image_msg(left))
    small = type(left)(frame_id="c", stamp_ns=5, bgr=left.bgr[:100].copy())
    images.publish(conversions.image_msg(small))
    bench.until(
        lambda: any(r.value == "bad_calibration" for r in node.journals["calibration"].counts),
        "the count",
    )
