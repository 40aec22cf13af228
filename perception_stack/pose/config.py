"""Parameters of the pose estimator step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseEstimatorConfig(StepConfig):
    """Which objects are known, and how hard to look for their pose."""

    mesh_dir: str = param(
        "", "Folder with a mesh <class>.ply, .obj, .stl or .xyz per object; empty: no poses."
    )

    @property
    def enabled(self) -> bool:
        """Whether any object is known."""
        return bool(self.mesh_dir)
