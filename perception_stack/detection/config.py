"""Parameters of the image detector step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig(StepConfig):
    """Which model to run, and how."""

    model: str = param("", "Manifest of the model (YAML); empty: no image detector.")
    model_dir: str = param("", "Folder of the model file; empty: beside the manifest.")
    score_threshold: float = param(
        0.0, "Least score of a detection; 0: that of the manifest.", low=0.0, high=1.0
    )
    classes: tuple[str, ...] = param((), "Classes kept, as they come out; empty: all.")
    num_threads: int = param(1, "Threads of the inference.", low=1, high=64)

    @property
    def enabled(self) -> bool:
        """Whether there is a model to run."""
        return bool(self.model)
