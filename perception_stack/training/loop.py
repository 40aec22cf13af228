"""The training loop: the same for every task, and the same weights again for the same seed.

A run lies in a folder: ``checkpoint.pt`` to go on from, ``best.pt`` with the averaged weights of
the best epoch, ``metrics.csv`` and ``curves.png``. Epochs are whole: a run that was broken off
begins its last epoch anew and ends with the same weights as one that was not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception_stack.errors import ConfigError, TrainingError
from perception_stack.training import checkpoint
from perception_stack.training.config import LoopConfig
from perception_stack.training.curves import draw_curves
from perception_stack.training.device import Arithmetic, choose_device
from perception_stack.training.log import RunLog
from perception_stack.training.schedule import Averaged, parameter_groups, rate_at
from perception_stack.training.task import Task

CURVES = "curves.png"
# what may differ between a run and its continuation without changing what is learnt
_FREE = ("device", "num_threads", "num_workers", "evaluate_every")


def _nothing(*_: Any) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Who is told how it goes.

    Attributes:
        step: After each step: number of steps done and to be done, and the loss.
        epoch: After each epoch: its row of ``metrics.csv``.
    """

    step: Callable[[int, int, float], None] = _nothing
    epoch: Callable[[Mapping[str, float]], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a run gave.

    Attributes:
        network: With the averaged weights of the best epoch, in evaluation mode, on the CPU.
        rows: Rows of ``metrics.csv``, an epoch each.
        transfer: What a checkpoint of another run brought, if one was named.
    """

    network: Any
    rows: list[dict[str, float]]
    transfer: checkpoint.Transfer | None


def train(
    task: Task,
    config: LoopConfig,
    out: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    watch: Watch | None = None,
) -> Trained:
    """Learn a task.

    Args:
        task: What to learn.
        config: How.
        out: Folder of the run.
        resume: Go on with the run in ``out``, if there is one.
        start_from: A checkpoint whose weights are the first ones, where names and shapes agree.
        watch: Who is told how it goes.

    Raises:
        ModelLoadError: a checkpoint that cannot be used, or of another run.
        ConfigError: ``out`` holds a run and is not to be resumed; a device that is not there;
            nothing to freeze.
        TrainingError: there are no examples, or the loss is no number any more.
    """
    run = _Run(task, config, out, resume=resume, start_from=start_from, watch=watch or Watch())
    while run.epoch < config.num_epochs:
        run.one_epoch()
    return run.result()


class _Run:
    """State of a run: all that ``checkpoint.pt`` holds."""

    def __init__(
        self,
        task: Task,
        config: LoopConfig,
        out: Path,
        *,
        resume: bool,
        start_from: Path | None,
        watch: Watch,
    ) -> None:
        file = out / checkpoint.CHECKPOINT
        if file.exists() and not resume:
            raise ConfigError(f"'{out}' holds a run; give --resume to go on, or another --out")
        out.mkdir(parents=True, exist_ok=True)
        self._task, self._config, self._out, self._watch = task, config, out, watch
        self._device = choose_device(config)
        _seed_all(config.seed)
        network = task.build()
        self._transfer = None if start_from is None else checkpoint.transfer(start_from, network)
        self._network = network.to(self._device)
        self._frozen = [
            one for name, one in network.named_parameters() if name.startswith("backbone.")
        ]
        if config.freeze_epochs and not self._frozen:
            raise ConfigError(f"{task.name} has no backbone that could be frozen")
        self._averaged = Averaged(self._network, decay=config.average_decay)
        self._optimizer = torch.optim.AdamW(
            parameter_groups(self._network, weight_decay=config.weight_decay),
            lr=config.learning_rate,
            fused=True,
        )
        self._arithmetic = Arithmetic(config, self._device)
        self.epoch, self._best = 0, -np.inf
        self._rows: list[dict[str, float]] = []
        if file.exists():
            self._restore(file)
        self._log = RunLog(out, name=task.name, rows=self._rows)

    def one_epoch(self) -> None:
        """All examples once, an evaluation if it is time, and the files."""
        began_s = time.monotonic()
        config = self._config
        losses, rate = self._learn()
        self.epoch += 1
        row = {"epoch": float(self.epoch), "rate": rate, **losses}
        due = self.epoch % config.evaluate_every == 0 or self.epoch == config.num_epochs
        better = False
        if due:
            scores = self._task.evaluate(self._averaged.network, "val")
            row |= {f"val_{name}": value for name, value in scores.values.items()}
            # where nothing could be scored the newest is as good as any
            headline = scores.headline if np.isfinite(scores.headline) else -np.inf
            better = headline >= self._best
            self._best = max(self._best, headline)
        row["seconds"] = time.monotonic() - began_s
        self._rows.append(row)
        if better:
            best = {"weights": self._averaged.network.state_dict(), "facts": self._facts()}
            checkpoint.save(self._out / checkpoint.BEST, best)
        self._save()
        self._log.write(row)
        self._watch.epoch(row)

    def result(self) -> Trained:
        """The best network."""
        best = checkpoint.load(self._out / checkpoint.BEST)
        self._averaged.network.load_state_dict(best["weights"])
        self._log.close()
        draw_curves(self._rows, self._out / CURVES)
        network = self._averaged.network.to("cpu").eval()
        return Trained(network=network, rows=self._rows, transfer=self._transfer)

    def _learn(self) -> tuple[dict[str, float], float]:
        """One pass over the examples; mean of each part of the loss, and the last step size."""
        config, arithmetic = self._config, self._arithmetic
        self._set_training_mode()
        loader = self._batches()
        steps = len(loader)
        sums: dict[str, float] = {}
        rate = 0.0
        for i, batch in enumerate(loader):
            step = self.epoch * steps + i
            rate = rate_at(step, steps_per_epoch=steps, config=config)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            with arithmetic.mixed():
                parts = self._task.loss(self._network, _moved(batch, self._device))
            total = torch.stack([part.float() for part in parts.values()]).sum()
            value = float(total.detach())
            if not np.isfinite(value):
                named = ", ".join(
                    f"{name} {float(part.detach()):g}" for name, part in parts.items()
                )
                raise TrainingError(
                    f"the loss is no number in epoch {self.epoch + 1}, step {i + 1}: {named}; "
                    "try a lower learning_rate, or precision float32"
                )
            arithmetic.descend(total, self._optimizer, self._network, config.clip_norm)
            self._averaged.update(step)
            for name, part in {**parts, "loss": total}.items():
                sums[name] = sums.get(name, 0.0) + float(part.detach()) / steps
            self._watch.step(step + 1, steps * config.num_epochs, value)
        return sums, rate

    def _set_training_mode(self) -> None:
        """All of it learns, or all but the backbone, whose norms stand still as well."""
        self._network.train()
        frozen = self.epoch < self._config.freeze_epochs
        if frozen:
            self._network.backbone.eval()
        for one in self._frozen:
            one.requires_grad_(not frozen)

    def _batches(self) -> Any:
        examples = self._task.examples("train", self.epoch)
        if not len(examples):
            raise TrainingError(f"{self._task.name}: no examples to train on")
        # a last, smaller batch would make its few examples weigh more
        size = min(self._config.batch_size, len(examples))
        order = np.random.default_rng([self._config.seed, self.epoch]).permutation(len(examples))
        workers = self._config.num_workers
        if workers < 0:
            workers = max(1, (os.cpu_count() or 1) - 1) if self._device.type == "cuda" else 0
        return torch.utils.data.DataLoader(
            examples,  # type: ignore[arg-type, unused-ignore]
            batch_size=size,
            sampler=order.tolist(),
            drop_last=True,
            num_workers=workers,
            collate_fn=self._task.collate,
            pin_memory=self._device.type == "cuda",
        )

    def _facts(self) -> dict[str, Any]:
        settings = {k: v for k, v in asdict(self._config).items() if k not in _FREE}
        return {"task": self._task.name, **self._task.facts, **settings}

    def _save(self) -> None:
        content = {
            "facts": self._facts(),
            "weights": self._averaged.network.state_dict(),
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "arithmetic": self._arithmetic.state_dict(),
            "random": torch.get_rng_state(),
            "epoch": self.epoch,
            "best": float(self._best),
            "rows": self._rows,
        }
        checkpoint.save(self._out / checkpoint.CHECKPOINT, content)

    def _restore(self, file: Path) -> None:
        saved = checkpoint.load(file)
        checkpoint.check_same(file, saved["facts"], self._facts())
        self._averaged.network.load_state_dict(saved["weights"])
        self._network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._arithmetic.load_state_dict(saved["arithmetic"])
        torch.set_rng_state(saved["random"])
        self.epoch, self._best, self._rows = saved["epoch"], saved["best"], saved["rows"]


def _seed_all(seed: int) -> None:
    torch.manual_seed(seed)


def _moved(batch: Mapping[str, Any], device: Any) -> dict[str, Any]:
    """Tensors of a batch on the device; other things as they are."""
    return {
        name: one.to(device, non_blocking=True) if isinstance(one, torch.Tensor) else one
        for name, one in batch.items()
    }
