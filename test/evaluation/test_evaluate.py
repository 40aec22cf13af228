"""Whole recordings: what is compared with what, and what is left out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, TrackState
from perception_stack.errors import ConfigError, DecodeError, FrameMismatchError
from perception_stack.evaluation.config import EvaluationConfig
from perception_stack.evaluation.distance import recall_by_distance
from perception_stack.evaluation.evaluate import evaluate_detection, evaluate_tracking
from perception_stack.evaluation.matching import assign, similarity
from perception_stack.evaluation.truth import LabelledView, TruthFrame
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform, quat_from_yaw

_TEN_HZ = 100_000_000


class TestConfig:
    @pytest.mark.parametrize(
        ("values", "text"),
        [
            pytest.param({"similarity": "iou"}, "not one of", id="similarity"),
            pytest.param({"iou_threshold": 1.5}, "above", id="threshold"),
            pytest.param({"states": ("lost",)}, "not one of", id="state"),
            pytest.param({"neighbours": ("car",)}, "class:neighbour", id="neighbour"),
            pytest.param({"distance_edges_m": (0.0, 5.0, 5.0)}, "ascending", id="edges"),
            pytest.param({"distance_edges_m": (1.0,)}, "ascending", id="one-edge"),
        ],
    )
    def test_refused(self, values, text):
        with pytest.raises(ConfigError, match=text):
            EvaluationConfig(**values)


class TestSimilarity:
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("iou_3d", 0.0),
            ("iou_bev", 1 / 3),
            ("distance_bev", 0.5),
            ("distance_3d", 1 - np.hypot(2, 3) / 4),
        ],
    )
    def test_kinds(self, kind, expected, make_boxes):
        got = similarity(
            make_boxes([[0, 0, 0]]), make_boxes([[2, 0, 3]]), EvaluationConfig(similarity=kind)
        )
        assert got[0, 0] == pytest.approx(expected)

    def test_far_is_zero(self, make_boxes):
        config = EvaluationConfig(match_distance_m=1.0)
        assert similarity(make_boxes([[0, 0]]), make_boxes([[50, 0]]), config)[0, 0] == 0.0

    def test_other_frame_is_refused(self, make_boxes):
        boxes = make_boxes([[0, 0]], frame_id="velodyne")
        with pytest.raises(FrameMismatchError, match="'odom', got 'velodyne'"):
            similarity(make_boxes([[0, 0]]), boxes, EvaluationConfig())


def test_assignment_is_best_in_sum_not_greedy():
    rows, cols = assign(np.array([[0.9, 0.8], [0.8, 0.1]]), threshold=0.5)
    assert list(zip(rows, cols, strict=True)) == [(0, 1), (1, 0)]


class TestTracking:
    def test_two_cars_and_a_pedestrian(self, make_truth, make_objects):
        truth, objects = [], []
        for k in range(5):
            labels = ["car", "car", "pedestrian"]
            at = np.array([[10.0 + k, 0], [20 + k, 5], [5, -5]])
            truth.append(make_truth(at, labels, ids=["a", "b", "p"], stamp_ns=k * _TEN_HZ))
            # the second car is never seen, the pedestrian is called a car
            objects.append(make_objects(at[[0, 2]] + 0.1, "car", ids=[1, 2], stamp_ns=k * _TEN_HZ))
        scores = evaluate_tracking(truth, objects)
        assert scores.any_class.clear.true_positives == 10
        assert scores.any_class.clear.false_positives == 0
        assert scores.any_class.clear.misses == 5
        assert list(scores.per_class) == ["car", "pedestrian"]
        car = scores.per_class["car"].clear
        assert (car.true_positives, car.false_positives, car.misses) == (5, 5, 5)
        assert scores.per_class["pedestrian"].clear.misses == 5
        assert scores.coverage.num_frames == 5

    def test_perfect(self, make_truth, make_objects):
        truth = [make_truth([[3, 0], [9, 1]], stamp_ns=k) for k in range(4)]
        objects = [make_objects([[3, 0], [9, 1]], stamp_ns=k) for k in range(4)]
        for kind in ("iou_3d", "iou_bev", "distance_bev", "distance_3d"):
            scores = evaluate_tracking(truth, objects, EvaluationConfig(similarity=kind))
            assert scores.any_class.hota.as_dict()["hota"] == pytest.approx(1.0)
            assert scores.any_class.identity.idf1 == 1.0

    def test_missing_frames_are_named(self, make_truth, make_objects):
        truth = [make_truth([[3, 0]], stamp_ns=t) for t in (10, 20, 30)]
        objects = [make_objects([[3, 0]], stamp_ns=t) for t in (30, 10, 25)]
        scores = evaluate_tracking(truth, objects)
        assert scores.coverage.without_report_ns == (20,)
        assert scores.coverage.without_truth_ns == (25,)
        assert scores.any_class.clear.misses == 1
        assert scores.any_class.clear.false_positives == 0

    def test_tentative_tracks_do_not_count(self, make_truth, make_objects):
        states = [TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.COASTING]
        truth = [make_truth([[0, 0], [10, 0], [20, 0]])]
        objects = [make_objects([[0, 0], [10, 0], [20, 0]], state=states)]
        assert evaluate_tracking(truth, objects).any_class.clear.true_positives == 2
        only = EvaluationConfig(states=("confirmed",))
        assert evaluate_tracking(truth, objects, only).any_class.clear.true_positives == 1

    def test_a_stamp_twice_is_refused(self, make_truth, make_objects):
        with pytest.raises(DecodeError, match="two frames have the stamp 7 ns"):
            evaluate_tracking([make_truth([], stamp_ns=7)] * 2, [])
        with pytest.raises(DecodeError, match="two frames have the stamp 7 ns"):
            evaluate_tracking([], [make_objects([], stamp_ns=7)] * 2)

    def test_other_frame_is_refused(self, make_truth, make_objects):
        with pytest.raises(FrameMismatchError):
            evaluate_tracking([make_truth([[0, 0]])], [make_objects([[0, 0]], frame_id="map")])

    def test_nothing_at_all(self):
        scores = evaluate_tracking([], [])
        assert scores.any_class.clear.mota == 0.0
        assert scores.per_class == {}

    def test_goes_into_json(self, make_truth, make_objects):
        scores = evaluate_tracking([make_truth([[3, 0]])], [make_objects([[3, 0]])])
        content = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
        assert content["any_class"]["clear"]["mota"] == 1.0
        assert content["per_class"]["car"]["hota"]["hota"] == pytest.approx(1.0)


class TestIgnoring:
    def test_ignored_truth_is_neither_hit_nor_miss(self, make_truth, make_objects):
        truth = [make_truth([[0, 0], [10, 0], [20, 0]], ignored=[1, 2])]
        clear = evaluate_tracking(truth, [make_objects([[0, 0], [10, 0]])]).any_class.clear
        assert (clear.true_positives, clear.false_positives, clear.misses) == (1, 0, 0)

    def test_neighbouring_class(self, make_truth, make_objects):
        truth = [make_truth([[0, 0], [10, 0]], ["car", "van"])]
        objects = [make_objects([[0, 0], [10, 0]], "car")]
        scores = evaluate_tracking(truth, objects)
        assert list(scores.per_class) == ["car"]
        car = scores.per_class["car"].clear
        assert (car.true_positives, car.false_positives, car.misses) == (1, 0, 0)
        strict = evaluate_tracking(truth, objects, EvaluationConfig(neighbours=()))
        assert strict.per_class["car"].clear.false_positives == 1
        assert strict.per_class["van"].clear.misses == 1

    def test_unknown_thing_is_a_false_alarm_only_if_asked_for(self, make_truth, make_objects):
        truth = [make_truth([[0, 0], [10, 0]], ["car", "car"])]
        objects = [make_objects([[0, 0], [10, 0], [40, 0]], ["car", "unknown", "unknown"])]
        clear = evaluate_tracking(truth, objects).any_class.clear
        assert (clear.true_positives, clear.false_positives, clear.misses) == (2, 0, 0)
        strict = EvaluationConfig(unknown_is_false=True)
        assert evaluate_tracking(truth, objects, strict).any_class.clear.false_positives == 1

    def test_chosen_classes(self, make_truth, make_objects):
        truth = [make_truth([[0, 0], [10, 0]], ["car", "tram"])]
        objects = [make_objects([[0, 0], [10, 0]], ["car", "unknown"])]
        scores = evaluate_tracking(truth, objects, EvaluationConfig(classes=("car",)))
        clear = scores.any_class.clear
        assert (clear.true_positives, clear.false_positives, clear.misses) == (1, 0, 0)
        assert list(scores.per_class) == ["car"]

    def view(self, regions) -> LabelledView:
        """A camera that looks along x of odom."""
        camera = CameraModel.pinhole(
            frame_id="camera",
            width_px=200,
            height_px=100,
            k=np.array([[100.0, 0, 100], [0, 100, 50], [0, 0, 1]]),
        )
        looks_ahead = RigidTransform(
            target="camera",
            source="odom",
            rotation=np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]]),
            translation_m=np.zeros(3),
        )
        regions = np.array(regions, dtype=float).reshape(-1, 4)
        return LabelledView(camera=camera, camera_from_truth=looks_ahead, regions_px=regions)

    @pytest.mark.parametrize(
        ("position", "regions", "false"),
        [
            pytest.param([20, 0], [], 1, id="in-view"),
            pytest.param([-20, 0], [], 0, id="behind"),
            pytest.param([5, 40], [], 0, id="beside"),
            pytest.param([20, 0], [[80, 30, 120, 70]], 0, id="in-region"),
            pytest.param([20, 0], [[0, 0, 101, 100]], 0, id="mostly-in-region"),
            pytest.param([20, 0], [[0, 0, 99, 100]], 1, id="less-than-half-in-region"),
        ],
    )
    def test_where_nothing_was_labelled(self, position, regions, false, make_truth, make_objects):
        truth = [make_truth([[50, 0]], view=self.view(regions))]
        objects = [make_objects([position, [50, 0]])]
        clear = evaluate_tracking(truth, objects).any_class.clear
        # the object far ahead is matched and therefore counts even inside of a region
        assert (clear.true_positives, clear.false_positives) == (1, false)


class TestDetection:
    def test_ranks_by_existence_and_class(self, make_truth, make_boxes):
        truth = [make_truth([[0, 0]], stamp_ns=k) for k in range(2)]
        boxes = [
            make_boxes([[0, 0], [30, 0]], score=[0.9, 0.3], stamp_ns=0),
            make_boxes([[0.5, 0]], score=[0.6], stamp_ns=1),
        ]
        scores = evaluate_detection(truth, boxes)
        assert scores.per_class["car"].average_precision == 1.0
        assert scores.any_class.at_score(0.5) == (1.0, 1.0)
        assert scores.any_class.at_score(0.0)[0] == pytest.approx(2 / 3)
        json.dumps(scores.as_dict(), allow_nan=False)

    def test_nothing(self, make_truth):
        assert evaluate_detection([make_truth([[0, 0]])], []).any_class.average_precision == 0.0


def test_recall_by_distance():
    frames = [
        (np.array([5.0, 15.0, 10.0]), np.array([[0.9], [0.0], [0.0]])),
        (np.array([15.0, 99.0, 20.0]), np.eye(3)),
    ]
    got = recall_by_distance(frames, edges_m=(0.0, 10.0, 20.0), threshold=0.5)
    np.testing.assert_array_equal(got.num_truth, [1, 3])
    np.testing.assert_array_equal(got.num_found, [1, 1])
    empty = recall_by_distance([], edges_m=(0.0, 1.0), threshold=0.5)
    assert np.isnan(empty.recall).all()


class TestRealDetections:
    """PointRCNN on KITTI: recall and precision published with the data."""

    def rows(self, path, skip_dontcare=True):
        rows = [line.replace(",", " ").split() for line in path.read_text().splitlines()]
        return [row for row in rows if not (skip_dontcare and "DontCare" in row)]

    def boxes(self, hwlxyzry, labels, scores, stamp_ns) -> Boxes3D:
        h, w, length, x, y, z, ry = np.array(hwlxyzry, dtype=float).reshape(-1, 7).T
        classes = ("Car", "Pedestrian", "Cyclist", "other")
        labels = [label if label in classes else "other" for label in labels]
        return Boxes3D(
            frame_id="velodyne",
            stamp_ns=stamp_ns,
            center_m=np.column_stack([z, -x, h / 2 - y]),
            quat_xyzw=quat_from_yaw(np.arctan2(-np.cos(ry), -np.sin(ry))),
            size_lwh_m=np.column_stack([length, w, h]),
            covariance=np.zeros((len(h), 6, 6)),
            score=np.array(scores, dtype=float),
            classes=classes,
            class_probs=np.array([[a == b for b in classes] for a in labels], float).reshape(
                -1, 4
            ),
            sensors=(("lidar",),) * len(h),
        )

    def frames(self, folder, sequence, class_name, offset_ns=0):
        labels = self.rows(folder / "label_02" / f"{sequence}.txt")
        found = self.rows(folder / "detection" / f"pointrcnn_{class_name}" / f"{sequence}.txt")
        truth, detections = [], []
        for number in sorted({int(row[0]) for row in labels + found}):
            there = [r for r in labels if int(r[0]) == number and r[2] == class_name]
            seen = [r for r in found if int(r[0]) == number and float(r[6]) > 0]
            boxes = self.boxes(
                [r[10:17] for r in there], [r[2] for r in there], np.ones(len(there)),
                offset_ns + number,
            )  # fmt: skip
            truth.append(
                TruthFrame(
                    boxes=boxes,
                    ids=tuple(r[1] for r in there),
                    ignored=np.zeros(len(there), dtype=bool),
                    sensor_m=np.zeros(3),
                )
            )
            scores = 1 / (1 + np.exp([-float(r[6]) for r in seen]))
            detections.append(
                self.boxes(
                    [r[7:14] for r in seen], [class_name] * len(seen), scores, offset_ns + number
                )
            )
        return truth, detections

    @pytest.mark.parametrize(
        ("class_name", "num_truth", "recall", "precision"),
        [("Cyclist", 77, 1.0, 0.78), ("Pedestrian", 6, 4 / 6, None)],
    )
    def test_drive_0005(self, data_dir, class_name, num_truth, recall, precision):
        folder = data_dir / "kitti_drive_0005_seq_0000"
        truth, found = self.frames(folder, "0000", class_name)
        config = EvaluationConfig(match_distance_m=1.0)
        scores = evaluate_detection(truth, found, config).per_class[class_name]
        assert scores.num_truth == num_truth
        got_precision, got_recall = scores.at_score(0.0)
        assert got_recall == pytest.approx(recall)
        if precision is not None:
            assert got_precision == pytest.approx(precision, abs=0.005)

    @pytest.mark.parametrize(
        ("class_name", "num_truth", "recall", "precision"),
        [
            ("Car", 4305, 0.93, 0.65),
            ("Pedestrian", 2243, 0.67, 0.58),
            ("Cyclist", 327, 0.89, 0.34),
        ],
    )
    def test_tracking_sequences(self, data_dir, class_name, num_truth, recall, precision):
        folder = data_dir / "kitti_tracking"
        truth, found = [], []
        for k, sequence in enumerate(["0003", "0006", "0010", "0012", "0014", "0016", "0018"]):
            if not (folder / "label_02" / f"{sequence}.txt").exists():
                pytest.skip(f"no sequence {sequence}")
            if not (folder / "detection" / f"pointrcnn_{class_name}" / f"{sequence}.txt").exists():
                continue
            one = self.frames(folder, sequence, class_name, offset_ns=k * _TEN_HZ)
            truth += one[0]
            found += one[1]
        config = EvaluationConfig(match_distance_m=1.0)
        scores = evaluate_detection(truth, found, config).per_class[class_name]
        assert scores.num_truth == num_truth
        assert scores.at_score(0.0) == (
            pytest.approx(precision, abs=0.01),
            pytest.approx(recall, abs=0.01),
        )
