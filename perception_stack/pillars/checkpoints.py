"""Weights of published networks: where each layout keeps them, and what its numbers mean.

Layouts: OpenPCDet; mmdetection3d from 1.0 on, and before, when its boxes were others;
zhulf0804/PointPillars. Their conventions are undone in the weights of the last convolutions, so
that networks of all layouts give the same codes and nothing else needs to know where they came
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from perception_stack.errors import ModelLoadError
from perception_stack.pillars.layouts import LAYOUTS, Layout, pairs_of
from perception_stack.pillars.network import PillarNetwork
from perception_stack.pillars.spec import BOX_CODE, AnchorHead, Manifest

State = Mapping[str, torch.Tensor]
_NO_WEIGHTS = ("num_batches_tracked", "global_step")
_NOT_USED = (".vel.",)  # velocities, for which one scan says too little


def import_checkpoint(path: Path, manifest: Manifest, *, layout: str = "") -> PillarNetwork:
    """A network with published weights.

    Args:
        path: Checkpoint of one of :data:`LAYOUTS`; nothing in it is executed.
        manifest: What it is said to be.
        layout: A name of :data:`LAYOUTS`; found out if empty.

    Raises:
        ModelLoadError: it is no checkpoint, of no known layout, or does not fit the manifest;
            names the weights that are missing, left over or of another shape.
    """
    state, version = _read(path)
    layout = layout or _layout_of(state, version, path)
    if layout not in LAYOUTS:
        raise ModelLoadError(path, f"layout '{layout}' is none of {', '.join(LAYOUTS)}")
    return network_from(state, LAYOUTS[layout], manifest, path)


def network_from(state: State, layout: Layout, manifest: Manifest, path: Path) -> PillarNetwork:
    """A network with weights under a layout's names; see :func:`import_checkpoint`."""
    network = PillarNetwork(manifest)
    own = network.state_dict()
    # the parts of CenterPoint in mmdetection3d stand beside those of a camera
    state = {name.removeprefix("pts_"): tensor for name, tensor in state.items()}
    names = _names(network, layout, manifest)
    _check(own, state, names, path)
    found = {
        mine: state[theirs].reshape(own[mine].shape)
        for mine, theirs in names.items()
        if not mine.endswith("num_batches_tracked")
    }
    for mine, theirs in names.items():
        _fold_bias(found, mine, theirs, state)
    _convert(found, layout, manifest)
    network.load_state_dict(found, strict=False)  # all but the number of batches seen
    network.eval()
    return network


def _read(path: Path) -> tuple[State, str]:
    """Weights by name, and the version of the code base if it is told."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelLoadError(path, "no such file") from error
    except Exception as error:  # torch raises nearly anything on a foreign file
        why = f"it holds more than weights, or is no checkpoint: {error}"
        raise ModelLoadError(path, why) from error
    meta = content.get("meta", {}) if isinstance(content, Mapping) else {}
    for key in ("state_dict", "model_state", "model", "checkpoint"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ModelLoadError(path, "it holds no weights by name")
    return content, str(meta.get("mmdet3d_version", ""))


def _layout_of(state: State, version: str, path: Path) -> str:
    if any(name.startswith("vfe.") for name in state):
        return "openpcdet"
    if any(name.startswith("pillar_encoder.") for name in state):
        return "zhulf0804"
    if any(key.removeprefix("pts_").startswith("voxel_encoder.") for key in state):
        if not version:
            why = "mmdet3d or mmdet3d_v0 (before 1.0)? It does not say; name the layout"
            raise ModelLoadError(path, why)
        return "mmdet3d_v0" if version.startswith("0.") else "mmdet3d"
    known = ", ".join(LAYOUTS)
    raise ModelLoadError(path, f"layout of none of {known}; its first name is {next(iter(state))}")


def _names(network: PillarNetwork, layout: Layout, manifest: Manifest) -> dict[str, str]:
    """Name of each weight there, by its name here."""
    own = network.state_dict()
    return {
        name: there + name.removeprefix(here)
        for here, there in pairs_of(layout, network, manifest.head)
        for name in own
        if name.startswith(f"{here}.")
    }


def _check(own: State, state: State, names: Mapping[str, str], path: Path) -> None:
    """Compare what is there with what the manifest wants.

    Raises:
        ModelLoadError: says what is missing, left over or of another shape.
    """
    wanted = {theirs: mine for mine, theirs in names.items() if not mine.endswith(_NO_WEIGHTS)}
    biases = {theirs.removesuffix("weight") + "bias" for theirs in wanted}
    missing = [one for one in wanted if one not in state]
    left = [
        one
        for one in state
        if one not in wanted
        and one not in biases
        and not one.endswith(_NO_WEIGHTS)
        and not any(part in f".{one}" for part in _NOT_USED)
    ]
    other = [
        f"{theirs} is {list(state[theirs].shape)}, the manifest makes it {list(own[mine].shape)}"
        for theirs, mine in wanted.items()
        if theirs in state and state[theirs].squeeze().shape != own[mine].squeeze().shape
    ]
    texts = [
        f"{what} {', '.join(some[:3])}{f' and {len(some) - 3} more' if len(some) > 3 else ''}"
        for what, some in (("missing", missing), ("left over", left), ("of another shape", other))
        if some
    ]
    if texts:
        raise ModelLoadError(path, f"weights {'; '.join(texts)}")


def _fold_bias(found: dict[str, torch.Tensor], mine: str, theirs: str, state: State) -> None:
    """A bias before a norm only shifts the norm's mean; our convolutions there have none."""
    bias = theirs.removesuffix("weight") + "bias"
    if mine.endswith(".0.weight") and bias in state and mine[:-6] + "bias" not in found:
        mean = mine.removesuffix("0.weight") + "1.running_mean"
        found[mean] = found[mean] - state[bias]


def _convert(found: dict[str, torch.Tensor], layout: Layout, manifest: Manifest) -> None:
    """Undo the layout's conventions of boxes, in place."""
    head = manifest.head
    for end in ("weight", "bias"):
        if isinstance(head, AnchorHead):
            if layout.clockwise:
                _turn_anchors(found, end)
            continue
        for t in range(len(head.tasks)):
            prefix = f"head.tasks.{t}"
            size = f"{prefix}.size.{head.convs - 1}.{end}"
            heading = f"{prefix}.heading.{head.convs - 1}.{end}"
            if layout.clockwise:
                # sin and cos of the clockwise yaw are minus cos and minus sin of ours
                found[size] = found[size][[1, 0, 2]]
                found[heading] = -found[heading]
            elif layout.sine_first:
                found[heading] = found[heading][[1, 0]]


def _turn_anchors(found: dict[str, torch.Tensor], end: str) -> None:
    """Width and length change places, the yaw its sign, and the half turns their order."""
    codes = found[f"head.codes.{end}"]
    per_anchor = codes.reshape(-1, len(BOX_CODE), *codes.shape[1:])[:, [0, 1, 2, 4, 3, 5, 6]]
    per_anchor[:, 6] = -per_anchor[:, 6]
    found[f"head.codes.{end}"] = per_anchor.reshape(codes.shape)
    directions = found[f"head.directions.{end}"]
    swapped = directions.reshape(-1, 2, *directions.shape[1:])[:, [1, 0]]
    found[f"head.directions.{end}"] = swapped.reshape(directions.shape)
