"""Pictures of one frame: seen from above, and drawn into the camera image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import Boxes3D, FloatArray
from perception_stack.evaluation.scene import CameraView, Scene
from perception_stack.geometry.boxes import EDGES, corners, transform_boxes
from perception_stack.report.style import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RED,
    data_uri,
    new_figure,
    svg_uri,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARGIN_M = 4.0
_MAX_POINTS = 40_000
_NEAR_M = 0.1
_JPEG_QUALITY = 88
_SHADOW_PX = 2
_FARTHEST_M = 50.0
# height over width of the view from above
_FLATTEST, _TALLEST = 0.33, 0.75


def bird_view(scene: Scene) -> str:
    """The frame from above, x to the right and y up, as SVG."""
    low, high = _window_m(scene)
    left_in, bottom_in, axes_in = 0.75, 0.6, 8.7
    above_in = axes_in * (high[1] - low[1]) / (high[0] - low[0])
    size_in = (11.4, bottom_in + above_in + 0.15)
    with new_figure(width_in=size_in[0], height_in=size_in[1]) as (figure, (axes,)):
        # placed by hand: metres are as long along y as along x
        place = np.array([[left_in, bottom_in], [axes_in, above_in]]) / size_in
        axes.set_position(place.ravel().tolist())
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
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


def _window_m(scene: Scene) -> tuple[FloatArray, FloatArray]:
    """Corners of the part to show: the sensor and all boxes that are not far from it."""
    middle = scene.truth.sensor_m[:2]
    boxes = (scene.truth.boxes, scene.objects.boxes)
    positions = np.concatenate([one.center_m[:, :2] for one in boxes])
    # written so that NaN is left out
    near = positions[np.abs(positions - middle).max(axis=1, initial=0.0) < _FARTHEST_M]
    shown = np.concatenate([near, middle[None, :]])
    sizes = np.concatenate([one.size_lwh_m.ravel() for one in boxes])
    margin = min(_MARGIN_M, 2 * float(np.median(sizes))) if len(sizes) else _MARGIN_M
    low, high = shown.min(axis=0) - margin, shown.max(axis=0) + margin
    # neither a slit nor a tower
    middle, extent = (low + high) / 2, high - low
    extent = np.maximum(extent, [extent[1] / _TALLEST, extent[0] * _FLATTEST])
    return middle - extent / 2, middle + extent / 2


def _draw_points(axes: Axes, scene: Scene) -> None:
    if scene.cloud is None:
        return
    low, high = _window_m(scene)
    x, y = scene.cloud.xyz_m[:, 0], scene.cloud.xyz_m[:, 1]
    inside = (scene.cloud.xyz_m[:, :2] > low) & (scene.cloud.xyz_m[:, :2] < high)
    shown = np.flatnonzero(inside.all(axis=1))
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
    from matplotlib.patheffects import withStroke

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
        fontsize=6.5,
        color=color,
        path_effects=[withStroke(linewidth=2, foreground="white")],
        annotation_clip=True,
        zorder=6,
    )


def _edges_px(boxes: Boxes3D, view: CameraView) -> NDArray[np.int32]:
    """Edges of the boxes in the image, cut where they pass behind the camera; int32 [K, 2, 2]."""
    ends: FloatArray = corners(transform_boxes(boxes, view.camera_from_scene))[:, EDGES]
    ends = ends.reshape(-1, 2, 3)
    ends = ends[(ends[..., 2] > _NEAR_M).any(axis=1)]
    depth = ends[..., 2]
    behind = depth < _NEAR_M
    share = np.zeros_like(depth)
    np.divide(_NEAR_M - depth, depth[:, ::-1] - depth, out=share, where=behind)
    ends = ends + share[..., None] * (ends[:, ::-1] - ends)
    pixels = view.camera.project(ends.reshape(-1, 3)).uv_px.reshape(-1, 2, 2)
    # OpenCV draws wrongly far outside of 16 bits
    fits = (np.abs(pixels) < 2**14).all(axis=(1, 2))
    return pixels[fits].round().astype(np.int32)


def _bgr(color: str) -> tuple[int, int, int]:
    return int(color[5:7], 16), int(color[3:5], 16), int(color[1:3], 16)
