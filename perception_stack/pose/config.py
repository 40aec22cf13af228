"""Parameters of the pose estimator step."""

from __future__ import annotations

from dataclasses import dataclass

from perception_stack.config import StepConfig, param


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseEstimatorConfig(StepConfig):
    """Which objects are known, and where and how they are looked for."""

    mesh_dir: str = param(
        "",
        "Folder with one .ply, .obj, .stl or .xyz and at most one .yaml per object; empty: none.",
    )
    objects: tuple[str, ...] = param(
        (), "Names of the objects to look for; none: all in the folder."
    )
    where: str = param(
        "detections",
        "At the boxes of detections, in the whole of each frame, or when asked by a service.",
        choices=("detections", "frame", "request"),
    )
    border: float = param(
        0.1, "How far the 2-D box is grown on each side, relative to it.", low=0.0, high=1.0
    )
    min_points: int = param(50, "Least depth pixels on an object.", low=10, high=100000)
    min_score: float = param(
        0.75,
        "Least probability of being right of an object found in the whole frame.",
        low=0.0,
        high=1.0,
    )
    min_score_detected: float = param(
        0.005,
        "The same at a detection, which speaks for the object already.",
        low=0.0,
        high=1.0,
    )
    depth_noise_m: float = param(
        0.003,
        "Noise of a depth at 1 m; it grows with the square of the depth.",
        unit="m",
        low=1e-5,
        high=0.1,
    )

    publish_tf: bool = param(False, "Send the pose of each object as a transform, too.")

    @property
    def enabled(self) -> bool:
        """Whether any object is known."""
        return bool(self.mesh_dir)
