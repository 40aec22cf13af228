"""Writes an evaluation down: ``evaluation.json`` for programs, ``report.html`` for people.

The report is one file that needs no network. The same results give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from perception_stack.evaluation.evaluate import Coverage, DetectionScores, TrackingScores
from perception_stack.evaluation.figures.curves import (
    distance_figure,
    hota_figure,
    pose_figure,
    precision_recall_figure,
)
from perception_stack.evaluation.figures.pictures import bird_view, camera_picture
from perception_stack.evaluation.figures.timing import latency_figure
from perception_stack.evaluation.results import Evaluation
from perception_stack.evaluation.tables import (
    detection_table,
    drop_table,
    latency_table,
    pose_table,
    tiles,
    tracking_table,
)
from perception_stack.report.page import Picture, Section, render_page

JSON_NAME, HTML_NAME = "evaluation.json", "report.html"
_MAX_STAMPS = 8


def write_report(results: Evaluation, out_dir: Path) -> Path:
    """Write ``evaluation.json`` and ``report.html``; existing ones are replaced.

    Args:
        results: What to report.
        out_dir: Folder; made if it is not there.

    Returns:
        Path of the HTML file.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    content = json.dumps(results.as_dict(), indent=1, allow_nan=False, ensure_ascii=False)
    (out_dir / JSON_NAME).write_text(content + "\n", encoding="utf-8")
    path = out_dir / HTML_NAME
    path.write_text(render_html(results), encoding="utf-8")
    return path


def render_html(results: Evaluation) -> str:
    """The report as one HTML page."""
    return render_page(
        title=results.title,
        facts=results.facts,
        tiles=tiles(results),
        sections=_sections(results),
    )


def _sections(results: Evaluation) -> list[Section]:
    sections = [_tracking_section(one) for one in results.tracking]
    sections += [_detection_section(one) for one in results.detection]
    if results.pose is not None:
        sections.append(
            Section(
                title="Object poses",
                intro="Mean distance of the model points from where they should be: ADD point by "
                "point, ADD-S to the nearest point, for objects that look the same from several "
                "sides. Areas under the accuracy curve from 0 to 10 cm, in percent.",
                tables=(pose_table(results.pose),),
                pictures=(
                    Picture(
                        uri=pose_figure(results.pose.per_class),
                        alt="share of poses below each error, by class",
                    ),
                ),
            )
        )
    if results.latency or results.timing:
        sections.append(_latency_section(results))
    sections.append(
        Section(
            title="Dropped, and why",
            intro="Nothing is dropped without a line here; the newest case is given with its "
            "numbers."
            if results.drops
            else "Nothing was dropped.",
            tables=(drop_table(results.drops),) if results.drops else (),
        )
    )
    if results.scenes:
        sections.append(_scene_section(results))
    return sections


def _tracking_section(scores: TrackingScores) -> Section:
    return Section(
        title=f"Tracking: {scores.rule}",
        intro=f"What counts as a hit, over {scores.coverage.num_frames} frames with truth. "
        "“Any class” compares all boxes whatever they are called; the other rows truth and "
        "objects of one class. HOTA, DetA, AssA, LocA, MOTA, MOTP, IDF1, recall and precision in "
        "percent.",
        tables=(tracking_table(scores),),
        pictures=(
            Picture(
                uri=hota_figure(scores.any_class.hota), alt="HOTA, DetA and AssA over strictness"
            ),
            Picture(uri=distance_figure(scores.any_class.distance), alt="recall by distance"),
        ),
        warnings=_coverage_warnings(scores.coverage),
    )


def _detection_section(scores: DetectionScores) -> Section:
    return Section(
        title=f"Detection: {scores.rule}",
        intro="Boxes before tracking, one by one. AP is the average precision over 40 recall "
        "points; precision and recall are those of all boxes.",
        tables=(detection_table(scores),),
        pictures=(
            Picture(
                uri=precision_recall_figure({"any class": scores.any_class, **scores.per_class}),
                alt="precision over recall, by class",
            ),
        ),
        warnings=_coverage_warnings(scores.coverage),
    )


def _latency_section(results: Evaluation) -> Section:
    timing = results.timing
    rhythm = ""
    if timing is not None:
        gaps = "no frame is missing"
        if timing.num_gaps:
            gaps = f"{timing.num_gaps} intervals are so long that a frame must be missing"
        rhythm = (
            f" Frames come at {timing.rate_hz:.1f} Hz with {timing.jitter_ms:.1f} ms of jitter; "
            f"the longest interval is {timing.longest_ms:.0f} ms, and {gaps}."
        )
    pictures = (
        (Picture(uri=latency_figure(results.latency), alt="Time of each step", wide=True),)
        if results.latency
        else ()
    )
    return Section(
        title="Time",
        intro="Processing time of each call of a step, in milliseconds." + rhythm,
        tables=(latency_table(results.latency),) if results.latency else (),
        pictures=pictures,
    )


def _scene_section(results: Evaluation) -> Section:
    first_ns = min(scene.stamp_ns for scene in results.scenes)
    pictures = []
    for scene in results.scenes:
        when = f"stamp {scene.stamp_ns / 1e9:.3f} s"
        if scene.stamp_ns != first_ns:
            when += f", {(scene.stamp_ns - first_ns) / 1e9:.1f} s after the first picture"
        pictures.append(_photo(bird_view(scene), f"From above, {when}"))
        camera = camera_picture(scene)
        if camera is not None:
            pictures.append(_photo(camera, f"Camera, {when}"))
    return Section(
        title="Pictures",
        intro="Truth is dashed, objects are filled; blue is right, orange false, red missed. A "
        "line in a box points to its front, an arrow shows where it will be in a second, "
        "a thin line where it came from.",
        pictures=tuple(pictures),
    )


def _photo(uri: str, caption: str) -> Picture:
    return Picture(uri=uri, alt=caption, wide=True, caption=caption)


def _coverage_warnings(coverage: Coverage) -> tuple[str, ...]:
    texts = (
        (coverage.without_report_ns, "frames with truth got no report, and count as missed"),
        (coverage.without_truth_ns, "reports have no truth at their stamp, and are left out"),
    )
    return tuple(f"{len(stamps)} {text}: {_stamps(stamps)}" for stamps, text in texts if stamps)


def _stamps(stamps_ns: Sequence[int]) -> str:
    listed = ", ".join(f"{stamp / 1e9:.3f}" for stamp in stamps_ns[:_MAX_STAMPS])
    more = len(stamps_ns) - _MAX_STAMPS
    return f"{listed} s" + (f" and {more} more" if more > 0 else "")
