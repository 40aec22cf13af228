"""Rows of tracks: new ones, and those that stay."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import machine_code
from perception_stack.tracking.image.kernels.boxes import is_cut, larger_side
from perception_stack.tracking.image.kernels.state import LEVELS, Instant, Model, Tracks
from perception_stack.tracking.kernels.classes import fuse

_CUT_NOISE = 0.3  # of an edge that was never seen, relative to the larger side


@machine_code
def move_row(tracks: Tracks, source: int, target: int) -> None:
    """Copy one track over another."""
    if source != target:
        tracks.state[target] = tracks.state[source]
        tracks.covariance[target] = tracks.covariance[source]
        tracks.log_odds[target] = tracks.log_odds[source]
        tracks.class_probs[target] = tracks.class_probs[source]
        tracks.noise_probs[target] = tracks.noise_probs[source]
        tracks.whole[target] = tracks.whole[source]


@machine_code
def write_birth(tracks: Tracks, n: int, found: FloatArray, instant: Instant, model: Model) -> None:
    """Write where a new thing is, by one detection; it stands still for all one knows."""
    state, p = tracks.state[n], tracks.covariance[n]
    w, h = found[2] - found[0], found[3] - found[1]
    state[:] = 0.0
    state[0], state[1] = (found[0] + found[2]) / 2, (found[1] + found[3]) / 2
    state[2], state[3] = np.log(h), np.log(w / h)
    variance = np.empty(4)
    for edge in range(4):
        relative = model.edge_noise * model.noise_ratio
        if is_cut(edge, found[edge], instant):
            relative = _CUT_NOISE
        variance[edge] = (relative * larger_side(found)) ** 2
    p[:] = 0.0
    across, down = variance[0] + variance[2], variance[1] + variance[3]
    p[0, 0], p[1, 1] = across / 4, down / 4
    p[2, 2] = down / h**2
    p[3, 3] = across / w**2 + down / h**2
    p[2, 3] = p[3, 2] = -down / h**2
    p[0, 3] = p[3, 0] = (variance[2] - variance[0]) / (2 * w)
    p[1, 2] = p[2, 1] = (variance[3] - variance[1]) / (2 * h)
    p[1, 3] = p[3, 1] = -p[1, 2]
    p[4, 4] = p[5, 5] = model.speed**2
    p[6, 6] = model.approach**2
    tracks.noise_probs[n] = 1.0 / LEVELS
    tracks.class_probs[n] = 1.0 / tracks.class_probs.shape[1]


@machine_code
def fuse_class(probs: FloatArray, label: int, unseen_s: float, model: Model) -> None:
    """One more detection of a class: Bayes with forgetting, as in the 3-D tracker, in place."""
    said = np.full(len(probs), model.class_confusion / len(probs))
    said[label] += 1 - model.class_confusion
    fuse(probs, said, unseen_s, model)
