"""Pictures of one frame: seen from above, and drawn into the camera image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.evaluation.figures.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RED,
    data_uri,
    new_figure,
    svg_uri,
)
from perception_stack.evaluation.scene import CameraView, Scene
from perception_stack.geometry.boxes import EDGES, corners, transform_boxes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGIN_M = 4.0
_MAX_POINTS = 40_000
_NEAR_M = 0.1
_JPEG_QUALITY = 88
_SHADOW_PX = 2
# half the width of the view, at least and at most
_REACH_M = (1.0, 70.0)


def bird_view(scene: Scene) -> str:
    """The frame from above, x to the right and y up, as SVG."""
    with new_figure(width_in=11.4, height_in=6.6) as (figure, (axes,)):
        _limit(axes, scene)
        _draw_points(axes, scene)
        truth, objects = scene.truth, scene.objects
        quiet = truth.ignored & ~scene.truth_found
        missed = ~truth.ignored & ~scene.truth_found
        _draw_boxes(
            axes, truth.boxes, ~quiet & ~missed, color=INK, style="--", label="truth, found"
        )
        _draw_boxes(
            axes, truth.boxes, missed, color=RED, style="--", label="truth, missed", width=2
        )
        _draw_boxes(axes, truth.boxes, quiet, color=MUTED, style=":", label="truth, ignored")
        false = ~scene.object_true & ~scene.object_ignored
        for mask, color, label in (
            (scene.object_true, BLUE, "object, right"),
            (false, ORANGE, "object, false"),
            (scene.object_ignored, MUTED, "object, not judged"),
        ):
            _draw_boxes(
                axes, objects.boxes, mask, color=color, style="-", label=label, filled=True
            )
            for i in np.flatnonzero(mask):
                _draw_motion(axes, scene, int(i), color)
        axes.plot(*truth.sensor_m[:2], "^", color=INK, ms=9, label="sensor", zorder=6)
        axes.set_xlabel(f"x in {objects.frame_id} [m]")
        axes.set_ylabel(f"y in {objects.frame_id} [m]")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return svg_uri(figure)


def camera_picture(scene: Scene) -> str | None:
    """The camera image with true and reported boxes, as JPEG; None without an image."""
    if scene.view is None:
        return None
    import cv2

    image = scene.view.image.bgr.copy()
    false = ~scene.object_true & ~scene.object_ignored
    groups: list[tuple[Boxes3D, NDArray[np.bool_], str]] = [
        (scene.truth.boxes, scene.truth_found, "#ffffff"),
        (scene.truth.boxes, ~scene.truth_found & ~scene.truth.ignored, RED),
        (scene.objects.boxes, scene.object_ignored, MUTED),
        (scene.objects.boxes, false, ORANGE),
        (scene.objects.boxes, scene.object_true, "#3fa0f0"),
    ]
    for boxes, mask, color in groups:
        lines = _edges_px(boxes.rows(mask), scene.view)
        for width, shade in ((1 + _SHADOW_PX, "#000000"), (1, color)):
            cv2.polylines(image, list(lines), False, _bgr(shade), width, cv2.LINE_AA)
    ok, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return data_uri(content.tobytes(), "image/jpeg") if ok else None


def _limit(axes: Axes, scene: Scene) -> None:
    """Show the sensor, all truth and all objects that are not far away."""
    middle = scene.truth.sensor_m[:2]
    positions = np.concatenate([scene.truth.boxes.center_m, scene.objects.boxes.center_m])[:, :2]
    positions = positions[np.isfinite(positions).all(axis=1)]
    near = positions[np.abs(positions - middle).max(axis=1, initial=0.0) < _REACH_M[1]]
    shown = np.concatenate([near, middle[None, :]])
    sizes = np.concatenate([scene.truth.boxes.size_lwh_m, scene.objects.boxes.size_lwh_m])
    margin = min(_MARGIN_M, 2 * float(np.median(sizes)) if len(sizes) else _MARGIN_M)
    low, high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
    # a road is long and narrow: some height is left to see what is beside it
    height = max(high[1] - low[1], 0.45 * (high[0] - low[0]))
    center_y = (low[1] + high[1]) / 2
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(center_y - height / 2, center_y + height / 2)
    axes.set_aspect("equal", adjustable="box")


def _draw_points(axes: Axes, scene: Scene) -> None:
    if scene.cloud is None:
        return
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    x, y = scene.cloud.xyz_m[:, 0], scene.cloud.xyz_m[:, 1]
    shown = np.flatnonzero((x > left) & (x < right) & (y > low) & (y < high))
    shown = shown[:: len(shown) // _MAX_POINTS + 1]
    # as pixels: ten thousands of points would make the report slow to open
    axes.scatter(x[shown], y[shown], s=0.5, color="#9aa5b1", lw=0, rasterized=True, zorder=1)


def _draw_boxes(
    axes: Axes,
    boxes: Boxes3D,
    mask: NDArray[np.bool_],
    *,
    color: str,
    style: str,
    label: str,
    width: float = 1.4,
    filled: bool = False,
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    if not mask.any():
        return
    quads = corners(boxes.rows(mask))[:, :4, :2]
    look: dict[str, Any] = {"linestyles": style, "linewidths": width, "zorder": 4}
    face = f"{color}22" if filled else "none"
    axes.add_collection(
        PolyCollection(list(quads), facecolors=face, edgecolors=color, label=label, **look)
    )
    # from the middle to the front: where it heads
    front = (quads[:, 0] + quads[:, 3]) / 2
    lines = np.stack([quads.mean(axis=1), front], axis=1)
    axes.add_collection(LineCollection(list(lines), colors=color, **look))


def _draw_motion(axes: Axes, scene: Scene, row: int, color: str) -> None:
    trail = scene.trails_m[row]
    axes.plot(trail[:, 0], trail[:, 1], color=color, lw=1.0, alpha=0.6, zorder=3)
    center = scene.objects.boxes.center_m[row, :2]
    velocity = scene.objects.velocity_mps[row, :2]
    if not scene.objects.stationary[row] and np.isfinite(velocity).all():
        tip = center + velocity
        axes.annotate(
            "",
            xy=(tip[0], tip[1]),
            xytext=(center[0], center[1]),
            arrowprops={"arrowstyle": "->", "color": color, "lw": 1.2},
            annotation_clip=True,
            zorder=5,
        )
    label = scene.objects.boxes.labels[row]
    axes.annotate(
        f"{label} {scene.objects.ids[row].hex[:4]}",
        xy=(center[0], center[1]),
        xytext=(4, 7),
        textcoords="offset points",
        fontsize=7.5,
        color=color,
        annotation_clip=True,
        zorder=6,
    )


def _edges_px(boxes: Boxes3D, view: CameraView) -> NDArray[np.int32]:
    """Edges of the boxes in the image, cut where they pass behind the camera; int32 [K, 2, 2]."""
    ends: FloatArray = corners(transform_boxes(boxes, view.camera_from_scene))[:, EDGES]
    ends = ends.reshape(-1, 2, 3)
    depth = ends[..., 2]
    ends, depth = ends[(depth > _NEAR_M).any(axis=1)], depth[(depth > _NEAR_M).any(axis=1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (_NEAR_M - depth) / (depth[:, ::-1] - depth)
    cut = ends + share[..., None] * (ends[:, ::-1] - ends)
    ends = np.where((depth < _NEAR_M)[..., None], cut, ends)
    pixels = view.camera.project(ends.reshape(-1, 3)).uv_px.reshape(-1, 2, 2)
    # OpenCV draws wrongly far outside of 16 bits
    fits = (np.abs(pixels) < 2**14).all(axis=(1, 2))
    return pixels[fits].round().astype(np.int32)


def _bgr(color: str) -> tuple[int, int, int]:
    return int(color[5:7], 16), int(color[3:5], 16), int(color[1:3], 16)
