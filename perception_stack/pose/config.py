"""Parameters of the pose estimator step, and of following poses from frame to frame."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseTrackerConfig(StepConfig):
    """How poses are kept from frame to frame."""

    follow: bool = param(False, "Follow what was found instead of estimating each frame anew.")
    fixed_frame: str = param("odom", "Frame that does not move; objects are kept in it.")
    transform_timeout_s: float = param(
        0.2, "Longest wait for the transform to the fixed frame.", unit="s", low=0.0, high=10.0
    )
    check_every: int = param(10, "Frames from one fresh estimate to the next.", low=1, high=1000)
    min_score: float = param(0.5, "Score from which an object is followed.", low=0.0, high=1.0)
    min_score_followed: float = param(
        0.2,
        "Score below which the pose of one that is followed is estimated anew.",
        low=0.0,
        high=1.0,
    )
    forget_after: int = param(5, "Frames without a sure pose that end a track.", low=1, high=100)
    drift: float = param(
        0.1, "Distance of a fresh pose, in diameters, that is a drift.", low=0.01, high=1.0
    )
    change: float = param(
        0.02,
        "What a resting object may move between frames, in diameters; less smooths more.",
        low=0.0,
        high=1.0,
    )
