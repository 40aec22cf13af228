"""How a network is trained; the same for every task."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig(StepConfig):
    """Parameters of the training loop.

    AdamW: Loshchilov and Hutter, ICLR 2019; warm-up and cosine: Goyal et al. 2017, Loshchilov and
    Hutter, ICLR 2017; averaged weights: Polyak and Juditsky 1992.
    """

    num_epochs: int = param(30, "Times that every example is seen.", low=1, high=10_000)
    batch_size: int = param(16, "Examples in a step.", low=1, high=4096)
    learning_rate: float = param(2e-3, "Greatest step size.", low=1e-8, high=1.0)
    final_rate: float = param(0.02, "Last step size, as a share of the greatest.", low=0, high=1)
    warm_up_epochs: float = param(0.5, "Epochs of rising step size.", low=0.0, high=100.0)
    weight_decay: float = param(0.02, "Of weights, not of biases and norms.", low=0.0, high=1.0)
    clip_norm: float = param(
        10.0, "Greatest norm of a step's gradient; 0: any.", low=0.0, high=1e6
    )
    average_decay: float = param(
        0.998, "Weights that are kept are a moving average; share that stays.", low=0.0, high=1.0
    )
    freeze_epochs: int = param(0, "Epochs in which the backbone is left alone.", low=0)
    evaluate_every: int = param(1, "Epochs between evaluations.", low=1)
    precision: str = param(
        "auto",
        "Numbers of the forward pass; auto: 16 bits where the device computes with them.",
        choices=PRECISIONS,
    )
    device: str = param("auto", "Where to train.", choices=("auto", "cpu", "gpu"))
    num_threads: int = param(0, "Threads on a CPU; 0: all cores.", low=0, high=256)
    num_workers: int = param(
        -1, "Processes that prepare examples; -1: one less than cores with a GPU, else none.",
        low=-1, high=256,
    )  # fmt: skip
    seed: int = param(0, "Decides on weights, order and augmentation.", low=0)
