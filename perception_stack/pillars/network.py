"""The networks in PyTorch: PointPillars and CenterPoint on pillars.

Lang et al., "PointPillars", CVPR 2019; Yin et al., "Center-based 3D object detection", CVPR 2021;
the backbone is that of Yan et al., "SECOND", Sensors 2018. A manifest gives all sizes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from perception_stack.pillars.spec import (
    CENTER_CODE,
    AnchorHead,
    Branch,
    CenterHead,
    Manifest,
    Trunk,
    output_channels,
)

TRUNK_EPS = 1e-3
HEAD_EPS = 1e-5
_MOMENTUM = 0.01
_PRIOR_LOGIT = -2.19  # a score of 0.1: few cells hold an object
_PARTS = (("offset", 2), ("height", 1), ("size", 3), ("heading", 2))


class PointLayer(nn.Module):
    """Linear, norm, ReLU of each point; then the maximum over the pillar, alone or beside it.

    The points that a pillar lacks are zeros before this layer and take part in the maximum, as in
    all published networks.
    """

    def __init__(self, num_in: int, num_out: int, *, last: bool) -> None:
        super().__init__()
        units = num_out if last else num_out // 2
        self.linear = nn.Linear(num_in, units, bias=False)
        self.norm = nn.BatchNorm1d(units, eps=TRUNK_EPS, momentum=_MOMENTUM)
        self.last = last

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """[P, M, F] to [P, 1, C] in the last layer, else to [P, M, C]."""
        x = self.linear(points)
        x = torch.relu(self.norm(x.flatten(0, 1)).view_as(x))
        most = x.max(dim=1, keepdim=True).values
        return most if self.last else torch.cat([x, most.expand_as(x)], dim=2)


def conv_unit(conv: nn.Module, channels: int, *, eps: float = TRUNK_EPS) -> nn.Sequential:
    """Convolution, norm, ReLU."""
    norm = nn.BatchNorm2d(channels, eps=eps, momentum=_MOMENTUM if eps == TRUNK_EPS else 0.1)
    return nn.Sequential(conv, norm, nn.ReLU())


class PillarNetwork(nn.Module):
    """Features of pillars in, the maps of the head out.

    Args:
        manifest: Sizes of everything.
    """

    def __init__(self, manifest: Manifest) -> None:
        super().__init__()
        trunk, grid = manifest.trunk, manifest.grid
        self.num_x, self.num_y = grid.num_xy
        widths = [len(grid.features), *trunk.pillar_channels]
        self.encoder = nn.ModuleList(
            PointLayer(widths[i], widths[i + 1], last=i == len(widths) - 2)
            for i in range(len(widths) - 1)
        )
        self.backbone, self.neck = _backbone(trunk), _neck(trunk)
        width = sum(one.channels for one in trunk.branches)
        head = manifest.head
        self.head: nn.Module
        if isinstance(head, AnchorHead):
            self.head = AnchorMaps(width, head, len(manifest.classes))
        else:
            self.head = CenterMaps(width, head)

    def forward(
        self, features: torch.Tensor, cells: torch.Tensor, num_scans: int = 1
    ) -> tuple[torch.Tensor, ...]:
        """Maps of one scan, or of several in training.

        Args:
            features: float [P, M, F], zeros where a pillar has fewer points.
            cells: int64 [P], ``scan * num_y * num_x + row * num_x + column`` of each pillar, rows
                along y; ``num_scans * num_y * num_x`` for pillars that stand for none.
            num_scans: B.

        Returns:
            float [B, C, H, W] each, with the channels of
            :func:`~perception_stack.pillars.spec.output_channels`.
        """
        canvas = self.canvas(self.encode(features), cells, num_scans)
        maps: tuple[torch.Tensor, ...] = self.head(self.extract(canvas))
        return maps

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """Pillar feature net: float [P, M, F] to [P, C]."""
        for layer in self.encoder:
            features = layer(features)
        return features.squeeze(1)

    def canvas(
        self,
        pillars: torch.Tensor,
        cells: torch.Tensor,
        num_scans: int,
        num_xy: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """Every pillar at its place: float [B, C, num_y, num_x].

        Args:
            pillars: float [P, C].
            cells: int64 [P].
            num_scans: B.
            num_xy: Of pieces of scans in training; the manifest's if None.
        """
        num_x, num_y = num_xy or (self.num_x, self.num_y)
        num_cells = num_scans * num_y * num_x
        flat = pillars.new_zeros((num_cells + 1, pillars.shape[1]))
        flat = flat.index_put((cells,), pillars)[:num_cells]
        return flat.view(num_scans, num_y, num_x, -1).permute(0, 3, 1, 2)

    def extract(self, canvas: torch.Tensor) -> torch.Tensor:
        """Backbone and neck."""
        levels = []
        for block, branch in zip(self.backbone, self.neck, strict=True):
            canvas = block(canvas)
            levels.append(branch(canvas))
        return torch.cat(levels, dim=1)


class AnchorMaps(nn.Module):
    """Scores, box codes and direction scores of the prior boxes of each cell."""

    def __init__(self, width: int, head: AnchorHead, num_classes: int) -> None:
        super().__init__()
        num_scores, num_codes, num_directions = output_channels(head, num_classes)
        self.scores = nn.Conv2d(width, num_scores, 1)
        self.codes = nn.Conv2d(width, num_codes, 1)
        self.directions = nn.Conv2d(width, num_directions, 1)
        nn.init.constant_(self.scores.bias, 2 * _PRIOR_LOGIT)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Channel ``anchor * C + c`` each, prior boxes class by class and yaw by yaw."""
        return self.scores(x), self.codes(x), self.directions(x)


class CenterMaps(nn.Module):
    """Heat of each class, and a box code of each task, at each cell."""

    def __init__(self, width: int, head: CenterHead) -> None:
        super().__init__()
        conv = nn.Conv2d(width, head.shared_channels, 3, padding=1, bias=False)
        self.shared = conv_unit(conv, head.shared_channels, eps=HEAD_EPS)
        self.tasks = nn.ModuleList()
        for num_classes in head.tasks:
            parts = {name: _output(head, num) for name, num in _PARTS}
            parts["heat"] = _output(head, num_classes)
            nn.init.constant_(parts["heat"][-1].bias, _PRIOR_LOGIT)
            self.tasks.append(nn.ModuleDict(parts))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Heat [B, classes, H, W] as logits; codes [B, tasks * 8, H, W]."""
        x = self.shared(x)
        heat = torch.cat([task["heat"](x) for task in self.tasks], dim=1)
        codes = [task[name](x) for task in self.tasks for name, _ in _PARTS]
        return heat, torch.cat(codes, dim=1)


def _backbone(trunk: Trunk) -> nn.ModuleList:
    blocks, width = nn.ModuleList(), trunk.pillar_channels[-1]
    for block in trunk.blocks:
        units = []
        for i in range(block.convs + 1):
            conv = nn.Conv2d(
                width, block.channels, 3, stride=1 if i else block.stride, padding=1, bias=False
            )
            units.append(conv_unit(conv, block.channels))
            width = block.channels
        blocks.append(nn.Sequential(*units))
    return blocks


def _neck(trunk: Trunk) -> nn.ModuleList:
    return nn.ModuleList(
        conv_unit(_resampling(block.channels, branch), branch.channels)
        for block, branch in zip(trunk.blocks, trunk.branches, strict=True)
    )


def _resampling(width: int, branch: Branch) -> nn.Module:
    kind: Any = nn.ConvTranspose2d
    step = round(branch.scale)
    if branch.scale < 1 or branch.plain:
        kind, step = nn.Conv2d, round(1 / branch.scale)
    resampling: nn.Module = kind(width, branch.channels, step, stride=step, bias=False)
    return resampling


def _output(head: CenterHead, num: int) -> nn.Sequential:
    """The convolutions of one output of a task."""
    layers: list[nn.Module] = []
    width = head.shared_channels
    for _ in range(head.convs - 1):
        conv = nn.Conv2d(width, head.channels, head.kernel, padding=head.kernel // 2, bias=False)
        layers.append(conv_unit(conv, head.channels, eps=HEAD_EPS))
        width = head.channels
    layers.append(nn.Conv2d(width, num, head.kernel, padding=head.kernel // 2))
    return nn.Sequential(*layers)


def code_channels(task: int) -> slice:
    """Where the box code of a task lies among the channels of all codes."""
    return slice(task * len(CENTER_CODE), (task + 1) * len(CENTER_CODE))
