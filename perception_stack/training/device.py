"""Where a network is trained, and with how many bits."""

from __future__ import annotations

from typing import Any

import torch

from perception_stack.errors import ConfigError
from perception_stack.training.config import LoopConfig


def choose_device(config: LoopConfig) -> Any:
    """The device that was asked for; sets the number of threads of this process.

    Raises:
        ConfigError: there is no such device.
    """
    there = torch.cuda.is_available()
    if config.device == "gpu" and not there:
        raise ConfigError("device: gpu, but torch finds none; perception-stack doctor says more")
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    return torch.device("cuda" if there and config.device != "cpu" else "cpu")


class Arithmetic:
    """The forward pass in 16 bits where the device computes with them; weights stay in 32.

    With float16 the loss is scaled up so that small gradients are not lost (Micikevicius et al.,
    Mixed precision training, ICLR 2018); bfloat16 has the range of float32 and needs none of it.

    Args:
        config: Names the precision.
        device: Where it is computed.
    """

    def __init__(self, config: LoopConfig, device: Any) -> None:
        precision = config.precision
        if precision == "auto":
            precision = _native(device)
        self._type = getattr(torch, precision)
        self._device = device.type
        self._scaler = torch.amp.GradScaler(self._device, enabled=precision == "float16")

    def mixed(self) -> Any:
        """Context of the forward pass."""
        enabled = self._type is not torch.float32
        return torch.autocast(self._device, dtype=self._type, enabled=enabled)

    def descend(self, loss: Any, optimizer: Any, network: Any, clip_norm: float) -> None:
        """One step down the gradient, whose norm is cut."""
        optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(optimizer)
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Scale of the loss."""
        state: dict[str, Any] = self._scaler.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with a scale."""
        self._scaler.load_state_dict(state)


def _native(device: Any) -> str:
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    # without units for it bfloat16 is slower than float32 on a processor
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bfloat16" if capable.get("amx_bf16") else "float32"
