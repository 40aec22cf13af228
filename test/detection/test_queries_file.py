"""A file with a second input for the size, as RT-DETR's own export has it, in each back end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from perception_stack.datatypes import ColorImage
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ModelLoadError
from perception_stack.journal import Journal

onnx = pytest.importorskip("onnx")

INPUT = {"width_px": 96, "height_px": 64, "colour": "rgb", "resize": "stretch", "name": "images"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two queries: label 1 in the left half of the image, label 0 too weak to count."""
    from onnx import TensorProto, helper, numpy_helper

    share = np.array([[[0.0, 0.0, 0.5, 1.0], [0.1, 0.1, 0.9, 0.9]]], np.float32)
    constants = {
        "share": share,
        "labels_value": np.array([[1, 0]], np.int64),
        "scores_value": np.array([[0.9, 0.1]], np.float32),
        "zero": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["orig_target_sizes"], ["size"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["size", "size"], ["sizes"], axis=1),
        helper.make_node("Mul", ["share", "sizes"], ["placed"]),
        helper.make_node("ReduceMean", ["images"], ["grey"], keepdims=0),
        helper.make_node("Mul", ["grey", "zero"], ["nothing"]),
        helper.make_node("Add", ["placed", "nothing"], ["boxes"]),
        helper.make_node("Identity", ["labels_value"], ["labels"]),
        helper.make_node("Identity", ["scores_value"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "queries",
        [
            helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 64, 96]),
            helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["n", 2]),
        ],
        [
            helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 2]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 2, 4]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    return _write(tmp_path, size_name="orig_target_sizes")


def _write(folder: Path, **changes: str) -> Path:
    content = {
        "name": "queries",
        "file": "model.onnx",
        "family": "queries",
        "input": INPUT | changes,
        "outputs": ["labels", "boxes", "scores"],
        "classes": ["a", "b"],
        "nms_iou": 1,
        "licence": "Apache-2.0",
        "card": "none",
    }
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_boxes_come_out_in_pixels_of_the_image(backend: str, manifest: Path) -> None:
    pytest.importorskip(backend)
    detector = Detector(DetectorConfig(model=str(manifest), backend=backend), Journal())
    image = ColorImage(frame_id="c", stamp_ns=0, bgr=np.zeros((480, 640, 3), np.uint8))
    found = detector.detect(image)
    np.testing.assert_allclose(found.xyxy_px, [[0, 0, 320, 480]], atol=1e-3)
    np.testing.assert_allclose(found.score, [0.9], rtol=1e-6)
    assert found.labels == ("b",)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_second_input_that_nobody_named_is_refused(backend: str, manifest: Path) -> None:
    pytest.importorskip(backend)
    path = _write(manifest.parent)
    with pytest.raises(ModelLoadError, match="wants an input 'orig_target_sizes'"):
        Detector(DetectorConfig(model=str(path), backend=backend), Journal())
