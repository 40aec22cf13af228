"""A first answer that up to half of wrong poses cannot spoil: least median of squares.

Three poses make two motions of the hand and of the eye, which fix the answer in closed form
(Park & Martin 1994): the axes of the motions give the rotation, the rest the translation. Of the
answers of many triples the one is taken under which the median pose fits best (Rousseeuw 1984);
that needs to know no noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.rotations import log, nearest_rotation
from perception_stack.calibration.hand_eye.pairs import PosePairs
from perception_stack.datatypes import FloatArray

_NUM_TRIPLES = 4000
_NUM_TRIED = 400
_MOST_POSES = 250


def first_answer(
    pairs: PosePairs, *, rng: np.random.Generator
) -> tuple[tuple[FloatArray, FloatArray], float]:
    """Rotation [3, 3] and translation [3] of ``hand_from_eye``, and how badly the median fits.

    Args:
        pairs: At least three.
        rng: Draws the triples.
    """
    if len(pairs) > _MOST_POSES:
        pairs = pairs.rows(np.linspace(0, len(pairs) - 1, _MOST_POSES).astype(np.intp))
    triples = rng.integers(len(pairs), size=(_NUM_TRIPLES, 3))
    hand, eye = pairs.base_from_hand, pairs.target_from_eye
    hand_turn, hand_shift = _motions(*hand, triples)
    eye_turn, eye_shift = _motions(*eye, triples)
    hand_axis, eye_axis = log(hand_turn), log(eye_turn)
    # two motions about different axes say most
    said = np.linalg.norm(np.cross(hand_axis[:, 0], hand_axis[:, 1]), axis=1)
    best = np.argsort(-said)[:_NUM_TRIED]
    hand_axis, eye_axis = hand_axis[best], eye_axis[best]
    third_hand = np.cross(hand_axis[:, :1], hand_axis[:, 1:])
    third_eye = np.cross(eye_axis[:, :1], eye_axis[:, 1:])
    rotation = nearest_rotation(
        np.einsum(
            "tki,tkj->tij",
            np.concatenate([hand_axis, third_hand], axis=1),
            np.concatenate([eye_axis, third_eye], axis=1),
        )
    )
    # (R_hand - 1) t = R t_eye - t_hand for both motions
    lever = (hand_turn[best] - np.eye(3)).reshape(len(best), 6, 3)
    right = np.einsum("tij,tkj->tki", rotation, eye_shift[best]) - hand_shift[best]
    translation = np.einsum("tij,tj->ti", np.linalg.pinv(lever), right.reshape(len(best), 6))
    miss = _median_miss(pairs, rotation, translation, triples[best, 0])
    winner = int(np.argmin(miss))
    return (rotation[winner], translation[winner]), float(miss[winner])


def _motions(
    rotation: FloatArray, translation: FloatArray, triples: NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """From the first of each triple to the two others: [T, 2, 3, 3] and [T, 2, 3]."""
    back = rotation[triples[:, 0]].swapaxes(1, 2)[:, None]
    turn = back @ rotation[triples[:, 1:]]
    gap = translation[triples[:, 1:]] - translation[triples[:, :1]]
    return turn, (back @ gap[..., None])[..., 0]


def _median_miss(
    pairs: PosePairs, rotation: FloatArray, translation: FloatArray, reference: FloatArray
) -> FloatArray:
    """Median error in rotation times that in place, [T], which has the same least for any unit.

    Where every pose puts the target is compared with where the pose ``reference`` puts it.
    """
    (hand_r, hand_t), (eye_r, eye_t) = pairs.base_from_hand, pairs.eye_from_target
    turn = hand_r[None] @ rotation[:, None] @ eye_r[None]
    place = np.einsum("tij,nj->tni", rotation, eye_t) + translation[:, None]
    place = np.einsum("nij,tnj->tni", hand_r, place) + hand_t
    rows = np.arange(len(rotation))
    trace = np.einsum("tnij,tij->tn", turn, turn[rows, reference])
    angle = np.arccos(np.clip((trace - 1) / 2, -1, 1))
    gap = np.linalg.norm(place - place[rows, reference][:, None], axis=2)
    miss: FloatArray = np.median(angle, axis=1) * np.median(gap, axis=1)
    return miss
