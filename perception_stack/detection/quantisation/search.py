"""Which ranges, and which layers in float: found on the images that calibrate, none other.

The ranges are those that lose least. Layers are ranked by the noise that each brings into the
outputs when it alone is in 8 bits; the noisiest ones are left in float, twice as many at every
try, until no more is lost than was asked for. What is lost the caller measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from perception_stack.detection.quantisation.graph import (
    METHODS,
    Feeds,
    Graph,
    Quantiser,
    signal_to_noise_db,
)

Outputs = list[NDArray[Any]]
_MOST_IN_FLOAT = 0.5  # of the layers; beyond it little would be left to gain
_PROBES = 4  # images on which single layers are judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One version that was tried.

    Attributes:
        method: How ranges were found.
        in_float: Layers that stayed in float.
        loss: What it loses on calibration images.
    """

    method: str
    in_float: tuple[str, ...]
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was tried, and what each layer does.

    Attributes:
        trials: In the order in which they were tried.
        best: The one whose file was kept.
        noise_db: By layer, signal to noise of the outputs when it alone is in 8 bits; empty where
            there was no need to know.
    """

    trials: tuple[Trial, ...]
    best: Trial
    noise_db: dict[str, float]


def search(
    graph: Graph,
    feeds: Sequence[Feeds],
    *,
    run: Callable[[Path, Sequence[Feeds]], list[Outputs]],
    loss: Callable[[Path], float],
    enough: float,
    out: Path,
    reduce_range: bool = False,
    on_step: Callable[[str], None] = lambda _text: None,
) -> Search:
    """Find a version that is like enough, and write it.

    Args:
        graph: The network.
        feeds: Inputs of the calibration images.
        run: Outputs of a file for given inputs.
        loss: What a file loses on calibration images.
        enough: Loss at which nothing more is tried.
        out: File to write.
        reduce_range: Seven bits for weights.
        on_step: Told what is tried, for people.
    """
    trials: list[Trial] = []
    scratch = out.with_suffix(".trial.onnx")

    def attempt(quantiser: Quantiser, method: str, in_float: tuple[str, ...]) -> Trial:
        on_step(f"{method}, {len(in_float)} layers in float")
        quantiser.write(scratch, in_float=in_float)
        trial = Trial(method=method, in_float=in_float, loss=loss(scratch))
        if not trials or trial.loss < _best(trials).loss:
            scratch.replace(out)
        trials.append(trial)
        return trial

    quantisers = {}
    for method in METHODS:
        quantisers[method] = Quantiser(graph, feeds, method=method, reduce_range=reduce_range)
        attempt(quantisers[method], method, ())
    best = _best(trials)
    noise_db: dict[str, float] = {}
    if best.loss > enough:
        quantiser = quantisers[best.method]
        noise_db = _noise(quantiser, feeds[:_PROBES], run, scratch, on_step)
        order = sorted(noise_db, key=lambda name: noise_db[name])
        num = 1
        while _best(trials).loss > enough and num <= _MOST_IN_FLOAT * len(order):
            attempt(quantiser, best.method, tuple(order[:num]))
            num *= 2
    scratch.unlink(missing_ok=True)
    return Search(trials=tuple(trials), best=_best(trials), noise_db=noise_db)


def _best(trials: Sequence[Trial]) -> Trial:
    return min(trials, key=lambda one: one.loss)


def _noise(
    quantiser: Quantiser,
    feeds: Sequence[Feeds],
    run: Callable[[Path, Sequence[Feeds]], list[Outputs]],
    scratch: Path,
    on_step: Callable[[str], None],
) -> dict[str, float]:
    """What each layer alone does to the outputs, decibels."""
    graph = quantiser.graph
    reference = run(graph.path, feeds)
    noise_db = {}
    for layer in graph.layers:
        on_step(f"layer {layer}")
        quantiser.write_only(scratch, layer)
        found = run(scratch, feeds)
        ratios = [signal_to_noise_db(a, b) for a, b in zip(reference, found, strict=True)]
        noise_db[layer] = sum(ratios) / len(ratios)
    return noise_db
