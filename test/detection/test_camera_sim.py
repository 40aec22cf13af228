"""The camera model that ships with the package, on pictures that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_stack.datatypes import ColorImage, ImageLabels
from perception_stack.detection.config import DetectorConfig
from perception_stack.detection.detector import Detector
from perception_stack.detection.manifest import load_manifest
from perception_stack.evaluation.images import JudgedImage, score_images
from perception_stack.journal import Journal
from perception_stack.simulation.album import CLASSES, pictures

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = ROOT / "config" / "models" / "camera_sim.yaml"
SCENES = (0, 1, 2)  # a table and two roads of the split that is left for tests


@pytest.fixture(scope="module")
def judged() -> list[JudgedImage]:
    pytest.importorskip("onnxruntime")
    detector = Detector(DetectorConfig(model=str(MANIFEST), score_threshold=0.02), Journal())
    images = []
    for scene in SCENES:
        for picture in pictures("test", scene):
            found = detector.detect(ColorImage(frame_id="camera", stamp_ns=0, bgr=picture.bgr))
            truth = ImageLabels(
                xyxy_px=picture.xyxy_px,
                labels=tuple(picture.labels),
                ignored=picture.hopeless,
                hard=picture.hard,
                occluded=picture.occluded,
            )
            images.append(JudgedImage(truth=truth, found=found, group=scene))
    return images


def test_it_is_small_and_knows_what_the_simulator_shows() -> None:
    manifest = load_manifest(MANIFEST)
    assert manifest.file.stat().st_size < 4_000_000
    assert set(manifest.classes) == set(CLASSES)
    assert (ROOT / manifest.card).is_file()


def test_it_finds_what_is_to_be_seen(judged: list[JudgedImage]) -> None:
    scores = score_images(judged, CLASSES)
    assert scores.mean_ap50 > 0.8
    assert scores.ap50["car"] > 0.85
