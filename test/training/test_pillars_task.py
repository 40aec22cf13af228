"""A network on pillars as a whole: two scans learnt by heart, and the files that come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from perception_stack.errors import ConfigError, DataFileError
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.spec import Manifest

torch = pytest.importorskip("torch")

from perception_stack.pillars.reading import Found  # noqa: E402
from perception_stack.training.config import LoopConfig  # noqa: E402
from perception_stack.training.loop import train  # noqa: E402
from perception_stack.training.pillars import scans  # noqa: E402
from perception_stack.training.pillars.examples import cropped, varied  # noqa: E402
from perception_stack.training.pillars.judging import judge  # noqa: E402
from perception_stack.training.pillars.loss import center_loss, center_targets  # noqa: E402
from perception_stack.training.pillars.task import (  # noqa: E402
    PillarsTask,
    PillarsTaskConfig,
    network_finder,
)

MODELS = Path(__file__).resolve().parents[2] / "config" / "models"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scans")
    for i, scan in enumerate(scans.simulated(1, 1, per_street=2)):
        scans.write(root / f"{i}.npz", scan)
    return root


def small_manifest(folder: Path) -> Path:
    """Our own model with fewer channels and a smaller reach."""
    content = yaml.safe_load((MODELS / "centerpoint_sim.yaml").read_text())
    content["grid"] |= {"range_m": [-16.0, -16.0, -0.5, 16.0, 16.0, 4.0], "max_pillars": 9000}
    content["trunk"]["blocks"] = [
        {"stride": 2, "convs": 1, "channels": 16},
        {"stride": 2, "convs": 2, "channels": 24},
    ]
    content["trunk"]["branches"] = content["trunk"]["branches"][:2]
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_scans_come_back_as_they_were(folder: Path, tmp_path: Path) -> None:
    scan = scans.read(folder / "0.npz")
    assert len(scan.boxes) == len(scan.label) == len(scan.num_points) > 20
    assert len(scan.xyz_m) > 20_000
    # points on level ground are near zero, and cars stand on it
    assert abs(np.median(scan.xyz_m[scan.xyz_m[:, 2] < 0.4, 2])) < 0.1
    near = (scan.label == 0) & (np.hypot(scan.boxes[:, 0], scan.boxes[:, 1]) < 20)
    cars = scan.boxes[near]
    assert len(cars) > 2
    assert np.abs(cars[:, 2] - cars[:, 5] / 2).max() < 0.3
    with pytest.raises(DataFileError, match="no labelled scan"):
        scans.read(tmp_path / "none.npz")


def test_a_piece_keeps_points_in_their_boxes(folder: Path) -> None:
    scan = scans.read(folder / "0.npz")
    manifest = cropped(load_manifest(MODELS / "centerpoint_sim.yaml"), 24.0)
    for seed in range(4):
        piece = varied(scan, manifest, np.random.default_rng(seed))
        for box, num in zip(piece.boxes, piece.num_points, strict=True):
            if num < 100 or np.abs(box[:2]).max() > 20:
                continue
            offset = piece.xyz_m - box[:3]
            c, s = np.cos(box[6]), np.sin(box[6])
            local = np.abs(offset @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]))
            inside = (local <= box[3:6] / 2 + 0.1).all(axis=1).sum()
            assert inside > 0.3 * num  # thinned, but where it was


def test_the_one_truck_among_many_cars_is_met_often() -> None:
    manifest = cropped(load_manifest(MODELS / "centerpoint_sim.yaml"), 16.0)
    boxes = np.tile(np.array([0, 0, 0.8, 4, 1.8, 1.6, 0], dtype=np.float32), (40, 1))
    boxes[:, 0], boxes[0, :2] = 60.0, (-60.0, 0.0)
    label = np.zeros(40, dtype=np.int64)
    label[0] = scans.CLASSES.index("truck")
    scan = scans.Scan(
        xyz_m=np.zeros((1, 3), dtype=np.float32),
        boxes=boxes,
        label=label,
        num_points=np.full(40, 100),
        group=0,
        camera_only=False,
    )
    rng = np.random.default_rng(0)
    away_m = [np.hypot(*varied(scan, manifest, rng).boxes[0, :2]) for _ in range(400)]
    # half of the pieces that are about an object; the others are about the sensor
    assert np.mean(np.array(away_m) < 20) == pytest.approx(0.35, abs=0.07)


def test_a_length_that_nothing_tells_is_learnt_in_the_middle() -> None:
    # three who walk and one who stands, seen alike: the square is least at the mean of the logs
    truth = np.log([0.82, 0.82, 0.82, 0.43])
    codes = np.zeros((4, 8), dtype=np.float32)
    codes[:, 3] = truth
    batch = {
        "heat": torch.zeros(1, 4, 2, 2),
        "asked": torch.zeros(1, 4, 2, 2),
        "scan": torch.zeros(4, dtype=torch.int64),
        "task": torch.zeros(4, dtype=torch.int64),
        "cell": torch.arange(4),
        "codes": torch.from_numpy(codes),
    }

    def loss(length: float) -> float:
        maps = torch.zeros(1, 8, 2, 2)
        maps[:, 3] = length
        return float(sum(center_loss((torch.zeros(1, 4, 2, 2), maps), batch).values()))

    tried = np.linspace(truth.min(), truth.max(), 101)
    best = tried[np.argmin([loss(one) for one in tried])]
    assert best == pytest.approx(truth.mean(), abs=0.01)


def test_targets_ask_at_the_centre_and_leave_doubtful_objects_alone() -> None:
    manifest = load_manifest(MODELS / "centerpoint_sim.yaml")
    boxes = np.array([[0.1, 10.2, 0.8, 4, 1.8, 1.6, 0.3], [20, -20, 0.9, 0.8, 0.6, 1.7, 0]])
    targets = center_targets(
        boxes.astype(np.float32), np.array([0, 2]), np.array([True, False]), manifest
    )
    row, col = int((10.2 + 48) / 0.5), int((0.1 + 48) / 0.5)
    assert targets.cells.tolist() == [row * 192 + col]
    assert targets.heat[0, row, col] == targets.heat.max() == 1
    assert targets.heat[2].max() == 0
    assert targets.asked[:, 56, 136].max() == 0
    assert targets.asked[:, row, col].min() == 1


def test_perfect_boxes_score_one_and_shifted_ones_nothing(folder: Path) -> None:
    scan = scans.read(folder / "0.npz")

    def exact(one) -> Found:
        return Found(
            boxes=one.boxes.astype(float), score=np.full(len(one.boxes), 0.9), label=one.label
        )

    def shifted(one) -> Found:
        found = exact(one)
        found.boxes[:, 0] += 5.0
        return found

    def turned(one) -> Found:
        found = exact(one)
        found.boxes[:, 6] += np.pi
        return found

    right = judge([scan], exact, scans.CLASSES, reach_m=40.0)
    back = judge([scan], turned, scans.CLASSES, reach_m=40.0)
    assert back.hits["car"][0].hit.all()
    assert back.errors["car"][:, 7].all()
    wrong = judge([scan], shifted, scans.CLASSES, reach_m=40.0)
    for name in ("car", "pedestrian"):
        assert right.hits[name][0].hit.all()
        assert right.hits[name][0].num_truth == len(right.hits[name][0].hit)
        assert np.abs(right.errors[name]).max() < 1e-4  # none points the other way
        assert wrong.hits[name][0].hit.sum() <= 1


def test_scans_are_learnt_by_heart(folder: Path, tmp_path: Path) -> None:
    given = small_manifest(tmp_path)
    manifest = load_manifest(given)
    files = {"train": sorted(folder.glob("*.npz")), "val": sorted(folder.glob("*.npz"))[:1]}
    task = PillarsTask(
        files, manifest, PillarsTaskConfig(piece_m=32.0, repeats=4), given=given, seed=0
    )
    loop = LoopConfig(
        num_epochs=6, batch_size=2, learning_rate=5e-3, num_threads=1, evaluate_every=6,
        average_decay=0.5,
    )  # fmt: skip
    trained = train(task, loop, tmp_path / "run")
    assert trained.rows[-1]["loss"] < 0.6 * trained.rows[0]["loss"]
    scores = {"val": task.evaluate(trained.network, "val")}
    assert scores["val"].hits["car"][0].num_truth > 3
    task.export(trained.network, tmp_path / "run", scores)
    written = load_manifest(tmp_path / "run" / "model.yaml")
    assert written.file.is_file()
    assert written.grid == manifest.grid
    assert "95 %" in (tmp_path / "run" / "card.md").read_text()
    scan = scans.read(files["val"][0])
    found = network_finder(trained.network, manifest)(scan)
    assert np.isfinite(found.boxes).all()


def test_anchors_cannot_be_trained(folder: Path, tmp_path: Path) -> None:
    anchors: Manifest = load_manifest(MODELS / "pointpillars_kitti_openpcdet.yaml")
    files = {"train": sorted(folder.glob("*.npz")), "val": []}
    task = PillarsTask(files, anchors, PillarsTaskConfig(), given=tmp_path, seed=0)
    with pytest.raises(ConfigError, match="only networks of family centerpoint"):
        task.examples("train", 0)[0]


def test_shipped_checkpoint_is_the_shipped_network() -> None:
    """So that ``--from`` goes on from what robots run."""
    from perception_stack import networks
    from perception_stack.networks.contract import Options
    from perception_stack.pillars.detector import contract_of
    from perception_stack.pillars.network import PillarNetwork
    from perception_stack.pillars.reading import MapReader
    from perception_stack.training.checkpoint import transfer

    manifest = load_manifest(MODELS / "centerpoint_sim.yaml")
    network = PillarNetwork(manifest).eval()
    assert transfer(MODELS / "centerpoint_sim.pt", network).fresh == ()
    options = Options(device="cpu", num_threads=1, spin_us=0, engine_dir=Path(), fp16=False)
    shipped = networks.load("onnxruntime", contract_of(manifest, MapReader(manifest)), options)
    rng = np.random.default_rng(0)
    num_x, num_y = manifest.grid.num_xy
    cells = rng.permutation(num_x * num_y)[:200].astype(np.int64)
    shape = (len(cells), manifest.grid.max_points, len(manifest.grid.features))
    features = rng.normal(size=shape).astype(np.float32)
    with torch.inference_mode():
        wanted = network(torch.from_numpy(features), torch.from_numpy(cells))
    found = shipped.run({"features": features, "cells": cells})
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-3)
