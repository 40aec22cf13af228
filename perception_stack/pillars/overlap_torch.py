"""Overlap of boxes seen from above, and the boxes that stay, in PyTorch on any device.

The same as :func:`~perception_stack.geometry.overlap.iou_bev` and
:func:`~perception_stack.pillars.reading.without_duplicates` give on the CPU, without a loop over
boxes.
"""

from __future__ import annotations

import torch

_EPSILON = 1e-6


def iou_bev_torch(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Overlap of footprints, [N, M] in [0, 1].

    The corners of a common polygon are corners of one rectangle inside of the other, or crossings
    of their sides; put in order around their mean they give its area (shoelace formula).

    Args:
        a: [N, 7], x, y, z, length, width, height, yaw.
        b: [M, 7].
    """
    num_a, num_b = len(a), len(b)
    if num_a == 0 or num_b == 0:
        return a.new_zeros((num_a, num_b))
    corners_a, corners_b = _corners(a), _corners(b)
    within_a = _inside(corners_a[:, None], b[None])  # [N, M, 4]
    within_b = _inside(corners_b[None], a[:, None])
    crossings, crossed = _crossings(corners_a, corners_b)
    points = torch.cat(
        [
            corners_a[:, None].expand(num_a, num_b, 4, 2),
            corners_b[None].expand(num_a, num_b, 4, 2),
            crossings,
        ],
        dim=2,
    )
    valid = torch.cat([within_a, within_b, crossed], dim=2)
    common = _polygon_area(points, valid)
    area_a, area_b = a[:, 3] * a[:, 4], b[:, 3] * b[:, 4]
    union = area_a[:, None] + area_b[None, :] - common
    return torch.where(union > 0, common / union, torch.zeros_like(union)).clamp(0, 1)


def without_duplicates_torch(
    boxes: torch.Tensor, group: torch.Tensor, *, iou: float
) -> torch.Tensor:
    """Rows that overlap no better row of their group that stays by more than a limit.

    A row falls only to one that stays itself. Rounds go on until nothing changes; there are as
    many as the longest chain of boxes that fall to each other, not as there are boxes.

    Args:
        boxes: [N, 7], best first.
        group: int64 [N].
        iou: The limit.
    """
    alike = (iou_bev_torch(boxes, boxes) > iou) & (group[:, None] == group[None, :])
    alike = torch.triu(alike, 1)  # row i may suppress column j > i
    stays = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    while True:
        after = ~(alike & stays[:, None]).any(dim=0)
        if torch.equal(after, stays):
            return torch.nonzero(stays)[:, 0]
        stays = after


def _corners(boxes: torch.Tensor) -> torch.Tensor:
    """Corners of footprints, counter-clockwise, [N, 4, 2]."""
    signs = boxes.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
    local = signs * boxes[:, None, 3:5]
    cos, sin = torch.cos(boxes[:, 6, None]), torch.sin(boxes[:, 6, None])
    x = cos * local[..., 0] - sin * local[..., 1]
    y = sin * local[..., 0] + cos * local[..., 1]
    return torch.stack([x, y], dim=2) + boxes[:, None, :2]


def _inside(points: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    """Which points [..., 4, 2] lie in which footprints [..., 7], walls included."""
    offset = points - boxes[..., None, :2]
    cos, sin = torch.cos(boxes[..., None, 6]), torch.sin(boxes[..., None, 6])
    along = cos * offset[..., 0] + sin * offset[..., 1]
    across = -sin * offset[..., 0] + cos * offset[..., 1]
    half = boxes[..., None, 3:5] / 2 + _EPSILON
    return (along.abs() <= half[..., 0]) & (across.abs() <= half[..., 1])


def _crossings(
    corners_a: torch.Tensor, corners_b: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Where sides of two rectangles cross, [N, M, 16, 2], and whether they do, [N, M, 16]."""
    start_a, start_b = corners_a[:, None, :, None], corners_b[None, :, None]
    side_a = corners_a.roll(-1, dims=1)[:, None, :, None] - start_a
    side_b = corners_b.roll(-1, dims=1)[None, :, None] - start_b
    between = start_b - start_a
    turn = _cross(side_a, side_b)
    parallel = turn.abs() < _EPSILON
    turn = torch.where(parallel, torch.ones_like(turn), turn)
    along_a, along_b = _cross(between, side_b) / turn, _cross(between, side_a) / turn
    crossed = (along_a >= 0) & (along_a <= 1) & (along_b >= 0) & (along_b <= 1) & ~parallel
    points = start_a + along_a[..., None] * side_a
    return points.flatten(2, 3), crossed.flatten(2, 3)


def _cross(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _polygon_area(points: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Area of the convex polygon of the valid points, [N, M]; 0 for fewer than three."""
    num = valid.sum(dim=2)
    weight = valid.to(points.dtype)[..., None]
    mean = (points * weight).sum(dim=2) / num.clamp(min=1)[..., None]
    offset = (points - mean[:, :, None]) * weight
    angle = torch.atan2(offset[..., 1], offset[..., 0])
    # what is not valid comes last and lies on the first point, where it adds no area
    angle = torch.where(valid, angle, torch.full_like(angle, 10.0))
    order = angle.argsort(dim=2)
    ring = offset.gather(2, order[..., None].expand_as(offset))
    first = ring[:, :, :1].expand_as(ring)
    known = valid.gather(2, order)[..., None]
    ring = torch.where(known, ring, first)
    double = _cross(ring, ring.roll(-1, dims=2)).sum(dim=2)
    return torch.where(num >= 3, double.abs() / 2, torch.zeros_like(double))
