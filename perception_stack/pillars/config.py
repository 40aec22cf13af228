"""Parameters of the network of the LiDAR detector."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.networks import AUTO, NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class LidarNetworkConfig(StepConfig):
    """Which network looks at scans beside the clustering, and how it runs."""

    model: str = param(
        "", "Manifest of the model (YAML); empty: clusters alone, as without this step."
    )
    model_dir: str = param("", "Folder of the model file; empty: beside the manifest.")
    score_threshold: float = param(
        0.0, "Least score of a box; 0: that of the manifest.", low=0.0, high=1.0
    )
    check_sensor: bool = param(
        True,
        "Use the network only for scans of a LiDAR that it was made for, by beams and height.",
    )
    explained_share: float = param(
        0.6,
        "Share of a cluster's points within a network's box from which the box stands for it.",
        low=0.0,
        high=1.0,
    )
    margin_m: float = param(
        0.1, "Points this far outside of a box still belong to it.", unit="m", low=0.0, high=1.0
    )
    backend: str = param(
        AUTO,
        "Library that runs the network; auto: the first of onnxruntime, openvino and torch that "
        "is installed and reads the file.",
        choices=(AUTO, *NAMES),
    )
    device: str = param(
        "auto",
        "Where the network runs; auto: on the GPU where the library can use it.",
        choices=("auto", "cpu", "gpu"),
    )
    num_threads: int = param(1, "Threads of the inference on the CPU.", low=1, high=64)
    fp16: bool = param(True, "16-bit floats in TensorRT's engines, and in PyTorch on a GPU.")
    engine_dir: str = param(
        "", "Folder where TensorRT's engines are kept; empty: ~/.cache/perception_stack/engines."
    )

    @property
    def enabled(self) -> bool:
        """Whether there is a model to run."""
        return bool(self.model)
