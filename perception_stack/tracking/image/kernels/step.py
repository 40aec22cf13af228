"""One frame: the tracks carried on, given their detections, aged, and joined by new ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.boxes import (
    larger_side,
    share_in_image,
    write_edges,
)
from perception_stack.tracking.image.kernels.camera import follow_camera
from perception_stack.tracking.image.kernels.edges import (
    correct,
    log_likelihood,
    mean_variance_px2,
    write_innovation,
)
from perception_stack.tracking.image.kernels.existence import (
    born,
    hidden_share,
    log_odds_of,
    missed,
    seen,
)
from perception_stack.tracking.image.kernels.listing import listing
from perception_stack.tracking.image.kernels.motion import predict
from perception_stack.tracking.image.kernels.pairs import assign, pair_costs
from perception_stack.tracking.image.kernels.rows import fuse_class, move_row, write_birth
from perception_stack.tracking.image.kernels.state import (
    CONFIRMED,
    DETECTIONS,
    LEVELS,
    SEEN_NS,
    SERIAL,
    Found,
    Instant,
    IntArray,
    Listing,
    Model,
    Tracks,
)
from perception_stack.tracking.kernels.rectangles import overlap


@machine_code
def step(
    tracks: Tracks, num: int, found: Found, instant: Instant, model: Model
) -> tuple[int, int, int, Listing]:
    """Take the tracks from one frame to the next, in place; there must be room for the new ones.

    Args:
        tracks: The first ``num`` rows are taken.
        num: Number of tracks.
        found: Detections.
        instant: Of this frame.
        model: Parameters.

    Returns:
        Number of tracks, of detections used, of duplicates left out; and the list.
    """
    num = _carried_on(tracks, num, instant, model)
    pairs = pair_costs(tracks, num, found, instant, model)
    if follow_camera(tracks, num, found, pairs):
        pairs = pair_costs(tracks, num, found, instant, model)
    chosen = np.full(num + len(found.score), -1, dtype=np.int64)
    strong = found.score >= model.strong_score
    assign(pairs, strong, chosen[:num])
    assign(pairs, ~strong, chosen[:num])  # a weak one never takes a track from a strong one
    free = strong.copy()
    for m in chosen[:num]:
        if m >= 0:
            free[m] = False
    _aged(tracks, found, chosen[:num], instant, model)
    num = _kept(tracks, num, chosen, model)
    num, num_duplicates = _joined((tracks, num), (found, free), chosen, instant, model)
    num_used = int(np.sum(chosen[:num] >= 0))
    return num, num_used, num_duplicates, listing(tracks, found, chosen[:num], instant, model)


@machine_code
def _carried_on(tracks: Tracks, num: int, instant: Instant, model: Model) -> int:
    """Predict, and end what left the image or could be anywhere by now."""
    stay = np.exp(-instant.dt_s / model.noise_memory_s)
    edges = np.empty(4)
    kept = 0
    for n in range(num):
        predict(tracks.state[n], tracks.covariance[n], instant.dt_s, model)
        tracks.noise_probs[n] = stay * tracks.noise_probs[n] + (1 - stay) / LEVELS
        write_edges(tracks.state[n], edges)
        p = tracks.covariance[n]
        spread = np.sqrt(0.5 * (p[0, 0] + p[1, 1])) / np.exp(tracks.state[n, 2])
        if spread <= model.lost_spread and share_in_image(edges, instant) > 0:
            move_row(tracks, n, kept)
            kept += 1
    return kept


@machine_code
def _aged(tracks: Tracks, found: Found, chosen: IntArray, instant: Instant, model: Model) -> None:
    """What the frame tells of the tracks: of those it saw, and of those it did not."""
    innovation = np.empty((4, 7)), np.empty(4), np.empty((4, 4))
    edges, levels = np.empty(4), np.empty(LEVELS)
    confirming = log_odds_of(model.confirm_existence)
    for n in range(len(chosen)):
        state, covariance, whole = tracks.state[n], tracks.covariance[n], tracks.whole[n]
        write_edges(state, edges)
        m = chosen[n]
        if m < 0:
            visible = 1 - hidden_share(edges, found, chosen)
            visible *= share_in_image(edges, instant)
            tracks.log_odds[n] = missed(tracks.log_odds[n], visible, instant.dt_s, model)
            continue
        noise_px = model.edge_noise * larger_side(edges)
        write_innovation(state, covariance, found.xyxy_px[m], instant, innovation)
        log_likelihood(innovation, noise_px, tracks.noise_probs[n], model, levels)
        tracks.noise_probs[n] = levels
        correct(state, covariance, innovation, mean_variance_px2(noise_px, levels, model))
        tracks.log_odds[n] = seen(tracks.log_odds[n], found.score[m], instant.dt_s, model)
        unseen_s = (instant.stamp_ns - whole[SEEN_NS]) * 1e-9
        fuse_class(tracks.class_probs[n], found.label[m], unseen_s, model)
        whole[SEEN_NS] = instant.stamp_ns
        whole[DETECTIONS] += 1
        if tracks.log_odds[n] >= confirming:
            whole[CONFIRMED] = 1


@machine_code
def _kept(tracks: Tracks, num: int, chosen: IntArray, model: Model) -> int:
    """End what is hardly there; what was once confirmed may come back and is kept."""
    least = log_odds_of(model.remove_existence)
    kept = 0
    for n in range(num):
        if tracks.whole[n, CONFIRMED]:
            tracks.log_odds[n] = max(tracks.log_odds[n], least)
        if tracks.log_odds[n] >= least:
            move_row(tracks, n, kept)
            chosen[kept] = chosen[n]
            kept += 1
    return kept


@machine_code
def _joined(
    known: tuple[Tracks, int],
    offered: tuple[Found, NDArray[np.bool_]],
    chosen: IntArray,
    instant: Instant,
    model: Model,
) -> tuple[int, int]:
    """Start a track with each free detection that does not lie on an old one."""
    (tracks, num_old), (found, free) = known, offered
    edges = np.empty(4)
    num, num_duplicates = num_old, 0
    confirming = log_odds_of(model.confirm_existence)
    for m in np.flatnonzero(free):
        most = 0.0
        for n in range(num_old):
            write_edges(tracks.state[n], edges)
            most = max(most, overlap(edges, found.xyxy_px[m])[0])
        if most > model.duplicate_overlap:
            num_duplicates += 1
            continue
        write_birth(tracks, num, found.xyxy_px[m], instant, model)
        fuse_class(tracks.class_probs[num], found.label[m], 0.0, model)
        tracks.log_odds[num] = born(found.score[m], model)
        whole = tracks.whole[num]
        whole[SERIAL] = instant.serial + num - num_old
        whole[SEEN_NS], whole[DETECTIONS] = instant.stamp_ns, 1
        whole[CONFIRMED] = 1 if tracks.log_odds[num] >= confirming else 0
        chosen[num] = m
        num += 1
    return num, num_duplicates
