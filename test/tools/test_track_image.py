"""``track kitti-image`` and ``track mot``: files in, files out, real data above the bar."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.evaluation.hota import hota_scores
from perception_stack.evaluation.identity import identity_scores
from perception_stack.evaluation.kitti.evaluate import evaluate_kitti
from perception_stack.evaluation.sequences import IdFrame, IdSequence
from perception_stack.geometry.overlap import iou_2d
from perception_stack.io.kitti.tracks import read_tracks
from perception_stack.tools.evaluate_kitti_tracking import read_pairs
from perception_stack.tools.main import main

_CALIB = """\
P2: 721.5377 0 609.5593 0 0 721.5377 172.854 0 0 0 1 0
R_rect 1 0 0 0 1 0 0 0 1
Tr_velo_cam 0 -1 0 0 0 0 -1 0 1 0 0 0
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A car that comes nearer and a person who walks; the person is missed twice."""
    cars, people = [], []
    for i in range(20):
        half = 400 / (20 - 0.5 * i)
        cars.append(f"{i},{600 - half},{200 - half / 2},{600 + half},{200 + half / 2},0.99")
        if i not in (10, 11):
            people.append(f"{i},{100 + 4 * i},150,{130 + 4 * i},230,0.9")
    root = tmp_path / "kitti"
    files = {
        "calib/0042.txt": _CALIB,
        "detection/rrc2d_Car/0042.txt": "\n".join(cars),
        "detection/rrc2d_Pedestrian/0042.txt": "\n".join(people),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(text + "\n")
    return root


def test_kitti_image(root: Path, tmp_path: Path) -> None:
    outs = tmp_path / "a", tmp_path / "b"
    for out in outs:
        assert main(["track", "kitti-image", "--root", str(root), "--out", str(out)]) == 0
    frames = read_tracks(outs[0] / "0042.txt")
    assert sorted(frames) == list(range(20))
    assert {one for frame in frames.values() for one in frame.ids} == {0, 1}
    labels = set()
    for frame in frames.values():
        labels |= set(zip(frame.ids, frame.boxes.labels, strict=True))
    assert len(labels) == 2
    assert (outs[0] / "0042.txt").read_bytes() == (outs[1] / "0042.txt").read_bytes()
    assert (outs[0] / "journal.json").exists()


def test_mot(tmp_path: Path) -> None:
    detections, out = tmp_path / "det.txt", tmp_path / "out" / "tracks.txt"
    rows = [f"{i},-1,{100 + 3 * i},50,40,90,0.95,-1,-1,-1" for i in range(1, 11)]
    detections.write_text("\n".join(rows) + "\n")
    assert main(["track", "mot", "--detections", str(detections), "--out", str(out)]) == 0
    tracks = np.loadtxt(out, delimiter=",")
    np.testing.assert_array_equal(tracks[:, 0], np.arange(1, 11))
    assert set(tracks[:, 1]) == {1}
    np.testing.assert_allclose(tracks[-1, 2:6], [130, 50, 40, 90], atol=1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("track kitti-image --root nowhere --out {out}", "rrc2d_Car"),
        ("track kitti-image --root {root} --out {out} --sequences 0001", "there are 0042"),
        ("track kitti-image --root {root} --out {out} --image-size 0 10", "at least 1"),
        ("track mot --detections nowhere.txt --out {out}", "nowhere.txt"),
        ("track mot --detections nowhere.txt --out {out} --rate 0", "--rate 0"),
    ],
)
def test_errors_are_one_line(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    words = arguments.format(root=root, out=tmp_path / "x").split()
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_kitti_above_the_best_2d_tracker(data_dir: Path, tmp_path: Path) -> None:
    """ByteTrack of the package ``trackers``: Car 87.8, Pedestrian 55.3 HOTA."""
    root = data_dir / "kitti_tracking"
    assert main(["track", "kitti-image", "--root", str(root), "--out", str(tmp_path)]) == 0
    pairs = list(read_pairs(tmp_path, root).values())
    for kind, least in (("car", 0.878), ("pedestrian", 0.553)):
        scores = evaluate_kitti(pairs, class_name=kind, similarity="2d")
        assert scores.hota.as_dict()["hota"] > least


def test_campus_above_the_best_2d_tracker(data_dir: Path, tmp_path: Path) -> None:
    """BoT-SORT of the package ``trackers`` without camera motion: HOTA 53.4, IDF1 74.5."""
    folder, out = data_dir / "mot15_2d" / "TUD-Campus", tmp_path / "tracks.txt"
    detections = str(folder / "sort_det.txt")
    assert main(["track", "mot", "--detections", detections, "--out", str(out)]) == 0
    truth, tracks = (np.loadtxt(one, delimiter=",") for one in (folder / "gt.txt", out))
    frames = []
    for number in np.unique(truth[:, 0]):
        there, said = (one[one[:, 0] == number] for one in (truth, tracks))
        boxes = [np.hstack([one[:, 2:4], one[:, 2:4] + one[:, 4:6]]) for one in (there, said)]
        ids = [one[:, 1].astype(np.int64) for one in (there, said)]
        frames.append(
            IdFrame(truth_ids=ids[0], object_ids=ids[1], similarity=iou_2d(boxes[0], boxes[1]))
        )
    sequence = IdSequence.of(frames)
    assert hota_scores(sequence).as_dict()["hota"] > 0.534
    assert identity_scores(sequence, threshold=0.5).idf1 > 0.745
