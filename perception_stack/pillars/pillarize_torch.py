"""A scan as pillars, in PyTorch, on any device and without a loop.

The same as :mod:`perception_stack.pillars.pillarize` gives.
"""

from __future__ import annotations

import torch

from perception_stack.pillars.spec import POINT_FEATURES, Grid


def pillarize_torch(
    xyz_m: torch.Tensor, intensity: torch.Tensor, grid: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pillars in the order of their first point.

    Args:
        xyz_m: float32 [N, 3], in the model's frame.
        intensity: float32 [N].
        grid: Sizes and limits.

    Returns:
        Features float32 [P, M, F] and cells int64 [P], on the device of the points.
    """
    kept, cell = _cells(xyz_m, grid)
    xyz_m, intensity = xyz_m[kept], intensity[kept]
    cells, of_point = _in_order_of_appearance(cell)
    if len(cells) > grid.max_pillars:
        known = of_point < grid.max_pillars
        xyz_m, intensity, of_point = xyz_m[known], intensity[known], of_point[known]
        cells = cells[: grid.max_pillars]
    kept, slot = _select(of_point, len(cells), grid)
    xyz_m, intensity, of_point = xyz_m[kept], intensity[kept], of_point[kept]
    points = xyz_m.new_zeros((len(cells), grid.max_points, 5))
    points[of_point, slot] = torch.cat(
        [xyz_m, intensity[:, None] * grid.intensity_scale, torch.zeros_like(xyz_m[:, :1])], dim=1
    )
    num = torch.bincount(of_point, minlength=len(cells))
    return _describe(points, num, cells, grid), cells


def padded(
    features: torch.Tensor, cells: torch.Tensor, grid: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same with ``grid.max_pillars`` pillars, the further ones standing nowhere."""
    num, (num_x, num_y) = len(cells), grid.num_xy
    more = features.new_zeros((grid.max_pillars, *features.shape[1:]))
    more[:num] = features
    nowhere = cells.new_full((grid.max_pillars,), num_x * num_y)
    nowhere[:num] = cells
    return more, nowhere


def _cells(xyz_m: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
    """Which points stand in a cell of the grid, and the cells of those."""
    low = xyz_m.new_tensor(grid.range_m[:3])
    size = xyz_m.new_tensor(grid.pillar_m)
    num = xyz_m.new_tensor(grid.num_xy)
    place = torch.floor((xyz_m[:, :2] - low[:2]) / size)
    # NaN compares false
    kept = ((place >= 0) & (place < num)).all(dim=1)
    kept &= (xyz_m[:, 2] >= low[2]) & (xyz_m[:, 2] < grid.range_m[5])
    column, row = place[kept].long().unbind(dim=1)
    return kept, row * grid.num_xy[0] + column


def _in_order_of_appearance(cell: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Different cells, and of each point the index of its own among them."""
    unique, inverse = torch.unique(cell, return_inverse=True)
    first = inverse.new_full((len(unique),), len(cell))
    first.scatter_reduce_(0, inverse, torch.arange(len(cell), device=cell.device), "amin")
    order = torch.argsort(first)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=cell.device)
    return unique[order], rank[inverse]


def _select(
    of_point: torch.Tensor, num_pillars: int, grid: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which points are kept, and of those the place within their pillar."""
    num = torch.bincount(of_point, minlength=num_pillars)
    start = torch.cumsum(num, 0) - num
    order = torch.argsort(of_point, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - start[of_point[order]]
    most, total = grid.max_points, num[of_point]
    if grid.pick == "even":
        before, after = rank * most // total, (rank + 1) * most // total
        kept = (total <= most) | (after > before)
        rank = torch.where(total <= most, rank, before)
    else:
        kept = rank < most
    return kept, rank[kept]


def _describe(
    points: torch.Tensor, num: torch.Tensor, cells: torch.Tensor, grid: Grid
) -> torch.Tensor:
    """The grid's features, float32 [P, M, F], of x, y, z, intensity, age in [P, M, 5]."""
    # a sum over the places of a pillar: always in the same order, unlike one over points
    mean = points[..., :3].sum(dim=1) / num[:, None]
    low, size = points.new_tensor(grid.range_m), points.new_tensor(grid.pillar_m)
    index = torch.stack([cells % grid.num_xy[0], cells // grid.num_xy[0]], dim=1)
    middle = index.to(points.dtype) * size + (size * 0.5 + low[:2])
    middle_z = ((low[2] + low[5]) * 0.5).expand(len(cells), 1)
    middle = torch.cat([middle, middle_z], dim=1)
    offsets = [points[..., :3] - one[:, None] for one in (mean, middle)]
    there = torch.arange(grid.max_points, device=num.device) < num[:, None]
    columns = [POINT_FEATURES.index(one) for one in grid.features]
    features: torch.Tensor = torch.cat([points, *offsets], dim=2)[..., columns]
    return features * there[..., None]
