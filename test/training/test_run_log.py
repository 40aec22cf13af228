"""What is written of a run, with and without the libraries that draw it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from perception_stack.training.log import RunLog

ROWS = [{"epoch": 1.0, "loss": 2.5}, {"epoch": 2.0, "loss": 1.25, "val_ap50": 0.5}]

# as much of MLflow's interface as is used, by its documentation
MLFLOW = """
import json, pathlib
calls = []
def _take(name):
    def call(*args, **kwargs):
        calls.append([name, list(args), kwargs])
        pathlib.Path({out!r}).write_text(json.dumps(calls))
    return call
set_tracking_uri, set_experiment = _take("set_tracking_uri"), _take("set_experiment")
start_run, log_metrics, end_run = _take("start_run"), _take("log_metrics"), _take("end_run")
"""


def written(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_table_has_a_column_for_all_that_was_ever_measured(tmp_path: Path) -> None:
    log = RunLog(tmp_path, name="x", rows=[])
    for row in ROWS:
        log.write(row)
    log.close()
    first, second = written(tmp_path / "metrics.csv")
    assert first == {"epoch": "1", "loss": "2.5", "val_ap50": ""}
    assert second == {"epoch": "2", "loss": "1.25", "val_ap50": "0.5"}


def test_the_rows_of_a_run_that_is_gone_on_with_stay(tmp_path: Path) -> None:
    RunLog(tmp_path, name="x", rows=ROWS[:1]).write(ROWS[1])
    assert [row["epoch"] for row in written(tmp_path / "metrics.csv")] == ["1", "2"]


def test_mlflow_is_told_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls.json"
    (tmp_path / "mlflow.py").write_text(MLFLOW.replace("{out!r}", repr(str(calls))))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    log = RunLog(tmp_path, name="detector", rows=[])
    log.write(ROWS[1])
    log.close()
    said = json.loads(calls.read_text())
    assert [one[0] for one in said] == [
        "set_tracking_uri", "set_experiment", "start_run", "log_metrics", "end_run",
    ]  # fmt: skip
    assert said[3][1:] == [[{"loss": 1.25, "val_ap50": 0.5}], {"step": 2}]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = RunLog(tmp_path, name="x", rows=[])
    for row in ROWS:
        log.write(row)
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 2.5), (2, 1.25)]
