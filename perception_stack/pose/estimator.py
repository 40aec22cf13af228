"""6-DoF poses of known objects, many at once: at detections, at known places, or anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perception_stack.datatypes import Detections2D, FloatArray
from perception_stack.errors import ConfigError, FrameMismatchError
from perception_stack.journal import Journal, Reason
from perception_stack.pose.ambiguity import with_alternatives
from perception_stack.pose.config import PoseEstimatorConfig
from perception_stack.pose.estimates import Found, PoseEstimates, estimates_of
from perception_stack.pose.models import PoseModel, load_models
from perception_stack.pose.parallel import in_parallel, threads_for_each
from perception_stack.pose.refinement import refined
from perception_stack.pose.region import points_in_box, points_of_frame, region_of
from perception_stack.pose.scene import Scene
from perception_stack.pose.search import Search, search_of_frame
from perception_stack.pose.selection import Claim, claims_of, compatible

Missed = tuple[Reason, str]


class PoseEstimator:
    """Many guesses, aligned to the depth points and checked against the depth map.

    Args:
        config: Parameters; ``mesh_dir`` holds the known objects.
        journal: Told why a detection got no pose.

    Raises:
        DataFileError: the folder of meshes or one of them cannot be used.
        ConfigError: a description cannot be used, or an object to look for is not known.
        ModelLoadError: trimesh, which reads meshes, is not installed.
    """

    def __init__(self, config: PoseEstimatorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._models = load_models(Path(config.mesh_dir).expanduser())
        self._active: tuple[str, ...] = ()
        self.look_for(config.objects)

    @property
    def known(self) -> tuple[str, ...]:
        """Names of all objects in the folder."""
        return tuple(self._models)

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the objects looked for."""
        return self._active

    @property
    def models(self) -> tuple[PoseModel, ...]:
        """The objects looked for."""
        return tuple(self._models[name] for name in self._active)

    def warm_up(self) -> None:
        """Compile what the first frame would otherwise have to wait for."""
        from perception_stack.pose.warm_up import warm_up

        warm_up(self.models[0], noise_m=self._config.depth_noise_m)

    def look_for(self, names: Sequence[str]) -> None:
        """Choose the objects to look for from now on; none: all that are known.

        Raises:
            ConfigError: one is not known; nothing changes then.
        """
        unknown = sorted(set(names) - set(self._models))
        if unknown:
            text = f"no mesh of {', '.join(unknown)}; known: {', '.join(self._models)}"
            raise ConfigError(f"pose_estimator: {text}")
        self._active = tuple(names) or self.known

    @contextmanager
    def looking_for(self, names: Sequence[str]) -> Iterator[None]:
        """Within this, look for some objects only; as :meth:`look_for`."""
        before = self._active
        self.look_for(names)
        try:
            yield
        finally:
            self._active = before

    def estimate(self, detections: Detections2D, scene: Scene) -> PoseEstimates:
        """As :meth:`find`, as arrays."""
        found = self.find(detections, scene)
        return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)

    def find(
        self, detections: Detections2D, scene: Scene, *, rows: Sequence[int] | None = None
    ) -> list[Found]:
        """The objects at detections, in their order.

        Args:
            detections: Of the image that the depth is registered to, with or without masks. One
                of no class (``""``) is taken for whichever object fits best.
            scene: The frame.
            rows: Of the detections that are looked at; None for all.

        Raises:
            FrameMismatchError: detections and scene are of different frames.
        """
        if detections.frame_id != scene.frame_id:
            raise FrameMismatchError(
                "detections", expected=scene.frame_id, received=detections.frame_id
            )
        asked = range(len(detections)) if rows is None else rows
        jobs = [job for row in asked for job in self._jobs(detections.labels[row], row, scene)]

        threads = threads_for_each(len(jobs))

        def one(job: tuple[PoseModel, int]) -> Found | Missed:
            model, row = job
            return self._at_detection(model, detections, row, scene, threads=threads)

        best: dict[int, Found | Missed] = {}
        for (_, row), each in zip(jobs, in_parallel(one, jobs), strict=True):
            if row not in best or _score(each) > _score(best[row]):
                best[row] = each
        found = []
        for each in best.values():
            if isinstance(each, Found):
                found.append(each)
            else:
                self._drop(scene, *each)
        return found

    def _jobs(self, label: str, row: int, scene: Scene) -> list[tuple[PoseModel, int]]:
        """What to look for at a detection: its class, or any if it has none."""
        if not label:
            return [(model, row) for model in self.models]
        if label not in self._models:
            self._drop(scene, Reason.NO_MESH, f"no mesh for class '{label}'")
        return [(self._models[label], row)] if label in self._active else []

    def search(self, scene: Scene) -> PoseEstimates:
        """As :meth:`find_anywhere`, as arrays."""
        found = self.find_anywhere(scene)
        return estimates_of(found, frame_id=scene.frame_id, stamp_ns=scene.stamp_ns)

    def find_anywhere(self, scene: Scene) -> list[Found]:
        """All instances of the objects looked for, anywhere in a frame, the surest first."""
        config = self._config
        points = points_of_frame(
            scene,
            largest_m=max(model.diameter_m for model in self.models),
            noise_m=config.depth_noise_m,
        )
        if len(points) < config.min_points:
            detail = f"{len(points)} depth pixels off planes, {config.min_points} needed"
            self._drop(scene, Reason.NO_DEPTH, detail)
            return []

        threads = threads_for_each(len(self.models))

        def one(model: PoseModel) -> list[Claim]:
            noise_m = config.depth_noise_m
            return claims_of(
                search_of_frame(model, scene, points, noise_m=noise_m, threads=threads)
            )

        claims = compatible([claim for some in in_parallel(one, self.models) for claim in some])
        sure = [one for one in claims if one.score >= config.min_score]
        sure.sort(key=lambda one: -one.score)
        return [with_alternatives(one.search, one.candidates, one.row) for one in sure]

    def refine(
        self, name: str, camera_from_model: FloatArray, scene: Scene, *, outline: bool = True
    ) -> Found | None:
        """The pose of an object from one nearby, such as that of the last frame.

        Args:
            name: Of the object.
            camera_from_model: float64 [4, 4], within about 15° and 0.3 diameters of the truth.
            scene: The frame.
            outline: Whether colours help where depths say little.

        Returns:
            None, and the reason noted, where nothing is measured at it.
        """
        model, config = self._models[name], self._config
        found = refined(
            model,
            camera_from_model,
            scene,
            noise_m=config.depth_noise_m,
            min_points=config.min_points,
            outline=outline,
        )
        if found is None:
            detail = (
                f"{name}: fewer than {config.min_points} depth pixels, and no colours to go by"
            )
            self._drop(scene, Reason.NO_DEPTH, detail)
        return found

    def _at_detection(
        self, model: PoseModel, detections: Detections2D, row: int, scene: Scene, *, threads: int
    ) -> Found | Missed:
        """The object of one detection, or why there is none."""
        config = self._config
        xyxy_px = detections.xyxy_px[row]
        points = points_in_box(
            scene,
            xyxy_px,
            mask=None if detections.mask is None else detections.mask == row + 1,
            diameter_m=model.diameter_m,
            border=config.border,
            noise_m=config.depth_noise_m,
        )
        if len(points) < config.min_points:
            detail = f"{model.name}: {len(points)} depth pixels, {config.min_points} needed"
            return Reason.NO_DEPTH, detail
        region = region_of(points, diameter_m=model.diameter_m, xyxy_px=xyxy_px)
        search = Search(model, scene, region, noise_m=config.depth_noise_m, threads=threads)
        candidates = search.run()
        score = float(candidates.score[0]) if len(candidates) else 0.0
        if score < config.min_score_detected:
            detail = f"{model.name}: score {score:.2f}, {config.min_score_detected:.2f} needed"
            return Reason.POSE_NOT_FOUND, detail
        return with_alternatives(search, candidates, 0)

    def _drop(self, scene: Scene, reason: Reason, detail: str) -> None:
        self._journal.count(reason, stamp_ns=scene.stamp_ns, detail=detail)


def _score(one: Found | Missed) -> float:
    return one.score if isinstance(one, Found) else -1.0
