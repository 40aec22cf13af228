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
    mesh_scale: float = param(1.0, "Metres per unit of the meshes.", low=1e-6, high=1e3)
    border: float = param(
        0.1, "How far the 2-D box is grown on each side, relative to it.", low=0.0, high=1.0
    )
    resolution: float = param(
        0.045, "Distance of the points looked at, relative to the object.", low=0.01, high=0.2
    )
    num_orientations: int = param(1000, "Orientations tried at first.", low=10, high=100000)
    num_refined: int = param(100, "Best guesses that are refined.", low=1, high=10000)
    min_points: int = param(50, "Least depth pixels on an object.", low=10, high=100000)
    min_score: float = param(0.5, "Least score from which a pose is reported.", low=0.0, high=1.0)
    depth_noise_m: float = param(0.003, "Noise of a depth pixel.", unit="m", low=1e-5, high=0.1)

    @property
    def enabled(self) -> bool:
        """Whether any object is known."""
        return bool(self.mesh_dir)
