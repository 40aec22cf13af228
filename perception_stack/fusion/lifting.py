"""From 2-D boxes and a depth image to 3-D boxes.

In each 2-D box: the depth of what stands out of the support plane, the nearest strong mode of
its histogram (the object is in front of what is behind it, and in the middle of its box), and an
upright box around those points. What the camera cannot see of the object is not made up; the
covariance says how much of it there may be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import UNKNOWN, Boxes3D, DepthImage, Detections2D, FloatArray
from perception_stack.fusion.belief import label_likelihood
from perception_stack.fusion.config import FusionConfig
from perception_stack.fusion.support import Plane, find_support
from perception_stack.fusion.upright import UprightBox, upright_box
from perception_stack.geometry.camera import CameraModel
from perception_stack.journal import Journal, Reason

DepthArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

_SPARSE = 6  # every so many pixels look for the support plane
_PLAUSIBLE_M = (0.03, 200.0)
_BIN = 0.02  # of the depth histogram, relative to depth
_MODE_SHARE = 0.4  # of the strongest mode that a nearer one must have
_EDGE_SHARE = 0.05  # of the mode's peak, where the object ends
_OWN_SIDE = 0.7  # of a plane's pixels
_NOISE_SIGMA = 4.0
_LEAST_CLEARANCE_M = 0.006


def lift_boxes(
    detections: Detections2D,
    depth: DepthImage,
    *,
    camera: CameraModel,
    config: FusionConfig,
    journal: Journal,
) -> Boxes3D:
    """One 3-D box per 2-D box that has usable depth.

    Args:
        detections: N boxes of the image.
        depth: Registered to the same camera.
        camera: Of both.
        config: Range of depth, noise, least number of pixels.
        journal: Gets a reason for every box left out.
    """
    depth_m = depth.depth_m
    valid = np.isfinite(depth_m) & (depth_m > 0)
    median_m = float(np.median(depth_m[valid])) if valid.any() else np.nan
    if median_m < _PLAUSIBLE_M[0] or median_m > _PLAUSIBLE_M[1]:
        detail = f"median of the image {median_m:.4g} m, expected {_PLAUSIBLE_M}"
        journal.count(
            Reason.DEPTH_IMPLAUSIBLE, stamp_ns=depth.stamp_ns, detail=detail, num=len(detections)
        )
        valid[:] = False
        return _boxes([], detections, rows=[])
    valid &= (depth_m >= config.min_depth_m) & (depth_m <= config.max_depth_m)
    support = _support(depth_m, valid, camera=camera, config=config) if len(detections) else None
    found: list[UprightBox] = []
    rows: list[int] = []
    for row, xyxy_px in enumerate(detections.xyxy_px):
        u, v = _pixels_inside(xyxy_px, valid)
        points_m = _points(u, v, depth_m, camera)
        below = support
        if support is not None:
            off = support.height_m(points_m) > _clearance_m(points_m[:, 2], config)
            # a plane that lies in this box for the most part is a side of the object itself
            if np.count_nonzero(~off) < _OWN_SIDE * support.share * np.count_nonzero(valid):
                u, v, points_m = u[off], v[off], points_m[off]
            else:
                below = None
        points_m = points_m[_in_first_mode(points_m[:, 2], _weight(u, v, xyxy_px))]
        if len(points_m) < config.min_points:
            x0, y0, x1, y1 = xyxy_px
            detail = (
                f"{len(points_m)} pixels with depth off the support plane in the "
                f"{x1 - x0:.0f} x {y1 - y0:.0f} px of a {detections.labels[row]}"
            )
            journal.count(Reason.NO_DEPTH, stamp_ns=depth.stamp_ns, detail=detail)
            continue
        noise_m = config.depth_noise * float(np.median(points_m[:, 2])) ** 2
        found.append(upright_box(points_m, below, noise_m=noise_m))
        rows.append(row)
    return _boxes(found, detections, rows=rows)


def _clearance_m(depth_m: FloatArray, config: FusionConfig) -> FloatArray:
    """How far off a plane the noise may carry a point at a depth."""
    clearance_m: FloatArray = np.maximum(
        _NOISE_SIGMA * config.depth_noise * depth_m**2, _LEAST_CLEARANCE_M
    )
    return clearance_m


def _support(
    depth_m: DepthArray, valid: BoolArray, *, camera: CameraModel, config: FusionConfig
) -> Plane | None:
    v, u = np.nonzero(valid[::_SPARSE, ::_SPARSE])
    points_m = _points(u * _SPARSE, v * _SPARSE, depth_m, camera)
    return find_support(points_m, _clearance_m(points_m[:, 2], config))


def _points(
    u: NDArray[np.intp], v: NDArray[np.intp], depth_m: DepthArray, camera: CameraModel
) -> FloatArray:
    rays = camera.rays(np.column_stack([u, v]).astype(np.float64))
    points_m: FloatArray = rays * depth_m[v, u].astype(np.float64)[:, None]
    return points_m


def _pixels_inside(
    xyxy_px: FloatArray, valid: BoolArray
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the valid pixels whose centre is in a box, none for NaN."""
    size_px = np.array(valid.shape[::-1])
    corners_px = np.where(np.isnan(xyxy_px).any(), -1.0, xyxy_px)
    low = np.clip(np.ceil(corners_px[:2]), 0, size_px).astype(np.intp)
    high = np.clip(np.floor(corners_px[2:]) + 1, low, size_px).astype(np.intp)
    v, u = np.nonzero(valid[low[1] : high[1], low[0] : high[0]])
    return u + low[0], v + low[1]


def _weight(u: NDArray[np.intp], v: NDArray[np.intp], xyxy_px: FloatArray) -> FloatArray:
    """How much pixels count for the object: most in the middle of its box."""
    half_px = np.maximum((xyxy_px[2:] - xyxy_px[:2]) / 2, 0.5)
    from_middle = (np.column_stack([u, v]) - (xyxy_px[:2] + xyxy_px[2:]) / 2) / half_px
    weight: FloatArray = np.exp(-2 * np.sum(from_middle**2, axis=1))
    return weight


def _in_first_mode(depth_m: FloatArray, weight: FloatArray) -> BoolArray:
    """Which depths belong to the nearest strong mode of their histogram, bool [N]."""
    if len(depth_m) == 0:
        return np.zeros(0, dtype=np.bool_)
    bins = np.floor(np.log(depth_m) / np.log1p(_BIN)).astype(np.intp)
    bins -= bins.min()
    histogram = np.bincount(bins, weights=weight)
    smooth = np.convolve(np.pad(histogram, 1), [0.25, 0.5, 0.25], mode="same")[1:-1]
    padded = np.pad(smooth, 1, constant_values=-1.0)
    peak = (smooth >= padded[:-2]) & (smooth > padded[2:]) & (smooth >= _MODE_SHARE * smooth.max())
    first = int(np.flatnonzero(peak)[0])
    weak = np.flatnonzero(smooth < _EDGE_SHARE * smooth[first])
    low = weak[weak < first].max(initial=-1)
    high = weak[weak > first].min(initial=len(smooth))
    inside: BoolArray = (bins > low) & (bins < high)
    return inside


def _boxes(found: list[UprightBox], detections: Detections2D, *, rows: list[int]) -> Boxes3D:
    if not found:
        return Boxes3D.empty(frame_id=detections.frame_id, stamp_ns=detections.stamp_ns)
    labels = [detections.labels[row] for row in rows]
    score = detections.score[rows]
    classes = tuple(sorted({*labels, UNKNOWN}))
    label_idx = np.array([classes.index(label) for label in labels], dtype=np.intp)
    likelihood = label_likelihood(label_idx, score, len(classes))
    return Boxes3D(
        frame_id=detections.frame_id,
        stamp_ns=detections.stamp_ns,
        center_m=np.stack([one.center_m for one in found]),
        quat_xyzw=np.stack([one.quat_xyzw for one in found]),
        size_lwh_m=np.stack([one.size_lwh_m for one in found]),
        covariance=np.stack([one.covariance for one in found]),
        score=score,
        classes=classes,
        class_probs=likelihood / likelihood.sum(axis=1, keepdims=True),
        sensors=(("camera", "depth"),) * len(rows),
    )
