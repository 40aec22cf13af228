"""First guesses of a pose: matched features, triplets of matches, rigid fits (RANSAC).

Fischler and Bolles 1981 with the edge-length test of Open3D's feature registration; all triplets
are tried at once, drawn by a seeded generator, so the same input gives the same guesses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.surface import Surface

_EDGE_RATIO = 0.85
_INLIER_SPACINGS = 1.5
_SAME_SPACINGS, _SAME_RAD = 2.0, 0.35
_NUM_NEAREST = 3


def guess_poses(
    model: Surface, scene: Surface, *, num_triplets: int, num_kept: int, seed: int
) -> FloatArray:
    """Scene-from-model transforms that many matches agree on, best first and all different.

    Args:
        model: The whole object.
        scene: What is seen of it, and of its surroundings.
        num_triplets: Triplets of matches to try.
        num_kept: Most poses to return.
        seed: Of the generator.

    Returns:
        float64 [K, 4, 4], K at most ``num_kept``.
    """
    from scipy.spatial import cKDTree

    nearest = min(_NUM_NEAREST, len(model))
    _, found = cKDTree(model.features).query(scene.features, k=nearest)
    matched_model = np.asarray(found).reshape(len(scene), nearest).ravel()
    matched_scene = np.repeat(np.arange(len(scene)), nearest)
    p, q = model.points_m[matched_model], scene.points_m[matched_scene]
    normals_p, normals_q = model.normals[matched_model], scene.normals[matched_scene]

    rng = np.random.default_rng(seed)
    triplets = rng.integers(0, len(p), (num_triplets, 3))
    triplets = triplets[_similar(p[triplets], q[triplets], model.spacing_m)]
    if not len(triplets):
        return np.empty((0, 4, 4))
    rotations, translations = fit_rigid(p[triplets], q[triplets])
    turned = np.einsum("tij,tkj->tki", rotations, normals_p[triplets])
    facing = (np.einsum("tki,tki->tk", turned, normals_q[triplets]) > 0.5).all(axis=1)
    rotations, translations = rotations[facing], translations[facing]
    votes = _votes(rotations, translations, p, q, _INLIER_SPACINGS * model.spacing_m)
    order = np.argsort(-votes, kind="stable")
    kept = _different(rotations[order], translations[order], num_kept, model.spacing_m)
    poses = np.tile(np.eye(4), (len(kept), 1, 1))
    poses[:, :3, :3] = rotations[order][kept]
    poses[:, :3, 3] = translations[order][kept]
    return poses


def fit_rigid(source: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least-squares rigid transforms of many small point sets (Kabsch 1976).

    Args:
        source: float64 [T, K, 3].
        target: float64 [T, K, 3].

    Returns:
        rotations float64 [T, 3, 3]; translations float64 [T, 3]; target ≈ R source + t.
    """
    center_s, center_t = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("tki,tkj->tij", target - center_t, source - center_s))
    sign = np.ones((len(source), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotations = np.einsum("tij,tj,tjk->tik", u, sign, vt)
    translations = center_t[:, 0] - np.einsum("tij,tj->ti", rotations, center_s[:, 0])
    return rotations, translations


def _similar(p: FloatArray, q: FloatArray, spacing_m: float) -> NDArray[np.bool_]:
    """Triplets whose three edges have nearly the same length on both sides."""
    edges_p = np.linalg.norm(p - np.roll(p, 1, axis=1), axis=2)
    edges_q = np.linalg.norm(q - np.roll(q, 1, axis=1), axis=2)
    shorter, longer = np.minimum(edges_p, edges_q), np.maximum(edges_p, edges_q)
    similar: NDArray[np.bool_] = (
        (shorter >= _EDGE_RATIO * longer) & (shorter > 2 * spacing_m)
    ).all(axis=1)
    return similar


def _votes(
    rotations: FloatArray, translations: FloatArray, p: FloatArray, q: FloatArray, limit_m: float
) -> NDArray[np.intp]:
    """How many matches agree with each transform."""
    votes = np.empty(len(rotations), dtype=np.intp)
    for start in range(0, len(rotations), 256):
        part = slice(start, start + 256)
        moved = np.einsum("tij,nj->tni", rotations[part], p) + translations[part, None]
        votes[part] = (((moved - q) ** 2).sum(axis=2) < limit_m**2).sum(axis=1)
    return votes


def _different(
    rotations: FloatArray, translations: FloatArray, num: int, spacing_m: float
) -> list[int]:
    """The first transforms, each of which differs from all before it."""
    kept: list[int] = []
    for i in range(len(rotations)):
        if len(kept) == num:
            break
        cosine = (np.einsum("kij,ij->k", rotations[kept], rotations[i]) - 1) / 2
        distance = np.linalg.norm(translations[kept] - translations[i], axis=1)
        same = (cosine > np.cos(_SAME_RAD)) & (distance < _SAME_SPACINGS * spacing_m)
        if not same.any():
            kept.append(i)
    return kept
