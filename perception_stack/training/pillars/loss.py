"""What CenterPoint is taught: where centres lie, what the boxes around them are, and the loss.

Penalty-reduced focal loss (Law and Deng, "CornerNet", 2018, eq. 1) for the heat, L1 at the cells
that hold a centre for the code, as in Yin et al., CVPR 2021; but the square for the sizes. L1 ends
at a median: where nothing tells whether somebody walks or stands, at the length of those who walk,
whose boxes overlap those of people standing by half. The mean of the logarithms overlaps both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from perception_stack.errors import ConfigError
from perception_stack.pillars.coding import encode_centers
from perception_stack.pillars.spec import CENTER_CODE, CenterHead, Manifest

_ALPHA, _BETA = 2.0, 4.0
_LEAST_SIGMA_CELLS = 0.7
_SIGMA_PER_LENGTH = 1 / 6
_SIZE = [CENTER_CODE.index(name) for name in ("length", "width", "height")]
_NOT_SIZE = [i for i in range(len(CENTER_CODE)) if i not in _SIZE]
_SIZE_WEIGHT = 4.0  # as steep as L1 at an error of an eighth


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterTargets:
    """Of one scan.

    Attributes:
        heat: float32 [C, H, W], 1 at the cell of a centre, falling about it.
        asked: float32 [C, H, W], 0 where nothing is known, such as about hardly seen objects.
        cells: int64 [K], flat cell of each taught box.
        tasks: int64 [K], task of its class.
        codes: float32 [K, 8].
    """

    heat: NDArray[np.float32]
    asked: NDArray[np.float32]
    cells: NDArray[np.int64]
    tasks: NDArray[np.int64]
    codes: NDArray[np.float32]


def center_targets(
    boxes: NDArray[np.float32],
    label: NDArray[np.int64],
    taught: NDArray[np.bool_],
    manifest: Manifest,
) -> CenterTargets:
    """Targets of one scan.

    Args:
        boxes: float32 [N, 7], centre, length, width, height, yaw, in the model's frame.
        label: int64 [N], classes of the manifest.
        taught: bool [N]; what is not taught is neither asked for nor punished.
        manifest: With a centre head.

    Raises:
        ConfigError: it has another one.
    """
    head = manifest.head
    if not isinstance(head, CenterHead):
        raise ConfigError(f"{manifest.name}: only networks of family centerpoint can be trained")
    num_rows, num_cols = manifest.map_size
    num_classes = len(manifest.classes)
    heat = np.zeros((num_classes, num_rows, num_cols), dtype=np.float32)
    asked = np.ones_like(heat)
    cell_m = np.array(manifest.grid.pillar_m) * manifest.trunk.stride
    place = (boxes[:, :2] - np.array(manifest.grid.range_m[:2])) / cell_m
    within = ((place >= 0) & (place < [num_cols, num_rows])).all(axis=1)
    row, col = np.mgrid[:num_rows, :num_cols]
    for i in np.flatnonzero(within):
        sigma = max(
            _LEAST_SIGMA_CELLS,
            _SIGMA_PER_LENGTH * float(np.sqrt(boxes[i, 3] * boxes[i, 4]) / cell_m[0]),
        )
        x, y = np.floor(place[i]).astype(int)
        reach = int(np.ceil(3 * sigma))
        view = (
            slice(max(y - reach, 0), y + reach + 1),
            slice(max(x - reach, 0), x + reach + 1),
        )
        bump = np.exp(-((col[view] - x) ** 2 + (row[view] - y) ** 2) / (2 * sigma**2))
        if taught[i]:
            np.maximum(heat[label[i]][view], bump, out=heat[label[i]][view])
        else:
            for one in asked:
                one[view] = 0.0
    # where one object is taught the neighbour's doubt does not count
    asked[heat > 0] = 1.0
    rows = np.flatnonzero(within & taught)
    task_of_class = np.repeat(np.arange(len(head.tasks)), head.tasks)
    cell = np.floor(place[rows]).astype(np.int64)
    flat = cell[:, 1] * num_cols + cell[:, 0]
    return CenterTargets(
        heat=heat,
        asked=asked,
        cells=flat,
        tasks=task_of_class[label[rows]].astype(np.int64),
        codes=encode_centers(np, boxes[rows].astype(np.float64), flat, manifest, head).astype(
            np.float32
        ),
    )


def center_loss(maps: tuple[Any, ...], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Loss of the heat, of sizes and of the rest of the codes, each per taught box.

    Args:
        maps: Heat [B, C, H, W] as logits, codes [B, tasks * 8, H, W].
        batch: As :func:`~perception_stack.training.pillars.examples.collate` makes it.
    """
    logits, codes = (one.float() for one in maps)
    heat, asked = batch["heat"], batch["asked"]
    at_center = (heat == 1.0).to(logits.dtype)
    hit = at_center * torch.sigmoid(-logits) ** _ALPHA * functional.logsigmoid(logits)
    miss = (
        (1 - at_center)
        * (1 - heat) ** _BETA
        * torch.sigmoid(logits) ** _ALPHA
        * functional.logsigmoid(-logits)
    )
    num = max(len(batch["cell"]), 1)
    num_scans, _, num_rows, num_cols = codes.shape
    by_task = codes.view(num_scans, -1, len(CENTER_CODE), num_rows * num_cols)
    found = by_task[batch["scan"], batch["task"], :, batch["cell"]]
    apart = found - batch["codes"]
    return {
        "heat": -((hit + miss) * asked).sum() / num,
        "code": apart[:, _NOT_SIZE].abs().sum() / num,
        "size": _SIZE_WEIGHT * (apart[:, _SIZE] ** 2).sum() / num,
    }
