"""Parameters of the image detector step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param
from perception_stack.detection.backends import AUTO, NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig(StepConfig):
    """Which model to run, and how."""

    model: str = param("", "Manifest of the model (YAML); empty: no image detector.")
    model_dir: str = param("", "Folder of the model file; empty: beside the manifest.")
    score_threshold: float = param(
        0.0, "Least score of a detection; 0: that of the manifest.", low=0.0, high=1.0
    )
    classes: tuple[str, ...] = param((), "Classes kept, as they come out; empty: all.")
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
    num_threads: int = param(
        0, "Threads of the inference on the CPU; 0: as the manifest says.", low=0, high=64
    )
    fp16: bool = param(
        True, "16-bit floats in TensorRT's engines; before TensorRT 11, later the file decides."
    )
    engine_dir: str = param(
        "", "Folder where TensorRT's engines are kept; empty: ~/.cache/perception_stack/engines."
    )
    reference: str = param(
        "", "What is usual for images and detections (YAML, see watch.md); empty: no watch."
    )
    build_only: bool = param(
        False, "Load the model, which builds TensorRT's engine if it is stale, and stop."
    )

    @property
    def enabled(self) -> bool:
        """Whether there is a model to run."""
        return bool(self.model)
