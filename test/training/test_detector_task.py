"""The detector as a whole: four images learnt by heart, the same boxes from the exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from perception_stack.datatypes import ColorImage
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.errors import ConfigError
from perception_stack.io.image_sets.coco import ANNOTATIONS, read_coco, write_annotations
from perception_stack.journal import Journal
from perception_stack.training.config import LoopConfig
from perception_stack.training.detector.export import MANIFEST, MODEL
from perception_stack.training.detector.network import DetectorNetwork, YoloxLayout
from perception_stack.training.detector.task import (
    DetectorTask,
    DetectorTaskConfig,
    network_finder,
)
from perception_stack.training.loop import train

SIZES = DetectorTaskConfig(
    width_px=96, height_px=64, patch_width_px=96, patch_height_px=64, repeats=16
)
LOOP = LoopConfig(
    num_epochs=11, batch_size=8, learning_rate=4e-3, average_decay=0.9, num_threads=1,
    evaluate_every=11, precision="float32",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images of red squares and blue bars on grey; one more bar is to be ignored."""
    root = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(5)
    for split in ("train", "val"):
        (root / split / "images").mkdir(parents=True)
        images = []
        for i in range(4):
            bgr = np.full((64, 96, 3), 100 + 10 * i, dtype=np.uint8)
            annotations = []
            for j, (name, width, height, colour) in enumerate(
                [("square", 22, 22, (40, 40, 230)), ("bar", 12, 34, (230, 90, 30))]
            ):
                left, top = 6 + 44 * j + int(rng.integers(20)), 3 + int(rng.integers(26))
                bgr[top : top + height, left : left + width] = colour
                annotations.append({"category": name, "bbox": [left, top, width, height]})
            cv2.imwrite(str(root / split / "images" / f"{i}.png"), bgr)
            info = {"file_name": f"{i}.png", "width": 96, "height": 64}
            images.append({**info, "annotations": annotations})
        write_annotations(root / split / ANNOTATIONS, classes=["square", "bar"], images=images)
    return root


@pytest.fixture(scope="module")
def learnt(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[DetectorTask, Any, Path]:
    images = {split: read_coco(folder, "train") for split in ("train", "val")}
    task = DetectorTask(images, SIZES, seed=0)
    out = tmp_path_factory.mktemp("run")
    done = train(task, LOOP, out)
    task.export(done.network, out, {"val": task.evaluate(done.network, "val")})
    return task, done, out


def test_four_images_are_learnt_by_heart(learnt: tuple[DetectorTask, Any, Path]) -> None:
    task, done, _ = learnt
    assert task.evaluate(done.network, "val").headline == 1.0


def test_the_exported_file_finds_the_same(learnt: tuple[DetectorTask, Any, Path]) -> None:
    task, done, out = learnt
    detector = Detector(DetectorConfig(model=str(out / MANIFEST), score_threshold=0.05), Journal())
    find = network_finder(done.network, task.manifest)
    for file in sorted((task._images["val"].images), key=lambda one: one.path):
        image = ColorImage(frame_id="camera", stamp_ns=1, bgr=cv2.imread(str(file.path)))
        got, expected = detector.detect(image), find(image)
        strong = expected.score >= 0.05
        np.testing.assert_allclose(got.xyxy_px, expected.xyxy_px[strong], atol=1e-2)
        np.testing.assert_allclose(got.score, expected.score[strong], atol=1e-4)
        assert got.labels == tuple(np.array(expected.labels)[strong])
    assert (out / MODEL).stat().st_size < 4e6
    assert "mean" in (out / "card.md").read_text()


def test_scores_are_those_of_the_network_in_the_layout_of_the_file() -> None:
    torch.manual_seed(0)
    network = DetectorNetwork(3).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        raw, laid_out = network(image), YoloxLayout(network)(image)
    assert raw.shape == (1, 12 * 8 + 6 * 4 + 3 * 2, 7)
    product = laid_out[..., 4:5] * laid_out[..., 5:]
    torch.testing.assert_close(product, raw[..., 4:].sigmoid())
    assert (laid_out[..., 5:].amax(dim=2) == 1).all()


def test_sizes_fit_the_grids() -> None:
    with pytest.raises(ConfigError, match="height_px: a multiple of 32"):
        DetectorTaskConfig(height_px=200)
