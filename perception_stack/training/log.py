"""How a run went: ``metrics.csv`` always, TensorBoard and MLflow where they are installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

METRICS = "metrics.csv"


class _Sink(Protocol):
    def write(self, epoch: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class RunLog:
    """Keeps a row for each epoch.

    Args:
        out: Folder of the run; TensorBoard's files go to ``tensorboard``, MLflow's to ``mlruns``
            unless its own settings name a server.
        name: Of the run.
        rows: Of a run that is gone on with; written again.
    """

    def __init__(self, out: Path, *, name: str, rows: Sequence[Mapping[str, float]]) -> None:
        self._path = out / METRICS
        self._rows = list(rows)
        self._sinks = _sinks(out, name)
        if rows:
            self._write_table()

    def write(self, row: Mapping[str, float]) -> None:
        """Append an epoch; ``epoch`` is its number."""
        self._rows.append(row)
        self._write_table()
        for sink in self._sinks:
            sink.write(int(row["epoch"]), {k: v for k, v in row.items() if k != "epoch"})

    def close(self) -> None:
        """End of the run."""
        for sink in self._sinks:
            sink.close()

    def _write_table(self) -> None:
        # not every epoch is evaluated
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        with self._path.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in self._rows)


class _TensorBoard:
    def __init__(self, out: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(out / "tensorboard"))

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        self._writer.close()


class _MLflow:
    def __init__(self, out: Path, name: str) -> None:
        import os

        import mlflow  # type: ignore[import-not-found, unused-ignore]

        if not os.environ.get("MLFLOW_TRACKING_URI"):
            mlflow.set_tracking_uri((out / "mlruns").resolve().as_uri())
        self._mlflow: Any = mlflow
        mlflow.set_experiment("perception_stack")
        mlflow.start_run(run_name=f"{name} {out.name}")

    def write(self, epoch: int, values: Mapping[str, float]) -> None:
        self._mlflow.log_metrics(dict(values), step=epoch)

    def close(self) -> None:
        self._mlflow.end_run()


def _sinks(out: Path, name: str) -> list[_Sink]:
    sinks: list[_Sink] = []
    if find_spec("tensorboard") is not None:
        sinks.append(_TensorBoard(out))
    if find_spec("mlflow") is not None:
        sinks.append(_MLflow(out, name))
    return sinks
