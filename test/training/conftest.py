"""A task so small that it is learnt within a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from perception_stack.evaluation.detection import FrameHits
from perception_stack.training.task import Scores


class _Points:
    """Noisy points on a plane, with other noise in each epoch."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return 37

    def __getitem__(self, idx: int) -> tuple[np.ndarray, float]:
        rng = np.random.default_rng([7, self._epoch, idx])
        x = rng.standard_normal(3)
        return x, float(x @ [1.0, -2.0, 0.5]) + 0.01 * rng.standard_normal()


class _Network(torch.nn.Module):
    def __init__(self, num_outputs: int) -> None:
        super().__init__()
        self.backbone = torch.nn.Sequential(
            torch.nn.Linear(3, 16), torch.nn.BatchNorm1d(16), torch.nn.SiLU()
        )
        self.noise = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(16, num_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.noise(self.backbone(x)))


class Plane:
    """Fits a plane; fulfils the protocol of a task."""

    name = "plane"

    def __init__(self, num_outputs: int = 1) -> None:
        self.facts: Mapping[str, Any] = {"num_outputs": num_outputs}

    def build(self) -> _Network:
        return _Network(self.facts["num_outputs"])

    def examples(self, split: str, epoch: int) -> _Points:
        return _Points(epoch if split == "train" else 1_000_000)

    def collate(self, examples: Sequence[Any]) -> dict[str, torch.Tensor]:
        x, y = zip(*examples, strict=True)
        return {
            "x": torch.tensor(np.array(x), dtype=torch.float32),
            "y": torch.tensor(y, dtype=torch.float32),
        }

    def loss(self, network: Any, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"square": ((network(batch["x"])[:, 0] - batch["y"]) ** 2).mean()}

    def evaluate(self, network: Any, split: str) -> Scores:
        points = self.examples(split, 0)
        batch = self.collate([points[i] for i in range(len(points))])
        with torch.no_grad():
            error = (network(batch["x"])[:, 0] - batch["y"]).abs().numpy()
        hits = [
            FrameHits(score=np.array([1.0 - e / 10]), hit=np.array([e < 0.3]), num_truth=1)
            for e in error
        ]
        good = float((error < 0.3).mean())
        return Scores(headline=good, values={"good": good}, hits={"point": hits})

    def export(self, _network: Any, folder: Path, scores: Mapping[str, Scores]) -> None:
        (folder / "card.md").write_text(str(scores["test"].intervals()["mean"]))


@pytest.fixture
def plane() -> Plane:
    return Plane()
