"""The transform that lays one cloud on the flat patches of another, from coarse to fine.

Point-to-plane alignment (Chen & Medioni 1991) with the tails of Student's t. From the given start
and from some about it, also from those that lay the largest plane of one cloud (mostly the floor)
on that of the other, few points are followed; the best under which most points lie on patches is
refined with many, drawn from ever nearer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from perception_stack.calibration.estimation.normal_equations import Block, shared_blocks
from perception_stack.calibration.estimation.points import thinned
from perception_stack.calibration.estimation.rotations import corrected, exp, shortest_turn
from perception_stack.calibration.estimation.solver import Fit, SharedProblem, solve
from perception_stack.calibration.lidar_lidar.patches import Patches, patches_of
from perception_stack.datatypes import FloatArray
from perception_stack.errors import CalibrationError
from perception_stack.geometry.transforms import RigidTransform

_COARSE = (8.0, 4.0, 2.0)
_FINE = (1.0, 0.5)
"""From how far points are drawn, in edges of the smallest patches."""
_ROUNDS = 10
_NEAR = 4.0
"""Points farther from their plane than this many usual distances are on another surface."""
_LEAST_STEEP = 0.3
_LEAST_POINTS = 50
_COARSE_POINTS = 1500
_FINE_POINTS = 20000
_TURNS_DEG = (-12.0, 12.0)
_YAWS_DEG = (-20.0, -10.0, 0.0, 10.0, 20.0)
_SAME_PLANE = (np.cos(np.deg2rad(10.0)), 0.3)
_MOST_TURNED_RAD = np.deg2rad(75.0)
_STILL = 1e-5
_LOSS_FREEDOM = 5.0
_BLOCK_M = 2.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matches:
    """Points of the source and the patches of the target that they lie on.

    Attributes:
        points_m: float64 [N, 3], in the source.
        patch: int [N], on which.
        block: int [N], rising: which few metres of the scene it is in.
        steep: float64 [N], how much of an error of range is across the surface: 1 where it is met
            head on, little where the ray grazes it. Without this all that lies ahead would seem
            an outlier beside the floor.
        patches: Of the target.
        num_offered: Points that were looked at.
    """

    points_m: FloatArray
    patch: NDArray[np.intp]
    block: NDArray[np.intp]
    steep: FloatArray
    patches: Patches
    num_offered: int

    def __len__(self) -> int:
        return len(self.points_m)

    def rows(self, index: NDArray[np.intp]) -> Matches:
        """The picked points."""
        return replace(
            self,
            points_m=self.points_m[index],
            patch=self.patch[index],
            block=self.block[index],
            steep=self.steep[index],
        )

    def gaps_m(self, target_from_source: RigidTransform) -> FloatArray:
        """Signed distances of the points from their planes, float64 [N]."""
        away = target_from_source.apply(self.points_m) - self.patches.center_m[self.patch]
        gaps: FloatArray = np.einsum("ni,ni->n", away, self.patches.normal[self.patch])
        return gaps

    def slopes(self, target_from_source: RigidTransform) -> FloatArray:
        """Their derivatives by a shift and a turn about the target's axes, float64 [N, 6]."""
        normal = self.patches.normal[self.patch]
        turned = self.points_m @ target_from_source.rotation.T
        return np.concatenate([normal, np.cross(turned, normal)], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _OnPatches(SharedProblem):
    """The problem as the common solver wants it: one block for each few metres of the scene."""

    matches: Matches
    start: RigidTransform

    def linearise(self, state: FloatArray) -> list[Block]:
        here = corrected(self.start, state)
        steep = self.matches.steep[:, None]
        gaps = self.matches.gaps_m(here)[:, None] / steep
        slopes = (self.matches.slopes(here) / steep)[:, None]
        return shared_blocks(gaps, slopes, self.matches.block)


def register(
    source_m: FloatArray, target_m: FloatArray, *, initial: RigidTransform, edge_m: float
) -> tuple[RigidTransform, Matches]:
    """The transform near a rough one, and what it rests on.

    Args:
        source_m: float64 [N, 3], finite.
        target_m: float64 [M, 3], finite.
        initial: Rough ``target_from_source``.
        edge_m: Edge of the smallest patches.

    Raises:
        CalibrationError: too little of both clouds overlaps.
    """
    patches = patches_of(target_m, edge_m=edge_m)
    few = _at_most(source_m, _COARSE_POINTS, edge_m)
    best, best_share = initial, -1.0
    for start in _starts(initial, patches, patches_of(source_m, edge_m=edge_m)):
        found = start
        for reach in _COARSE:
            found = _align(few, patches, found, reach_m=edge_m * reach)
        share = _share_on(few, patches, found, reach_m=edge_m)
        if share > best_share:
            best, best_share = found, share
    many = _at_most(source_m, _FINE_POINTS, edge_m / 8)
    for reach in _FINE:
        best = _align(many, patches, best, reach_m=edge_m * reach)
    matches = match(many, patches, best, reach_m=edge_m * _FINE[-1])
    if len(matches) < _LEAST_POINTS:
        raise CalibrationError(
            f"only {len(matches)} points of '{initial.source}' lie on surfaces that "
            f"'{initial.target}' sees; is the initial transform about right, and do they overlap?"
        )
    return best, matches


def fit_matches(matches: Matches, start: RigidTransform) -> tuple[RigidTransform, Fit[FloatArray]]:
    """The most likely transform for given matches, with its covariance over patches."""
    fit = solve(_OnPatches(matches=matches, start=start), np.zeros(6))
    return corrected(start, fit.state), fit


def match(
    points_m: FloatArray, patches: Patches, transform: RigidTransform, *, reach_m: float
) -> Matches:
    """The points that lie on patches under a transform."""
    if not len(patches):
        empty = np.empty(0, dtype=np.intp)
        return Matches(
            points_m=points_m[:0],
            patch=empty,
            block=empty,
            steep=np.empty(0),
            patches=patches,
            num_offered=0,
        )
    moved = transform.apply(points_m)
    patch, reached = patches.nearest(moved, reach_m=reach_m)
    normal, ray = patches.normal[patch], moved - transform.translation_m
    ray /= np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-9)
    steep = np.hypot(np.einsum("ni,ni->n", normal, ray), _LEAST_STEEP)
    gaps = np.einsum("ni,ni->n", moved - patches.center_m[patch], normal) / steep
    usual = 1.4826 * float(np.median(np.abs(gaps[reached]))) if reached.any() else 0.0
    near = np.flatnonzero(reached & (np.abs(gaps) <= _NEAR * usual))
    cell = np.floor(patches.center_m[patch[near]] / _BLOCK_M).astype(np.int64)
    block = np.unique(cell, axis=0, return_inverse=True)[1].ravel()
    order = np.argsort(block, kind="stable")
    near = near[order]
    return Matches(
        points_m=points_m[near],
        patch=patch[near],
        block=block[order],
        steep=steep[near],
        patches=patches,
        num_offered=len(points_m),
    )


def _align(
    points_m: FloatArray, patches: Patches, start: RigidTransform, *, reach_m: float
) -> RigidTransform:
    """Matches and small steps by turns."""
    found = start
    for _ in range(_ROUNDS):
        matches = match(points_m, patches, found, reach_m=reach_m)
        if len(matches) < _LEAST_POINTS:
            return start
        gaps = matches.gaps_m(found) / matches.steep
        slopes = matches.slopes(found) / matches.steep[:, None]
        scale = max(1.4826 * float(np.median(np.abs(gaps))), 1e-6)
        weights = 1 / (1 + (gaps / scale) ** 2 / _LOSS_FREEDOM)
        # every patch counts alike, however densely it was scanned
        counts = np.bincount(matches.patch, minlength=len(patches))
        weights = weights / np.sqrt(counts[matches.patch])
        information = slopes.T @ (slopes * weights[:, None])
        # directions without hold stay where they are
        information += np.eye(6) * 1e-4 * np.trace(information) / 6
        step = np.linalg.solve(information, slopes.T @ (weights * gaps))
        found = corrected(found, np.asarray(-step, dtype=np.float64))
        if np.abs(step).max() < _STILL:
            break
    return found


def _share_on(
    points_m: FloatArray, patches: Patches, transform: RigidTransform, *, reach_m: float
) -> float:
    """Share of points within a hand's width of a patch."""
    if not len(patches):
        return 0.0
    moved = transform.apply(points_m)
    patch, reached = patches.nearest(moved, reach_m=reach_m)
    gaps = np.einsum("ni,ni->n", moved - patches.center_m[patch], patches.normal[patch])
    return float(np.mean(reached * np.exp(-((gaps / 0.1) ** 2))))


def _starts(initial: RigidTransform, target: Patches, source: Patches) -> Iterator[RigidTransform]:
    """The given one, some turned a little, and those that lay the largest plane on the other."""
    yield initial
    for axis in np.eye(3):
        for angle in np.deg2rad(_TURNS_DEG):
            yield replace(initial, rotation=exp(axis * angle) @ initial.rotation)
    if not len(target) or not len(source):
        return
    (up, height_m), (other_up, other_m) = _largest_plane(target), _largest_plane(source)
    turned = initial.rotation @ other_up
    if np.arccos(np.clip(turned @ up, -1, 1)) > _MOST_TURNED_RAD:
        return
    level = shortest_turn(turned, up) @ initial.rotation
    shift = initial.translation_m
    shift = shift + (height_m - other_m - up @ shift) * up
    for angle in np.deg2rad(_YAWS_DEG):
        yield replace(initial, rotation=exp(up * angle) @ level, translation_m=shift)


def _largest_plane(patches: Patches) -> tuple[FloatArray, float]:
    """Normal and offset (n · p) of the plane that most points lie on."""
    offset = np.einsum("mi,mi->m", patches.normal, patches.center_m)
    likely = np.argsort(-patches.num_points)[:200]
    least_cosine, farthest_m = _SAME_PLANE
    same = patches.normal[likely] @ patches.normal.T > least_cosine
    same &= np.abs(patches.normal[likely] @ patches.center_m.T - offset[likely, None]) < farthest_m
    best = likely[int(np.argmax(same @ patches.num_points))]
    return patches.normal[best], float(offset[best])


def _at_most(points_m: FloatArray, num: int, edge_m: float) -> FloatArray:
    """Evenly spread points, not many more than a number."""
    few = thinned(points_m, edge_m=edge_m)
    step = max(len(few) // num, 1)
    return np.asarray(few[::step])
