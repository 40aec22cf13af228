"""What every calibration has in common on the terminal."""

from __future__ import annotations

from datetime import datetime, timezone

from perception_stack.calibration.grading.grade import Grade
from perception_stack.tools.console import say, table

_MOST_LEFT_OUT = 10


def now() -> datetime:
    """The time, for the provenance."""
    return datetime.now(timezone.utc)


def say_grade(grade: Grade) -> None:
    """A grade on the terminal."""
    say()
    cells = [
        (one.name, f"{one.value:.6g}", f"{one.std:.2g}", one.unit) for one in grade.parameters
    ]
    say(table(("parameter", "value", "std", "unit"), cells))
    say()
    unit = grade.held_out.unit
    say(
        f"error RMS {grade.fitted.rms:.4f} {unit} fitted, {grade.held_out.rms:.4f} {unit} held "
        f"out; {sum(one.used for one in grade.observations)} of {len(grade.observations)} used"
    )
    wrong = [one for one in grade.observations if not one.used]
    for one in wrong[:_MOST_LEFT_OUT]:
        say(f"  left out {one.name}: {one.reason}")
    if len(wrong) > _MOST_LEFT_OUT:
        say(f"  and {len(wrong) - _MOST_LEFT_OUT} more, see the report")
    say()
    direction = f"; {grade.direction}" if grade.direction else ""
    say(f"verdict: {grade.verdict.value}{direction}")
    for text in (*grade.why, *grade.advice):
        say(f"  {text}")
