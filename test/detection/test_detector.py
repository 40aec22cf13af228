"""The detector on real models, and manifests and files that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ConfigError, ModelLoadError
from perception_stack.geometry.overlap import iou_2d
from perception_stack.journal import Journal, Reason

cv2 = pytest.importorskip("cv2")
pytest.importorskip("onnxruntime")

MANIFESTS = Path(__file__).resolve().parent.parent.parent / "config" / "models"
MODELS = ("yolox_nano", "nanodet_m", "fastestdet")


@pytest.fixture(scope="module")
def model_dir(data_dir: Path) -> Path:
    return data_dir / "checkpoints_2d"


def detector(name: str, model_dir: Path, **changes: Any) -> Detector:
    config = DetectorConfig(
        model=str(MANIFESTS / f"{name}.yaml"), model_dir=str(model_dir), **changes
    )
    return Detector(config, Journal())


def image(path: Path) -> ColorImage:
    return ColorImage(frame_id="camera", stamp_ns=5, bgr=cv2.imread(str(path)))


def references(model_dir: Path) -> dict[str, list[dict[str, Any]]]:
    file = model_dir / "yolox_nano_reference_detections.json"
    found: dict[str, list[dict[str, Any]]] = json.loads(file.read_text())["detections"]
    return found


def test_yolox_agrees_with_the_reference(model_dir: Path) -> None:
    one = detector("yolox_nano", model_dir, score_threshold=0.3)
    renamed = {
        "person": "pedestrian",
        "bicycle": "cyclist",
        "motorbike": "cyclist",
        "bus": "truck",
    }
    for name, expected in references(model_dir).items():
        picture = image(model_dir / "coco_val2017_images" / name)
        height, width = picture.bgr.shape[:2]
        found = one.detect(picture)
        assert (found.frame_id, found.stamp_ns) == ("camera", 5)
        assert len(found) == len(expected)
        assert list(found.labels) == [renamed.get(e["label"], e["label"]) for e in expected]
        boxes = np.clip([e["bbox"] for e in expected], 0, [width, height, width, height])
        np.testing.assert_allclose(found.xyxy_px, boxes, atol=0.1)
        np.testing.assert_allclose(found.score, [e["score"] for e in expected], atol=1e-3)


@pytest.mark.parametrize("name", ["nanodet_m", "fastestdet"])
def test_other_families_find_the_large_objects(name: str, model_dir: Path) -> None:
    """Where YOLOX is sure of a large object, the other networks put a box as well."""
    one = detector(name, model_dir)
    overlaps = []
    for file, expected in references(model_dir).items():
        found = one.detect(image(model_dir / "coco_val2017_images" / file))
        sure = [e["bbox"] for e in expected if e["score"] > 0.8 and _area(e["bbox"]) > 96**2]
        if sure:
            overlaps += list(iou_2d(np.array(sure, float), found.xyxy_px).max(axis=1, initial=0))
    assert len(overlaps) >= 10
    assert np.mean(np.array(overlaps) > 0.5) >= 0.7


def _area(xyxy: list[float]) -> float:
    return (xyxy[2] - xyxy[0]) * (xyxy[3] - xyxy[1])


@pytest.mark.parametrize("name", MODELS)
def test_boxes_lie_in_the_image_and_no_class_repeats_a_box(name: str, model_dir: Path) -> None:
    found: Detections2D = detector(name, model_dir, score_threshold=0.05).detect(
        image(model_dir / "coco_val2017_images" / "000000001000.jpg")
    )
    assert (found.xyxy_px[:, :2] <= found.xyxy_px[:, 2:]).all()
    assert (np.diff(found.score) <= 0).all()
    assert ((found.score >= 0.05) & (found.score <= 1)).all()
    same = np.equal.outer(np.array(found.labels), np.array(found.labels))
    np.fill_diagonal(same, val=False)
    assert (iou_2d(found.xyxy_px, found.xyxy_px)[same] <= 0.6 + 1e-9).all()


def test_class_filter_and_its_typo(model_dir: Path) -> None:
    picture = image(model_dir / "coco_val2017_images" / "000000000885.jpg")
    found = detector("yolox_nano", model_dir, classes=("pedestrian",)).detect(picture)
    assert set(found.labels) == {"pedestrian"}
    with pytest.raises(ConfigError, match="never reports pedestrain"):
        detector("yolox_nano", model_dir, classes=("pedestrain",))


@pytest.mark.parametrize("shape", [(0, 0, 3), (0, 5, 3)], ids=["nothing", "no-rows"])
def test_empty_image_is_counted(shape: tuple[int, ...], model_dir: Path) -> None:
    journal = Journal()
    config = DetectorConfig(model=str(MANIFESTS / "fastestdet.yaml"), model_dir=str(model_dir))
    empty = ColorImage(frame_id="camera", stamp_ns=1, bgr=np.empty(shape, np.uint8))
    assert len(Detector(config, journal).detect(empty)) == 0
    assert journal.counts == {Reason.EMPTY_IMAGE: 1}


def test_one_pixel_is_an_image(model_dir: Path) -> None:
    one = ColorImage(frame_id="camera", stamp_ns=1, bgr=np.zeros((1, 3, 3), np.uint8))
    assert len(detector("yolox_nano", model_dir).detect(one)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            {"classes": ["a", "b"]}, r"'output' is \[1, 3549, 85\].* 2 classes", id="classes"
        ),
        pytest.param({"strides": [8, 16]}, "'output' is", id="strides"),
        pytest.param({"family": "nanodet"}, "promise 6 output tensors", id="family"),
        pytest.param({"family": "yolo9000"}, "not one of yolox, yolov8", id="unknown-family"),
        pytest.param(
            {"input": {"name": "images", "width_px": 640, "height_px": 640, "colour": "bgr",
                       "resize": "letterbox"}},
            r"'images' is \[1, 3, 416, 416\].* promise \[1, 3, 640, 640\]",
            id="input-size",
        ),
        pytest.param(
            {"input": {"name": "image", "width_px": 416, "height_px": 416, "colour": "bgr",
                       "resize": "letterbox"}},
            "no input tensor 'image'; it has: images",
            id="input-name",
        ),
    ],
)  # fmt: skip
def test_manifest_that_does_not_fit_names_the_tensor(
    change: dict[str, Any], message: str, model_dir: Path, tmp_path: Path
) -> None:
    path = _manifest(tmp_path, **change)
    with pytest.raises(ModelLoadError, match=message):
        Detector(DetectorConfig(model=str(path), model_dir=str(model_dir)), Journal())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"licence": None}, "lacks licence", id="missing-key"),
        pytest.param({"treshold": 1}, "unknown treshold", id="unknown-key"),
        pytest.param({"strides": "x"}, "malformed", id="wrong-type"),
        pytest.param({"runtime": {"threads": 2}}, "'runtime' has unknown threads", id="runtime"),
        pytest.param({"runtime": {"num_threads": 0}}, "from 1", id="no-threads"),
        pytest.param({"classes": ["a", "a"]}, "repeated", id="repeated-class"),
        pytest.param({"classes": "nowhere.txt"}, "class names", id="no-class-file"),
        pytest.param({"file": "gone.onnx"}, "no such file", id="no-model-file"),
        pytest.param({"file": "text.onnx"}, "no ONNX model", id="no-model"),
    ],
)
def test_broken_manifests_and_files_are_refused(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "text.onnx").write_text("this is no model")
    path = _manifest(tmp_path, **change)
    with pytest.raises(ModelLoadError, match=message):
        Detector(DetectorConfig(model=str(path)), Journal())


def test_no_manifest_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="no readable manifest"):
        Detector(DetectorConfig(model=str(tmp_path / "none.yaml")), Journal())
    with pytest.raises(ConfigError, match="no model configured"):
        Detector(DetectorConfig(), Journal())


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_manifest_has_a_card(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    card = MANIFESTS.parent.parent / content["card"]
    assert content["licence"] in card.read_text()


def _manifest(folder: Path, **changes: Any) -> Path:
    content = yaml.safe_load((MANIFESTS / "yolox_nano.yaml").read_text()) | changes
    content = {key: value for key, value in content.items() if value is not None}
    if content.get("classes") == "coco.txt":
        content["classes"] = (MANIFESTS / "coco.txt").read_text().splitlines()
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
