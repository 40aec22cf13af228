from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_stack.evaluation.pose import Poses, add_s_m
from perception_stack.pose.models import PoseModel
from perception_stack.pose.outline._drawing import UNKNOWN, draw, inside_odds, region_gain
from perception_stack.pose.outline.certainty import certainty
from perception_stack.pose.outline.contour import contour_of, creases_of
from perception_stack.pose.outline.search import best_outlines
from perception_stack.pose.refinement import refined
from perception_stack.pose.scene import Scene
from perception_stack.pose.uncertainty import joined_covariance

PINHOLE = np.array([600.0, 600.0, 320.0, 240.0])
SQUARE = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


def drawn_of(vertices_m: np.ndarray, triangles: np.ndarray, pinhole=PINHOLE, shape=(480, 640)):
    drawn, part = np.empty(shape), np.empty(shape, dtype=np.int64)
    none = np.zeros(len(triangles), dtype=np.int64)
    draw(np.ascontiguousarray(vertices_m), triangles, none, pinhole, drawn, part)
    assert ((part == 0) == np.isfinite(drawn)).all()
    return drawn


def test_tilted_square_is_drawn_where_it_is() -> None:
    turn = Rotation.from_rotvec([0.5, -0.3, 0.2]).as_matrix()
    corners = 0.1 * SQUARE @ turn.T + [0.02, -0.01, 0.7]
    drawn = drawn_of(corners, HALVES)
    rows, cols = np.nonzero(np.isfinite(drawn))
    rays = np.column_stack([(cols - 320) / 600, (rows - 240) / 600, np.ones(len(rows))])
    depth = (turn[:, 2] @ [0.02, -0.01, 0.7]) / (rays @ turn[:, 2])
    assert np.allclose(drawn[rows, cols], depth, atol=1e-12)
    inside = (rays * depth[:, None] - [0.02, -0.01, 0.7]) @ turn
    assert np.abs(inside[:, :2]).max() <= 0.1 + 1e-9
    seen = corners[:, :2] / corners[:, 2:] * 600
    one, other = seen[2] - seen[0], seen[3] - seen[1]
    area = 0.5 * abs(one[0] * other[1] - one[1] * other[0])
    assert len(rows) == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize("depth_m", [-0.5, 0.0], ids=["behind", "at the camera"])
def test_what_is_not_before_the_camera_is_not_drawn(depth_m: float) -> None:
    assert np.isinf(drawn_of(0.1 * SQUARE + [0, 0, depth_m], HALVES)).all()


def test_nearer_triangle_hides_the_farther() -> None:
    near, far = 0.05 * SQUARE + [0, 0, 0.5], 0.2 * SQUARE + [0, 0, 1.0]
    both = drawn_of(np.concatenate([far, near]), np.concatenate([HALVES, HALVES + 4]))
    assert both[240, 320] == pytest.approx(0.5)
    assert both[240, 400] == pytest.approx(1.0)


def test_outline_of_a_disc_lies_between_the_pixels() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    rim = np.column_stack([0.05 * np.cos(angle), 0.05 * np.sin(angle), np.full(400, 0.6)])
    fan = np.column_stack([np.full(400, 400), np.arange(400), np.roll(np.arange(400), -1)])
    contour = contour_of(drawn_of(np.vstack([rim, [0, 0, 0.6]]), fan), PINHOLE)
    away = contour.uv_px - [320, 240]
    radius = np.linalg.norm(away, axis=1)
    assert np.abs(radius - 50).max() < 0.4
    assert abs((radius - 50).mean()) < 0.1
    assert (np.einsum("ni,ni->n", contour.outward, away / radius[:, None]) > 0.98).all()
    assert np.allclose(contour.points_m[:, 2], 0.6)
    assert len(contour_of(np.full((20, 20), np.inf), PINHOLE)) == 0


def test_gain_is_that_of_the_likelihoods() -> None:
    drawn = np.full((20, 20), np.inf)
    drawn[5:15, 5:15] = 1.0
    free = np.full((20, 20), np.inf, dtype=np.float32)
    bins = np.zeros((20, 20), dtype=np.uint16)
    assert region_gain(drawn, free, bins, 0.01) == 0
    bins[5:15, 5:15] = 4095
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert region_gain(drawn, free, bins, 0.01) == pytest.approx(400 * entropy)
    hidden = free.copy()
    hidden[5:15, 5:15] = 0.5
    assert region_gain(drawn, hidden, bins, 0.01) == 0


def test_hidden_pixels_say_nothing() -> None:
    drawn = np.full((60, 60), np.inf)
    drawn[15:45, 15:45] = 1.0
    bins = np.zeros((60, 60), dtype=np.uint16)
    bins[15:45, 15:45] = 4095
    nearest = np.full((60, 60), np.inf, dtype=np.float32)
    nearest[:, :25] = 0.5
    odds = np.empty((60, 60), dtype=np.float32)
    inside_odds(drawn, nearest, bins, 0.05, 1.0, odds)
    assert (odds[:, :25] == UNKNOWN).all()
    assert odds[16:44, 26:44].min() > 0.95
    assert odds[:14, 26:].max() < 0.05


def pictured(
    model: PoseModel,
    pose: np.ndarray,
    rng: np.random.Generator,
    *,
    hidden_to_px: int = 0,
    darkest: float = 1.0,
    depth_off_m: float = np.nan,
) -> Scene:
    """An object of one colour before a wall of patches; no depths but those of what hides it.

    With ``darkest`` below 1 its parts are lit unlike; with ``depth_off_m`` it has depths, too far
    by that much.
    """
    vertices_m, triangles = model.faces
    drawn, part = np.empty((480, 640)), np.empty((480, 640), dtype=np.int64)
    placed_m = np.ascontiguousarray(vertices_m @ pose[:3, :3].T + pose[:3, 3])
    draw(placed_m, triangles, model.parts, PINHOLE, drawn, part)
    palette = rng.integers(0, 255, (6, 3))
    rgb = np.kron(palette[rng.integers(0, 6, (30, 40))], np.ones((16, 16, 1)))
    light = np.linspace(darkest, 1.0, model.parts.max() + 1)
    rgb[part >= 0] = np.array([30, 140, 60]) * light[part[part >= 0], None]
    depth_m = np.where(np.isfinite(drawn), drawn + depth_off_m, np.nan).astype(np.float32)
    rgb[:, :hidden_to_px] = [200, 120, 20]
    depth_m[:, :hidden_to_px] = 0.4
    rgb = np.clip(rgb + 5 * rng.standard_normal(rgb.shape), 0, 255).astype(np.uint8)
    return Scene.of_map(depth_m, PINHOLE, frame_id="camera", stamp_ns=0, rgb=rgb)


def posed(model: PoseModel, rotvec: list[float], *, away_m: float = 0.7) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(rotvec).as_matrix()
    pose[:3, 3] = np.array([0, 0, away_m]) - pose[:3, :3] @ model.known.middle_m
    return pose


def moved(model: PoseModel, pose: np.ndarray, shift_m: list[float], turn: list[float]):
    other = pose.copy()
    other[:3, :3] = Rotation.from_rotvec(turn).as_matrix() @ pose[:3, :3]
    middle_m = pose[:3, :3] @ model.known.middle_m + pose[:3, 3] + shift_m
    other[:3, 3] = middle_m - other[:3, :3] @ model.known.middle_m
    return other


def off_m(model: PoseModel, truth: np.ndarray, found: np.ndarray) -> float:
    both = [Poses(rotation=p[None, :3, :3], translation_m=p[None, :3, 3]) for p in (truth, found)]
    return float(add_s_m(*both, model.fine.points_m[::3])[0])


@pytest.mark.parametrize("name", ["bracket", "bottle", "wedge"])
def test_outline_alone_finds_the_pose(models, name: str) -> None:
    model = models[name]
    truth = posed(model, [1.9, 0.4, -0.3])
    start = moved(model, truth, [0.2 * model.diameter_m, -0.02, 0.02], [0.12, -0.1, 0.08])
    scene = pictured(model, truth, np.random.default_rng(3))
    found = refined(model, start, scene, noise_m=0.003, min_points=50)
    assert found is not None
    assert off_m(model, truth, start) > 0.08 * model.diameter_m
    assert off_m(model, truth, found.pose) < 0.04 * model.diameter_m
    assert found.score > 0.5
    sight = np.sqrt(found.covariance[2, 2])
    assert 0.0005 < sight < 0.1 * model.diameter_m
    assert sight > np.sqrt(found.covariance[0, 0])


def turn_deg(model: PoseModel, truth: np.ndarray, found: np.ndarray) -> float:
    turns = truth[:3, :3] @ model.equivalents[:, :3, :3]
    off = Rotation.from_matrix(found[:3, :3] @ turns.transpose(0, 2, 1)).magnitude()
    return float(np.rad2deg(off.min()))


def test_crease_lies_where_the_edge_of_a_box_is(models) -> None:
    model = models["carton"]
    pose = posed(model, [1.9, 0.4, -0.3])
    vertices_m, triangles = model.faces
    placed_m = np.ascontiguousarray(vertices_m @ pose[:3, :3].T + pose[:3, 3])
    drawn, part = np.empty((480, 640)), np.empty((480, 640), dtype=np.int64)
    draw(placed_m, triangles, model.parts, PINHOLE, drawn, part)
    creases = creases_of(part, drawn, PINHOLE)
    assert len(creases) == 3  # three faces of a box are seen, each two meet
    corners_px = placed_m[:, :2] / placed_m[:, 2:] * 600 + [320, 240]
    for contour, side in creases:
        (one,), (other,) = np.unique(part[side > 0]), np.unique(part[side < 0])
        shared = [
            np.unique(np.round(vertices_m[triangles[model.parts == n]].reshape(-1, 3), 9), axis=0)
            for n in (one, other)
        ]
        ends_m = [a for a in shared[0] if (np.abs(shared[1] - a) < 1e-6).all(axis=1).any()]
        assert len(ends_m) == 2
        first, last = (corners_px[np.abs(vertices_m - a).max(axis=1).argmin()] for a in ends_m)
        along = (last - first) / np.linalg.norm(last - first)
        across = np.array([-along[1], along[0]])
        off_px = (contour.uv_px - first) @ across
        assert np.abs(off_px).max() < 1.0
        assert abs(off_px.mean()) < 0.25
        assert (np.abs(contour.outward @ across) > 0.95).all()
        # outward from the first to the second
        row, col = np.rint(contour.uv_px + 4 * contour.outward)[:, ::-1].astype(int).T
        assert (side[row, col] == -1).mean() > 0.9


def test_outline_is_not_placed_too_far_out() -> None:
    turn = Rotation.from_rotvec([0, 0, 0.4]).as_matrix()
    drawn = drawn_of(0.1 * SQUARE @ turn.T + [0, 0, 0.7], HALVES)
    contour = contour_of(drawn, PINHOLE)
    turned = (contour.uv_px - [320, 240]) @ turn[:2, :2]
    beyond_px = np.abs(turned).max(axis=1) - 0.1 / 0.7 * 600
    assert abs(np.median(beyond_px)) < 0.04
    assert abs(beyond_px.mean()) < 0.06


def test_parts_lit_unlike_hold_what_an_outline_leaves_open(models) -> None:
    model, least = models["wedge"], []
    truth = posed(model, [1.9, 0.4, -0.3])
    start = moved(model, truth, [0.01, -0.01, 0.01], [0.1, -0.1, 0.08])
    scale = np.repeat([1.0, model.diameter_m / 2], 3)
    for darkest in (1.0, 0.35):
        scene = pictured(model, truth, np.random.default_rng(0), hidden_to_px=320, darkest=darkest)
        poses, evidence = best_outlines(model, scene, start, noise_m=0.003)
        assert turn_deg(model, truth, poses[0]) < 2.0
        held = evidence.information[0] / np.outer(1 / scale, 1 / scale)
        least.append(np.linalg.eigvalsh(held)[0])
    assert least[1] > 2 * least[0]


def test_depths_that_are_all_too_far_are_not_believed_too_much(models) -> None:
    model = models["bracket"]
    truth = posed(model, [1.9, 0.4, -0.3])
    start = moved(model, truth, [0.01, -0.01, 0.01], [0.1, -0.1, 0.05])
    scene = pictured(model, truth, np.random.default_rng(5), depth_off_m=0.005)
    poses, evidence = best_outlines(model, scene, start, noise_m=0.003)
    middle_m = [one[:3, :3] @ model.known.middle_m + one[:3, 3] for one in (poses[0], truth)]
    off_m_along = (middle_m[0] - middle_m[1])[2]
    sigma_m = np.sqrt(np.linalg.inv(evidence.information[0])[2, 2])
    assert abs(off_m_along) < 2.5 * sigma_m
    assert 0.001 < sigma_m < 0.005


def test_what_hides_half_of_it_is_no_outline(models) -> None:
    model = models["bracket"]
    truth = posed(model, [1.9, 0.4, -0.3])
    start = moved(model, truth, [0.02, -0.02, 0.01], [0.1, -0.1, 0.05])
    scene = pictured(model, truth, np.random.default_rng(4), hidden_to_px=310)
    poses, evidence = best_outlines(model, scene, start, noise_m=0.003)
    assert evidence.open[0] < 0.8
    assert off_m(model, truth, poses[0]) < 0.08 * model.diameter_m


def test_start_on_nothing_is_flagged(models) -> None:
    model = models["bracket"]
    truth = posed(model, [1.9, 0.4, -0.3])
    scene = pictured(model, truth, np.random.default_rng(5))
    start = moved(model, truth, [0.25, 0.1, 0.0], [0.3, 0.0, 0.0])
    found = refined(model, start, scene, noise_m=0.003, min_points=50)
    assert found is not None
    assert found.score < 0.5


def test_object_beyond_the_border_of_the_image(models) -> None:
    model = models["bottle"]
    truth = moved(model, posed(model, [1.6, 0.0, 0.0]), [0.36, 0.0, 0.0], [0.0, 0.0, 0.0])
    scene = pictured(model, truth, np.random.default_rng(6))
    poses, evidence = best_outlines(model, scene, truth, noise_m=0.003)
    assert evidence.open[0] < 0.9
    assert off_m(model, truth, poses[0]) < 0.08 * model.diameter_m


def test_nothing_said_changes_no_covariance(models) -> None:
    model = models["mug"]
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    before = root @ root.T + 0.1 * np.eye(6)
    pose = posed(model, [0.3, 1.0, 0.2])
    assert np.allclose(joined_covariance(model, pose, before, np.zeros((6, 6))), before)
    after = joined_covariance(model, pose, before, 100 * np.eye(6))
    assert (np.linalg.eigvalsh(before - after) > -1e-9).all()


def test_same_frame_gives_the_same_bytes(models) -> None:
    model = models["wedge"]
    truth = posed(model, [1.9, 0.4, -0.3])
    start = moved(model, truth, [0.01, -0.01, 0.01], [0.1, -0.1, 0.05])
    runs = [
        best_outlines(
            model, pictured(model, truth, np.random.default_rng(7)), start, noise_m=0.003
        )
        for _ in range(2)
    ]
    assert runs[0][0].tobytes() == runs[1][0].tobytes()
    assert certainty(runs[0][1]).tobytes() == certainty(runs[1][1]).tobytes()
