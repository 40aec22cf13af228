"""Networks of every kind from file to object, in each back end: the same, and as it should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_stack.datatypes import ColorImage, Detections2D
from perception_stack.detection.comparison import Tolerance, compare
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ConfigError, ModelLoadError
from perception_stack.journal import Journal, Reason

Make = Callable[..., Path]
FAMILIES = ("yolov8_seg", "yolov8_pose", "yolov8_obb", "queries", "mask_rcnn", "yolov8")
BACKENDS = {"onnxruntime": "onnx", "openvino": "onnx", "torch": "pt2"}
# twice the network's input, so that every number doubles
SIZE_PX = 128


def picture(grey: int, *, width: int = SIZE_PX, height: int = SIZE_PX) -> ColorImage:
    bgr = np.full((height, width, 3), grey, np.uint8)
    return ColorImage(frame_id="camera", stamp_ns=grey, bgr=bgr)


def detector(path: Path, backend: str = "onnxruntime", **changes: Any) -> Detector:
    return Detector(DetectorConfig(model=str(path), backend=backend, **changes), Journal())


@pytest.fixture(scope="module")
def paths(small_network: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        family: small_network(tmp_path_factory.mktemp(family), family, files=("onnx", "pt2"))
        for family in FAMILIES
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_objects_are_where_the_network_puts_them(
    family: str, backend: str, paths: dict[str, Path]
) -> None:
    pytest.importorskip(backend)
    one = detector(paths[family], backend)
    dark, bright = one.detect(picture(0)), one.detect(picture(255))
    assert (dark.labels, bright.labels) == (("a",), ("b",))
    for found, left in ((dark, 8.0), (bright, 72.0)):
        np.testing.assert_allclose(found.score, [0.9], rtol=1e-5)
        if family == "yolov8_obb":
            continue
        np.testing.assert_allclose(found.xyxy_px, [[left, 24, left + 48, 104]], atol=1e-4)
        if found.mask is not None:
            rows, columns = np.nonzero(found.mask)
            assert (columns.min(), columns.max()) == (left, left + 47)
            # from the top of the box to the middle of the image
            assert rows.min() == 24
            assert rows.max() == pytest.approx(63, abs=1)
            assert (found.mask[30:60, int(left) : int(left) + 48] == 1).all()
    assert (dark.mask is not None) == (family in ("yolov8_seg", "queries", "mask_rcnn"))


def test_keypoints_and_angles_come_in_pixels_of_the_image(paths: dict[str, Path]) -> None:
    found = detector(paths["yolov8_pose"]).detect(picture(255))
    assert found.keypoints is not None
    assert found.keypoints.names == ("head", "foot")
    np.testing.assert_allclose(found.keypoints.uv_px, [[[80, 40], [100, 80]]], atol=1e-4)
    np.testing.assert_allclose(found.keypoints.score, [[0.9, 1.0]], rtol=1e-6)
    dark = detector(paths["yolov8_pose"]).detect(picture(0))
    assert dark.keypoints is not None
    seen = dark.keypoints.seen_px(0, least=0.5)
    np.testing.assert_allclose(seen, [[20, 40], [np.nan, np.nan]], atol=1e-4)
    turned = detector(paths["yolov8_obb"]).detect(picture(0))
    assert turned.rotated_px is not None
    np.testing.assert_allclose(turned.rotated_px, [[32, 64, 48, 80, 0.5]], atol=1e-4)


@pytest.mark.parametrize("family", ["yolov8_pose", "yolov8_obb", "yolov8_seg"])
@pytest.mark.parametrize(("width", "height"), [(201, 97), (97, 201)], ids=["wide", "high"])
def test_odd_sizes_are_scaled_alike_for_all_that_is_said(
    family: str, width: int, height: int, paths: dict[str, Path]
) -> None:
    """Turned cameras and odd sizes; the image lies in the middle of the input."""
    found = detector(paths[family]).detect(picture(255, width=width, height=height))
    scale = 64 / max(width, height)
    margin = (64 - np.floor(np.array([width, height]) * scale)) // 2
    box = (np.array([[36, 12], [60, 52]]) - margin) / scale
    box = np.clip(box, 0, [width, height]).reshape(1, 4)
    if family == "yolov8_pose" and found.keypoints is not None:
        points = (np.array([[40, 20], [50, 40]]) - margin) / scale
        np.testing.assert_allclose(found.keypoints.uv_px, points[None], atol=1e-3)
    if family == "yolov8_obb" and found.rotated_px is not None:
        center = (np.array([48, 32]) - margin) / scale
        expected = [[*center, 24 / scale, 40 / scale, -0.25]]
        np.testing.assert_allclose(found.rotated_px, expected, atol=1e-3)
    else:
        np.testing.assert_allclose(found.xyxy_px, box, atol=1e-3)
    if family == "yolov8_seg" and found.mask is not None:
        assert found.mask.shape == (height, width)
        rows, columns = np.nonzero(found.mask)
        np.testing.assert_allclose(columns.max() + 1, box[0, 2], atol=1)
        end = (32 - margin[1]) / scale
        np.testing.assert_allclose(rows.max() + 1, end, atol=1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_cameras_of_different_sizes_go_through_the_network_together(
    backend: str, paths: dict[str, Path]
) -> None:
    pytest.importorskip(backend)
    many = detector(paths["yolov8_seg"], backend, cameras=("left", "right", "rear"))
    assert many._model.size is None
    images = [picture(0), picture(255, width=100, height=60), picture(30)]
    one = detector(paths["yolov8_seg"], backend)
    for subset in (images, images[:1], images[::-1][:2]):
        for image, found in zip(subset, many.detect_all(subset), strict=True):
            alone = one.detect(image)
            assert (found.frame_id, found.stamp_ns) == (image.frame_id, image.stamp_ns)
            assert compare(alone, found, Tolerance()).num_different == 0
            assert len(found) == 1
            assert alone.mask is not None
            assert found.mask is not None
            assert np.mean(alone.mask != found.mask) < 1e-3


@pytest.mark.parametrize("fixed", [1, 2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_of_fixed_batch_takes_any_number_of_images(
    backend: str, fixed: int, small_network: Make, tmp_path: Path
) -> None:
    pytest.importorskip(backend)
    path = small_network(tmp_path, "yolov8", files=(BACKENDS[backend],), fixed=fixed)
    names = ("left", "right") if backend == "torch" else ("left", "right", "rear")
    one = detector(path, backend, cameras=names)
    assert one._model.size == fixed
    images = [picture(0), picture(255), picture(0)][: len(names)]
    assert [found.labels for found in one.detect_all(images)] == [("a",), ("b",), ("a",)][
        : len(names)
    ]
    assert one.detect(picture(255)).labels == ("b",)
    assert one.detect_all([]) == []


def test_compiled_program_finds_what_the_program_finds(
    small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8_seg", files=("pt2",), fixed=1)
    plain, compiled = (detector(path, "torch", compile=one) for one in (False, True))
    for grey in (0, 255):
        found = compare(plain.detect(picture(grey)), compiled.detect(picture(grey)), Tolerance())
        assert (found.num_different, len(found.iou)) == (0, 1)


def test_torchscript_reads_the_same_and_is_not_compiled(
    small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8_pose", files=("pt",))
    found = detector(path, "torch").detect(picture(255))
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints.uv_px, [[[80, 40], [100, 80]]], atol=1e-4)
    with pytest.raises(ModelLoadError, match=r"takes an exported program \(\*\.pt2"):
        detector(path, "torch", compile=True)


class TestPrompts:
    @pytest.fixture
    def path(self, small_network: Make, tmp_path: Path) -> Path:
        words = {"night": [1, 0, 0], "day": [0, 1, 0], "cup": [0, 0, 1], "any": [1, 1, 0]}
        arrays = {name: np.array(row, np.float32) for name, row in words.items()}
        np.savez(tmp_path / "words.npz", **arrays)
        return small_network(tmp_path, "prompted", files=("onnx", "pt2"))

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_choose_what_is_found_while_it_runs(self, backend: str, path: Path) -> None:
        pytest.importorskip(backend)
        one = detector(path, backend, prompts=("cup", "day"))
        assert one.detect(picture(255)).labels == ("day",)
        assert one.detect(picture(0)).labels == ()
        one.look_for(("night",))
        assert one.detect(picture(255)).labels == ()
        assert one.detect(picture(0)).labels == ("night",)

    def test_none_are_all_that_there_are_words_for(self, path: Path) -> None:
        assert detector(path).detect(picture(0)).labels[0] in ("night", "any")

    def test_that_cannot_be_taken_change_nothing(self, path: Path) -> None:
        one = detector(path, prompts=("day",))
        for prompts, message in (
            (("mug",), "no embedding of 'mug' .*it has any, cup, day, night.*text encoder"),
            (("day", "day"), "at most 4 different ones"),
        ):
            with pytest.raises(ConfigError, match=message):
                one.look_for(prompts)
        assert one.detect(picture(255)).labels == ("day",)

    def test_of_a_network_with_fixed_classes_are_refused(self, paths: dict[str, Path]) -> None:
        with pytest.raises(ConfigError, match=r"fixed; choose among them by detector\.classes"):
            detector(paths["yolov8"], prompts=("cup",))

    def test_archive_that_is_none_is_refused(self, path: Path) -> None:
        (path.parent / "words.npz").write_text("no archive")
        with pytest.raises(ModelLoadError, match="embeddings of the prompts"):
            detector(path)
        np.savez(path.parent / "words.npz", a=np.zeros(3), b=np.zeros(4))
        with pytest.raises(ModelLoadError, match="all as long"):
            detector(path)


def test_parts_find_what_the_whole_is_too_coarse_for(paths: dict[str, Path]) -> None:
    """Every part shows the network a dark image, so it finds one thing in each, at its place."""
    one = detector(paths["yolov8_seg"], tiles="2x1", tile_overlap=0.0)
    found = one.detect(picture(0, width=256, height=128))
    assert found.mask is not None
    assert found.mask.shape == (128, 256)
    lefts = sorted(found.xyxy_px[:, 0].round().tolist())
    # of the two parts, and of the whole
    assert lefts[0] == 8.0
    assert 136.0 in lefts
    for i, (left, top, right, _) in enumerate(found.xyxy_px):
        rows, columns = np.nonzero(found.mask == i + 1)
        assert rows.min() >= top - 1
        assert left - 1 <= columns.min()
        assert columns.max() <= right


@pytest.mark.parametrize("family", FAMILIES)
def test_no_objects_leave_empty_fields_of_the_right_shape(
    family: str, paths: dict[str, Path]
) -> None:
    found: Detections2D = detector(paths[family]).detect(picture(128, width=50, height=30))
    assert len(found) in (0, 2)
    found = detector(paths[family], score_threshold=0.95).detect(picture(0, width=50, height=30))
    assert len(found) == 0
    if found.mask is not None:
        assert found.mask.shape == (30, 50)
        assert not found.mask.any()
    if found.keypoints is not None:
        assert found.keypoints.uv_px.shape == (0, 2, 2)
    if found.rotated_px is not None:
        assert found.rotated_px.shape == (0, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_number_is_counted(family: str, value: float, paths: dict[str, Path]) -> None:
    """As of 16-bit floats that were too small for what a network reckons."""
    journal = Journal()
    one = Detector(DetectorConfig(model=str(paths[family]), backend="onnxruntime"), journal)
    model = one._model

    class Broken:
        size = model.size

        def run(self, inputs: Any) -> list[np.ndarray]:
            return [
                np.full_like(out, value) if out.dtype == np.float32 else out
                for out in model.run(inputs)
            ]

    one._model = Broken()
    assert len(one.detect(picture(0))) == 0
    assert journal.counts[Reason.NON_FINITE_BOXES] >= 2


def test_more_objects_than_a_label_image_can_tell_apart_are_refused(
    small_network: Make, tmp_path: Path
) -> None:
    path = small_network(tmp_path, "yolov8_seg", max_detections=70000)
    with pytest.raises(ModelLoadError, match="from 1 to 65535"):
        detector(path)
    path = small_network(tmp_path, "yolov8_seg", max_detections=100)
    mask = detector(path).detect(picture(0)).mask
    assert mask is not None
    assert mask.dtype == np.uint8


def test_a_box_beside_the_image_is_none_in_it(paths: dict[str, Path]) -> None:
    """The network sees both of its objects beside an image that is only a strip."""
    journal = Journal()
    config = DetectorConfig(model=str(paths["yolov8_seg"]), backend="onnxruntime")
    found = Detector(config, journal).detect(picture(0, width=10, height=300))
    assert (len(found), journal.counts) == (0, {Reason.OUT_OF_IMAGE: 2})
    assert found.mask is not None
    assert not found.mask.any()
