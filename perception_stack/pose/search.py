"""From seen points to poses that explain them: many guesses, few survive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.pose.certainty import certainty, choice_log_odds, rough_log_odds
from perception_stack.pose.hypotheses import (
    best_at_a_glance,
    best_different,
    contacts_at,
    log_prior,
    nearby,
    turned,
)
from perception_stack.pose.models import PoseModel
from perception_stack.pose.parallel import by_parts, in_parallel
from perception_stack.pose.region import Points, Region, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.verification import Evidence, Tolerance, judge

# lengths are relative to the object's diameter
_FIRST_LIMITS = np.geomspace(0.25, 0.12, 6)
_NEAR_LIMITS = np.geomspace(0.2, 0.06, 15)
_NEXT_LIMITS = np.geomspace(0.15, 0.06, 10)
_LAST_LIMITS = np.geomspace(0.06, 0.04, 8)
_FIRST_APART, _NEXT_APART, _SAME = 0.1, 0.05, 0.025
_REACH = 0.75
_NUM_FEW, _NUM_SEEN, _NUM_LAST_SEEN = 80, 500, 1500
_PER_SEED, _NUM_REFINED, _NUM_TURNED, _NUM_LAST = 10, 80, 4, 12
_PER_PLACE = 6
_WIDER = 3  # times as many where there may be several of the object
_GLANCE_TOLERANCE = 0.05
_LEAST_GLANCE = 0.1  # in a whole frame, less than is seen of anything that is reported
_TOLERANCE, _CLOSE_TOLERANCE = (0.035, 2.0), (0.012, 1.3)  # of the diameter, of the noise

LEAST_ODDS = -5.0
"""Log odds of a pose in a whole frame below which it is not looked at further."""
LAST_LIMIT = float(_LAST_LIMITS[-1])
"""Points farther from the model than this, relative to its diameter, do not belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """Poses of one object, best first, with the evidence for and against each.

    Attributes:
        poses: float64 [K, 4, 4], scene from model.
        evidence: Of each, by the tolerance of the search.
        closely: The same by the sensor's noise.
        log_odds: float64 [K], by which they are ordered.
        score: float64 [K], probability of being right, if chosen.
    """

    poses: FloatArray
    evidence: Evidence
    closely: Evidence
    log_odds: FloatArray
    score: FloatArray

    def __len__(self) -> int:
        return len(self.poses)


class Search:
    """The search for one object in one region of a frame.

    Args:
        model: The object.
        scene: The frame.
        region: Where to look.
        noise_m: Standard deviation of a depth at 1 m.
        threads: That it may use.

    Attributes:
        noise_m: Standard deviation of a depth at 1 m.
        tolerance: Depths that differ by more disagree.
    """

    def __init__(
        self, model: PoseModel, scene: Scene, region: Region, *, noise_m: float, threads: int = 1
    ) -> None:
        self.model = model
        self.scene = scene
        self.region = region
        self.noise_m = noise_m
        self._threads = threads
        self.tolerance, self._closely = (
            Tolerance(least_m=share * model.diameter_m, noise_m=noises * noise_m)
            for share, noises in (_TOLERANCE, _CLOSE_TOLERANCE)
        )

    def run(self) -> Candidates:
        """The best poses that differ, best first."""
        wider, glance, odds = 1, -np.inf, -np.inf
        if self.region.is_whole_frame:
            wider, glance, odds = _WIDER, _LEAST_GLANCE, LEAST_ODDS
        starts = self._starts(glance)
        poses = self._best(starts, num=wider * _NUM_REFINED, apart=_FIRST_APART, least=odds)
        poses = self._aligned(poses, _NEXT_LIMITS)
        best = self._best(poses, num=wider * _NUM_TURNED, apart=_NEXT_APART)
        # nearly symmetric objects: the little that tells the sides apart does not pull a pose over
        more = self._aligned(turned(self.model, best, apart=_FIRST_APART), _NEXT_LIMITS)
        poses = self._best(np.concatenate([poses, more]), num=wider * _NUM_LAST, apart=_NEXT_APART)
        return self.refined(poses)

    def near(self, pose: FloatArray) -> Candidates:
        """The pose that fits best near a given one; the nearer it is, the less it has to fit."""
        poses = self._aligned(nearby(self.model, pose), _NEAR_LIMITS)
        poses = self._best(poses, num=_NUM_LAST, apart=_NEXT_APART, about=pose)
        return self.refined(poses, about=pose)

    def refined(self, poses: FloatArray, *, about: FloatArray | None = None) -> Candidates:
        """Poses near the truth, each brought to where it fits best; the best first.

        Args:
            poses: float64 [H, 4, 4], scene from model.
            about: float64 [4, 4], where the object was expected, if it was.
        """
        poses = self._aligned(poses, _LAST_LIMITS, fine=True)
        evidence, closely = self.judged(poses), self.judged(poses, closely=True)
        whole_frame = self.region.is_whole_frame
        odds = choice_log_odds(evidence, closely, whole_frame=whole_frame)
        odds += self._log_prior(poses, about)
        rows = best_different(self.model, poses, odds, num=len(poses), apart=_SAME)
        evidence, closely = evidence.rows(rows), closely.rows(rows)
        return Candidates(
            poses=poses[rows],
            evidence=evidence,
            closely=closely,
            log_odds=odds[rows],
            score=certainty(evidence, closely, whole_frame=whole_frame),
        )

    def points_around(self, pose: FloatArray) -> Points:
        """Seen points within reach of a pose."""
        return self.region.seen.rows(self._rows_around(pose))

    def judged(self, poses: FloatArray, *, closely: bool = False) -> Evidence:
        """The evidence for and against poses, by the tolerance of the search or of the noise."""
        return judge(
            self.model,
            self.model.even,
            poses,
            self.scene,
            self.region.xyxy_px,
            tolerance=self._closely if closely else self.tolerance,
            threads=self._threads,
        )

    def _starts(self, least: float) -> FloatArray:
        """Guesses at all seeds, roughly aligned, that agree at least so well with the depths."""
        from perception_stack.pose._kernels import rows_within

        model, region = self.model, self.region

        def at(seed: int) -> FloatArray:
            around = rows_within(region.seen.points_m, region.seeds_m[seed], model.diameter_m)
            few_m = region.seen.points_m[_some(around, _NUM_FEW)]
            poses = contacts_at(model, self.scene, region, seed, least=least)
            poses = model.even.aligned(few_m, poses, _FIRST_LIMITS * model.diameter_m)
            return best_at_a_glance(
                model,
                self.scene,
                poses,
                num=_PER_SEED,
                tolerance=_GLANCE_TOLERANCE,
                least=least,
            )

        found = in_parallel(at, range(len(region.seeds_m)), threads=self._threads)
        return np.concatenate([np.empty((0, 4, 4)), *found])

    def _aligned(self, poses: FloatArray, limits: FloatArray, *, fine: bool = False) -> FloatArray:
        def moved(poses: FloatArray) -> FloatArray:
            if not self.region.is_whole_frame:
                rows = np.arange(len(self.region.seen))
                return self._aligned_to(rows, poses, limits, fine=fine)
            better = poses.copy()
            for row, pose in enumerate(poses):
                around = self._rows_around(pose)
                if len(around):
                    better[[row]] = self._aligned_to(around, pose[None], limits, fine=fine)
            return better

        return by_parts(moved, poses, threads=self._threads)

    def _aligned_to(
        self, rows: NDArray[np.intp], poses: FloatArray, limits: FloatArray, *, fine: bool
    ) -> FloatArray:
        seen, limits_m = self.region.seen, limits * self.model.diameter_m
        if not fine:
            return self.model.even.aligned(seen.points_m[_some(rows, _NUM_SEEN)], poses, limits_m)
        seen = seen.rows(_some(rows, _NUM_LAST_SEEN))
        return self.model.fine.aligned(seen.points_m, poses, limits_m, seen_normals=seen.normals)

    def _rows_around(self, pose: FloatArray) -> NDArray[np.intp]:
        from perception_stack.pose._kernels import rows_within

        middle_m = pose[:3, :3] @ self.model.known.middle_m + pose[:3, 3]
        return rows_within(self.region.seen.points_m, middle_m, _REACH * self.model.diameter_m)

    def _best(
        self,
        poses: FloatArray,
        *,
        num: int,
        apart: float,
        least: float = -np.inf,
        about: FloatArray | None = None,
    ) -> FloatArray:
        odds = rough_log_odds(self.judged(poses), whole_frame=self.region.is_whole_frame)
        poses, odds = poses[odds >= least], odds[odds >= least]
        rows = best_different(
            self.model,
            poses,
            odds + self._log_prior(poses, about),
            num=num,
            apart=apart,
            per_place=_PER_PLACE if self.region.is_whole_frame else None,
        )
        return np.asarray(poses[rows])

    def _log_prior(self, poses: FloatArray, about: FloatArray | None) -> FloatArray:
        return np.zeros(len(poses)) if about is None else log_prior(self.model, poses, about)


def search_of_frame(
    model: PoseModel, scene: Scene, points: Points, *, noise_m: float, threads: int = 1
) -> Search:
    """The search for all of one object in a whole frame.

    Args:
        model: The object.
        scene: The frame.
        points: Of it, as of ``points_of_frame``; at least one.
        noise_m: Standard deviation of a depth at 1 m.
        threads: That it may use.
    """
    region = region_of(points, diameter_m=model.diameter_m, xyxy_px=None)
    region = region.where_precise(model.diameter_m, noise_m=noise_m)
    return Search(model, scene, region, noise_m=noise_m, threads=threads)


def _some(rows: NDArray[np.intp], num: int) -> NDArray[np.intp]:
    """Every n-th row, so that few enough remain."""
    return rows[:: max(-(-len(rows) // num), 1)]
