"""Which cells are to find which object, and what a network's output costs.

Cells are assigned by how well they agree already, in class and in box (TOOD: Feng et al., ICCV
2021); scores are to say how good the box is (varifocal loss: Zhang et al., CVPR 2021); boxes
are compared by generalised overlap (Rezatofighi et al., CVPR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from perception_stack.training.detector.grid import Cells, generalised_iou, pairwise_iou

_CELLS_EACH = 10
_SCORE_POWER, _IOU_POWER = 0.5, 4.0
_REACH = 0.75  # cells whose middle is this near to that of an object may find it, however small
_BOX_WEIGHT = 2.0
_SILENCE_WEIGHT, _SILENCE_POWER = 0.75, 2.0
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is in a batch of images; rows beyond an image's own are padding.

    Attributes:
        xyxy_px: float32 [B, G, 4].
        label: int64 [B, G].
        there: bool [B, G], false for padding.
        ignored: bool [B, G]; cells within these need not be quiet.
    """

    xyxy_px: Any
    label: Any
    there: Any
    ignored: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What each cell is to say.

    Attributes:
        score: float32 [B, A, C]; how good the box of a cell is, in the column of its class.
        xyxy_px: float32 [B, A, 4], of the object that a cell is to find.
        finds: bool [B, A], whether it is to find one.
        quiet: bool [B, A], whether it is to say that there is nothing.
    """

    score: Any
    xyxy_px: Any
    finds: Any
    quiet: Any


def assign(scores: Any, boxes: Any, truth: Truth, cells: Cells) -> Targets:
    """Cells for objects.

    An object takes the ten cells that agree with it best, of those whose middle lies in its box or
    within three quarters of a cell of its own middle. A cell that is taken twice keeps the object
    that its box overlaps most. The best cell of an object is to have its overlap as score, the
    others less, in proportion to agreement.

    Args:
        scores: float32 [B, A, C], in [0, 1].
        boxes: float32 [B, A, 4], pixels.
        truth: What is there.
        cells: A of them.
    """
    num_classes = scores.shape[2]
    wanted = truth.there & ~truth.ignored
    inside = _middles_inside(truth.xyxy_px, cells, reach=0.0)
    ignored = (inside & (truth.there & truth.ignored)[..., None]).any(dim=1)
    column = truth.label[:, None, :].expand(-1, scores.shape[1], -1).clamp(0, num_classes - 1)
    own_score = scores.gather(2, column).transpose(1, 2)  # [B, G, A]
    overlap = pairwise_iou(truth.xyxy_px, boxes)
    may = _middles_inside(truth.xyxy_px, cells, reach=_REACH) & wanted[..., None]
    agreement = own_score.clamp(_TINY) ** _SCORE_POWER * overlap.clamp(_TINY) ** _IOU_POWER * may
    least = agreement.topk(min(_CELLS_EACH, agreement.shape[2]), dim=2).values[..., -1:]
    taken = may & (agreement >= least)
    # of several objects a cell keeps one
    overlap = torch.where(taken, overlap, -1.0)
    owner = overlap.argmax(dim=1, keepdim=True)
    taken &= torch.zeros_like(taken).scatter_(1, owner, value=True)
    agreement, overlap = agreement * taken, overlap * taken
    quality = agreement / agreement.amax(dim=2, keepdim=True).clamp(_TINY)
    quality = (quality * overlap.amax(dim=2, keepdim=True)).amax(dim=1)  # [B, A]
    finds = taken.any(dim=1)
    owner = owner.squeeze(1)
    label = truth.label.gather(1, owner)
    score = torch.zeros_like(scores)
    score.scatter_(2, label.clamp(0, num_classes - 1)[..., None], (quality * finds)[..., None])
    xyxy_px = truth.xyxy_px.gather(1, owner[..., None].expand(-1, -1, 4))
    return Targets(score=score, xyxy_px=xyxy_px, finds=finds, quiet=~finds & ~ignored)


def detector_loss(found: Any, truth: Truth, cells: Cells) -> dict[str, Any]:
    """Parts of the loss of a network's output, float32 [B, A, 4 + C]; both are 0 or more."""
    logits, boxes = found[..., 4:], cells.boxes(found)
    scores = logits.sigmoid()
    with torch.no_grad():
        targets = assign(scores, boxes, truth, cells)
    share = targets.score.sum().clamp(1.0)
    entropy = binary_cross_entropy_with_logits(logits, targets.score, reduction="none")
    weight = torch.where(
        targets.score > 0, targets.score, _SILENCE_WEIGHT * scores.detach() ** _SILENCE_POWER
    )
    focal = entropy * weight * (targets.finds | targets.quiet)[..., None]
    finds = targets.finds
    good = targets.score.sum(dim=2)[finds]
    apart = 1 - generalised_iou(boxes[finds], targets.xyxy_px[finds])
    return {
        "class": focal.sum() / share,
        "box": _BOX_WEIGHT * (apart * good).sum() / share,
    }


def _middles_inside(xyxy_px: Any, cells: Cells, *, reach: float) -> Any:
    """Whether middles of cells lie in boxes, widened to some reach in cells; bool [B, G, A]."""
    middle = cells.center_px
    center = (xyxy_px[..., :2] + xyxy_px[..., 2:]) / 2
    half = (xyxy_px[..., 2:] - xyxy_px[..., :2]) / 2
    half = torch.maximum(half[:, :, None], reach * cells.stride)
    inside: Any = ((middle - center[:, :, None]).abs() < half).all(dim=-1)
    return inside
