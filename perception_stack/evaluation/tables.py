"""The tables of the report: scores as text, ready to be set."""

from __future__ import annotations

from collections.abc import Sequence

from perception_stack.evaluation.drops import Drop
from perception_stack.evaluation.evaluate import DetectionScores, TrackingScores, TrackScores
from perception_stack.evaluation.latency import StepLatency
from perception_stack.evaluation.pose import PoseScores
from perception_stack.evaluation.results import Evaluation
from perception_stack.report.page import Table, Tile

_ANY = "any class"


def tiles(results: Evaluation) -> list[Tile]:
    """The headline: a handful of numbers."""
    shown = []
    if results.tracking:
        tracking = results.tracking[0]
        scores = tracking.any_class
        hota = scores.hota.as_dict()
        shown += [
            Tile(
                name="HOTA",
                value=_percent(hota["hota"]),
                note=f"DetA {_percent(hota['det_a'])}, AssA {_percent(hota['ass_a'])}",
            ),
            Tile(
                name="MOTA",
                value=_percent(scores.clear.mota),
                note=f"{scores.clear.misses} missed, {scores.clear.false_positives} false, "
                f"{scores.clear.switches} switches",
            ),
            Tile(
                name="IDF1",
                value=_percent(scores.identity.idf1),
                note=f"{scores.clear.num_truth_ids} true identities",
            ),
            Tile(
                name="Recall",
                value=_percent(scores.clear.recall),
                note=f"precision {_percent(scores.clear.precision)}",
            ),
        ]
    if results.detection:
        curve = results.detection[0].any_class
        shown.append(
            Tile(
                name="AP",
                value=_percent(curve.average_precision),
                note=f"{curve.num_truth} true boxes",
            )
        )
    if results.pose is not None:
        pose = results.pose.all_classes.as_dict()
        shown.append(
            Tile(
                name="ADD-S AUC",
                value=_percent(pose["add_s_auc"]),
                note=f"{pose['num_found']} of {pose['num_truth']} found",
            )
        )
    if results.latency:
        slowest = max(results.latency, key=lambda one: one.percentile_ms(95))
        shown.append(
            Tile(
                name="Slowest step, p95",
                value=f"{_ms(slowest.percentile_ms(95))} ms",
                note=slowest.step,
            )
        )
    return shown


def tracking_table(scores: TrackingScores) -> Table:
    """HOTA, CLEAR and IDF1 of every class."""
    return Table(
        header=(
            ("class", ""),
            ("truth", "true boxes over all frames"),
            ("ids", "true identities"),
            ("HOTA", "geometric mean of DetA and AssA, averaged over strictness"),
            ("DetA", "detection accuracy"),
            ("AssA", "association accuracy"),
            ("LocA", "mean similarity of the matches"),
            ("MOTA", "1 - (missed + false + switches) / truth"),
            ("MOTP", "mean similarity of the matches"),
            ("IDF1", "share of boxes with the right identity over the whole recording"),
            ("recall", ""),
            ("prec.", "precision"),
            ("missed", "true boxes without object"),
            ("false", "objects without truth"),
            ("IDSW", "switches of identity"),
            ("frag", "times found again after having been lost"),
            ("MT/PT/ML", "identities tracked mostly, partly, hardly ever"),
        ),
        rows=tuple(
            _tracking_row(name, one)
            for name, one in {_ANY: scores.any_class, **scores.per_class}.items()
        ),
        has_total=True,
    )


def _tracking_row(name: str, scores: TrackScores) -> tuple[str, ...]:
    hota, clear = scores.hota.as_dict(), scores.clear
    if clear.num_truth == 0:
        blank = ("–",) * 9
        return (name, "0", "0", *blank, "0", str(clear.false_positives), "0", "0", "–")
    shares = (
        *(hota[key] for key in ("hota", "det_a", "ass_a", "loc_a")),
        clear.mota,
        clear.motp,
        scores.identity.idf1,
        clear.recall,
        clear.precision,
    )
    counts = (clear.misses, clear.false_positives, clear.switches, clear.fragments)
    return (
        name,
        str(clear.num_truth),
        str(clear.num_truth_ids),
        *map(_percent, shares),
        *map(str, counts),
        f"{clear.mostly_tracked}/{clear.partly_tracked}/{clear.mostly_lost}",
    )


def detection_table(scores: DetectionScores) -> Table:
    """Average precision of every class."""
    rows = []
    for name, one in {_ANY: scores.any_class, **scores.per_class}.items():
        precision, recall = one.at_score(-1.0)
        shares = (one.average_precision, precision, recall)
        values = map(_percent, shares) if one.num_truth else ("–",) * 3
        rows.append((name, str(one.num_truth), str(len(one.score)), *values))
    return Table(
        header=(
            ("class", ""),
            ("truth", "true boxes over all frames"),
            ("boxes", "reported boxes that count"),
            ("AP", "average precision over 40 recall points"),
            ("precision", "of all boxes"),
            ("recall", "of all boxes"),
        ),
        rows=tuple(rows),
        has_total=True,
    )


def pose_table(scores: PoseScores) -> Table:
    """ADD and ADD-S of every class."""
    rows = []
    for name, one in {"all classes": scores.all_classes, **scores.per_class}.items():
        values = one.as_dict()
        medians = (values["median_add_m"], values["median_add_s_m"])
        rows.append(
            (
                name,
                str(values["num_truth"]),
                str(values["num_found"]),
                str(values["num_false"]),
                *(_percent(values[k]) for k in ("add_auc", "add_s_auc", "add_s_below_2cm")),
                *("–" if one is None else f"{1e3 * one:.1f}" for one in medians),
            )
        )
    return Table(
        header=(
            ("class", ""),
            ("truth", "true poses"),
            ("found", "true poses with an estimate"),
            ("false", "estimates without truth"),
            ("ADD AUC", "area under the curve, 0 to 10 cm"),
            ("ADD-S AUC", "area under the curve, 0 to 10 cm"),
            ("ADD-S < 2 cm", "share of all true poses"),
            ("median ADD [mm]", "of the poses found"),
            ("median ADD-S [mm]", "of the poses found"),
        ),
        rows=tuple(rows),
        has_total=True,
    )


def latency_table(latencies: Sequence[StepLatency]) -> Table:
    """Percentiles of every step."""
    keys = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "mean_ms")
    summaries = [one.as_dict() for one in latencies]
    return Table(
        header=(
            ("step", ""),
            ("calls", ""),
            ("p50 [ms]", "half of the calls take no longer"),
            ("p95 [ms]", ""),
            ("p99 [ms]", ""),
            ("max [ms]", ""),
            ("mean [ms]", ""),
        ),
        rows=tuple(
            (one["step"], str(one["num_calls"]), *(_ms(one[key]) for key in keys))
            for one in summaries
        ),
    )


def drop_table(drops: Sequence[Drop]) -> Table:
    """What was dropped, by step and reason."""
    return Table(
        header=(
            ("step", ""),
            ("reason", ""),
            ("meaning", ""),
            ("newest case", ""),
            ("at [s]", "stamp of the newest case"),
            ("count", ""),
        ),
        rows=tuple(
            (
                one.step,
                one.reason.value,
                one.reason.text,
                one.detail,
                f"{one.stamp_ns / 1e9:.3f}",
                str(one.count),
            )
            for one in drops
        ),
        num_text=4,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _ms(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
