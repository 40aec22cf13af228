"""Finds the weights of ``perception_stack/pose/certainty.py`` on simulated tables; checks them.

The tables carry ten known objects in clutter. Every second one gets a worse sensor: more noise,
part of it common to neighbouring pixels. Objects are looked for at their boxes, which are some
percent off, at boxes of other objects, and in the whole frame, also those that are not there.
Tables with a seed that leaves 3 when divided by 4 are left out of the fit of the weights by which
the printed scores are made; the printed weights are of all.

    python benchmarks/pose_certainty.py --tables 60
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pose_cases import FOUND, Frame, errors_m, reliability, table_frame
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from tqdm import tqdm

from perception_stack.datatypes import FloatArray
from perception_stack.pose import certainty
from perception_stack.pose.models import PoseModel, load_models
from perception_stack.pose.region import points_in_box, points_of_frame, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.search import Candidates, Search, search_of_frame
from perception_stack.pose.selection import Claim, claims_of, compatible
from perception_stack.simulation.table_objects import write_meshes

FIRST_SEED = 1000
NOISE_M = 0.003
BOX_ERROR = 0.07  # of the size, standard deviation of each side of a detection's box
CHOICE = (
    "log_violated",
    "log_unconfirmed",
    "close_log_violated",
    "close_log_unconfirmed",
    "log_visible",
    "bounded",
    "log_filled",
    "rms",
    "log_pixels",
)
CERTAINTY = ("log_violated", "log_unconfirmed", "log_visible", "bounded", "log_filled", "rms")


@dataclass
class Sample:
    """Features of poses, whether they are right, the table and the search they are of."""

    features: list[dict[str, float]] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    seed: list[int] = field(default_factory=list)
    search: list[int] = field(default_factory=list)

    def add(self, found: Candidates, row: int, right: bool, *, seed: int, search: int) -> None:
        """One of the candidates of a search."""
        features = certainty.features_of(found.evidence, found.closely)
        self.features.append({name: float(value[row]) for name, value in features.items()})
        self.right.append(right)
        self.seed.append(seed)
        self.search.append(search)


def worse(frame: Frame, rng: np.random.Generator) -> Scene:
    """The frame as a worse sensor gives it."""
    depth_m = frame.scene.depth_m.astype(np.float64)
    common = gaussian_filter(rng.standard_normal(depth_m.shape), rng.uniform(3, 12))
    noise = rng.uniform(0, NOISE_M) * common / common.std()
    noise += rng.uniform(0, NOISE_M) * rng.standard_normal(depth_m.shape)
    depth_m += np.maximum(depth_m**2, 0.3) * noise
    return Scene.of_map(
        depth_m.astype(np.float32),
        frame.scene.pinhole,
        frame_id="camera",
        stamp_ns=0,
        rgb=frame.scene.rgb,
    )


def jittered(xyxy_px: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A box as a detector gives it: each side off by some percent of the size."""
    size = xyxy_px[2:] - xyxy_px[:2]
    return xyxy_px + BOX_ERROR * np.tile(size, 2) * rng.standard_normal(4)


def gather(models: dict[str, PoseModel], num: int) -> dict[bool, tuple[Sample, Sample]]:
    """All candidates and the chosen ones, by whether the whole frame was searched."""
    samples = {whole: (Sample(), Sample()) for whole in (False, True)}
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + num), desc="tables"):
        frame = table_frame(seed)
        rng = np.random.default_rng(seed)
        scene = worse(frame, rng) if seed % 2 else frame.scene
        _at_boxes(models, frame, scene, rng, seed, *samples[False])
        _in_frame(models, frame, scene, seed, *samples[True])
    return samples


def _at_boxes(  # noqa: PLR0917
    models: dict[str, PoseModel],
    frame: Frame,
    scene: Scene,
    rng: np.random.Generator,
    seed: int,
    every: Sample,
    chosen: Sample,
) -> None:
    asked = [(one.name, one, True) for one in frame.things if one.num_pixels > 150]
    for _ in range(3):  # what a detector takes for something else
        one = frame.things[rng.integers(len(frame.things))]
        name = list(models)[rng.integers(len(models))]
        if name != one.name and one.visible > 0.3:
            asked.append((name, one, False))
    for number, (name, thing, there) in enumerate(asked):
        model = models[name]
        xyxy_px = jittered(thing.xyxy_px, rng)
        points = points_in_box(
            scene,
            xyxy_px,
            mask=None,
            diameter_m=model.diameter_m,
            border=0.1,
            noise_m=NOISE_M,
        )
        if len(points) < 50:
            continue
        region = region_of(points, diameter_m=model.diameter_m, xyxy_px=xyxy_px)
        found = Search(model, scene, region, noise_m=NOISE_M).run()
        for row, pose in enumerate(found.poses):
            right = there and errors_m(model, thing.pose, pose)[1] < FOUND * model.diameter_m
            every.add(found, row, right, seed=seed, search=100 * seed + number)
            if row == 0:
                chosen.add(found, row, right, seed=seed, search=100 * seed + number)


def _in_frame(  # noqa: PLR0917
    models: dict[str, PoseModel],
    frame: Frame,
    scene: Scene,
    seed: int,
    every: Sample,
    chosen: Sample,
) -> None:
    largest_m = max(one.diameter_m for one in models.values())
    points = points_of_frame(scene, largest_m=largest_m, noise_m=NOISE_M)
    claims: list[Claim] = []
    for number, model in enumerate(models.values()):
        some = claims_of(search_of_frame(model, scene, points, noise_m=NOISE_M))
        if some:
            found = some[0].candidates
            for row, pose in enumerate(found.poses):
                right = _is_right(model, pose, frame)
                every.add(found, row, right, seed=seed, search=100 * seed + number)
        claims += some
    for one in compatible(claims):
        right = _is_right(one.search.model, one.pose, frame)
        chosen.add(one.candidates, one.row, right, seed=seed, search=seed)


def _is_right(model: PoseModel, pose: FloatArray, frame: Frame) -> bool:
    limit_m = FOUND * model.diameter_m
    return any(
        errors_m(model, one.pose, pose)[1] < limit_m
        for one in frame.things
        if one.name == model.name and np.linalg.norm(one.pose[:3, 3] - pose[:3, 3]) < 0.3
    )


def fit(sample: Sample, names: tuple[str, ...], *, kept: np.ndarray) -> dict[str, float]:
    """Weights of some features of a sample."""
    columns = dict(zip(names, _columns(sample, names)[kept].T, strict=True))
    return logistic(columns, np.array(sample.right)[kept])


def logistic(columns: dict[str, FloatArray], right: np.ndarray) -> dict[str, float]:
    """Weights of a logistic regression with a weak prior on standardised features, by name."""
    table = np.column_stack(list(columns.values()))
    mean, spread = table.mean(axis=0), table.std(axis=0) + 1e-6
    rows = np.column_stack([(table - mean) / spread, np.ones(len(table))])

    def cost(weights: FloatArray) -> tuple[float, FloatArray]:
        odds = rows @ weights
        held = np.append(weights[:-1], 0)
        value = np.logaddexp(0, odds).sum() - right @ odds + held @ held / 2
        return value, rows.T @ (1 / (1 + np.exp(-odds)) - right) + held

    weights = minimize(cost, np.zeros(rows.shape[1]), jac=True, method="BFGS").x
    raw = weights[:-1] / spread
    found = {name: round(float(one), 3) for name, one in zip(columns, raw, strict=True)}
    return {**found, "constant": round(float(weights[-1] - raw @ mean), 3)}


def odds_of(sample: Sample, weights: dict[str, float]) -> FloatArray:
    """Log odds of all poses of a sample."""
    names = tuple(name for name in weights if name != "constant")
    columns = _columns(sample, names)
    return columns @ np.array([weights[name] for name in names]) + weights["constant"]


def _columns(sample: Sample, names: tuple[str, ...]) -> FloatArray:
    return np.array([[one[name] for name in names] for one in sample.features])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=60, help="how many tables to make")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_meshes(Path(folder))
        models = load_models(Path(folder))
    report: dict[str, object] = {}
    for whole, (every, chosen) in gather(models, args.tables).items():
        choice = tuple(name for name in CHOICE if not (whole and name == "log_filled"))
        certain = tuple(name for name in CERTAINTY if not (whole and name == "log_filled"))
        others = np.array(chosen.seed) % 4 == 3
        weights = fit(chosen, certain, kept=~others)
        score = 1 / (1 + np.exp(-odds_of(chosen, weights)))
        report["whole frame" if whole else "box"] = {
            "num_candidates": len(every.right),
            "num_chosen": len(chosen.right),
            "choice": fit(every, choice, kept=np.ones(len(every.right), dtype=bool)),
            "certainty": fit(chosen, certain, kept=np.ones(len(chosen.right), dtype=bool)),
            "of other tables": reliability(score[others], np.array(chosen.right)[others]),
        }
    json.dump(report, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
