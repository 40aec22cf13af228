"""Step sizes and averaged weights."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from perception_stack.training.config import LoopConfig


def rate_at(step: int, *, steps_per_epoch: int, config: LoopConfig) -> float:
    """Step size: a linear rise, then half a cosine down to its last share, at the last step."""
    rising = round(config.warm_up_epochs * steps_per_epoch)
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    last = max(1, config.num_epochs * steps_per_epoch - 1 - rising)
    wave = (1 + float(np.cos(np.pi * min(1.0, (step - rising) / last)))) / 2
    return config.learning_rate * (config.final_rate + (1 - config.final_rate) * wave)


def parameter_groups(network: Any, *, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; biases and what belongs to a norm do not."""
    kernels = [one for one in network.parameters() if one.ndim > 1]
    others = [one for one in network.parameters() if one.ndim <= 1]
    return [
        {"params": kernels, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


class Averaged:
    """A moving average of a network's weights, short at first; its buffers are the newest.

    Args:
        network: Copied; its tensors are read at each update.
        decay: Share of the average that a step leaves.
    """

    def __init__(self, network: Any, *, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        # found once: to look for them takes longer than to average them
        self._means = list(self.network.parameters())
        self._weights = [one.detach() for one in network.parameters()]
        self._buffers = [*zip(self.network.buffers(), network.buffers(), strict=True)]

    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self._means, self._weights, 1 - decay)
            for old, new in self._buffers:
                old.copy_(new)
