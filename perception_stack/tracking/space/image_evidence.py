"""What the detections of one image tell of the tracks.

A camera measures directions well and distances hardly. A track is compared with a detection by
the four edges of the rectangle around its projected box; the position is corrected by the edges
(extended Kalman filter, Bar-Shalom, Li, Kirubarajan, 2001, eq. 10.3.3), existence and class by
the same models as for boxes in space. Edges on the border of the image do not tell where the
object ends and are left out. All is in the image plane at depth 1, undistorted, so that the loops
need no camera model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray, Pairs, assign_in_stages
from perception_stack.tracking.common.classes import compatibility, likelihood, statement
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.common.existence import faded, missed, remembered_s
from perception_stack.tracking.common.rectangles import overlap as overlap_of
from perception_stack.tracking.space.camera_view import CAMERA_SENSOR, CameraView, Rectangles
from perception_stack.tracking.space.evidence import Passage, Step, is_kept, note_detection
from perception_stack.tracking.space.filter import add_step
from perception_stack.tracking.space.sight import write_seen_share
from perception_stack.tracking.space.tracks import NUM_STATES, Tracks, TrackTable, copied
from perception_stack.tracking.space.turns import cholesky, write_axes

View = tuple[FloatArray, FloatArray, FloatArray]
"""Rotation [3, 3] and translation [3] from the fixed frame to the camera; borders of the image
[4], left, top, right, bottom."""
Seen = tuple[FloatArray, NDArray[np.bool_], FloatArray]
"""Edges of detections [M, 4], left, top, right, bottom; whether each is inside of the image and
thus says where the object ends [M, 4]; scores [M]."""

_NEAREST_M = 0.1
_STEP = 1e-3  # of a numerical derivative, in heights of the box


def after_image(
    tracks: Tracks,
    found: Rectangles,
    view: CameraView,
    passage: Passage,
    parameters: Parameters,
) -> tuple[Tracks, IntArray, FloatArray]:
    """Tracks after one image, without those that are no longer likely enough.

    Args:
        tracks: Predicted.
        found: Detections of the image.
        view: The camera.
        passage: From the frame before.
        parameters: All of them.

    Returns:
        The tracks; the detection of each, int [N], -1 for none; the largest overlap of each
        detection with the rectangle around a confirmed track, float64 [M].
    """
    sight = view.sight
    table, class_probs, kept, chosen, overlap = learn_from_image(
        (tracks.table, tracks.class_probs),
        (
            (found.edges, found.inside, found.score),
            found.class_probs,
            sight.knows(passage.vocabulary),
        ),
        (view.place, sight.numbers),
        passage.step,
        parameters,
    )
    now = passage.dt_s == 0
    sensors = tuple(
        [
            _joined(before if now else (), seen=m >= 0)
            for before, m in zip(tracks.sensors, chosen.tolist(), strict=True)
        ]
    )
    return tracks.learned(table, class_probs, sensors, kept), chosen[kept], overlap


def _joined(before: tuple[str, ...], *, seen: bool) -> tuple[str, ...]:
    return tuple(sorted({*before, CAMERA_SENSOR})) if seen else before


@machine_code
def _write_edges(
    center: FloatArray, axes: FloatArray, size: FloatArray, view: View, edges: FloatArray
) -> bool:
    """Write the rectangle around a box; False where it is not wholly ahead of the camera."""
    rotation, translation, _ = view
    edges[0], edges[1], edges[2], edges[3] = np.inf, np.inf, -np.inf, -np.inf
    corner = np.empty(3)
    for k in range(8):
        for i in range(3):
            corner[i] = center[i]
            for j in range(3):
                corner[i] += (0.5 if k & (1 << j) else -0.5) * size[j] * axes[i, j]
        x, y, z = translation
        for i in range(3):
            x += rotation[0, i] * corner[i]
            y += rotation[1, i] * corner[i]
            z += rotation[2, i] * corner[i]
        if z < _NEAREST_M:
            return False
        edges[0], edges[1] = min(edges[0], x / z), min(edges[1], y / z)
        edges[2], edges[3] = max(edges[2], x / z), max(edges[3], y / z)
    return True


@machine_code
def look(
    table: TrackTable, view: View, edges: FloatArray, slopes: FloatArray, noise: FloatArray
) -> NDArray[np.bool_]:
    """Write how tracks appear.

    Args:
        table: [N], predicted.
        view: The camera.
        edges: float64 [N, 4], written.
        slopes: float64 [N, 4, 3], derivatives of the edges by the centre, written.
        noise: float64 [N, 4], variance of the edges for unsure sides and yaw, written.

    Returns:
        Which are in the image, bool [N]; the others are not written.
    """
    num = len(table)
    shown = np.zeros(num, dtype=np.bool_)
    axes, turned, moved, other = np.empty((3, 3)), np.empty((3, 3)), np.empty(3), np.empty(4)
    left, top, right, bottom = view[2]
    for n in range(num):
        t = table[n]
        write_axes(t.quat_xyzw, axes)
        if not _write_edges(t.center_m, axes, t.size_lwh_m, view, edges[n]):
            continue
        u, v = 0.5 * (edges[n, 0] + edges[n, 2]), 0.5 * (edges[n, 1] + edges[n, 3])
        shown[n] = left <= u <= right and top <= v <= bottom
        if not shown[n]:
            continue
        step_m = _STEP * t.size_lwh_m[2]
        for i in range(3):
            for j in range(3):
                moved[j] = t.center_m[j] + (step_m if i == j else 0.0)
            _write_edges(moved, axes, t.size_lwh_m, view, other)
            for k in range(4):
                slopes[n, k, i] = (other[k] - edges[n, k]) / step_m
        # about the vertical, by the yaw's deviation, which may be large
        sigma = min(np.sqrt(t.covariance[5, 5]), 0.5 * np.pi)
        c, s = np.cos(sigma), np.sin(sigma)
        for j in range(3):
            turned[0, j], turned[1, j] = (
                c * axes[0, j] - s * axes[1, j],
                s * axes[0, j] + c * axes[1, j],
            )
            turned[2, j] = axes[2, j]
        _write_edges(t.center_m, turned, t.size_lwh_m, view, other)
        high = (edges[n, 3] - edges[n, 1]) / t.size_lwh_m[2]
        flat_m2 = 0.5 * (t.size_variance_m2[0] + t.size_variance_m2[1])
        for k in range(4):
            side_m2 = flat_m2 if k % 2 == 0 else t.size_variance_m2[2]
            noise[n, k] = (other[k] - edges[n, k]) ** 2 + 0.25 * side_m2 * high**2
    return shown


@machine_code
def _innovation(
    t: Row, seen_as: tuple[FloatArray, FloatArray, FloatArray], measured: FloatArray, p: Row
) -> tuple[FloatArray, FloatArray]:
    """Difference of edges [4], and its covariance [4, 4]; both in heights of the rectangle."""
    edges, slopes, noise = seen_as
    high = edges[3] - edges[1]
    residual, covariance = np.empty(4), np.zeros((4, 4))
    for a in range(4):
        residual[a] = (measured[a] - edges[a]) / high
        covariance[a, a] = p.edge_noise**2 + noise[a] / high**2
        for b in range(4):
            for i in range(3):
                for j in range(3):
                    covariance[a, b] += slopes[a, i] * t.covariance[i, j] * slopes[b, j] / high**2
    return residual, covariance


@machine_code
def _distance(
    residual: FloatArray, covariance: FloatArray, inside: NDArray[np.bool_]
) -> tuple[float, float, int]:
    """Squared Mahalanobis distance in those edges that tell, log determinant, number of them."""
    index = np.flatnonzero(inside)
    num = len(index)
    factor, white = np.empty((4, 4)), np.empty(4)
    for a in range(num):
        white[a] = residual[index[a]]
        for b in range(num):
            factor[a, b] = covariance[index[a], index[b]]
    cholesky(factor, num)
    squared, log_volume = 0.0, 0.0
    for a in range(num):
        for b in range(a):
            white[a] -= factor[a, b] * white[b]
        white[a] /= factor[a, a]
        squared += white[a] ** 2
        log_volume += 2 * np.log(factor[a, a])
    return squared, log_volume, num


@machine_code
def image_costs(
    tracks: tuple[TrackTable, FloatArray],
    appearance: tuple[NDArray[np.bool_], FloatArray, FloatArray, FloatArray],
    found: Seen,
    found_like: FloatArray,
    p: Row,
) -> Pairs:
    """Pairs within the gate and what each costs, as :func:`association.pair_costs` does in space.

    Args:
        tracks: [N], and how well each class explains them, float64 [N, V].
        appearance: What :func:`look` gives: in the image, edges, slopes, noise.
        found: M detections.
        found_like: float64 [M, V].
        p: Parameters.
    """
    table, track_like = tracks
    shown, edges, slopes, noise = appearance
    measured, inside, _ = found
    first = np.zeros(len(table) + 1, dtype=np.intp)
    columns, costs = [0][:0], [0.0][:0]
    for n in range(len(table)):
        first[n + 1] = first[n]
        if not shown[n]:
            continue
        log_exists = -np.log1p(np.exp(-table[n].log_odds))
        seen_as = edges[n], slopes[n], noise[n]
        for m in range(len(measured)):
            residual, covariance = _innovation(table[n], seen_as, measured[m], p)
            squared, log_volume, num = _distance(residual, covariance, inside[m])
            if num == 0 or squared > p.image_gate:
                continue
            log_new = np.log(p.new_density) + 0.5 * num * np.log(2 * np.pi)
            same_class = compatibility(track_like[n], found_like[m])
            columns.append(m)
            costs.append(squared + log_volume + 2 * (log_new - np.log(same_class) - log_exists))
        first[n + 1] = len(columns)
    return first, np.array(columns, dtype=np.intp), np.array(costs)


@machine_code
def _correct(
    t: Row,
    seen_as: tuple[FloatArray, FloatArray, FloatArray],
    measured: FloatArray,
    inside: NDArray[np.bool_],
    p: Row,
) -> None:
    """Kalman update of a track by the edges that tell, one after the other, in place."""
    residual, _ = _innovation(t, seen_as, measured, p)
    edges, slopes, noise = seen_as
    high = edges[3] - edges[1]
    gain, moved = np.empty(NUM_STATES), np.zeros(NUM_STATES)
    for a in range(4):
        if not inside[a]:
            continue
        variance, off = p.edge_noise**2 + noise[a] / high**2, residual[a]
        for i in range(NUM_STATES):
            gain[i] = 0.0
            for j in range(3):
                gain[i] += t.covariance[i, j] * slopes[a, j] / high
        for i in range(3):
            variance += slopes[a, i] / high * gain[i]
            off -= slopes[a, i] / high * moved[i]
        for i in range(NUM_STATES):
            moved[i] += gain[i] / variance * off
            for j in range(NUM_STATES):
                t.covariance[i, j] -= gain[i] * gain[j] / variance
    add_step(t, moved)


@machine_code
def learn_from_image(
    tracks: tuple[TrackTable, FloatArray],
    seen_now: tuple[Seen, FloatArray, FloatArray],
    places: tuple[View, FloatArray],
    step: Step,
    parameters: Parameters,
) -> tuple[TrackTable, FloatArray, IntArray, IntArray, FloatArray]:
    """Predicted tracks, updated by the detections of one image; see :func:`after_image`.

    Args:
        tracks: [N] and their class probabilities [N, V].
        seen_now: M detections; their class probabilities, float64 [M, V]; which classes the
            detector knows, 1 or 0 [V].
        places: The camera, and its sight, float64 [8].
        step: To this frame.
        parameters: All of them.

    Returns:
        Others, and their class probabilities; rows of those that are likely enough to be kept;
        the detection of each of all, int [N], -1 for none; the largest overlap of each detection
        with how a confirmed track appeared, float64 [M].
    """
    table, class_probs = copied(tracks[0]), tracks[1].copy()
    (found, found_probs, known), (view, sight) = seen_now, places
    unknown, p = step[3], parameters[0]
    said, found_like = statement(found_probs, unknown, p), likelihood(found_probs, unknown, p)
    track_like = likelihood(class_probs, unknown, p)
    num = len(table)
    edges, slopes, noise = np.empty((num, 4)), np.empty((num, 4, 3)), np.empty((num, 4))
    shown = look(table, view, edges, slopes, noise)
    pairs = image_costs((table, track_like), (shown, edges, slopes, noise), found, found_like, p)
    chosen = assign_in_stages(pairs, found[2], p.strong_score)
    share, kept, num_kept = np.ones(num), np.empty(num, dtype=np.intp), 0
    unseen = np.empty(num, dtype=np.bool_)
    for n in range(num):
        table[n].log_odds = faded(table[n].log_odds, step[1], p)
        unseen[n] = shown[n] and chosen[n] < 0 and table[n].log_odds > p.remove_log_odds
    write_seen_share(table, unseen, sight, share, p)
    overlap = np.zeros(len(found[0]))
    for n in range(num):
        t, m = table[n], chosen[n]
        if m >= 0:
            _correct(t, (edges[n], slopes[n], noise[n]), found[0][m], found[1][m], p)
            note_detection(t, class_probs[n], (found[2][m], said[m]), step, p)
        elif shown[n]:
            looked_for = share[n] * np.sum(class_probs[n] * known) * p.image_certainty
            t.log_odds = missed(t.log_odds, looked_for * remembered_s(step[2], p), p)
        if is_kept(t, p):
            kept[num_kept] = n
            num_kept += 1
        if shown[n] and t.confirmed:
            for k in range(len(found[0])):
                overlap[k] = max(overlap[k], overlap_of(edges[n], found[0][k])[0])
    return table, class_probs, kept[:num_kept], chosen, overlap
