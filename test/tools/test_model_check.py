"""``model check``: agreement of back ends, and what it says of disagreement."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from perception_stack.tools.main import main

pytest.importorskip("onnxruntime")
MANIFEST = Path(__file__).resolve().parent.parent.parent / "config/models/fastestdet.yaml"


@pytest.fixture(scope="module")
def images(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name in ("000000000139.jpg", "000000000785.jpg"):
        shutil.copy(data_dir / "checkpoints_2d" / "coco_val2017_images" / name, folder)
    return folder


def check(images: Path, data_dir: Path, *more: str) -> int:
    folder = str(data_dir / "checkpoints_2d")
    given = ["model", "check", "--model", str(MANIFEST), "--model-dir", folder]
    return main([*given, "--images", str(images), *more])


def test_back_ends_agree(images: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("openvino")
    assert check(images, data_dir, "--backends", "onnxruntime,openvino") == 0
    printed = capsys.readouterr().out
    row = next(line.split() for line in printed.splitlines() if line.startswith("openvino"))
    _, num_boxes, num_pairs, least_iou, most_score, num_alone, num_different, _ = row
    assert num_boxes == num_pairs != "0"
    assert 0.999 < float(least_iou) <= 1
    assert float(most_score) < 1e-3
    assert num_alone == num_different == "0"


@pytest.mark.parametrize(
    ("family", "measure"),
    [("yolov8_seg", "mask IoU"), ("yolov8_pose", "keypoint px"), ("yolov8_obb", "angle rad")],
)
def test_all_that_a_network_says_is_compared(
    family: str,
    measure: str,
    images: Path,
    small_network: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = small_network(tmp_path, family, files=("onnx", "pt2"), score_threshold=0.1)
    given = ["model", "check", "--model", str(path), "--images", str(images)]
    assert main([*given, "--backends", "onnxruntime,openvino,torch"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()[1:]
    assert measure in head
    for row in rows[1:]:
        _, num_objects, num_pairs, *_, num_alone, num_different, _ = row.split()
        assert num_objects == num_pairs == "4"
        assert num_alone == num_different == "0"


def test_difference_is_named_and_fails(
    images: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is as equal as this limit asks for."""
    pytest.importorskip("openvino")
    limit = ("--iou", "1", "--score", "0")
    assert check(images, data_dir, "--backends", "onnxruntime,openvino", *limit) == 1
    assert "openvino differs on 000000000139.jpg in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        pytest.param(("--backends", "onnx"), "no back end 'onnx'; known: onnxruntime", id="typo"),
        pytest.param(("--backends", "openvino"), "only openvino is usable", id="one"),
        pytest.param(("--iou", "99"), "--iou 99 is not between 0 and 1", id="per-cent"),
    ],
)
def test_bad_arguments_are_refused(
    more: tuple[str, str],
    message: str,
    images: Path,
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(images, data_dir, *more) == 2
    assert message in capsys.readouterr().err


def test_folder_without_images(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path, data_dir) == 2
    assert "no images in it" in capsys.readouterr().err
    assert main(["model", "chek"]) == 2
    assert "'chek' is none of perception-stack model check" in capsys.readouterr().err
