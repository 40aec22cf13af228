"""ADD, ADD-S and the area under the curve: by hand, by brute force, and published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.errors import DecodeError, FrameMismatchError, ShapeError
from perception_stack.evaluation.pose import (
    Poses,
    accuracy_auc,
    add_m,
    add_s_m,
    evaluate_poses,
)
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_yaw


def poses(quat_xyzw, translation_m) -> Poses:
    return Poses(
        rotation=matrix_from_quat(np.atleast_2d(quat_xyzw)),
        translation_m=np.atleast_2d(np.asarray(translation_m, dtype=float)),
    )


UPRIGHT = [0.0, 0.0, 0.0, 1.0]
# four corners of a square of side 2 cm: the same after a quarter turn
SQUARE = np.array([[1, 1, 0], [-1, 1, 0], [-1, -1, 0], [1, -1, 0]]) * 0.01


class TestErrors:
    def test_shift(self):
        pair = poses(UPRIGHT, [0, 0, 1]), poses(UPRIGHT, [0.003, 0.004, 1])
        assert add_m(*pair, SQUARE) == pytest.approx(0.005)
        assert add_s_m(*pair, SQUARE) == pytest.approx(0.005)

    def test_quarter_turn_of_a_square(self):
        pair = poses(UPRIGHT, [0, 0, 1]), poses(quat_from_yaw(np.pi / 2), [0, 0, 1])
        assert add_m(*pair, SQUARE) == pytest.approx(0.02)
        assert add_s_m(*pair, SQUARE) == pytest.approx(0.0, abs=1e-12)

    def test_agrees_with_brute_force(self):
        rng = np.random.default_rng(2)
        points = rng.uniform(-0.1, 0.1, (37, 3))
        quat = rng.normal(size=(2, 70, 4))
        shift = rng.uniform(-0.05, 0.05, (2, 70, 3))
        truth, estimate = (poses(q, t) for q, t in zip(quat, shift, strict=True))
        placed = [
            np.einsum("nij,pj->npi", one.rotation, points) + one.translation_m[:, None]
            for one in (truth, estimate)
        ]
        own = np.linalg.norm(placed[0] - placed[1], axis=2)
        every = np.linalg.norm(placed[0][:, :, None] - placed[1][:, None], axis=3)
        np.testing.assert_allclose(add_m(truth, estimate, points), own.mean(axis=1))
        np.testing.assert_allclose(
            add_s_m(truth, estimate, points), every.min(axis=2).mean(axis=1)
        )
        assert (add_s_m(truth, estimate, points) <= add_m(truth, estimate, points)).all()

    def test_no_poses(self):
        none = poses(np.empty((0, 4)), np.empty((0, 3)))
        assert add_m(none, none, SQUARE).shape == (0,)
        assert add_s_m(none, none, SQUARE).shape == (0,)

    def test_shape(self):
        with pytest.raises(ShapeError, match="points_m"):
            add_m(poses(UPRIGHT, [0, 0, 1]), poses(UPRIGHT, [0, 0, 1]), np.zeros((4, 2)))
        with pytest.raises(ShapeError, match="translation_m"):
            Poses(rotation=np.eye(3)[None], translation_m=np.zeros((2, 3)))


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([0.0, 0.0], 1.0),
        ([0.05], 0.5),
        ([0.1, 3.0, np.inf], 0.0),
        ([0.0, np.inf], 0.5),
        ([], 0.0),
    ],
)
def test_auc(errors, expected):
    assert accuracy_auc(np.array(errors)) == pytest.approx(expected)


class TestEvaluate:
    def test_instances_are_told_apart_and_losses_counted(self, make_boxes):
        truth = [
            make_boxes([[0, 0, 1], [1, 0, 1]], "mug", frame_id="camera", stamp_ns=0),
            make_boxes([[0, 0, 1]], ["mug"], frame_id="camera", stamp_ns=1),
        ]
        found = [
            make_boxes(
                [[1.02, 0, 1], [0.01, 0, 1], [5, 5, 5], [2, 2, 2]],
                ["mug", "mug", "mug", "box"],
                frame_id="camera",
                stamp_ns=0,
            )
        ]
        scores = evaluate_poses(truth, found, {"mug": SQUARE, "bowl": SQUARE})
        mug = scores.per_class["mug"]
        np.testing.assert_allclose(np.sort(mug.add_m), [0.01, 0.02, np.inf])
        assert mug.num_false == 1
        summary = scores.as_dict()["per_class"]["mug"]
        assert (summary["num_truth"], summary["num_found"]) == (3, 2)
        assert summary["add_auc"] == pytest.approx((0.9 + 0.8 + 0) / 3)
        assert scores.as_dict()["per_class"]["bowl"]["median_add_m"] is None
        assert len(scores.all_classes.add_m) == 3

    def test_same_stamp_twice_and_other_frame(self, make_boxes):
        one = make_boxes([[0, 0, 1]], "mug", frame_id="camera")
        with pytest.raises(DecodeError, match="same stamp"):
            evaluate_poses([one, one], [], {"mug": SQUARE})
        with pytest.raises(FrameMismatchError, match="camera"):
            evaluate_poses([one], [replace(one, frame_id="base")], {"mug": SQUARE})


class TestPublished:
    """The area under the curve of two published methods on four sequences of YCB-Video."""

    def errors(self, folder, method):
        """ADD of all poses and ADD-S, which costs ten times as much, of every sixth."""
        add, add_s = [np.empty(0)], [np.empty(0)]
        for path in sorted((folder / "poses" / method).glob("*.txt")):
            points = np.loadtxt(folder / "models" / f"{path.stem.partition('_')[2]}.xyz")
            found = np.loadtxt(path)
            there = np.loadtxt(folder / "poses" / "ground_truth" / path.name)
            lost = (found == 0).all(axis=1)
            found[lost, :4] = there[lost, :4]
            pair = [
                poses(np.roll(rows[:, :4], -1, axis=1), rows[:, 4:]) for rows in (there, found)
            ]
            sixth = [
                Poses(rotation=p.rotation[3::6], translation_m=p.translation_m[3::6]) for p in pair
            ]
            add.append(np.where(lost, np.inf, add_m(*pair, points)))
            add_s.append(np.where(lost[3::6], np.inf, add_s_m(*sixth, points)))
        return np.concatenate(add), np.concatenate(add_s)

    @pytest.mark.parametrize(
        ("method", "add", "add_s"),
        [
            pytest.param("posecnn_rss2018", 50.28, 73.26, id="posecnn"),
            pytest.param("posecnn_icp_rss2018", 75.75, 91.18, id="posecnn-icp"),
        ],
    )
    def test_posecnn(self, data_dir, method, add, add_s):
        every, sixth = self.errors(data_dir / "pose_ycb", method)
        assert len(every) == 4873
        assert 100 * accuracy_auc(every) == pytest.approx(add, abs=0.05)
        assert 100 * accuracy_auc(sixth) == pytest.approx(add_s, abs=0.2)
