"""What every command that finds a transform does with it: files, and lines on the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from perception_stack.calibration.grading.grade import Grade, Verdict
from perception_stack.calibration.grading.report import write_grade
from perception_stack.calibration.grading.transform import UNKNOWN_VARIANCE
from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import Extrinsic, write_extrinsics
from perception_stack.io.calibration_formats.angles import rotation_of
from perception_stack.report.page import Section
from perception_stack.tools.console import say
from perception_stack.tools.grades import say_grade

RESULT = """The result is an extrinsics file; beside it lie its grade (.grade.yaml) and a report
(.report.html). The exit code is 1 if the data are not enough. "perception-stack calibrate export"
writes the result for other programs.
"""


def add_initial(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Declare ``--initial``."""
    parser.add_argument(
        "--initial",
        nargs=6,
        type=float,
        required=required,
        metavar=("X", "Y", "Z", "ROLL", "PITCH", "YAW"),
        help="rough place of the source in the target, metres and degrees",
    )


def initial_of(values: Sequence[float], *, target: str, source: str) -> RigidTransform:
    """The transform that ``--initial`` means."""
    return RigidTransform(
        target=target,
        source=source,
        rotation=rotation_of(*np.deg2rad(values[3:]).tolist()),
        translation_m=np.array(values[:3], dtype=np.float64),
    )


def finish(
    out: Path,
    transform: RigidTransform,
    covariance: FloatArray,
    grade: Grade,
    *,
    title: str,
    sections: Sequence[Section],
) -> int:
    """Write the result, its grade and the report, say what was found; the exit code."""
    out.parent.mkdir(parents=True, exist_ok=True)
    known = bool((np.diag(covariance) < UNKNOWN_VARIANCE / 10).all())
    extrinsic = Extrinsic(
        parent_from_child=transform,
        covariance=covariance if known else None,
        method=grade.provenance.method,
        provenance=f"data {grade.provenance.data_hash[:12]}, {grade.provenance.date}, "
        f"perception_stack {grade.provenance.tool_version}; {grade.verdict.value}",
    )
    write_extrinsics(out, [extrinsic])
    files = write_grade(out, grade, title=title, sections=sections)
    say(f"written to {out}, {files[0]}, {files[1]}")
    say_grade(grade)
    return int(grade.verdict is Verdict.NOT_ENOUGH)
