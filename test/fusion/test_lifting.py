from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perception_stack.datatypes import Boxes3D, DepthImage, Detections2D
from perception_stack.errors import FrameMismatchError, ShapeError
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.fusion import Fusion
from perception_stack.geometry.boxes import project_boxes
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import matrix_from_quat, quat_from_matrix
from perception_stack.journal import Journal, Reason

CAMERA = CameraModel.pinhole(
    frame_id="camera_optical",
    width_px=320,
    height_px=240,
    k=np.array([[300.0, 0, 159.5], [0, 300, 119.5], [0, 0, 1]]),
)
# a camera that looks down on a table by 35 degrees, 0.5 m above it
DOWN = np.deg2rad(35)
UP = np.array([0, -np.cos(DOWN), -np.sin(DOWN)])
LEVEL = np.array([0, -np.sin(DOWN), np.cos(DOWN)])
HEIGHT_M = 0.5


def standing(
    ahead_m: float, left_m: float, size_m: tuple[float, ...], yaw_deg: float, label: str = "box"
) -> Boxes3D:
    """One box on the table."""
    side = np.cross(UP, LEVEL)
    c, s = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
    along = c * LEVEL + s * side
    center_m = ahead_m * LEVEL + left_m * side + (size_m[2] / 2 - HEIGHT_M) * UP
    return Boxes3D(
        frame_id="camera_optical",
        stamp_ns=3,
        center_m=center_m[None],
        quat_xyzw=quat_from_matrix(np.column_stack([along, np.cross(UP, along), UP]))[None],
        size_lwh_m=np.array([size_m]),
        covariance=np.zeros((1, 6, 6)),
        score=np.ones(1),
        classes=(label,),
        class_probs=np.ones((1, 1)),
        sensors=((),),
    )


def picture(*boxes: Boxes3D, table: bool = True, noise: float = 0.0) -> DepthImage:
    """Depth of boxes on the table, by ray casting."""
    v, u = np.mgrid[:240, :320]
    rays = CAMERA.rays(np.column_stack([u.ravel(), v.ravel()]).astype(float))
    with np.errstate(divide="ignore", invalid="ignore"):
        depth_m = np.where(rays @ UP < 0, -HEIGHT_M / (rays @ UP), np.inf)
        depth_m[(depth_m > 3) | (not table)] = np.inf
        for box in boxes:
            turn = matrix_from_quat(box.quat_xyzw[0])
            half, origin = box.size_lwh_m[0] / 2, -turn.T @ box.center_m[0]
            sides = np.stack([-half - origin, half - origin])[:, None] / (rays @ turn)
            enter, leave = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
            hit = (enter <= leave) & (enter > 0)
            depth_m = np.where(hit, np.minimum(depth_m, enter), depth_m)
    depth_m[~np.isfinite(depth_m)] = np.nan
    depth_m += np.random.default_rng(0).normal(0, 1, depth_m.shape) * noise * depth_m**2
    return DepthImage(
        frame_id="camera_optical",
        stamp_ns=3,
        depth_m=depth_m.reshape(240, 320).astype(np.float32),
    )


def found(*boxes: Boxes3D) -> Detections2D:
    return Detections2D(
        frame_id="camera_optical",
        stamp_ns=3,
        xyxy_px=np.concatenate([np.empty((0, 4)), *[project_boxes(b, CAMERA)[0] for b in boxes]]),
        score=np.full(len(boxes), 0.8),
        labels=tuple(box.labels[0] for box in boxes),
    )


def lift(
    detections: Detections2D, depth: DepthImage, journal: Journal | None = None, **params
) -> Boxes3D:
    return Fusion(FusionConfig(**params), journal or Journal()).lift(
        detections, depth, camera=CAMERA
    )


@pytest.mark.parametrize("yaw_deg", [0, 25, 70, 130])
@pytest.mark.parametrize("noise", [0.0, 0.002])
def test_box_on_a_table(yaw_deg: float, noise: float) -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), yaw_deg)
    lifted = lift(found(truth), picture(truth, noise=noise))
    assert lifted.labels == ("box",)
    assert lifted.score[0] == 0.8
    assert lifted.sensors == (("camera", "depth"),)
    np.testing.assert_allclose(lifted.center_m, truth.center_m, atol=0.02)
    np.testing.assert_allclose(lifted.size_lwh_m, truth.size_lwh_m, atol=0.035)
    axes, true_axes = (matrix_from_quat(b.quat_xyzw[0]) for b in (lifted, truth))
    # size belongs to the axes of the box, which are those of the object up to half turns
    assert (np.abs(np.sum(axes * true_axes, axis=0)) > np.cos(np.deg2rad(6))).all()
    assert axes[:, 2] @ UP > 0.99


def test_center_lies_within_its_covariance() -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), 25)
    lifted = lift(found(truth), picture(truth, noise=0.002))
    miss = (lifted.center_m - truth.center_m)[0]
    assert miss @ np.linalg.solve(lifted.covariance[0, :3, :3], miss) < 9
    assert (np.linalg.eigvalsh(lifted.covariance[0]) > 0).all()
    # yaw, about the box's z, is known up to a half turn only
    assert UP @ lifted.covariance[0, 3:, 3:] @ UP > 2


def test_what_is_behind_does_not_pull_the_box() -> None:
    near = standing(0.6, 0.0, (0.08, 0.08, 0.15), 0, "near")
    far = standing(1.2, 0.05, (0.3, 0.3, 0.4), 0, "far")
    lifted = lift(found(near), picture(near, far))
    np.testing.assert_allclose(lifted.center_m, near.center_m, atol=0.03)


def test_without_a_support_the_camera_is_taken_to_be_level() -> None:
    truth = standing(0.7, 0.0, (0.2, 0.1, 0.12), 20)
    lifted = lift(found(truth), picture(truth, table=False))
    assert matrix_from_quat(lifted.quat_xyzw[0])[:, 2] @ [0, -1, 0] == pytest.approx(1)
    np.testing.assert_allclose(lifted.center_m, truth.center_m, atol=0.05)


def test_side_of_a_large_box_is_not_taken_for_the_support() -> None:
    truth = standing(0.75, 0.0, (0.02, 0.5, 0.4), 0)
    lifted = lift(found(truth), picture(truth, table=False))
    assert len(lifted) == 1


def test_box_without_depth_is_left_out_and_counted() -> None:
    truth, other = standing(0.7, 0.1, (0.2, 0.1, 0.12), 0), standing(0.9, -0.2, (0.1, 0.1, 0.1), 0)
    depth = picture(truth, other)
    x0, y0, x1, y1 = found(truth).xyxy_px[0].astype(int)
    depth.depth_m[y0 - 1 : y1 + 2, x0 - 1 : x1 + 2] = np.nan
    journal = Journal()
    lifted = lift(found(truth, other), depth, journal)
    assert len(lifted) == 1
    np.testing.assert_allclose(lifted.center_m, other.center_m, atol=0.02)
    assert journal.counts == {Reason.NO_DEPTH: 1}
    assert "0 pixels" in journal.last(Reason.NO_DEPTH).detail


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        pytest.param(1000, Reason.DEPTH_IMPLAUSIBLE, id="millimetres_as_metres"),
        pytest.param(0.001, Reason.DEPTH_IMPLAUSIBLE, id="metres_divided_by_1000"),
        pytest.param(30, Reason.NO_DEPTH, id="too_far"),
        pytest.param(np.nan, Reason.NO_DEPTH, id="no_depth_at_all"),
        pytest.param(np.inf, Reason.NO_DEPTH, id="all_infinite"),
        pytest.param(0, Reason.NO_DEPTH, id="all_zero"),
    ],
)
def test_unusable_depth_has_a_reason(factor: float, reason: Reason) -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), 0)
    depth = picture(truth)
    journal = Journal()
    with np.errstate(invalid="ignore"):
        depth = replace(depth, depth_m=(depth.depth_m * factor).astype(np.float32))
    assert len(lift(found(truth), depth, journal)) == 0
    assert journal.counts == {reason: 1}


@pytest.mark.parametrize(
    "xyxy_px",
    [
        pytest.param([-50, -50, -10, -10], id="outside"),
        pytest.param([20, 20, 10, 10], id="inside_out"),
        pytest.param([30, 30, 30, 30], id="one_pixel"),
        pytest.param([np.nan, 0, 310, 230], id="nan"),
        pytest.param([-1e30, -1e30, -1e29, 1e30], id="huge"),
    ],
)
def test_odd_2d_boxes_are_counted(xyxy_px: list[float]) -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), 0)
    journal = Journal()
    odd = replace(found(truth), xyxy_px=np.array([xyxy_px], dtype=np.float64))
    assert len(lift(odd, picture(truth), journal)) == 0
    assert journal.counts == {Reason.NO_DEPTH: 1}


def test_no_detections_no_boxes() -> None:
    journal = Journal()
    lifted = lift(found(), picture(), journal)
    assert (len(lifted), lifted.frame_id, lifted.stamp_ns) == (0, "camera_optical", 3)
    assert journal.counts == {}


def test_same_input_gives_the_same_boxes_to_the_bit() -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), 33)
    depth = picture(truth, noise=0.002)
    first, again = lift(found(truth), depth), lift(found(truth), depth)
    np.testing.assert_array_equal(first.center_m, again.center_m)
    np.testing.assert_array_equal(first.covariance, again.covariance)


def test_wrong_frame_and_size_are_errors() -> None:
    truth = standing(0.7, 0.1, (0.2, 0.1, 0.12), 0)
    depth = picture(truth)
    with pytest.raises(FrameMismatchError, match="depth image"):
        lift(found(truth), replace(depth, frame_id="other"))
    with pytest.raises(FrameMismatchError, match="2-D detections"):
        lift(replace(found(truth), frame_id="other"), depth)
    with pytest.raises(ShapeError, match=r"\[240, 320\]"):
        lift(found(truth), replace(depth, depth_m=depth.depth_m[::2]))
