"""The network in the chain: levelled, boxed, merged, and left out where it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from perception_stack import networks
from perception_stack.datatypes import PointCloud
from perception_stack.errors import ConfigError, ModelLoadError
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig
from perception_stack.pillars.config import LidarNetworkConfig
from perception_stack.pillars.detector import PillarDetector
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.reading import MapReader
from perception_stack.pillars.spec import Manifest
from perception_stack.pipeline.lidar_stage import LidarStage
from perception_stack.simulation.labelled_scans import Scanner, labelled_scans
from perception_stack.simulation.lidar import hdl64_elevations_rad

PLANE = np.array([0.0, 0.0, -1.7])


class OneCar:
    """Stands in for a network: maps with a car in one cell, whatever is fed."""

    def __init__(self, manifest: Manifest) -> None:
        self._shapes = MapReader(manifest).shapes()
        self.fed: list[np.ndarray] = []
        self.size = None

    def run(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.fed = list(inputs.values())
        maps = [np.full(shape, -9.0, np.float32) for shape in self._shapes]
        maps[0][0, 0, 4, 6] = 2.0
        size = np.log([4.0, 1.8, 1.5])
        maps[1][0, :8, 4, 6] = [0.5, 0.5, -0.95, *size, 1.0, 0.0]
        return maps


@pytest.fixture
def one_car(make_manifest: Callable[..., Manifest], monkeypatch: pytest.MonkeyPatch):
    """Manifest, its file and the stand-in."""
    grid = {
        "range_m": [-16.0, -16.0, -3.0, 16.0, 16.0, 2.0],
        "pillar_m": [0.5, 0.5],
        "max_points": 8,
        "max_pillars": 3000,
        "features": ["z", "intensity"],
    }
    manifest = make_manifest("centerpoint", grid=grid)
    stand_in = OneCar(manifest)
    monkeypatch.setattr(networks, "load", lambda *_: stand_in)
    return manifest, manifest.file.with_name("small.yaml"), stand_in


def scan(height_m: float = 1.7, num_beams: int = 64) -> PointCloud:
    elevations = hdl64_elevations_rad()
    if num_beams != 64:
        elevations = np.deg2rad(np.linspace(15, -15, num_beams))
    scanner = Scanner(
        elevation_rad=elevations, num_azimuths=900, height_m=height_m, tilt_rad=np.zeros(2)
    )
    return next(labelled_scans(3, num=1, scanner=scanner)).cloud


def test_box_with_class_and_stated_errors(one_car) -> None:
    manifest, path, _ = one_car
    boxes = PillarDetector(LidarNetworkConfig(model=str(path))).detect(scan(), plane=PLANE)
    assert boxes.labels == ("car",)
    # cell (4, 6) of cells of a metre
    np.testing.assert_allclose(boxes.center_m, [[-16 + 6.5, -16 + 4.5, -0.95]], atol=1e-6)
    np.testing.assert_allclose(boxes.size_lwh_m, [[4.0, 1.8, 1.5]], rtol=1e-6)
    assert boxes.score[0] == pytest.approx(1 / (1 + np.exp(-2)))
    np.testing.assert_allclose(boxes.class_probs.sum(axis=1), 1)
    assert boxes.covariance[0, 0, 0] == pytest.approx(manifest.errors[0].xy_m ** 2)
    assert boxes.covariance[0, 5, 5] > np.pi**2 / 4  # either end may be the front


def test_levelled_scans_have_their_ground_where_the_network_wants_it(
    one_car,
) -> None:
    _, path, stand_in = one_car
    content = yaml.safe_load(path.read_text())
    content["sensor"] = {"beams": [32, 64], "height_m": [0.3, 3.0], "ground_z_m": -1.0}
    path.write_text(yaml.safe_dump(content))
    detector = PillarDetector(LidarNetworkConfig(model=str(path)))
    tilted = np.array([0.05, -0.02, -0.6])
    xy = np.random.default_rng(0).uniform(-10, 10, (500, 2))
    ground = np.column_stack([xy, xy @ tilted[:2] + tilted[2]]).astype(np.float32)
    boxes = detector.detect(PointCloud(frame_id="l", stamp_ns=0, xyz_m=ground), plane=tilted)
    z = stand_in.fed[0][..., 0]
    np.testing.assert_allclose(z[z != 0], -1.0, atol=1e-5)
    x, y = boxes.center_m[0, :2]
    assert boxes.center_m[0, 2] == pytest.approx(-0.95 + 1.0 + tilted @ [x, y, 1], abs=1e-6)


def test_network_joins_the_clusters_and_nothing_is_lost(one_car) -> None:
    _, path, _ = one_car
    journal = Journal()
    without = LidarStage(LidarDetectorConfig(), LidarNetworkConfig(), journal).detect(scan())[0]
    stage = LidarStage(LidarDetectorConfig(), LidarNetworkConfig(model=str(path)), journal)
    obstacles, segmentation = stage.detect(scan())
    assert segmentation is not None
    assert obstacles.boxes.labels[0] == "car"
    np.testing.assert_array_equal(obstacles.xyz_m, without.xyz_m)
    assert len(obstacles.boxes) >= len(without.boxes)  # the car stands where nothing is


def test_other_sensor_gets_clusters_alone_and_a_reason(one_car) -> None:
    _, path, _ = one_car
    journal, low = Journal(), scan(height_m=0.5, num_beams=16)
    stage = LidarStage(LidarDetectorConfig(), LidarNetworkConfig(model=str(path)), journal)
    obstacles, _ = stage.detect(low)
    clusters, _ = LidarStage(LidarDetectorConfig(), LidarNetworkConfig(), Journal()).detect(low)
    np.testing.assert_array_equal(obstacles.boxes.center_m, clusters.boxes.center_m)
    assert journal.counts[Reason.SENSOR_UNSUITED] == 1
    assert journal.last(Reason.SENSOR_UNSUITED).detail.startswith(
        "this model expects 64 beams at 1.5 to 2.0 m, you have 1"
    )
    unchecked = LidarNetworkConfig(model=str(path), check_sensor=False)
    obstacles, _ = LidarStage(LidarDetectorConfig(), unchecked, Journal()).detect(low)
    np.testing.assert_allclose(obstacles.boxes.size_lwh_m[0], [4.0, 1.8, 1.5], rtol=1e-6)


@pytest.mark.parametrize(
    "xyz_m",
    [pytest.param(np.empty((0, 3)), id="empty"), pytest.param(np.full((9, 3), np.nan), id="nan")],
)
def test_no_points_no_boxes(one_car, xyz_m: np.ndarray) -> None:
    _, path, _ = one_car
    detector = PillarDetector(LidarNetworkConfig(model=str(path)))
    cloud = PointCloud(frame_id="lidar", stamp_ns=7, xyz_m=xyz_m.astype(np.float32))
    boxes = detector.detect(cloud, plane=PLANE)
    assert (len(boxes), boxes.frame_id, boxes.stamp_ns) == (0, "lidar", 7)


def test_no_model_is_said() -> None:
    with pytest.raises(ConfigError, match=r"set lidar_network\.model"):
        PillarDetector(LidarNetworkConfig())


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({"family": "voxels"}, "family 'voxels' is none of pointpillars", id="family"),
        pytest.param({"colour": "bgr"}, "the manifest has unknown colour; known:", id="unknown"),
        pytest.param({"sensor": {"beams": [1, 2]}}, "'sensor' lacks height_m", id="lacking"),
        pytest.param({"errors": {}}, "'errors' has not one entry for each of car", id="classes"),
        pytest.param(
            {"grid": {"range_m": [0, 0, 0, 1, 1, 1], "pillar_m": [0.3, 0.5], "max_points": 1,
                      "max_pillars": 1, "features": ["z"]}},
            "not a whole number of pillars", id="grid",
        ),
        pytest.param(
            {"head": {"tasks": [1], "shared_channels": 4}}, "tasks do not add up", id="tasks"
        ),
        pytest.param(
            {"trunk": {"pillar_channels": [4], "branches": [],
                       "blocks": [{"stride": 2, "convs": 0, "channels": 4}]}},
            "one branch for each block", id="branches",
        ),
    ],
)  # fmt: skip
def test_manifest_that_does_not_hold_together(
    changes: dict, text: str, make_manifest: Callable[..., Manifest]
) -> None:
    with pytest.raises(ModelLoadError, match=text):
        make_manifest("centerpoint", **changes)


def test_shipped_manifests_hold_together() -> None:
    models = Path(__file__).resolve().parents[2] / "config" / "models"
    found = [
        load_manifest(path)
        for path in sorted(models.glob("*.yaml"))
        if path.name.startswith(("pointpillars", "centerpoint"))
    ]
    assert len(found) == 5
    assert all(min(one.map_size) > 100 for one in found)
