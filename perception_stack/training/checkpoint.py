"""Files of a run: one to go on from, one with the best weights; and weights for another task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from perception_stack.errors import ModelLoadError

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"
_FORMAT = 1


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file that appears whole or not at all."""
    rough = path.with_suffix(".part")
    torch.save({"format": _FORMAT, **content}, rough)
    rough.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a file of :func:`save`; nothing in it is executed.

    Raises:
        ModelLoadError: no such file, or not of this program.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelLoadError(path, "no such file") from error
    except Exception as error:  # torch raises nearly anything on a foreign file
        raise ModelLoadError(path, f"no checkpoint of perception-stack train: {error}") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ModelLoadError(path, "no checkpoint of perception-stack train")
    return content


def check_same(path: Path, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse to go on with anything but the same task.

    Raises:
        ModelLoadError: names what differs.
    """
    other = sorted(
        name for name in {*saved, *now} if saved.get(name) != now.get(name)
    )  # fmt: skip
    if other:
        texts = [f"{name} was {saved.get(name)!r}, is {now.get(name)!r}" for name in other]
        why = f"another run: {'; '.join(texts)}; give the same options, or start anew with --from"
        raise ModelLoadError(path, why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What came over from a checkpoint; names of parameters and buffers.

    Attributes:
        taken: Those taken over.
        fresh: Those that are not in the checkpoint or have another shape there.
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]


def transfer(path: Path, network: Any) -> Transfer:
    """Take over every weight whose name and shape agree; the others stay as they were drawn.

    Raises:
        ModelLoadError: not a checkpoint, or nothing in it fits.
    """
    weights = load(path)["weights"]
    own = network.state_dict()
    fits = {
        name: tensor
        for name, tensor in weights.items()
        if name in own and own[name].shape == tensor.shape
    }
    if not any(name.endswith("weight") for name in fits):
        raise ModelLoadError(path, "none of its weights fits this network")
    network.load_state_dict({**own, **fits})
    return Transfer(taken=tuple(fits), fresh=tuple(name for name in own if name not in fits))
