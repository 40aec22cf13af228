"""Training examples: pieces of scans, turned, mirrored, scaled, thinned and shifted in height."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.spec import Manifest
from perception_stack.training.pillars.loss import center_targets
from perception_stack.training.pillars.scans import Scan, read

LEAST_POINTS = 5
"""Points from which an object is taught; those with fewer are neither asked for nor punished."""

_NEAR_AN_OBJECT = 0.7
_ASIDE_M, _AWAY_M = 12.0, 28.0
_THINNED, _LEAST_KEPT = 0.5, 0.5
_SCALES = (0.95, 1.05)
_LIFT_M = 0.05


def cropped(manifest: Manifest, half_m: float) -> Manifest:
    """The same network on a square around the origin."""
    grid = manifest.grid
    range_m = (-half_m, -half_m, grid.range_m[2], half_m, half_m, grid.range_m[5])
    return replace(manifest, grid=replace(grid, range_m=range_m))


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceExamples:
    """See :class:`~perception_stack.training.task.Examples`.

    Attributes:
        files: Labelled scans.
        manifest: Of pieces, as :func:`cropped` makes it.
        repeats: Pieces of each scan in an epoch.
        seed: Decides with the epoch and the number what a piece is.
        epoch: Of the loop.
    """

    files: Sequence[Path]
    manifest: Manifest
    repeats: int
    seed: int
    epoch: int

    def __len__(self) -> int:
        return len(self.files) * self.repeats

    def __getitem__(self, idx: int) -> dict[str, Any]:
        """Features and cells of one piece, and what is to be found in it."""
        rng = np.random.default_rng([self.seed, self.epoch, idx])
        scan = varied(read(self.files[idx // self.repeats]), self.manifest, rng)
        none = np.zeros(len(scan.xyz_m), dtype=np.float32)
        features, cells = pillarize(scan.xyz_m, none, self.manifest.grid)
        taught = scan.num_points >= LEAST_POINTS
        targets = center_targets(scan.boxes, scan.label, taught, self.manifest)
        return {"features": features, "cells": cells, "targets": targets}


def varied(scan: Scan, manifest: Manifest, rng: np.random.Generator) -> Scan:
    """A piece of a scan about a random place, mostly near an object."""
    half_m = manifest.grid.range_m[3]
    boxes = scan.boxes.astype(np.float64)
    seen = np.flatnonzero(scan.num_points >= LEAST_POINTS)
    if len(seen) and rng.random() < _NEAR_AN_OBJECT:
        # the class first, so that rare ones are met as often (after Zhu et al. 2019)
        label = scan.label[seen]
        alike = seen[label == rng.choice(np.unique(label))]
        middle_m = boxes[rng.choice(alike), :2] + rng.uniform(-_ASIDE_M, _ASIDE_M, 2)
    else:
        angle = rng.uniform(-np.pi, np.pi)
        middle_m = rng.uniform(0, _AWAY_M) * np.array([np.cos(angle), np.sin(angle)])
    xyz_m = scan.xyz_m.astype(np.float64)
    xyz_m[:, :2] -= middle_m
    boxes[:, :2] -= middle_m
    xyz_m = xyz_m[np.hypot(xyz_m[:, 0], xyz_m[:, 1]) < half_m * 1.5]
    if rng.random() < _THINNED:
        xyz_m = xyz_m[rng.random(len(xyz_m)) < rng.uniform(_LEAST_KEPT, 1)]
    if rng.random() < 0.5:
        xyz_m[:, 1] *= -1
        boxes[:, [1, 6]] *= -1
    angle, scale = rng.uniform(-np.pi, np.pi), rng.uniform(*_SCALES)
    lift_m = rng.normal(0, _LIFT_M)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xyz_m[:, :2] = xyz_m[:, :2] @ turn.T
    boxes[:, :2] = boxes[:, :2] @ turn.T
    boxes[:, 6] += angle
    boxes[:, :6] *= scale
    boxes[:, 2] += lift_m
    xyz_m = xyz_m * scale + np.array([0, 0, lift_m])
    return replace(scan, xyz_m=xyz_m.astype(np.float32), boxes=boxes.astype(np.float32))


def collate(examples: Sequence[dict[str, Any]], manifest: Manifest) -> dict[str, Any]:
    """One batch of pieces."""
    num_x, num_y = manifest.grid.num_xy
    cells = [one["cells"] + i * num_x * num_y for i, one in enumerate(examples)]
    targets = [one["targets"] for one in examples]
    scan = [np.full(len(one.cells), i, dtype=np.int64) for i, one in enumerate(targets)]
    return {
        "features": torch.from_numpy(np.concatenate([one["features"] for one in examples])),
        "cells": torch.from_numpy(np.concatenate(cells)),
        "num_scans": len(examples),
        "heat": torch.from_numpy(np.stack([one.heat for one in targets])),
        "asked": torch.from_numpy(np.stack([one.asked for one in targets])),
        "scan": torch.from_numpy(np.concatenate(scan)),
        "task": torch.from_numpy(np.concatenate([one.tasks for one in targets])),
        "cell": torch.from_numpy(np.concatenate([one.cells for one in targets])),
        "codes": torch.from_numpy(np.concatenate([one.codes for one in targets])),
    }
