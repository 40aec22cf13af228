"""What a version of a model costs and gains: JSON for programs, a page for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack.detection.quantisation.search import Search
from perception_stack.evaluation.precision_change import ClassChange
from perception_stack.pipeline.quantisation.judge import Judgement
from perception_stack.report.page import Picture, Section, Table, Tile, render_page
from perception_stack.report.style import BLUE, ORANGE, new_figure, svg_uri

_MOST_LAYERS = 25


def write_report(folder: Path, judgement: Judgement) -> None:
    """Write ``report.json`` and ``report.html``; existing files are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(as_dict(judgement), indent=1) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.html").write_text(_page(judgement), encoding="utf-8")


def as_dict(judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain values; NaN is ``None``."""
    content = {name: getattr(judgement, name) for name in _SCALARS}
    content["refusal"] = judgement.refusal
    content["average_precision"] = {
        backend: [
            {name: _number(value) for name, value in asdict(one).items()}
            | {"loss": _number(one.loss)}
            for one in changes
        ]
        for backend, changes in judgement.changes.items()
    }
    content["timings"] = [asdict(one) for one in judgement.timings]
    if judgement.search is not None:
        content["trials"] = [asdict(one) for one in judgement.search.trials]
        content["layers_noise_db"] = judgement.search.noise_db
    return content


_SCALARS = (
    "model", "precision", "truth", "num_calibrating", "num_judging", "max_loss", "bytes_before",
    "bytes_after", "has_vnni",
)  # fmt: skip


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _page(judgement: Judgement) -> str:
    sections = [_precision_section(name, many) for name, many in judgement.changes.items()]
    sections.append(_time_section(judgement))
    if judgement.search is not None:
        sections.append(_search_section(judgement.search))
    worst = max((many[0].loss for many in judgement.changes.values() if many), default=np.nan)
    return render_page(
        title=f"{judgement.model} in {judgement.precision}",
        facts={
            "truth": judgement.truth,
            "images": f"{judgement.num_calibrating} calibrated, {judgement.num_judging} judged",
            "8-bit instructions (VNNI)": {True: "yes", False: "no", None: "unknown"}[
                judgement.has_vnni
            ],
        },
        tiles=[
            Tile(
                name="Verdict",
                value="refused" if judgement.refusal else "accepted",
                note=judgement.refusal or f"at most {judgement.max_loss:g} may be lost",
            ),
            Tile(name="Loss of AP", value=f"{worst:.4f}", note="mean over classes"),
            *(
                Tile(
                    name=f"Time, {one.backend}",
                    value=f"{one.ratio:.2f}",
                    note="of the float model",
                )
                for one in judgement.timings
            ),
            Tile(
                name="Size",
                value=f"{judgement.bytes_after / judgement.bytes_before:.2f}",
                note=f"{judgement.bytes_after / 1e6:.2f} MB",
            ),
        ],
        sections=sections,
    )


def _precision_section(backend: str, changes: Sequence[ClassChange]) -> Section:
    rows = tuple(
        (
            one.name,
            str(one.num_truth),
            f"{one.before:.4f}",
            f"{one.after:.4f}",
            f"{-one.loss:+.4f}",
            f"{one.low:+.4f} to {one.high:+.4f}",
        )
        for one in changes
    )
    header = (
        ("class", ""),
        ("objects", "in the images that judged"),
        ("AP before", "mean over overlaps from 0.5 to 0.95"),
        ("AP after", ""),
        ("change", ""),
        ("95 % interval", "paired bootstrap over images"),
    )
    return Section(
        title=f"Average precision on {backend}",
        intro="Of images that did not calibrate.",
        tables=(Table(header=header, rows=rows, has_total=True),),
        pictures=(Picture(uri=_change_figure(changes), alt="change of AP by class"),),
    )


def _change_figure(changes: Sequence[ClassChange]) -> str:
    shown = changes[:_MOST_LAYERS]
    with new_figure(height_in=1.2 + 0.2 * len(shown)) as (figure, (axes,)):
        place = np.arange(len(shown))[::-1]
        change = np.array([-one.loss for one in shown])
        ends = np.array([[one.low, one.high] for one in shown]).reshape(-1, 2)
        axes.hlines(place, ends[:, 0], ends[:, 1], color=BLUE, lw=2, alpha=0.5)
        axes.plot(change, place, "o", color=BLUE, ms=4)
        axes.axvline(0.0, color=ORANGE, lw=1)
        axes.set_yticks(place, [one.name for one in shown])
        axes.set(title="Change of AP, with 95 % interval", xlabel="AP after less before")
        return svg_uri(figure)


def _time_section(judgement: Judgement) -> Section:
    rows = tuple(
        (one.backend, f"{one.before_ms:.2f}", f"{one.after_ms:.2f}", f"{one.ratio:.2f}")
        for one in judgement.timings
    )
    header = (
        ("back end", ""),
        ("before [ms]", "median"),
        ("after [ms]", "median"),
        ("ratio", "median of the turns"),
    )
    return Section(
        title="Time",
        intro="From image to boxes, on this machine, float and new version in turns.",
        tables=(Table(header=header, rows=rows),),
    )


def _search_section(search: Search) -> Section:
    rows = tuple(
        (
            one.method,
            str(len(one.in_float)),
            f"{one.loss:.4f}",
            "yes" if one is search.best else "",
        )
        for one in search.trials
    )
    header = (
        ("ranges", ""),
        ("layers in float", ""),
        ("loss", "on images that calibrated"),
        ("kept", ""),
    )
    pictures: tuple[Picture, ...] = ()
    if search.noise_db:
        uri = _layer_figure(search.noise_db, search.best.in_float)
        pictures = (Picture(uri=uri, alt="noise of each layer"),)
    return Section(
        title="What was tried",
        intro="Layers are ranked by the noise that each brings when it alone is in 8 bits.",
        tables=(Table(header=header, rows=rows),),
        pictures=pictures,
    )


def _layer_figure(noise_db: dict[str, float], in_float: Sequence[str]) -> str:
    order = sorted(noise_db, key=lambda name: noise_db[name])[:_MOST_LAYERS]
    with new_figure(height_in=1.2 + 0.2 * len(order)) as (figure, (axes,)):
        place = np.arange(len(order))[::-1]
        colors = [ORANGE if name in in_float else BLUE for name in order]
        axes.barh(place, [noise_db[name] for name in order], color=colors)
        axes.set_yticks(place, order)
        axes.set(
            title="Noisiest layers; orange ones stayed in float",
            xlabel="signal to noise of the outputs [dB]",
        )
        return svg_uri(figure)
