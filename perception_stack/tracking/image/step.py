"""One frame: the tracks carried on, given their detections, aged, and joined by new ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.common.assignment import IntArray, assign_in_stages
from perception_stack.tracking.common.classes import fuse
from perception_stack.tracking.common.config import Parameters, Row
from perception_stack.tracking.common.existence import born, faded, missed, remembered_s, seen
from perception_stack.tracking.common.rectangles import overlap
from perception_stack.tracking.image.association import pair_costs
from perception_stack.tracking.image.detections import Found, Instant
from perception_stack.tracking.image.edges import (
    correct,
    larger_side,
    log_likelihood,
    mean_variance_px2,
    share_in_image,
    write_edges,
    write_first,
    write_innovation,
)
from perception_stack.tracking.image.listing import Listing, listing
from perception_stack.tracking.image.motion import follow_camera, predict
from perception_stack.tracking.image.tracks import (
    CONFIRMED,
    DETECTIONS,
    LEVELS,
    SEEN_NS,
    SERIAL,
    Tracks,
)


@machine_code
def step(
    tracks: Tracks, num: int, found: Found, instant: Instant, parameters: Parameters
) -> tuple[int, int, int, Listing]:
    """Take the tracks from one frame to the next, in place; there must be room for the new ones.

    Args:
        tracks: The first ``num`` rows are taken.
        num: Number of tracks.
        found: Detections.
        instant: Of this frame.
        parameters: All of them.

    Returns:
        Number of tracks, of detections used, of duplicates left out; and the list.
    """
    p = parameters[0]
    num = _carried_on(tracks, num, instant, p)
    pairs = pair_costs(tracks, num, found, instant, p)
    if follow_camera(tracks, num, found, pairs):
        pairs = pair_costs(tracks, num, found, instant, p)
    chosen = np.full(num + len(found.score), -1, dtype=np.intp)
    chosen[:num] = assign_in_stages(pairs, found.score, p.strong_score)
    free = found.score >= p.strong_score
    for m in chosen[:num]:
        if m >= 0:
            free[m] = False
    _aged(tracks, found, chosen[:num], instant, p)
    num = _kept(tracks, num, chosen, p)
    num, num_duplicates = _joined((tracks, num), (found, free), chosen, instant, p)
    num_used = int(np.sum(chosen[:num] >= 0))
    return num, num_used, num_duplicates, listing(tracks, found, chosen[:num], instant, p)


@machine_code
def _carried_on(tracks: Tracks, num: int, instant: Instant, p: Row) -> int:
    """Predict, and end what left the image or could be anywhere by now."""
    stay = np.exp(-instant.dt_s / p.noise_memory_s)
    edges = np.empty(4)
    kept = 0
    for n in range(num):
        predict(tracks.state[n], tracks.covariance[n], instant.dt_s, p)
        tracks.noise_probs[n] = stay * tracks.noise_probs[n] + (1 - stay) / LEVELS
        write_edges(tracks.state[n], edges)
        covariance = tracks.covariance[n]
        spread = np.sqrt(0.5 * (covariance[0, 0] + covariance[1, 1]))
        spread /= np.exp(tracks.state[n, 2])
        if spread <= p.lost_spread and share_in_image(edges, instant) > 0:
            _move_row(tracks, n, kept)
            kept += 1
    return kept


@machine_code
def _aged(tracks: Tracks, found: Found, chosen: IntArray, instant: Instant, p: Row) -> None:
    """What the frame tells of the tracks: of those it saw, and of those it did not."""
    innovation = np.empty((4, 7)), np.empty(4), np.empty((4, 4))
    edges, levels = np.empty(4), np.empty(LEVELS)
    for n in range(len(chosen)):
        state, covariance, whole = tracks.state[n], tracks.covariance[n], tracks.whole[n]
        write_edges(state, edges)
        log_odds = faded(tracks.log_odds[n], instant.dt_s, p)
        m = chosen[n]
        if m < 0:
            visible = 1 - hidden_share(edges, found, chosen)
            visible *= share_in_image(edges, instant)
            tracks.log_odds[n] = missed(log_odds, visible * remembered_s(instant.dt_s, p), p)
            continue
        noise_px = p.edge_noise * larger_side(edges)
        write_innovation(state, covariance, found.xyxy_px[m], instant, innovation)
        log_likelihood(innovation, noise_px, tracks.noise_probs[n], p, levels)
        tracks.noise_probs[n] = levels
        correct(state, covariance, innovation, mean_variance_px2(noise_px, levels, p))
        tracks.log_odds[n] = seen(log_odds, found.score[m], instant.dt_s, p)
        unseen_s = (instant.stamp_ns - whole[SEEN_NS]) * 1e-9
        fuse_class(tracks.class_probs[n], found.label[m], unseen_s, p)
        whole[SEEN_NS] = instant.stamp_ns
        whole[DETECTIONS] += 1
        if tracks.log_odds[n] >= p.confirm_log_odds:
            whole[CONFIRMED] = 1


@machine_code
def _kept(tracks: Tracks, num: int, chosen: IntArray, p: Row) -> int:
    """End what is hardly there; what was once confirmed may come back and is kept."""
    least = p.remove_log_odds
    kept = 0
    for n in range(num):
        if tracks.whole[n, CONFIRMED]:
            tracks.log_odds[n] = max(tracks.log_odds[n], least)
        if tracks.log_odds[n] >= least:
            _move_row(tracks, n, kept)
            chosen[kept] = chosen[n]
            kept += 1
    return kept


@machine_code
def _joined(
    known: tuple[Tracks, int],
    offered: tuple[Found, NDArray[np.bool_]],
    chosen: IntArray,
    instant: Instant,
    p: Row,
) -> tuple[int, int]:
    """Start a track with each free detection that does not lie on an old one."""
    (tracks, num_old), (found, free) = known, offered
    edges = np.empty(4)
    num, num_duplicates = num_old, 0
    for m in np.flatnonzero(free):
        most = 0.0
        for n in range(num_old):
            write_edges(tracks.state[n], edges)
            most = max(most, overlap(edges, found.xyxy_px[m])[0])
        if most > p.duplicate_overlap:
            num_duplicates += 1
            continue
        write_first(tracks.state[num], tracks.covariance[num], found.xyxy_px[m], instant, p)
        tracks.noise_probs[num] = 1.0 / LEVELS
        tracks.class_probs[num] = 1.0 / tracks.class_probs.shape[1]
        fuse_class(tracks.class_probs[num], found.label[m], 0.0, p)
        tracks.log_odds[num] = born(found.score[m], p)
        whole = tracks.whole[num]
        whole[SERIAL] = instant.serial + num - num_old
        whole[SEEN_NS], whole[DETECTIONS] = instant.stamp_ns, 1
        whole[CONFIRMED] = 1 if tracks.log_odds[num] >= p.confirm_log_odds else 0
        chosen[num] = m
        num += 1
    return num, num_duplicates


@machine_code
def _move_row(tracks: Tracks, source: int, target: int) -> None:
    """Copy one track over another."""
    if source != target:
        tracks.state[target] = tracks.state[source]
        tracks.covariance[target] = tracks.covariance[source]
        tracks.log_odds[target] = tracks.log_odds[source]
        tracks.class_probs[target] = tracks.class_probs[source]
        tracks.noise_probs[target] = tracks.noise_probs[source]
        tracks.whole[target] = tracks.whole[source]


@machine_code
def fuse_class(probs: FloatArray, label: int, unseen_s: float, p: Row) -> None:
    """One more detection of a class: Bayes with forgetting, as in the 3-D tracker, in place."""
    said = np.full(len(probs), p.class_confusion / len(probs))
    said[label] += 1 - p.class_confusion
    fuse(probs, said, unseen_s, p)


@machine_code
def hidden_share(edges: FloatArray, found: Found, chosen: IntArray) -> float:
    """Largest share of a box that lies behind a tracked thing detected in front of it.

    What stands nearer on the same ground ends lower in the image.
    """
    most = 0.0
    for m in chosen:
        if m >= 0 and found.xyxy_px[m, 3] >= edges[3]:
            most = max(most, overlap(edges, found.xyxy_px[m])[1])
    return most
