"""KITTI's tracking scores: by hand, against AB3DMOT's program, and against TrackEval on files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.evaluation.kitti.evaluate import SequencePair, evaluate_kitti
from perception_stack.evaluation.kitti.recall_sweep import NUM_RECALLS, thresholds
from perception_stack.evaluation.matching import assign
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.overlap import iou_3d
from perception_stack.io.kitti.detections import read_detections_3d
from perception_stack.io.kitti.labels import KittiLabels, boxes_from_kitti, read_tracking_labels
from perception_stack.io.kitti.sequences import read_sequence
from perception_stack.io.kitti.tracks import KittiTracks, read_tracks, write_tracks

_NO_REGIONS = np.empty((0, 4))
_SEQUENCES = ("0012", "0014")


def _boxes(num: int, kind="car", *, shift_m=0.0):
    """Cars 4 m long beside each other, 20 m ahead."""
    rows = [[1.5, 2.0, 4.0, 10.0 * i + shift_m, 1.6, 20.0, 0.0] for i in range(num)]
    table = np.array(rows).reshape(-1, 7)
    names = [kind] * num if isinstance(kind, str) else kind
    return boxes_from_kitti(table, names, score=np.ones(num), stamp_ns=0)


def _xyxy(num: int, height_px=100.0):
    left = 200.0 * np.arange(num)
    return np.stack([left, left * 0, left + 100, left * 0 + height_px], axis=1)


def labels(num: int, kind="car", *, occlusion=0, truncation=0.0, regions=_NO_REGIONS):
    return KittiLabels(
        boxes=_boxes(num, kind),
        ids=tuple(range(num)),
        xyxy_px=_xyxy(num),
        truncation=np.broadcast_to(np.asarray(truncation, dtype=float), num),
        occlusion=np.broadcast_to(np.asarray(occlusion, dtype=np.int64), num),
        dont_care_xyxy_px=regions,
    )


def tracks(ids, *, score=1.0, shift_m=0.0, height_px=100.0):
    num = len(ids)
    return KittiTracks(
        boxes=_boxes(num, shift_m=shift_m),
        ids=np.array(ids, dtype=np.int64),
        xyxy_px=_xyxy(num, height_px),
        score=np.broadcast_to(np.asarray(score, dtype=float), num),
    )


def car_scores(truth, said, *, similarity="3d", iou=0.25):
    pair = SequencePair(labels=dict(enumerate(truth)), tracks=dict(enumerate(said)))
    return evaluate_kitti([pair], class_name="car", similarity=similarity, ious=(iou,))


def sweep(truth, said, **options):
    return car_scores(truth, said, **options).sweeps[options.get("iou", 0.25)]


def test_perfect_tracks_with_distinct_scores_reach_every_recall() -> None:
    num = NUM_RECALLS
    frames = 2
    said = [tracks(range(num), score=np.arange(num, dtype=float))] * frames
    found = sweep([labels(num)] * frames, said)
    # at a recall of k/40 the best k tracks are there and nothing false: MOTA is the recall
    assert found.averages.samota == pytest.approx(1.0)
    assert found.averages.amota == pytest.approx((NUM_RECALLS + 1) / 2 / NUM_RECALLS)
    assert found.averages.amotp == pytest.approx(1.0)
    assert found.best.mota == 1.0


def test_what_is_never_found_counts_as_zero() -> None:
    num = NUM_RECALLS
    half = num // 2
    found = sweep([labels(num)], [tracks(range(half), score=np.arange(half, dtype=float))])
    # the score of recall 0 is left out, so of 20 tracks 19 recalls remain
    assert found.averages.samota == pytest.approx((half - 1) / num)
    assert (found.best.misses, found.best.false_positives) == (num - half, 0)


@pytest.mark.parametrize(("score", "cost"), [(0.0, 0), (1000.0, 1)], ids=["weak", "strong"])
def test_false_tracks_cost_only_where_they_are_stronger_than_true_ones(score, cost) -> None:
    num, num_false = NUM_RECALLS, 5
    truth = [labels(num)] * 2
    strength = np.arange(1, num + 1, dtype=float)
    clean = sweep(truth, [tracks(range(num), score=strength)] * 2)
    mixed = np.concatenate([strength, np.full(num_false, score)])
    found = sweep(truth, [tracks(range(num + num_false), score=mixed)] * 2)
    assert found.best.false_positives == 2 * num_false * cost
    # the false ones are a share of the truth at each recall
    loss = clean.averages.amota - found.averages.amota
    assert loss == pytest.approx(cost * num_false / num)


def test_a_track_is_kept_or_dropped_by_the_mean_of_its_scores() -> None:
    """One frame's score alone would let the false track outlive the true one."""
    truth = [labels(1)] * 3
    said = [
        tracks([0, 1], score=np.array([2.0, 6.0])),
        tracks([0, 1], score=np.array([2.0, -3.0])),
        tracks([0, 1], score=np.array([2.0, -3.0])),
    ]
    found = sweep(truth, said)
    assert found.best.threshold == pytest.approx(2.0)
    assert (found.best.false_positives, found.best.misses) == (0, 0)


def test_the_best_hota_is_that_of_the_tracks_above_the_best_threshold() -> None:
    truth = [labels(2)] * 4
    # the third is false, and was believed in as little as its mean says, not as its best frame
    said = [tracks([0, 1, 2], score=[8.0, 6.0, weak]) for weak in (1.0, 1.0, 1.0, 9.0)]
    found = car_scores(truth, said)
    best = found.sweeps[0.25]
    assert best.best.threshold == 6.0
    assert best.best_hota.hota.mean() == pytest.approx(1.0)
    assert found.hota.det_pr.mean() == pytest.approx(2 / 3)
    alone = car_scores(truth, [tracks([0, 1])] * 4)
    np.testing.assert_array_equal(best.best_hota.hota, alone.hota.hota)


def test_an_identity_switches_between_successive_frames_only() -> None:
    truth = [labels(1)] * 4
    swapped = [tracks([one]) for one in (1, 1, 2, 2)]
    gap = [tracks([1]), tracks([1]), tracks([]), tracks([2])]
    assert sweep(truth, swapped).best.switches == 1
    assert sweep(truth, gap).best.switches == 0
    # TrackEval remembers the track across the gap
    assert car_scores(truth, gap).clear.switches == 1


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(labels(1, occlusion=3), id="occluded"),
        pytest.param(labels(1, truncation=1.0), id="truncated"),
        pytest.param(labels(1, "van"), id="neighbouring-class"),
    ],
)
def test_what_is_not_asked_for_is_neither_hit_nor_miss(truth: KittiLabels) -> None:
    for said in (tracks([0]), tracks([])):
        scores = car_scores([truth], [said])
        clear = scores.clear
        assert (clear.num_truth, clear.misses, clear.false_positives) == (0, 0, 0)
        best = scores.sweeps[0.25].best
        assert (best.num_truth, best.misses, best.false_positives) == (0, 0, 0)


@pytest.mark.parametrize(
    ("region", "height_px", "num_false"),
    [
        pytest.param([0, 0, 100, 49], 100.0, 1, id="less-than-half-in-a-region"),
        pytest.param([0, 0, 100, 51], 100.0, 0, id="more-than-half-in-a-region"),
        pytest.param([0, 0, 0, 0], 25.0, 0, id="too-small"),
        pytest.param([0, 0, 0, 0], 25.1, 1, id="just-large-enough"),
    ],
)
def test_false_tracks_where_nothing_is_labelled(region, height_px, num_false) -> None:
    truth = labels(0, regions=np.array([region], dtype=float))
    scores = car_scores([truth], [tracks([0], height_px=height_px)])
    assert scores.clear.false_positives == num_false
    assert scores.sweeps[0.25].best.false_positives == num_false


def test_frames_that_only_one_side_names() -> None:
    pair = SequencePair(labels={0: labels(1)}, tracks={2: tracks([5])})
    scores = evaluate_kitti([pair], class_name="car", similarity="3d", ious=(0.25,))
    assert (scores.clear.misses, scores.clear.false_positives) == (1, 1)
    nothing = evaluate_kitti(
        [SequencePair(labels={}, tracks={})], class_name="car", similarity="2d", ious=(0.25,)
    )
    assert nothing.sweeps[0.25].averages.samota == 0.0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120), st.integers(0, 40))
@settings(max_examples=60)
def test_thresholds_fall_while_recall_rises(scores: list[int], num_missed: int) -> None:
    found = thresholds(np.array(scores, dtype=float), num_missed=num_missed)
    values = [score for score, _ in found]
    recalls = [recall for _, recall in found]
    assert values == sorted(values, reverse=True)
    np.testing.assert_allclose(recalls, (1 + np.arange(len(recalls))) / NUM_RECALLS)
    assert set(values) <= set(map(float, scores))
    largest = len(scores) / (len(scores) + num_missed)
    assert max(recalls, default=0) <= largest + 1 / NUM_RECALLS


# real data: detections with the identity of the label they overlap, so that no tracker is needed

_KINDS = ("car", "cyclist", "pedestrian")


def said_of(folder: Path, name: str) -> dict[int, KittiTracks]:
    """Detections as tracks: those on a label have its identity, the others change every 0.5 s."""
    truth = read_tracking_labels(folder / "label_02" / f"{name}.txt")
    sequence = read_sequence(folder, name, fixed_frame="odom")
    detections = folder / "detection"
    paths = [detections / f"pointrcnn_{one.capitalize()}" / f"{name}.txt" for one in _KINDS]
    said = {}
    for frame, (boxes, logits) in read_detections_3d(*paths).items():
        ids = 10_000 + 100 * (frame // 5) + np.arange(len(boxes))
        if frame in truth:
            rows, cols = assign(iou_3d(truth[frame].boxes, boxes), threshold=0.1)
            ids[cols] = np.array(truth[frame].ids)[rows]
        in_camera = transform_boxes(boxes, sequence.camera_from_rect)
        xyxy_px, shown = project_boxes(in_camera, sequence.camera)
        said[frame] = KittiTracks(
            boxes=boxes.rows(shown), ids=ids[shown], xyxy_px=xyxy_px[shown], score=logits[shown]
        )
    return said


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    return data_dir / "kitti_tracking"


@pytest.fixture(scope="module")
def result(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of result files as an outside program wants it."""
    out = tmp_path_factory.mktemp("kitti") / "ours"
    out.mkdir()
    for name in _SEQUENCES:
        write_tracks(out / f"{name}.txt", said_of(folder, name))
    return out


def pairs_of(folder: Path, result: Path) -> list[SequencePair]:
    return [
        SequencePair(
            labels=read_tracking_labels(folder / "label_02" / f"{name}.txt"),
            tracks=read_tracks(result / f"{name}.txt"),
        )
        for name in _SEQUENCES
    ]


# what AB3DMOT's scripts/KITTI/evaluate.py (commit 6a7fff5) prints for the result files made above;
# ``mean`` with its line ``trk_tmp.score = average_score`` taken out, which averages anew each time
_PRINTED = [
    pytest.param("car", "3d", 0.25, (0.8872, 0.4549, 0.7559), (0.9410, 0.4902, 0.7751), id="car"),
    pytest.param("car", "3d", 0.5, (0.8577, 0.4268, 0.7383), (0.9108, 0.4575, 0.7583), id="0.5"),
    pytest.param("car", "2d", 0.5, (0.8865, 0.4542, 0.8148), (0.9403, 0.4896, 0.8358), id="2d"),
    pytest.param(
        "cyclist", "3d", 0.25, (0.9500, 0.9500, 0.7923), (0.9500, 0.9500, 0.7923), id="cyclist"
    ),
    pytest.param(
        "pedestrian", "3d", 0.25, (0.5109, 0.1173, 0.46), (0.6000, 0.2405, 0.4581), id="walker"
    ),
    pytest.param(
        "pedestrian", "2d", 0.5, (0.0, -0.183, 0.3579), (0.1810, -0.0942, 0.3689), id="switches"
    ),
]


@pytest.mark.parametrize(("kind", "similarity", "iou", "printed", "mean"), _PRINTED)
def test_the_sweep_is_that_of_the_published_program(
    kind, similarity, iou, printed, mean, folder: Path, result: Path
) -> None:
    pairs = pairs_of(folder, result)
    scores = evaluate_kitti(pairs, class_name=kind, similarity=similarity, ious=(iou,))
    found = scores.sweeps[iou]
    for averages, expected in ((found.as_published, printed), (found.averages, mean)):
        given = (averages.samota, averages.amota, averages.amotp)
        assert given == pytest.approx(expected, abs=5.1e-5)


@pytest.mark.parametrize("similarity", ["2d", "3d"])
@pytest.mark.parametrize("kind", ["car", "pedestrian"])
def test_trackeval_says_the_same_of_the_same_files(
    kind, similarity, folder: Path, result: Path, tmp_path: Path
) -> None:
    """TrackEval reads the files itself and applies its own rules of what does not count."""
    trackeval = pytest.importorskip("trackeval")
    (tmp_path / "label_02").symlink_to((folder / "label_02").resolve())
    pairs = pairs_of(folder, result)
    num_frames = [1 + max([*pair.labels, *pair.tracks]) for pair in pairs]
    seqmap = tmp_path / "evaluate_tracking.seqmap.training"
    seqmap.write_text(
        "".join(
            f"{name} empty 000000 {num:06d}\n"
            for name, num in zip(_SEQUENCES, num_frames, strict=True)
        )
    )

    class Files(trackeval.datasets.Kitti2DBox):
        """With overlap in space, which TrackEval lacks, where that is asked for."""

        def _calculate_similarities(self, truth_xyxy, object_xyxy):
            if similarity == "2d":
                return super()._calculate_similarities(truth_xyxy, object_xyxy)
            labels, said = next(frames)
            return iou_3d(labels.boxes, said.boxes)

    frames = (
        (pair.labels.get(i, labels(0)), pair.tracks.get(i, tracks([])))
        for pair, num in zip(pairs, num_frames, strict=True)
        for i in range(num)
    )
    files = Files(
        {
            "GT_FOLDER": str(tmp_path),
            "TRACKERS_FOLDER": str(result.parent),
            "TRACKERS_TO_EVAL": [result.name],
            "TRACKER_SUB_FOLDER": "",
            "CLASSES_TO_EVAL": [kind],
            "PRINT_CONFIG": False,
        }
    )
    data = {
        name: files.get_preprocessed_seq_data(files.get_raw_seq_data(result.name, name), kind)
        for name in _SEQUENCES
    }
    theirs = {}
    quiet = {"PRINT_CONFIG": False}
    for metric in (
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(quiet),
        trackeval.metrics.Identity(quiet),
    ):
        parts = {name: metric.eval_sequence(one) for name, one in data.items()}
        theirs |= metric.combine_sequences(parts)
    ours = evaluate_kitti(pairs, class_name=kind, similarity=similarity)
    for name in ("hota", "det_a", "ass_a", "loc_a"):
        their_name = {"hota": "HOTA", "det_a": "DetA", "ass_a": "AssA", "loc_a": "LocA"}[name]
        np.testing.assert_allclose(getattr(ours.hota, name), theirs[their_name], atol=1e-6)
    clear = ours.clear
    assert (clear.mota, clear.motp, ours.identity.idf1) == pytest.approx(
        (theirs["MOTA"], theirs["MOTP"], theirs["IDF1"]), abs=1e-6
    )
    assert (clear.switches, clear.false_positives, clear.misses) == (
        theirs["IDSW"],
        theirs["CLR_FP"],
        theirs["CLR_FN"],
    )
    assert clear.num_truth > 100
