"""A network on pillars as a task of the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception_stack.config import StepConfig, param
from perception_stack.pillars.network import PillarNetwork
from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.reading import Found, MapReader
from perception_stack.pillars.spec import Manifest
from perception_stack.training.pillars.card import measured_errors, write_card, write_manifest
from perception_stack.training.pillars.examples import PieceExamples, collate, cropped
from perception_stack.training.pillars.judging import Judged, judge
from perception_stack.training.pillars.loss import center_loss
from perception_stack.training.pillars.scans import Scan, read
from perception_stack.training.task import Examples, Scores

LEAST_SCORE = 0.05
"""Score from which boxes count in average precision."""

_BORDER_M = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PillarsTaskConfig(StepConfig):
    """Sizes of what is learnt at a time."""

    piece_m: float = param(
        48.0, "Side of the square cut out of a scan.", unit="m", low=8.0, high=200.0
    )
    repeats: int = param(1, "Pieces of each scan in an epoch.", low=1, high=1000)


class PillarsTask:
    """See :class:`~perception_stack.training.task.Task`.

    Args:
        files: Labelled scans by split: ``train`` and ``val``.
        manifest: What to learn, of the family centerpoint and of classes as the scans have.
        config: Sizes.
        given: File of the manifest.
        seed: Of the augmentation.
    """

    name = "pillars"

    def __init__(
        self,
        files: Mapping[str, Sequence[Path]],
        manifest: Manifest,
        config: PillarsTaskConfig,
        *,
        given: Path,
        seed: int,
    ) -> None:
        self._files, self._config, self._seed = files, config, seed
        self._given = given
        self.manifest = manifest
        self._piece = cropped(manifest, config.piece_m / 2)
        self.facts: Mapping[str, Any] = {
            "classes": list(manifest.classes),
            "num_scans": len(files["train"]),
            "piece_m": config.piece_m,
            "repeats": config.repeats,
        }

    def build(self) -> PillarNetwork:
        """Fresh weights."""
        network = PillarNetwork(self.manifest)
        network.to(memory_format=torch.channels_last)
        return network

    def examples(self, split: str, epoch: int) -> Examples:
        """Pieces of scans."""
        return PieceExamples(
            files=self._files[split],
            manifest=self._piece,
            repeats=self._config.repeats,
            seed=self._seed,
            epoch=epoch,
        )

    def collate(self, examples: Sequence[Any]) -> dict[str, Any]:
        """See :func:`collate`."""
        return collate(examples, self._piece)

    def loss(self, network: Any, batch: Mapping[str, Any]) -> dict[str, Any]:
        """See :func:`center_loss`."""
        pillars = network.encode(batch["features"])
        num_xy = self._piece.grid.num_xy
        canvas = network.canvas(pillars, batch["cells"], batch["num_scans"], num_xy)
        x = network.extract(canvas.contiguous(memory_format=torch.channels_last))
        maps = network.head(x)
        with torch.autocast(x.device.type, enabled=False):
            return center_loss(maps, batch)

    def evaluate(self, network: Any, split: str) -> Scores:
        """AP of 3-D boxes over whole scans, as a robot takes them."""
        judged = self._judge(network, split)
        scores = Scores(headline=0.0, values={}, hits=judged.hits, groups=judged.groups)
        mean = scores.intervals()["mean"].value
        return Scores(headline=mean, values={"ap50": mean}, hits=judged.hits, groups=judged.groups)

    def _judge(self, network: Any, split: str) -> Judged:
        find = network_finder(network, self.manifest)
        reach_m = self.manifest.grid.range_m[3] - _BORDER_M
        scans = map(read, self._files[split])
        return judge(scans, find, self.manifest.classes, reach_m=reach_m)

    def export(self, network: Any, folder: Path, scores: Mapping[str, Scores]) -> None:
        """Write the model, the given manifest with the errors on ``val``, and a card."""
        from perception_stack.pillars.export import export_onnx

        errors = measured_errors(self._judge(network, "val").errors)
        plain = network.to(memory_format=torch.contiguous_format)
        export_onnx(plain, self.manifest, folder / self.manifest.file.name)
        write_manifest(self._given, folder / "model.yaml", errors)
        write_card(self.manifest.name, folder / "card.md", scores)


def network_finder(network: Any, manifest: Manifest) -> Callable[[Scan], Found]:
    """Boxes of a scan by a network that is not exported yet."""
    reader = MapReader(manifest)
    device = next(network.parameters()).device

    def find(scan: Scan) -> Found:
        none = np.zeros(len(scan.xyz_m), dtype=np.float32)
        features, cells = pillarize(scan.xyz_m, none, manifest.grid)
        with torch.inference_mode():
            fed = (torch.from_numpy(one).to(device) for one in (features, cells))
            maps = [one.float().cpu().numpy() for one in network(*fed)]
        return reader.read(maps, threshold=LEAST_SCORE)

    return find
