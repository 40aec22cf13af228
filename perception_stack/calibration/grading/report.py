"""Writes a grade down beside the result it is about: YAML for programs, a page for people.

``front.yaml`` gets ``front.grade.yaml`` and ``front.report.html``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Parameter,
    ResidualSummary,
    Verdict,
)
from perception_stack.report.page import Section, Table, Tile, render_page

_HEADING = {
    Verdict.GOOD: "Good",
    Verdict.USABLE: "Usable",
    Verdict.NOT_ENOUGH: "Not enough",
}


def write_grade(
    result_path: Path, grade: Grade, *, title: str, sections: Sequence[Section] = ()
) -> tuple[Path, Path]:
    """Write both files beside a result; existing ones are replaced.

    Args:
        result_path: File of the result, such as ``front.yaml``.
        grade: What to write.
        title: Heading of the page.
        sections: Pictures and tables of this kind of calibration, shown after the verdict.

    Returns:
        Paths of the YAML file and of the page.
    """
    import yaml

    values, page = grade_path(result_path), result_path.with_suffix(".report.html")
    text = yaml.safe_dump(grade_dict(grade), sort_keys=False, default_flow_style=None, width=99)
    values.write_text(text, encoding="utf-8")
    page.write_text(render_grade(grade, title=title, sections=sections), encoding="utf-8")
    return values, page


def grade_path(result_path: Path) -> Path:
    """Where the grade of a result lies."""
    return result_path.with_suffix(".grade.yaml")


def grade_dict(grade: Grade) -> dict[str, Any]:
    """A grade as plain values, keys as the attributes are called; NaN is ``None``."""
    return {
        "verdict": grade.verdict.value,
        "why": list(grade.why),
        "advice": list(grade.advice),
        "direction": grade.direction,
        "fitted": _summary(grade.fitted),
        "held_out": _summary(grade.held_out),
        "parameters": [
            {
                "name": one.name,
                "value": _number(one.value),
                "std": _number(one.std),
                "unit": one.unit,
                "observable": bool(one.observable),
            }
            for one in grade.parameters
        ],
        "covariance": [[float(value) for value in row] for row in grade.covariance],
        "observations": [
            {
                "name": one.name,
                "used": bool(one.used),
                "error": _number(one.error),
                "reason": one.reason,
            }
            for one in grade.observations
        ],
        "coverage": {name: _number(value) for name, value in grade.coverage.items()},
        "provenance": {
            "method": grade.provenance.method,
            "data_hash": grade.provenance.data_hash,
            "date": grade.provenance.date,
            "tool_version": grade.provenance.tool_version,
        },
    }


def render_grade(grade: Grade, *, title: str, sections: Sequence[Section] = ()) -> str:
    """The page of a grade, as HTML."""
    verdict = Section(
        title=_HEADING[grade.verdict],
        intro=" ".join(grade.why) + (f" {grade.direction}" if grade.direction else ""),
        warnings=grade.advice,
    )
    return render_page(
        title=title,
        facts={
            "method": grade.provenance.method,
            "date": grade.provenance.date,
            "version": grade.provenance.tool_version,
            "data": grade.provenance.data_hash[:12],
        },
        tiles=_tiles(grade),
        sections=[
            verdict,
            Section(
                title="What was found",
                intro="With standard deviations that hold also where errors inside of one "
                "observation are alike.",
                tables=(parameter_table(grade.parameters),),
            ),
            *sections,
            Section(
                title="Observations",
                intro="The error of each under a result that was found without it, the largest "
                "first; what was left out says why.",
                tables=(observation_table(grade.observations, unit=grade.held_out.unit),),
            ),
        ],
    )


def parameter_table(parameters: Sequence[Parameter]) -> Table:
    """Values and standard deviations."""
    return Table(
        header=(
            ("parameter", ""),
            ("unit", ""),
            ("value", ""),
            ("std", "standard deviation"),
            ("fixed by the data", ""),
        ),
        rows=tuple(
            (
                one.name,
                one.unit,
                f"{one.value:.6g}",
                f"{one.std:.2g}",
                "yes" if one.observable else "no",
            )
            for one in parameters
        ),
        num_text=2,
    )


def observation_table(observations: Sequence[Observation], *, unit: str) -> Table:
    """Who was used and how far off each is, the left out ones first."""
    order = sorted(observations, key=lambda one: (one.used, -_finite(one.error), one.name))
    return Table(
        header=(("observation", ""), ("used", ""), ("reason", ""), (f"error [{unit}]", "RMS")),
        rows=tuple(
            (
                one.name,
                "yes" if one.used else "no",
                one.reason,
                "–" if one.error != one.error else f"{one.error:.3g}",  # NaN
            )
            for one in order
        ),
        num_text=3,
    )


def _tiles(grade: Grade) -> list[Tile]:
    used = sum(one.used for one in grade.observations)
    return [
        Tile(name="Verdict", value=grade.verdict.value, note=""),
        Tile(
            name="Held-out error",
            value=f"{grade.held_out.rms:.3g} {grade.held_out.unit}",
            note=f"median {grade.held_out.median:.3g}, 95 % below {grade.held_out.p95:.3g}",
        ),
        Tile(
            name="Fitted error",
            value=f"{grade.fitted.rms:.3g} {grade.fitted.unit}",
            note=f"median {grade.fitted.median:.3g}, 95 % below {grade.fitted.p95:.3g}",
        ),
        Tile(
            name="Observations",
            value=f"{used} of {len(grade.observations)}",
            note="used",
        ),
        *(
            Tile(name=f"Coverage: {name}", value=f"{100 * share:.0f} %", note="")
            for name, share in grade.coverage.items()
        ),
    ]


def _summary(one: ResidualSummary) -> dict[str, Any]:
    return {
        "unit": one.unit,
        "num": one.num,
        "rms": _number(one.rms),
        "median": _number(one.median),
        "p95": _number(one.p95),
    }


def _number(value: float) -> float | None:
    return None if value != value else float(value)  # noqa: PLR0124  # NaN


def _finite(value: float) -> float:
    return -1.0 if value != value else value  # noqa: PLR0124  # NaN
