"""Published code bases: under which names they keep weights, and what their numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perception_stack.pillars.network import PillarNetwork
from perception_stack.pillars.spec import AnchorHead, CenterHead, Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Names and conventions of one code base.

    Attributes:
        encoder: Prefix of a layer of the pillar feature net, ``{i}`` its number.
        linear: Names of its linear layer and its norm.
        block: Prefix of the layers of a stage.
        first: Number of its first convolution; each convolution has norm and ReLU behind it.
        branch: Prefix of a branch of the neck.
        scores: Convolutions of PointPillars' head: scores, codes, directions.
        shared: Convolution and norm that CenterPoint's tasks share.
        output: Prefix of an output of a task, ``{t}`` the task and ``{name}`` the output.
        parts: Names of offset, height, size, heading and heat.
        unit: Names of convolution and norm within an output.
        clockwise: Whether boxes are width, length, height, with a yaw that is 0 along -y and grows
            clockwise.
        sine_first: Whether CenterPoint's heading is sine, then cosine.
    """

    encoder: str
    linear: tuple[str, str] = ("linear", "norm")
    block: str
    first: int = 0
    branch: str
    scores: tuple[str, str, str]
    shared: tuple[str, str] = ("", "")
    output: str = ""
    parts: tuple[str, ...] = ()
    unit: tuple[str, str] = ("", "")
    clockwise: bool = False
    sine_first: bool = False


PARTS = ("offset", "height", "size", "heading", "heat")
_MMDET: dict[str, Any] = {
    "encoder": "voxel_encoder.pfn_layers.{i}",
    "block": "backbone.blocks.{i}",
    "branch": "neck.deblocks.{i}",
    "scores": ("bbox_head.conv_cls", "bbox_head.conv_reg", "bbox_head.conv_dir_cls"),
    "shared": ("bbox_head.shared_conv.conv", "bbox_head.shared_conv.bn"),
    "output": "bbox_head.task_heads.{t}.{name}",
    "parts": ("reg", "height", "dim", "rot", "heatmap"),
    "unit": ("conv", "bn"),
    "sine_first": True,
}
LAYOUTS = {
    "openpcdet": Layout(
        encoder="vfe.pfn_layers.{i}",
        block="backbone_2d.blocks.{i}",
        first=1,  # a layer that pads comes before
        branch="backbone_2d.deblocks.{i}",
        scores=("dense_head.conv_cls", "dense_head.conv_box", "dense_head.conv_dir_cls"),
        shared=("dense_head.shared_conv.0", "dense_head.shared_conv.1"),
        output="dense_head.heads_list.{t}.{name}",
        parts=("center", "center_z", "dim", "rot", "hm"),
        unit=("0", "1"),
    ),
    "mmdet3d": Layout(**_MMDET),
    "mmdet3d_v0": Layout(**_MMDET, clockwise=True),
    "zhulf0804": Layout(
        encoder="pillar_encoder",
        linear=("conv", "bn"),
        block="backbone.multi_blocks.{i}",
        branch="neck.decoder_blocks.{i}",
        scores=("head.conv_cls", "head.conv_reg", "head.conv_dir_cls"),
        clockwise=True,
    ),
}
"""By name. ``mmdet3d_v0`` is mmdetection3d before 1.0."""


def pairs_of(layout: Layout, network: PillarNetwork, head: Head) -> list[tuple[str, str]]:
    """Name of each layer here and there."""
    pairs = _trunk_pairs(layout, network)
    if isinstance(head, AnchorHead):
        mine = ("head.scores", "head.codes", "head.directions")
        return pairs + list(zip(mine, layout.scores, strict=True))
    return pairs + _center_pairs(layout, head)


def _trunk_pairs(layout: Layout, network: PillarNetwork) -> list[tuple[str, str]]:
    pairs = []
    for i in range(len(network.encoder)):
        there = layout.encoder.format(i=i)
        pairs += [
            (f"encoder.{i}.linear", f"{there}.{layout.linear[0]}"),
            (f"encoder.{i}.norm", f"{there}.{layout.linear[1]}"),
        ]
    for i, block in enumerate(network.backbone):
        block_there, branch_there = layout.block.format(i=i), layout.branch.format(i=i)
        for k in range(2):
            pairs.append((f"neck.{i}.{k}", f"{branch_there}.{k}"))
            pairs += [
                (f"backbone.{i}.{j}.{k}", f"{block_there}.{layout.first + 3 * j + k}")
                for j in range(len(block))
            ]
    return pairs


def _center_pairs(layout: Layout, head: CenterHead) -> list[tuple[str, str]]:
    pairs = [(f"head.shared.{k}", layout.shared[k]) for k in range(2)]
    last = head.convs - 1
    for t in range(len(head.tasks)):
        for part, name in zip(PARTS, layout.parts, strict=False):
            here, there = f"head.tasks.{t}.{part}", layout.output.format(t=t, name=name)
            pairs.append((f"{here}.{last}", f"{there}.{last}"))
            pairs += [
                (f"{here}.{j}.{k}", f"{there}.{j}.{layout.unit[k]}")
                for j in range(last)
                for k in range(2)
            ]
    return pairs
