"""Times of a network on pillars, part by part, in ratios of the same run.

    python benchmarks/pillars.py [--model config/models/centerpoint_sim.yaml]

Each part against plain code of the same result: pillars against PyTorch's vectorised ones and
against a dictionary of points, the network in ONNX Runtime against PyTorch, suppression against
PyTorch's vectorised one. Arms take turns, medians are compared.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception_stack import networks
from perception_stack.networks.contract import Options
from perception_stack.pillars.detector import contract_of
from perception_stack.pillars.export import export_onnx
from perception_stack.pillars.levelling import Levelling
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.network import PillarNetwork
from perception_stack.pillars.overlap_torch import without_duplicates_torch
from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.pillarize_torch import pillarize_torch
from perception_stack.pillars.reading import MapReader, without_duplicates
from perception_stack.simulation.labelled_scans import labelled_scans

MODEL = Path(__file__).resolve().parents[1] / "config" / "models" / "centerpoint_sim.yaml"
ROUNDS = 15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--out", type=Path, default=Path("out/benchmark_pillars"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = load_manifest(args.model)
    scan = next(labelled_scans(600_000, num=1)).cloud
    level = Levelling(manifest.sensor.ground_z_m, np.array([0.0, 0.0, -1.73]))
    xyz_m = level.level(scan.xyz_m)
    intensity = np.zeros(len(xyz_m), np.float32)
    there = torch.from_numpy(xyz_m), torch.from_numpy(intensity)
    features, cells = pillarize(xyz_m, intensity, manifest.grid)
    print(f"{manifest.name}: {len(xyz_m)} points, {len(cells)} pillars")

    network = PillarNetwork(manifest).eval()
    reader = MapReader(manifest)
    if not manifest.file.exists():
        manifest = load_manifest(args.model, model_dir=args.out)
        export_onnx(network, manifest, manifest.file)
        print("the model file is not there: random weights of the same sizes")
    options = Options(device="cpu", num_threads=1, spin_us=0, engine_dir=args.out, fp16=False)
    contract = contract_of(manifest, reader)
    model = networks.load("onnxruntime", contract, options)
    other = networks.load("openvino", contract, options)
    inputs = {"features": features, "cells": cells}
    maps = model.run(inputs)
    fed = torch.from_numpy(features), torch.from_numpy(cells)

    def eager() -> Any:
        with torch.inference_mode():
            return network(*fed)

    rng = np.random.default_rng(0)
    boxes = rng.uniform(-40, 40, (400, 7))
    boxes[:, 3:6] = rng.uniform(0.5, 5, (400, 3))
    group = rng.integers(0, 4, 400)
    boxes_there = torch.from_numpy(boxes), torch.from_numpy(group)
    compare("pillars", {
        "compiled": lambda: pillarize(xyz_m, intensity, manifest.grid),
        "PyTorch": lambda: pillarize_torch(*there, manifest.grid),
        "plain loop": lambda: plain_pillars(xyz_m, manifest.grid),
    })  # fmt: skip
    compare("network", {
        "ONNX Runtime": lambda: model.run(inputs),
        "OpenVINO": lambda: other.run(inputs),
        "PyTorch": eager,
    })  # fmt: skip
    compare("boxes of the maps", {"ours": lambda: reader.read(maps)})
    compare("suppression of 400", {
        "compiled": lambda: without_duplicates(boxes, group, iou=0.1),
        "PyTorch": lambda: without_duplicates_torch(*boxes_there, iou=0.1),
    })  # fmt: skip


def plain_pillars(xyz_m: np.ndarray, grid: Any) -> dict[tuple[int, int], list[int]]:
    """Only which points stand where, point by point."""
    pillars: dict[tuple[int, int], list[int]] = {}
    low, high, size = grid.range_m[:3], grid.range_m[3:], grid.pillar_m
    for i, point in enumerate(xyz_m.tolist()):
        if all(a <= one < b for a, one, b in zip(low, point, high, strict=True)):
            cell = int((point[0] - low[0]) // size[0]), int((point[1] - low[1]) // size[1])
            pillars.setdefault(cell, []).append(i)
    return pillars


def compare(what: str, arms: dict[str, Callable[[], Any]]) -> None:
    """Median times of the arms, taking turns, and ratios to the first."""
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for round_idx in range(ROUNDS + 2):
        for name, arm in arms.items():
            start = time.perf_counter()
            arm()
            if round_idx >= 2:
                spent[name].append(1e3 * (time.perf_counter() - start))
    first = np.median(next(iter(spent.values())))
    for name, times in spent.items():
        middle = float(np.median(times))
        print(f"  {what}: {name} {middle:.1f} ms, {middle / first:.1f} times the first")


if __name__ == "__main__":
    main()
