"""CLEAR, HOTA and IDF1: worked by hand, against published numbers, and against TrackEval."""

from __future__ import annotations

import numpy as np
import pytest

from perception_stack.errors import DecodeError, ShapeError
from perception_stack.evaluation.clear import clear_scores
from perception_stack.evaluation.hota import hota_scores
from perception_stack.evaluation.identity import identity_scores
from perception_stack.evaluation.sequences import IdFrame, IdSequence
from perception_stack.geometry.overlap import iou_2d

_TIGHT = 1e-9


def id_frame(truth_ids, object_ids, similarity) -> IdFrame:
    truth_ids = np.array(truth_ids, dtype=np.int64)
    object_ids = np.array(object_ids, dtype=np.int64)
    similarity = np.array(similarity, dtype=float).reshape(len(truth_ids), len(object_ids))
    return IdFrame(truth_ids=truth_ids, object_ids=object_ids, similarity=similarity)


def one_to_one(*objects) -> IdSequence:
    """One truth identity; in each frame the object that covers it, or None."""
    return IdSequence.of(
        [id_frame([7], [], []) if one is None else id_frame([7], [one], 0.8) for one in objects]
    )


def random_frames(seed, *, num_frames=40, num_truth=6, num_objects=8, switching=0.15):
    """Tracks that come and go, with objects that mostly follow one truth each."""
    rng = np.random.default_rng(seed)
    owner = rng.permutation(num_objects)[:num_truth]
    frames = []
    for _ in range(num_frames):
        swap = rng.random(num_truth) < switching
        owner[swap] = rng.permutation(owner[swap])
        truth = np.flatnonzero(rng.random(num_truth) < 0.8)
        objects = np.flatnonzero(rng.random(num_objects) < 0.7)
        similarity = rng.random((len(truth), len(objects))) * 0.6
        similarity *= rng.random(similarity.shape) < 0.5
        similarity += 0.39 * (owner[truth][:, None] == objects[None, :])
        frames.append(id_frame(truth + 100, objects * 3, similarity))
    return frames


def load_mot(path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def mot_frames(truth_rows, object_rows) -> list[IdFrame]:
    frames = []
    for number in np.unique(np.concatenate([truth_rows[:, 0], object_rows[:, 0]])):
        truth = truth_rows[truth_rows[:, 0] == number]
        objects = object_rows[object_rows[:, 0] == number]
        boxes = [np.column_stack([r[:, 2:4], r[:, 2:4] + r[:, 4:6]]) for r in (truth, objects)]
        frames.append(id_frame(truth[:, 1], objects[:, 1], iou_2d(*boxes)))
    return frames


def trackeval_scores(sequence: IdSequence, *, threshold=0.5) -> dict:
    trackeval = pytest.importorskip("trackeval")
    data = {
        "num_timesteps": len(sequence.frames),
        "num_gt_ids": sequence.num_truth_ids,
        "num_tracker_ids": sequence.num_object_ids,
        "num_gt_dets": sequence.num_truth,
        "num_tracker_dets": sequence.num_objects,
        "gt_ids": [frame.truth_ids for frame in sequence.frames],
        "tracker_ids": [frame.object_ids for frame in sequence.frames],
        "similarity_scores": [frame.similarity for frame in sequence.frames],
    }
    quiet = {"PRINT_CONFIG": False}
    return {
        **trackeval.metrics.CLEAR({"THRESHOLD": threshold, **quiet}).eval_sequence(data),
        **trackeval.metrics.Identity({"THRESHOLD": threshold, **quiet}).eval_sequence(data),
        **trackeval.metrics.HOTA().eval_sequence(data),
    }


def assert_same_as_trackeval(sequence: IdSequence, *, threshold=0.5) -> None:
    expected = trackeval_scores(sequence, threshold=threshold)
    clear = clear_scores(sequence, threshold=threshold)
    identity = identity_scores(sequence, threshold=threshold)
    hota = hota_scores(sequence)
    got = {
        "CLR_TP": clear.true_positives,
        "CLR_FP": clear.false_positives,
        "CLR_FN": clear.misses,
        "IDSW": clear.switches,
        "Frag": clear.fragments,
        "MT": clear.mostly_tracked,
        "PT": clear.partly_tracked,
        "ML": clear.mostly_lost,
        "MOTA": clear.mota,
        "MOTP": clear.motp,
        "CLR_Re": clear.recall,
        "CLR_Pr": clear.precision,
        "IDTP": identity.idtp,
        "IDFP": identity.idfp,
        "IDFN": identity.idfn,
        "IDF1": identity.idf1,
        "IDP": identity.idp,
        "IDR": identity.idr,
        "HOTA": hota.hota,
        "DetA": hota.det_a,
        "AssA": hota.ass_a,
        "DetRe": hota.det_re,
        "DetPr": hota.det_pr,
        "AssRe": hota.ass_re,
        "AssPr": hota.ass_pr,
        "LocA": hota.loc_a,
    }
    for name, value in got.items():
        np.testing.assert_allclose(value, expected[name], atol=_TIGHT, err_msg=name)


class TestIdFrame:
    def test_repeated_identity_is_refused(self):
        with pytest.raises(DecodeError, match="object id 4 occurs twice"):
            id_frame([1], [4, 4], [0.5, 0.5])

    @pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
    def test_similarity_out_of_range_is_refused(self, value):
        with pytest.raises(DecodeError, match="outside"):
            id_frame([1], [4], [value])

    def test_shape(self):
        with pytest.raises(ShapeError, match="similarity"):
            IdFrame(truth_ids=np.array([1]), object_ids=np.array([2]), similarity=np.zeros((2, 1)))


class TestByHand:
    def test_perfect(self):
        sequence = one_to_one(3, 3, 3, 3)
        clear = clear_scores(sequence)
        assert (clear.mota, clear.switches, clear.fragments) == (1.0, 0, 0)
        assert clear.motp == pytest.approx(0.8)
        assert (clear.mostly_tracked, clear.partly_tracked, clear.mostly_lost) == (1, 0, 0)
        assert identity_scores(sequence).idf1 == 1.0
        # all alphas up to 0.80 are reached: 16 of 19
        assert hota_scores(sequence).as_dict()["hota"] == pytest.approx(16 / 19)

    def test_switch_in_the_middle(self):
        sequence = one_to_one(3, 3, 4, 4)
        clear = clear_scores(sequence)
        assert (clear.switches, clear.fragments, clear.misses) == (1, 0, 0)
        assert clear.mota == pytest.approx(0.75)
        assert identity_scores(sequence).idf1 == pytest.approx(0.5)
        # each half is associated with 2 of 4 frames: A = 2 / (4 + 2 - 2)
        scores = hota_scores(sequence)
        np.testing.assert_allclose(scores.ass_a[:16], 0.5)
        np.testing.assert_allclose(scores.hota[:16], np.sqrt(0.5))

    def test_gap_and_return(self):
        # an empty frame alone does not end a match; a frame with a stranger does
        sequence = IdSequence.of(
            [
                id_frame([7], [3], 0.8),
                id_frame([7], [9], 0.0),
                id_frame([7], [3], 0.8),
            ]
        )
        clear = clear_scores(sequence)
        assert (clear.misses, clear.false_positives) == (1, 1)
        assert (clear.switches, clear.fragments) == (0, 1)
        assert clear.mota == pytest.approx(1 / 3)
        assert (clear.mostly_tracked, clear.partly_tracked) == (0, 1)

    def test_switch_after_a_gap_counts(self):
        assert clear_scores(one_to_one(3, None, 4)).switches == 1

    def test_a_match_is_kept_though_another_is_nearer(self):
        sequence = IdSequence.of(
            [id_frame([1], [5, 6], [0.9, 0.0]), id_frame([1], [5, 6], [0.6, 0.95])]
        )
        clear = clear_scores(sequence)
        assert clear.switches == 0
        assert clear.motp == pytest.approx(0.75)

    def test_threshold_itself_is_a_match(self):
        sequence = IdSequence.of([id_frame([1], [5], [0.25])])
        assert clear_scores(sequence, threshold=0.25).true_positives == 1
        assert identity_scores(sequence, threshold=0.25).idtp == 1
        assert clear_scores(sequence, threshold=0.26).true_positives == 0

    def test_more_errors_than_truth(self):
        sequence = IdSequence.of([id_frame([1], [5, 6, 7], [0.0, 0.0, 0.0])])
        assert clear_scores(sequence).mota == -3.0

    @pytest.mark.parametrize(
        ("sequence", "mota", "idfn", "idfp"),
        [
            pytest.param(IdSequence.of([]), 0.0, 0, 0, id="no-frames"),
            pytest.param(IdSequence.of([id_frame([], [], [])]), 0.0, 0, 0, id="nothing"),
            pytest.param(IdSequence.of([id_frame([1, 2], [], [])]), 0.0, 2, 0, id="no-objects"),
            pytest.param(IdSequence.of([id_frame([], [1, 2], [])]), -2.0, 0, 2, id="no-truth"),
        ],
    )
    def test_empty(self, sequence, mota, idfn, idfp):
        assert clear_scores(sequence).mota == mota
        identity = identity_scores(sequence)
        assert (identity.idtp, identity.idfn, identity.idfp) == (0, idfn, idfp)
        assert hota_scores(sequence).as_dict()["hota"] == 0.0
        assert hota_scores(sequence).as_dict()["loc_a"] == 1.0

    def test_joined_sequences_share_no_identity(self):
        first, second = [id_frame([1], [5], [0.9])] * 3, [id_frame([1], [5], [0.9])] * 2
        joined = IdSequence.of(first, second)
        assert (joined.num_truth_ids, joined.num_object_ids) == (2, 2)
        assert clear_scores(joined).mota == 1.0
        assert identity_scores(joined).idtp == 5
        swapped = IdSequence.of(first, [id_frame([1], [6], [0.9])] * 2)
        assert clear_scores(swapped).switches == 0


class TestAgainstTrackEval:
    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("threshold", [0.25, 0.5])
    def test_random(self, seed, threshold):
        frames = random_frames(seed, num_truth=2 + seed, num_objects=3 + 2 * seed)
        assert_same_as_trackeval(IdSequence.of(frames), threshold=threshold)

    def test_frames_without_truth_or_objects(self):
        frames = random_frames(11, num_truth=1, num_objects=2, num_frames=80)
        assert any(len(frame.truth_ids) == 0 for frame in frames)
        assert any(len(frame.object_ids) == 0 for frame in frames)
        assert_same_as_trackeval(IdSequence.of(frames))

    def test_several_sequences_together(self):
        pytest.importorskip("trackeval")
        from trackeval.metrics import CLEAR, HOTA, Identity

        parts = [random_frames(seed, num_truth=4) for seed in (1, 2, 3)]
        each = {str(i): trackeval_scores(IdSequence.of(part)) for i, part in enumerate(parts)}
        joined = IdSequence.of(*parts)
        hota, clear, identity = HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity(
            {"PRINT_CONFIG": False}
        )  # fmt: skip
        np.testing.assert_allclose(
            hota_scores(joined).hota, hota.combine_sequences(each)["HOTA"], atol=_TIGHT
        )
        combined = clear.combine_sequences(each)
        assert clear_scores(joined).mota == pytest.approx(combined["MOTA"], abs=_TIGHT)
        assert clear_scores(joined).fragments == combined["Frag"]
        combined = identity.combine_sequences(each)
        assert identity_scores(joined).idf1 == pytest.approx(combined["IDF1"], abs=_TIGHT)

    def test_real_pedestrians(self, data_dir):
        folder = data_dir / "mot15_2d" / "TUD-Campus"
        frames = mot_frames(load_mot(folder / "gt.txt"), load_mot(folder / "test.txt"))
        assert_same_as_trackeval(IdSequence.of(frames))


class TestPublished:
    def test_tud_campus(self, data_dir):
        """The table that py-motmetrics publishes for these two files."""
        folder = data_dir / "mot15_2d" / "TUD-Campus"
        sequence = IdSequence.of(
            mot_frames(load_mot(folder / "gt.txt"), load_mot(folder / "test.txt"))
        )
        clear = clear_scores(sequence)
        assert round(100 * clear.mota, 1) == 52.6
        assert round(1 - clear.motp, 3) == 0.277
        assert round(100 * clear.recall, 1) == 58.2
        assert round(100 * clear.precision, 1) == 94.1
        counts = (clear.false_positives, clear.misses, clear.switches, clear.fragments)
        assert counts == (13, 150, 7, 7)
        assert round(100 * identity_scores(sequence).idf1, 1) == 55.8
