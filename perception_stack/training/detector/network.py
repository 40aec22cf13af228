"""A small image detector without anchors: one box and one score by class for each cell.

Cells of three grids, 8, 16 and 32 pixels wide. Partial blocks after CSPNet (Wang et al., CVPRW
2020), two-way pyramid after PANet (Liu et al., CVPR 2018), separate towers for class and box after
YOLOX (Ge et al. 2021). Plain convolutions where maps are wide and channels few, since that is
where processors are fast.

In: float32 [B, 3, H, W], H and W multiples of 32, grey values less 114, divided by 58.
Out: float32 [B, cells, 4 + C]: centre offset from the cell's corner and log size, in cells, then
logits by class; cells of the finest grid first, row by row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

STRIDES = (8, 16, 32)
MEAN, STD = 114.0, 58.0

_WIDTHS = (32, 64, 128, 160)
_NECK = 64
_LEAST = 1e-9
_RARE = 0.01  # score of every class before anything is learnt (Lin et al., ICCV 2017)


class DetectorNetwork(nn.Module):
    """Backbone, pyramid and heads.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.neck = _Pyramid(_WIDTHS[1:])
        self.heads = nn.ModuleList(_Head(num_classes) for _ in STRIDES)

    def forward(self, image: Any) -> Any:
        """See the module."""
        maps = self.neck(self.backbone(image))
        found = [head(one).flatten(2) for head, one in zip(self.heads, maps, strict=True)]
        return torch.cat(found, dim=2).transpose(1, 2)


class YoloxLayout(nn.Module):
    """The network with its output as family ``yolox`` reads it: objectness times class score.

    Objectness is the score of the best class, and class scores are shares of it, so that the
    product is the score again.

    Args:
        network: Trained.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Any) -> Any:
        """[B, cells, 5 + C]."""
        found = self.network(image)
        scores = found[..., 4:].sigmoid()
        best = scores.amax(dim=2, keepdim=True)
        return torch.cat([found[..., :4], best, scores / best.clamp(min=_LEAST)], dim=2)


class _Conv(nn.Sequential):
    """Convolution, norm, rectifier."""

    def __init__(
        self, inward: int, outward: int, size: int = 1, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            nn.Conv2d(inward, outward, size, stride, size // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outward, eps=1e-3, momentum=0.1),
            nn.ReLU(inplace=True),
        )


class _Separable(nn.Sequential):
    """A convolution of each channel by itself, then one of each pixel by itself."""

    def __init__(self, width: int, *, stride: int = 1) -> None:
        super().__init__(_Conv(width, width, 3, stride=stride, groups=width), _Conv(width, width))


class _Partial(nn.Module):
    """Half of the channels go through residual convolutions, half go by."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        half = width // 2
        self.inner, self.outer = _Conv(width, half), _Conv(width, half)
        self.steps = nn.ModuleList(_Conv(half, half, 3) for _ in range(depth))
        self.join = _Conv(width, width)

    def forward(self, x: Any) -> Any:
        inner = self.inner(x)
        for step in self.steps:
            inner = inner + step(inner)
        return self.join(torch.cat([inner, self.outer(x)], dim=1))


class _Context(nn.Module):
    """Maxima of wider and wider surroundings (He et al., ECCV 2014)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.narrow, self.join = _Conv(width, half), _Conv(4 * half, width)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Any) -> Any:
        views = [self.narrow(x)]
        for _ in range(3):
            views.append(self.pool(views[-1]))
        return self.join(torch.cat(views, dim=1))


class _Backbone(nn.Module):
    """Maps at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth = _WIDTHS
        self.stem = nn.Sequential(_Conv(3, first, 7, stride=4), _Partial(first, 1))
        self.stages = nn.ModuleList(
            [
                nn.Sequential(_Conv(first, second, 3, stride=2), _Partial(second, 2)),
                nn.Sequential(_Conv(second, third, 3, stride=2), _Partial(third, 2)),
                nn.Sequential(
                    _Conv(third, fourth, 3, stride=2), _Context(fourth), _Partial(fourth, 1)
                ),
            ]
        )

    def forward(self, image: Any) -> list[Any]:
        x = self.stem(image)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class _Pyramid(nn.Module):
    """What is seen coarsely goes to the fine maps, and back."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_Conv(width, _NECK) for width in widths)
        self.down = nn.ModuleList(_Separable(_NECK) for _ in widths[1:])
        self.up = nn.ModuleList(_Separable(_NECK, stride=2) for _ in widths[1:])

    def forward(self, maps: list[Any]) -> list[Any]:
        maps = [lateral(one) for lateral, one in zip(self.lateral, maps, strict=True)]
        for i in (1, 0):
            wide = nn.functional.interpolate(maps[i + 1], scale_factor=2.0, mode="nearest")
            maps[i] = self.down[i](maps[i] + wide)
        for i in (0, 1):
            maps[i + 1] = maps[i + 1] + self.up[i](maps[i])
        return maps


class _Head(nn.Module):
    """Boxes and logits of one grid."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.box_tower = nn.Sequential(_Separable(_NECK), _Separable(_NECK))
        self.class_tower = nn.Sequential(_Separable(_NECK), _Separable(_NECK))
        self.box, self.classes = nn.Conv2d(_NECK, 4, 1), nn.Conv2d(_NECK, num_classes, 1)
        nn.init.zeros_(self.box.weight)
        # a box of two cells about the middle of its own
        self.box.bias.data = torch.tensor([0.5, 0.5, 0.7, 0.7])
        nn.init.normal_(self.classes.weight, std=0.01)
        nn.init.constant_(self.classes.bias, float(torch.logit(torch.tensor(_RARE))))

    def forward(self, x: Any) -> Any:
        return torch.cat([self.box(self.box_tower(x)), self.classes(self.class_tower(x))], dim=1)
