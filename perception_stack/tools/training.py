"""What all ``perception-stack train`` commands share: options of the loop, progress, results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perception_stack.config import StepConfig, config_from_params, specs
from perception_stack.errors import ConfigError
from perception_stack.tools.console import progress, say, table
from perception_stack.training.config import LoopConfig

if TYPE_CHECKING:
    from perception_stack.training.task import Scores, Task

LOOP_HELP = """OUT gets model.onnx and its manifest model.yaml, card.md, scores.json, metrics.csv,
curves.png, best.pt (weights, for --from) and checkpoint.pt (for --resume); TensorBoard's and
MLflow's files where these are installed. The same seed and data give the same weights on the same
machine, also when the run was broken off and resumed.
"""


def add_loop_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what every task has."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--epochs", type=int, help="times that every example is seen")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUT")
    parser.add_argument(
        "--from",
        dest="start_from",
        type=Path,
        metavar="CKPT",
        help="best.pt of another run; weights that do not fit are drawn anew",
    )
    parser.add_argument(
        "--freeze-epochs", type=int, default=0, help="epochs in which the backbone is left alone"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="any other parameter, e.g. learning_rate:=0.001; see docs/training.md",
    )


def configs(args: argparse.Namespace, *kinds: type[StepConfig]) -> list[Any]:
    """The loop's configuration and those of some other kinds, from the command line.

    Raises:
        ConfigError: a name that none of them has, or a value that cannot be used.
    """
    import yaml

    values: dict[str, Any] = {"seed": args.seed, "freeze_epochs": args.freeze_epochs}
    if args.epochs is not None:
        values["num_epochs"] = args.epochs
    for assignment in args.set:
        name, assigned, value = assignment.partition(":=")
        if not assigned:
            raise ConfigError(f"'{assignment}' is not of the form NAME:=VALUE")
        values[name] = yaml.safe_load(value)
    made: list[Any] = []
    known: set[str] = set()
    all_kinds: list[type[StepConfig]] = [LoopConfig, *kinds]
    for kind in all_kinds:
        names = {one.name for one in specs(kind)}
        own = {name: value for name, value in values.items() if name in names}
        made.append(config_from_params(kind, own, where="--set"))
        known |= names
    if strangers := sorted(set(values) - known):
        raise ConfigError(f"no parameter {strangers[0]}; there are: {', '.join(sorted(known))}")
    return made


def train_and_export(
    task: Task, loop: LoopConfig, args: argparse.Namespace, *, tests: Sequence[str]
) -> dict[str, Scores]:
    """Run the loop, then score the best network on splits that it has not been chosen on.

    Args:
        task: What to learn.
        loop: How.
        args: Of :func:`add_loop_arguments`.
        tests: Splits to score at the end.

    Returns:
        Scores by split, ``val`` among them; they are written to ``scores.json`` as well.
    """
    from perception_stack.training.loop import Watch, train

    with progress(0, "train", "step") as bar:

        def on_step(done: int, total: int, loss: float) -> None:
            bar.total = total
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update(done - bar.n)

        trained = train(
            task,
            loop,
            args.out,
            resume=args.resume,
            start_from=args.start_from,
            watch=Watch(step=on_step, epoch=lambda row: say(_epoch_line(row))),
        )
    if trained.transfer is not None:
        fresh = len(trained.transfer.fresh)
        say(f"{len(trained.transfer.taken)} tensors taken from {args.start_from}, {fresh} new")
    scores = {split: task.evaluate(trained.network, split) for split in ("val", *tests)}
    task.export(trained.network, args.out, scores)
    (args.out / "scores.json").write_text(json.dumps(_as_json(scores), indent=1) + "\n")
    say(_score_table(scores))
    return scores


def _epoch_line(row: Mapping[str, float]) -> str:
    names = [name for name in row if name not in {"epoch", "rate", "seconds"}]
    values = "  ".join(f"{name.replace('_', ' ')} {row[name]:.3f}" for name in names)
    return f"epoch {row['epoch']:.0f}  {values}  ({row['seconds']:.0f} s)"


def _as_json(scores: Mapping[str, Scores]) -> dict[str, Any]:
    return {
        split: {
            **one.values,
            "intervals": {
                name: [interval.value, interval.low, interval.high]
                for name, interval in one.intervals().items()
            },
        }
        for split, one in scores.items()
    }


def _score_table(scores: Mapping[str, Scores]) -> str:
    intervals = {split: one.intervals() for split, one in scores.items()}
    names = list(dict.fromkeys(name for one in intervals.values() for name in one))
    rows = [(name, *(str(intervals[split].get(name, "-")) for split in scores)) for name in names]
    return table(("average precision", *scores), rows)
