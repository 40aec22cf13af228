"""Fusion of obstacle points with 2-D boxes, on blocks whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_stack.datatypes import Boxes3D, Detections2D, Obstacles
from perception_stack.errors import ShapeError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.fusion.sight import CameraView, sight_of
from perception_stack.geometry.boxes import project_boxes, transform_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import (
    RigidTransform,
    matrix_from_quat,
    quat_from_yaw,
    yaw_from_quat,
)
from perception_stack.journal import Journal, Reason
from perception_stack.shape.boxes import boxes_from_rectangles
from perception_stack.shape.rectangles import fit_rectangles

UP = np.array([0.0, 0.0, 1.0])
GROUND_M = -1.7
K = np.array([[720.0, 0, 620], [0, 720, 180], [0, 0, 1]])
CAMERA = CameraModel.pinhole(frame_id="front", width_px=1242, height_px=375, k=K)
FORWARD = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
CAMERA_FROM_LIDAR = RigidTransform(
    target="front", source="lidar", rotation=FORWARD, translation_m=np.array([0.0, -0.1, -0.3])
)

# x, y, length, width, height, yaw
CAR = (14.0, 2.0, 4.3, 1.8, 1.5, 0.5)
WALKER = (11.0, -3.0, 0.6, 0.6, 1.75, 0.3)


def blocks(*rows: tuple[float, ...]) -> Boxes3D:
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    num = len(table)
    return Boxes3D(
        frame_id="lidar",
        stamp_ns=5,
        center_m=np.column_stack([table[:, :2], GROUND_M + table[:, 4] / 2]),
        quat_xyzw=quat_from_yaw(table[:, 5]),
        size_lwh_m=table[:, 2:5],
        covariance=np.zeros((num, 6, 6)),
        score=np.ones(num),
        classes=("unknown",),
        class_probs=np.ones((num, 1)),
        sensors=(("lidar",),) * num,
    )


def scan(truth: Boxes3D, *, clearance_m: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Where the beams of a LiDAR end on blocks, float32 [P, 3], and on which, int [P]."""
    up, around = np.meshgrid(
        np.deg2rad(np.arange(-24, 9, 0.4)), np.deg2rad(np.arange(-70, 70, 0.2))
    )
    rays = np.stack([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)], -1)
    rays = rays.reshape(-1, 3)
    nearest_m, of_point = np.full(len(rays), np.inf), np.full(len(rays), -1)
    for row, turn in enumerate(matrix_from_quat(truth.quat_xyzw)):
        start, half = -truth.center_m[row] @ turn, truth.size_lwh_m[row] / 2
        with np.errstate(divide="ignore"):
            ends = np.stack([(-half - start) / (rays @ turn), (half - start) / (rays @ turn)])
        enter, leave = ends.min(axis=0).max(axis=1), ends.max(axis=0).min(axis=1)
        met = (enter < leave) & (enter > 0) & (enter < nearest_m)
        nearest_m[met], of_point[met] = enter[met], row
    met = of_point >= 0
    xyz_m = rays[met] * nearest_m[met, None]
    standing = xyz_m[:, 2] > GROUND_M + clearance_m
    return xyz_m[standing].astype(np.float32), of_point[met][standing]


def obstacles(xyz_m: np.ndarray, cluster: np.ndarray) -> Obstacles:
    """Points and the boxes that the LiDAR would fit around clusters, -1 for none."""
    of_point = cluster.astype(np.int32)
    num = int(of_point.max(initial=-1)) + 1
    boxes = boxes_from_rectangles(
        fit_rectangles(xyz_m, of_point, num),
        np.full(num, GROUND_M),
        frame_id="lidar",
        stamp_ns=5,
    )
    return Obstacles(boxes=boxes, xyz_m=xyz_m, box_of_point=of_point)


def view(truth: Boxes3D, labels: tuple[str, ...], *, rows=None, score: float = 0.9) -> CameraView:
    """What a detector without fault sees of the blocks (of some of them)."""
    xyxy_px = project_boxes(transform_boxes(truth, CAMERA_FROM_LIDAR), CAMERA)[0]
    xyxy_px = xyxy_px if rows is None else xyxy_px[rows]
    return CameraView(
        name="camera",
        camera=CAMERA,
        detections=Detections2D(
            frame_id="front",
            stamp_ns=5,
            xyxy_px=xyxy_px,
            score=np.full(len(labels), score),
            labels=labels,
        ),
        camera_from_obstacles=CAMERA_FROM_LIDAR,
    )


def fuse(
    found: Obstacles, *views: CameraView, journal: Journal | None = None, **params
) -> Boxes3D:
    return Fusion(FusionConfig(**params), journal or Journal()).fuse(found, views, up=UP)


def assert_fits(boxes: Boxes3D, row: int, truth: Boxes3D, of: int, *, within_m: float) -> None:
    np.testing.assert_allclose(boxes.center_m[row, :2], truth.center_m[of, :2], atol=within_m)
    turn = yaw_from_quat(boxes.quat_xyzw[row]) - yaw_from_quat(truth.quat_xyzw[of])
    assert abs((turn + np.pi / 2) % np.pi - np.pi / 2) < np.deg2rad(4)
    np.testing.assert_allclose(boxes.size_lwh_m[row], truth.size_lwh_m[of], atol=2 * within_m)


def test_class_decides_the_hidden_length() -> None:
    """Of a car seen from behind only its width and height show."""
    truth = blocks((14.0, 0.0, 4.2, 1.8, 1.55, 0.0))
    found = obstacles(*scan(truth))
    with_class = fuse(found, view(truth, ("car",)))
    assert_fits(with_class, 0, truth, 0, within_m=0.15)
    without = fuse(found, view(truth, ("car",)), amodal_completion=False)
    np.testing.assert_array_equal(without.size_lwh_m, found.boxes.size_lwh_m)
    np.testing.assert_array_equal(without.covariance, found.boxes.covariance)
    # a length that is known by class only is less sure than the width that was seen
    assert with_class.covariance[0, 0, 0] > 2 * with_class.covariance[0, 1, 1]


@pytest.mark.parametrize(
    ("size_m", "said", "is_one"),
    [
        ((1.75, 0.6, 1.7), "pedestrian", "cyclist"),
        ((5.2, 1.95, 2.3), "car", "truck"),
        ((0.6, 0.6, 1.7), "pedestrian", "pedestrian"),
        ((4.2, 1.8, 1.5), "car", "car"),
    ],
)
def test_size_tells_things_of_one_name_apart(size_m, said: str, is_one: str) -> None:
    """To a detector trained on COCO a cyclist is a pedestrian, and to most a van is a car."""
    truth = blocks((14.0, 2.0, *size_m, 0.6))
    fused = fuse(obstacles(*scan(truth)), view(truth, (said,)))
    assert fused.labels == (is_one,)
    np.testing.assert_allclose(fused.center_m[0, :2], truth.center_m[0, :2], atol=0.3)


def test_cluster_shared_by_two_boxes_is_split() -> None:
    truth = blocks((9.0, 0.5, 0.6, 0.6, 1.7, 0.0), (9.3, -0.3, 0.6, 0.6, 1.8, 0.0))
    xyz_m, of_point = scan(truth)
    joined = obstacles(xyz_m, np.zeros_like(of_point))
    fused = fuse(joined, view(truth, ("pedestrian", "pedestrian")))
    assert fused.labels == ("pedestrian", "pedestrian")
    assert fused.sensors == (("camera", "lidar"),) * 2
    order = np.argsort(-fused.center_m[:, 1])
    for row, of in zip(order, (0, 1), strict=True):
        np.testing.assert_allclose(fused.center_m[row, :2], truth.center_m[of, :2], atol=0.15)


def test_depth_decides_where_boxes_overlap() -> None:
    """One car half behind the other, both in one cluster."""
    truth = blocks((10.0, 0.0, 4.2, 1.8, 1.5, 0.0), (17.0, 1.3, 4.2, 1.8, 1.8, 0.0))
    xyz_m, of_point = scan(truth)
    fused = fuse(obstacles(xyz_m, np.zeros_like(of_point)), view(truth, ("car", "car")))
    assert fused.labels == ("car", "car")
    near, far = np.argsort(fused.center_m[:, 0])
    assert_fits(fused, near, truth, 0, within_m=0.25)
    np.testing.assert_allclose(fused.center_m[far, :2], truth.center_m[1, :2], atol=0.4)


def test_cyclist_before_a_parked_car_is_taken_out_of_its_cluster() -> None:
    """Half of the cyclist's points are in the 2-D box of the car, too."""
    truth = blocks((12.0, 4.5, 4.2, 1.8, 1.5, 0.0), (11.8, 3.1, 1.75, 0.6, 1.7, 0.0))
    xyz_m, of_point = scan(truth)
    one = view(truth, ("car", "cyclist"))
    cyclist = sight_of(xyz_m, one).inside[:, of_point == 1]
    assert cyclist[0].mean() > 0.5
    fused = fuse(obstacles(xyz_m, np.zeros_like(of_point)), one)
    assert fused.labels == ("car", "cyclist")
    assert_fits(fused, 0, truth, 0, within_m=0.25)
    np.testing.assert_allclose(fused.center_m[1, :2], truth.center_m[1, :2], atol=0.2)


def test_person_hidden_by_a_car_takes_nothing_from_it() -> None:
    """The 2-D box of somebody of whom no point is seen shows a piece of the car before him."""
    truth = blocks((12.0, 1.0, 4.2, 1.8, 1.5, 1.2), (15.5, 0.5, 0.6, 0.6, 1.8, 0.0))
    xyz_m, of_point = scan(truth)
    car = of_point == 0
    journal = Journal()
    found = obstacles(xyz_m[car], of_point[car])
    fused = fuse(found, view(truth, ("car", "pedestrian")), journal=journal)
    assert fused.labels == ("car",)
    assert_fits(fused, 0, truth, 0, within_m=0.2)
    assert journal.counts == {Reason.NO_DEPTH: 1}


def test_wall_in_the_cluster_is_left_out_and_stays() -> None:
    truth = blocks(WALKER, (13.0, -6.5, 0.3, 6.0, 2.5, 0.0))
    xyz_m, of_point = scan(truth)
    fused = fuse(obstacles(xyz_m, np.zeros_like(of_point)), view(truth, ("pedestrian",), rows=[0]))
    (walker,) = [i for i, one in enumerate(fused.sensors) if "camera" in one]
    (wall,) = [i for i, one in enumerate(fused.sensors) if "camera" not in one]
    assert fused.labels[walker] == "pedestrian"
    np.testing.assert_allclose(fused.center_m[walker, :2], truth.center_m[0, :2], atol=0.15)
    assert fused.size_lwh_m[wall, 0] > 4.0


def test_piece_of_a_cluster_exists_no_more_than_a_cluster_of_its_own() -> None:
    """That a stump stands beside him, of which many points tell, does not speak for a person."""
    truth = blocks((16.0, -3.0, 0.6, 0.6, 1.75, 0.3), (16.0, -3.9, 0.8, 0.8, 2.4, 0.0))
    xyz_m, of_point = scan(truth)
    weak = view(truth, ("pedestrian",), rows=[0], score=0.2)
    existence = []
    for cluster in (of_point, np.zeros_like(of_point)):
        fused = fuse(obstacles(xyz_m, cluster), weak)
        (row,) = [i for i, one in enumerate(fused.sensors) if "camera" in one]
        np.testing.assert_allclose(fused.center_m[row, :2], truth.center_m[0, :2], atol=0.2)
        existence.append(fused.score[row])
    assert existence[1] <= existence[0]


def test_piece_of_a_hedge_is_nobody_for_having_the_size_of_the_box_that_cut_it_out() -> None:
    """A doubtful detection names what stands free and has the size of a person, not the hedge."""
    truth = blocks(WALKER, (11.3, -3.0, 0.6, 8.0, 2.2, 0.0))
    detection = view(truth, ("pedestrian",), rows=[0], score=0.6)
    named = []
    for row in (0, 1):
        xyz_m, of_point = scan(truth.rows([row]))
        fused = fuse(obstacles(xyz_m, of_point), detection)
        (seen,) = [i for i, one in enumerate(fused.sensors) if "camera" in one]
        assert fused.size_lwh_m[seen].max() < 2.2
        named.append(1 - fused.class_probs[seen, fused.classes.index("unknown")])
    assert named[0] > 0.9
    assert named[1] < 0.5


@pytest.mark.parametrize("label", ["car", "truck"])
def test_pieces_of_one_thing_are_merged(label: str) -> None:
    size = {"car": (4.2, 1.8, 1.5), "truck": (8.0, 2.5, 3.2)}[label]
    truth = blocks((16.0, 3.0, *size, 0.7))
    xyz_m, _ = scan(truth)
    local = (xyz_m - truth.center_m[0]) @ matrix_from_quat(truth.quat_xyzw[0])
    middle = np.median(local[:, 0])
    pieces = obstacles(xyz_m, (local[:, 0] > middle).astype(np.int32))
    journal = Journal()
    fused = fuse(pieces, view(truth, (label,)), journal=journal)
    assert len(fused) == 1
    assert_fits(fused, 0, truth, 0, within_m=0.2)
    assert journal.counts == {Reason.DUPLICATE: 1}


@pytest.mark.parametrize(
    ("offset_m", "num_left"),
    [pytest.param(0.0, 1, id="seats"), pytest.param(1.6, 2, id="bush_beside")],
)
def test_what_is_seen_through_the_windows_is_part_of_the_car(
    offset_m: float, num_left: int
) -> None:
    truth = blocks(CAR)
    xyz_m, of_point = scan(truth)
    across = np.array([-np.sin(CAR[5]), np.cos(CAR[5]), 0.0])
    seat = truth.center_m[0] + offset_m * across + [0, 0, 0.2]
    grid = np.stack(np.meshgrid(*[np.linspace(-0.15, 0.15, 3)] * 3), axis=-1).reshape(-1, 3)
    both = np.concatenate([xyz_m, (seat + grid).astype(np.float32)])
    cluster = np.concatenate([of_point, np.full(len(grid), 1)])
    found = obstacles(both, cluster)
    assert found.boxes.labels[1] == "unknown"
    fused = fuse(found, view(truth, ("car",)))
    assert len(fused) == num_left
    assert_fits(fused, 0, truth, 0, within_m=0.2)
    # where no camera says that it is a car, they are left as they are
    assert len(fuse(found, view(truth, (), rows=[]))) == 2


def test_neighbour_is_no_piece() -> None:
    """A pole just beside a person lies in the 2-D box, but both are no larger person."""
    truth = blocks((8.0, 0.0, 0.6, 0.6, 1.7, 0.0), (9.5, 0.1, 0.15, 0.15, 3.0, 0.0))
    fused = fuse(obstacles(*scan(truth)), view(truth, ("pedestrian",), rows=[0]))
    assert len(fused) == 2
    assert fused.size_lwh_m[0, :2].max() < 1.2


def test_frustum_finds_what_no_cluster_was_made_of() -> None:
    truth = blocks(WALKER, (19.0, -5.0, 0.3, 9.0, 3.0, 0.0))
    xyz_m, of_point = scan(truth)
    nothing = obstacles(xyz_m, np.full_like(of_point, -1))
    assert len(nothing.boxes) == 0
    fused = fuse(nothing, view(truth, ("pedestrian",), rows=[0]))
    assert fused.labels == ("pedestrian",)
    assert fused.sensors == (("camera", "lidar"),)
    np.testing.assert_allclose(fused.center_m[0, :2], truth.center_m[0, :2], atol=0.15)
    assert fused.size_lwh_m[0, 2] == pytest.approx(1.75, abs=0.15)


def test_weak_detection_without_a_cluster_names_less_than_one_with() -> None:
    """Some points in a frustum fit a person's size by chance; a cluster does so less often."""
    truth = blocks((14.0, -3.0, 0.7, 0.6, 1.75, 0.3), (22.0, -5.0, 0.3, 9.0, 3.0, 0.0))
    xyz_m, of_point = scan(truth)
    weak = view(truth, ("pedestrian",), rows=[0], score=0.4)
    named = []
    for cluster in (of_point, np.full_like(of_point, -1)):
        fused = fuse(obstacles(xyz_m, cluster), weak)
        (row,) = [i for i, one in enumerate(fused.sensors) if "camera" in one]
        named.append(fused.class_probs[row, fused.classes.index("pedestrian")])
    assert named[1] < named[0]


def test_frustum_does_not_take_the_background() -> None:
    """There is a wall where the detector saw a person: no person of that size stands there."""
    truth = blocks(WALKER, (30.0, -8.0, 0.3, 9.0, 3.5, 0.0))
    xyz_m, of_point = scan(truth)
    behind = of_point == 1
    journal = Journal()
    fused = fuse(
        obstacles(xyz_m[behind], np.full(np.count_nonzero(behind), -1)),
        view(truth, ("pedestrian",), rows=[0]),
        journal=journal,
    )
    assert len(fused) == 0
    assert journal.counts == {Reason.NO_DEPTH: 1}
    assert "pedestrian of score 0.90" in journal.last(Reason.NO_DEPTH).detail


@pytest.mark.parametrize("clustered", [True, False], ids=["cluster", "frustum"])
@pytest.mark.parametrize("bearing_deg", [-35, -15, 0, 20, 35])
def test_yaw_is_that_of_the_object_and_not_its_bearing(bearing_deg: int, clustered: bool) -> None:
    """A peer gives every box the direction in which it is seen."""
    bearing = np.deg2rad(bearing_deg)
    truth = blocks((12 * np.cos(bearing), 12 * np.sin(bearing), 4.3, 1.8, 1.5, 0.5))
    xyz_m, of_point = scan(truth)
    found = obstacles(xyz_m, of_point if clustered else np.full_like(of_point, -1))
    fused = fuse(found, view(truth, ("car",)))
    assert fused.sensors == (("camera", "lidar"),)
    turn = yaw_from_quat(fused.quat_xyzw)[0] - 0.5
    assert abs((turn + np.pi / 2) % np.pi - np.pi / 2) < np.deg2rad(4)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num=st.integers(0, 60),
    spread_m=st.sampled_from([0.0, 0.01, 3.0, 80.0]),
    num_boxes=st.integers(0, 4),
)
def test_no_frustum_gives_an_infinite_box(
    seed: int, num: int, spread_m: float, num_boxes: int
) -> None:
    """Peers' boxes of few points, or of none, have infinite or no extents."""
    rng = np.random.default_rng(seed)
    xyz_m = (np.array([12.0, 0, 0]) + rng.normal(size=(num, 3)) * spread_m).astype(np.float32)
    corner = rng.uniform([-100, -100], [1300, 400], (num_boxes, 2))
    one = replace(
        view(blocks(CAR), ("car",)),
        detections=Detections2D(
            frame_id="front",
            stamp_ns=5,
            xyxy_px=np.hstack([corner, corner + rng.uniform(0, 600, (num_boxes, 2))]),
            score=rng.uniform(0, 1, num_boxes),
            labels=tuple(rng.choice(["car", "pedestrian", "dog"], num_boxes).tolist()),
        ),
    )
    fused = fuse(obstacles(xyz_m, np.full(num, -1)), one)
    for values in (fused.center_m, fused.size_lwh_m, fused.covariance, fused.class_probs):
        assert np.isfinite(values).all()
    assert (fused.size_lwh_m > 0).all()
    assert (fused.size_lwh_m < 500).all()
    assert (np.linalg.eigvalsh(fused.covariance) > 0).all()
    assert ((fused.score > 0) & (fused.score < 1)).all()


def test_second_box_of_the_same_object_makes_no_second_object() -> None:
    truth = blocks(CAR, (24.0, 3.0, 0.3, 9.0, 3.5, 0.0))
    both = view(truth, ("car", "truck"), rows=[0, 0])
    fused = fuse(obstacles(*scan(truth)), both)
    assert len(fused) == 2


def halves(split_m: float) -> tuple[CameraView, CameraView]:
    """Two cameras side by side whose images meet at a car's middle."""
    turned = []
    for name, sign in (("left", 1.0), ("right", -1.0)):
        angle = sign * np.arctan(621 / 720)
        aim = np.arctan2(split_m, 14.0) + angle
        c, s = np.cos(aim), np.sin(aim)
        level = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
        camera = replace(CAMERA, frame_id=name)
        transform = RigidTransform(
            target=name, source="lidar", rotation=FORWARD @ level, translation_m=np.zeros(3)
        )
        truth = blocks(CAR)
        seen = project_boxes(transform_boxes(truth, transform), camera)[0]
        detections = Detections2D(
            frame_id=name, stamp_ns=5, xyxy_px=seen, score=np.array([0.9]), labels=("car",)
        )
        turned.append(
            CameraView(
                name=f"camera/{name}",
                camera=camera,
                detections=detections,
                camera_from_obstacles=transform,
            )
        )
    return turned[0], turned[1]


@pytest.mark.parametrize("clusters", ["one", "halves", "none"])
def test_object_between_two_cameras_stays_one(clusters: str) -> None:
    truth = blocks(CAR)
    xyz_m, of_point = scan(truth)
    views = halves(2.0)
    inside = np.zeros(len(xyz_m), dtype=np.int64)
    inside[sight_of(xyz_m, views[1]).index] = 1
    cluster = {"one": of_point, "halves": inside, "none": np.full_like(of_point, -1)}[clusters]
    for order in (views, views[::-1]):
        fused = fuse(obstacles(xyz_m, cluster), *order)
        assert len(fused) == 1
        assert fused.sensors == (("camera/left", "camera/right", "lidar"),)
        assert fused.labels == ("car",)
        assert_fits(fused, 0, truth, 0, within_m=0.3)


def test_each_camera_updates_what_it_sees() -> None:
    """Two cameras that agree are surer than one, a contradiction leaves doubt."""
    truth = blocks(CAR)
    found, front = obstacles(*scan(truth)), view(truth, ("car",), score=0.7)
    again = replace(front, name="camera/second")
    blind = replace(again, detections=view(truth, (), rows=[]).detections)
    once, twice, doubted = (
        fuse(found, *views).score[0] for views in ((front,), (front, again), (front, blind))
    )
    assert twice > once > doubted


def test_what_shows_through_a_gap_is_not_hidden() -> None:
    """The box around a gate covers the person behind it, but the rays go through."""
    truth = blocks(
        (14.0, 0.0, 0.6, 0.6, 1.75, 0.3),
        (9.0, 1.5, 0.2, 0.2, 2.2, 0.0),
        (9.0, -1.5, 0.2, 0.2, 2.2, 0.0),
    )
    xyz_m, of_point = scan(truth)
    gate = obstacles(xyz_m, np.minimum(of_point, 1))
    nothing = view(truth, (), rows=[])
    open_, unknown = fuse(gate, nothing), fuse(Obstacles.of(gate.boxes), nothing)
    wall = np.concatenate([xyz_m, wall_of_points(9.0, 1.4)])
    closed = obstacles(wall, np.append(np.minimum(of_point, 1), np.ones(len(wall) - len(xyz_m))))
    hidden = fuse(closed, nothing)
    person = [one.class_probs[0, one.classes.index("pedestrian")] for one in (open_, unknown)]
    before = gate.boxes.class_probs[0, gate.boxes.classes.index("pedestrian")]
    # nobody detected a person in full view
    assert person[0] < before - 0.2
    assert person[1] == pytest.approx(before, abs=0.02)
    assert hidden.score[0] > open_.score[0]


def wall_of_points(x_m: float, half_m: float) -> np.ndarray:
    y, z = np.meshgrid(np.linspace(-half_m, half_m, 80), np.linspace(GROUND_M, 0.5, 40))
    return np.column_stack([np.full(y.size, x_m), y.ravel(), z.ravel()]).astype(np.float32)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_mask_decides_where_the_box_does_not(kind: type) -> None:
    """Two people in boxes that are much too wide; the masks tell them apart."""
    truth = blocks((9.0, 0.5, 0.6, 0.6, 1.7, 0.0), (9.3, -0.3, 0.6, 0.6, 1.8, 0.0))
    xyz_m, of_point = scan(truth)
    tight = view(truth, ("pedestrian", "pedestrian"))
    mask = np.zeros((375, 1242), dtype=kind)
    for i in (1, 0):
        left, top, right, bottom = np.rint(tight.detections.xyxy_px[i]).astype(int)
        mask[top : bottom + 1, left : right + 1] = i + 1
    around = tight.detections.xyxy_px
    wide = np.concatenate([around.min(axis=0)[:2], around.max(axis=0)[2:]])
    detections = replace(tight.detections, xyxy_px=np.stack([wide, wide]), mask=mask)
    fused = fuse(obstacles(xyz_m, np.zeros_like(of_point)), replace(tight, detections=detections))
    assert len(fused) == 2
    for row, of in zip(np.argsort(-fused.center_m[:, 1]), (0, 1), strict=True):
        np.testing.assert_allclose(fused.center_m[row, :2], truth.center_m[of, :2], atol=0.15)


def test_mask_of_another_image_is_an_error() -> None:
    truth = blocks(CAR)
    one = view(truth, ("car",))
    detections = replace(one.detections, mask=np.zeros((10, 10), dtype=np.uint16))
    with pytest.raises(ShapeError, match=r"\[375, 1242\]"):
        fuse(obstacles(*scan(truth)), replace(one, detections=detections))


@pytest.mark.parametrize(
    "xyxy_px",
    [
        pytest.param([np.nan] * 4, id="nan"),
        pytest.param([5000.0, 10, 5100, 200], id="outside"),
        pytest.param([600.0, 200, 500, 100], id="inside_out"),
        pytest.param([700.0, 100, 700, 100], id="no_area"),
    ],
)
def test_impossible_2d_box_changes_nothing(xyxy_px: list[float]) -> None:
    truth = blocks(CAR)
    found, journal = obstacles(*scan(truth)), Journal()
    one = view(truth, ("car", "car"), rows=[0, 0])
    both = np.stack([one.detections.xyxy_px[0], np.array(xyxy_px)])
    detections = replace(one.detections, xyxy_px=both)
    fused = fuse(found, replace(one, detections=detections), journal=journal)
    alone = fuse(found, view(truth, ("car",)))
    np.testing.assert_array_equal(fused.center_m, alone.center_m)
    np.testing.assert_array_equal(fused.score, alone.score)
    assert journal.counts == {Reason.NO_DEPTH: 1}


def test_warm_up_says_nothing() -> None:
    journal = Journal()
    Fusion(FusionConfig(), journal).warm_up()
    assert journal.counts == {}


def test_points_of_no_camera_change_nothing() -> None:
    found = obstacles(*scan(blocks(CAR, WALKER)))
    fused = fuse(found)
    np.testing.assert_array_equal(fused.center_m, found.boxes.center_m)
    np.testing.assert_array_equal(fused.score, found.boxes.score)


def test_lens_that_folds_points_back_into_the_image() -> None:
    """Beyond the image's border a distortion model may turn round; those points are not seen."""
    camera = CameraModel(
        frame_id="front",
        width_px=1242,
        height_px=375,
        k=K,
        distortion_model="plumb_bob",
        distortion=np.array([-0.1, 0.0, 0.0, 0.0]),
        rectification=np.eye(3),
        projection=np.hstack([K, np.zeros((3, 1))]),
    )
    beside = np.array([[5.0, 14.0, 0.0], [5.0, 0.1, 0.0]], dtype=np.float32)
    folded = camera.project(CAMERA_FROM_LIDAR.apply(beside.astype(np.float64))).visible
    assert folded.tolist() == [True, True]
    none = view(blocks(), ())
    assert sight_of(beside, replace(none, camera=camera)).index.tolist() == [1]


rotations = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


@settings(max_examples=15)
@given(quat=rotations)
def test_result_does_not_depend_on_the_frame(quat: tuple[float, ...]) -> None:
    """A sensor that is tilted, or optical, with "up" told, gives the same boxes."""
    truth = blocks(CAR, WALKER)
    found, one = obstacles(*scan(truth)), view(truth, ("car", "pedestrian"))
    turn = RigidTransform(
        target="tilted",
        source="lidar",
        rotation=matrix_from_quat(np.array(quat)),
        translation_m=np.zeros(3),
    )
    tilted = Obstacles(
        boxes=transform_boxes(found.boxes, turn),
        xyz_m=turn.apply(found.xyz_m),
        box_of_point=found.box_of_point,
    )
    other = replace(one, camera_from_obstacles=one.camera_from_obstacles @ turn.inverse())
    fused = Fusion(FusionConfig(), Journal()).fuse(tilted, (other,), up=turn.rotation @ UP)
    back = transform_boxes(fused, turn.inverse())
    level = fuse(found, one)
    assert back.labels == level.labels
    np.testing.assert_allclose(back.score, level.score, rtol=1e-6)
    # the level frame is turned about "up" at will, and directions are searched by the degree
    np.testing.assert_allclose(back.center_m, level.center_m, atol=0.08)
    np.testing.assert_allclose(back.size_lwh_m, level.size_lwh_m, atol=0.12)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_order_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    place = random.uniform([8, -6, 0.5, 0.5, 1.4, -3], [30, 6, 4.5, 2, 2, 3], (4, 6))
    truth = blocks(*place)
    xyz_m, of_point = scan(truth)
    cluster = random.integers(-1, 3, 4)[of_point]
    names, cluster = np.unique(cluster, return_inverse=True)
    found = obstacles(xyz_m, cluster - (names[0] == -1))
    num = len(found.boxes)
    labels = tuple(random.choice(["car", "pedestrian", "dog"], 4))
    one = view(truth, labels)
    scored = replace(one.detections, score=random.uniform(0.3, 0.95, 4))
    fused = fuse(found, replace(one, detections=scored))

    order, shuffled = random.permutation(4), random.permutation(num)
    rank = np.append(np.argsort(shuffled), -1).astype(np.int32)
    mixed = replace(
        scored,
        xyxy_px=scored.xyxy_px[order],
        score=scored.score[order],
        labels=tuple(labels[i] for i in order),
    )
    other = Obstacles(
        boxes=found.boxes.rows(shuffled), xyz_m=xyz_m, box_of_point=rank[found.box_of_point]
    )
    again = fuse(other, replace(one, detections=mixed))
    assert len(again) == len(fused)

    def sorted_rows(boxes: Boxes3D) -> np.ndarray:
        rows = np.column_stack([boxes.center_m, boxes.size_lwh_m, boxes.score])
        return rows[np.lexsort(rows.T)]

    np.testing.assert_allclose(sorted_rows(again), sorted_rows(fused), rtol=1e-9, atol=1e-9)
