"""What the loop must know of a task; everything else about it is the task's own affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from perception_stack.evaluation.confidence import FrameHits, Interval, ap_intervals


class Examples(Protocol):
    """Examples by number; each comes out the same whenever and wherever it is asked for.

    Whatever is random about one depends on the seed, the epoch and its number only.
    """

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, idx: int) -> Any:
        """One of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How good a network is on one split.

    Attributes:
        headline: The number that the best epoch is chosen by; greater is better.
        values: Named numbers, for the log; ``headline`` among them.
        hits: For confidence intervals: by class what was found in each frame.
        groups: int per frame, frames that belong together, such as those of one drive; empty: each
            frame stands for itself.
    """

    headline: float
    values: dict[str, float]
    hits: Mapping[str, Sequence[FrameHits]] = field(default_factory=dict)
    groups: Sequence[int] = ()

    def intervals(self) -> dict[str, Interval]:
        """Average precision by class, and their mean under ``mean``, each with 95 % limits."""
        return ap_intervals(self.hits, groups=self.groups)


class Task(Protocol):
    """Something to be learnt. Networks are ``torch.nn.Module``, tensors ``torch.Tensor``.

    Parameters whose names begin with ``backbone.`` are those that can be frozen and that a
    checkpoint of another task may bring.

    Attributes:
        name: Short, for files and logs.
        facts: What a checkpoint must agree in to be resumed, such as classes and sizes.
    """

    name: str
    facts: Mapping[str, Any]

    def build(self) -> Any:
        """A network with fresh weights, drawn from torch's generator, which is seeded."""

    def examples(self, split: str, epoch: int) -> Examples:
        """Examples of ``train``, ``val`` or ``test``, augmented for this epoch if for training."""

    def collate(self, examples: Sequence[Any]) -> Mapping[str, Any]:
        """One batch: tensors by name, still on the CPU."""

    def loss(self, network: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Parts of the loss, scalars whose sum is made small; runs under mixed precision."""

    def evaluate(self, network: Any, split: str) -> Scores:
        """Scores of a network in evaluation mode, on the device of its parameters."""

    def export(self, network: Any, folder: Path, scores: Mapping[str, Scores]) -> None:
        """Write the model file, its manifest and its card.

        Args:
            network: In evaluation mode, on the CPU.
            folder: Exists.
            scores: By split.
        """
