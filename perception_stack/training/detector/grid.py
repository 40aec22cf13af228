"""Cells of all grids, and the boxes that a network's output means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from perception_stack.training.detector.network import STRIDES

_LARGEST = 6.0  # log of the largest size in cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Cells in the order of the network's output.

    Attributes:
        corner: float32 [A, 2], column and row within its grid.
        stride: float32 [A, 1], pixels.
    """

    corner: Any
    stride: Any

    @property
    def center_px(self) -> Any:
        """float32 [A, 2]."""
        return (self.corner + 0.5) * self.stride

    def boxes(self, found: Any) -> Any:
        """Boxes xyxy in pixels, float32 [B, A, 4], of the first four channels of an output."""
        center = (found[..., :2] + self.corner) * self.stride
        half = found[..., 2:4].clamp(-_LARGEST, _LARGEST).exp() * self.stride / 2
        return torch.cat([center - half, center + half], dim=-1)


def cells_of(height_px: int, width_px: int, *, device: Any) -> Cells:
    """Cells of an input; height and width are multiples of the coarsest stride."""
    corners, strides = [], []
    for stride in STRIDES:
        rows = torch.arange(height_px // stride, dtype=torch.float32, device=device)
        columns = torch.arange(width_px // stride, dtype=torch.float32, device=device)
        grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).reshape(-1, 2)
        corners.append(grid)
        strides.append(torch.full((len(grid), 1), float(stride), device=device))
    return Cells(corner=torch.cat(corners), stride=torch.cat(strides))


def pairwise_iou(a: Any, b: Any) -> Any:
    """Intersection over union of xyxy boxes, [..., G, 4] and [..., A, 4] to [..., G, A]."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    side = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(0)
    common = side[..., 0] * side[..., 1]
    return common / (_area(a) + _area(b) - common).clamp(1e-9)


def generalised_iou(a: Any, b: Any) -> Any:
    """Rezatofighi et al., CVPR 2019, of boxes row by row, [N, 4] to [N]."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    common = (high - low).clamp(0).prod(dim=1)
    union = (_area(a) + _area(b) - common).clamp(1e-9)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    hull_area = hull.prod(dim=1).clamp(1e-9)
    return common / union - (hull_area - union) / hull_area


def _area(boxes: Any) -> Any:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
