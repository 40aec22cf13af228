"""Where else an object may be: by its symmetries, or because what would tell is hidden."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.colours import likeness
from perception_stack.pose.estimates import Found
from perception_stack.pose.hypotheses import best_different
from perception_stack.pose.region import noise_at
from perception_stack.pose.search import LAST_LIMIT, Candidates, Search
from perception_stack.pose.uncertainty import covariance_of
from perception_stack.pose.verification import Evidence

# differences of shares up to which two poses fit as well
_LESS_CONFIRMED, _MORE_VIOLATED = 0.08, 0.05
_ELSEWHERE = 0.1  # mean distance of corners, of the diameter
_SAME_PLACE = 0.5  # of the diameter
_MOST = 96
_CLEARLY_LIKER = 0.1  # correlation of colours


def with_alternatives(search: Search, candidates: Candidates, row: int) -> Found:
    """One of the candidates of a search, with the other poses in its place that fit as well."""
    model, evidence = search.model, candidates.evidence
    middles_m = candidates.poses @ np.append(model.known.middle_m, 1.0)
    apart_m = np.linalg.norm(middles_m - middles_m[row], axis=1)
    as_good = _as_good(candidates.closely, row) & (apart_m < _SAME_PLACE * model.diameter_m)
    # the best first, then what is truly elsewhere
    order = np.append(row, np.flatnonzero(as_good & (np.arange(len(as_good)) != row)))
    ranks = np.append(np.inf, candidates.log_odds[order[1:]])
    different = best_different(
        model, candidates.poses[order], ranks, num=len(order), apart=_ELSEWHERE
    )
    bases = candidates.poses[order[different]]
    poses = (bases[:, None] @ model.equivalents).reshape(-1, 4, 4)[:_MOST]
    if len(model.known.rgb) and search.scene.rgb.size:
        poses = _liker(search, poses)
    found = poses[0]
    covariance, num_points = covariance_of(
        model,
        search.points_around(found),
        found,
        limit_m=LAST_LIMIT * model.diameter_m,
        noise_m=float(noise_at(found[2, 3], search.noise_m)),
    )
    return Found(
        model=model,
        pose=found,
        covariance=covariance,
        score=float(candidates.score[row]),
        visible=float(evidence.visible[row]),
        contradicted=float(evidence.violated[row]),
        num_points=num_points,
        alternatives=poses[1:],
    )


def _as_good(closely: Evidence, row: int) -> NDArray[np.bool_]:
    """Which candidates the frame speaks for as much as for one of them, by the sensor's noise."""
    return np.asarray(
        (closely.agreement > closely.agreement[row] - _LESS_CONFIRMED)
        & (closely.visible > closely.visible[row] - _LESS_CONFIRMED)
        & (closely.violated < closely.violated[row] + _MORE_VIOLATED)
    )


def _liker(search: Search, poses: FloatArray) -> FloatArray:
    """Those of the poses whose colours fit about as well as the best do, the best first."""
    alike = likeness(
        search.model, poses, search.scene, tolerance_m=search.tolerance.at(poses[0, 2, 3])
    )
    order = np.argsort(-alike, kind="stable")
    return np.asarray(poses[order[alike[order] > alike.max() - _CLEARLY_LIKER]])
