"""The network beside the clusters: a scan in; boxes with class, score and covariance out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception_stack import networks
from perception_stack.datatypes import UNKNOWN, Boxes3D, FloatArray, PointCloud
from perception_stack.errors import ConfigError
from perception_stack.geometry.transforms import quat_from_yaw
from perception_stack.networks.contract import (
    VARIES,
    Contract,
    Input,
    Options,
    engine_folder,
)
from perception_stack.pillars.config import LidarNetworkConfig
from perception_stack.pillars.levelling import Levelling
from perception_stack.pillars.manifest import load_manifest
from perception_stack.pillars.pillarize import pillarize
from perception_stack.pillars.reading import Found, MapReader
from perception_stack.pillars.spec import Manifest

INPUTS = ("features", "cells")
_TILT_RAD = 0.02  # networks give upright boxes; this is how far the ground below one may differ
_SPIN_US = 20


class PillarDetector:
    """Finds objects in scans.

    Args:
        config: Parameters; ``model`` names a manifest.

    Raises:
        ModelLoadError: the model or its manifest cannot be used.
        ConfigError: no model.
    """

    def __init__(self, config: LidarNetworkConfig) -> None:
        if not config.enabled:
            raise ConfigError("no model configured; set lidar_network.model to a manifest")
        path = Path(config.model).expanduser()
        folder = Path(config.model_dir).expanduser() if config.model_dir else None
        self.manifest = load_manifest(path, model_dir=folder)
        self._reader = MapReader(self.manifest)
        options = Options(
            device=config.device,
            num_threads=config.num_threads,
            spin_us=_SPIN_US,
            engine_dir=engine_folder(config.engine_dir),
            fp16=config.fp16,
        )
        self._contract = contract_of(self.manifest, self._reader)
        self._model = networks.load(config.backend, self._contract, options)
        self._threshold = config.score_threshold
        self._classes = (*dict.fromkeys(self.manifest.labels), UNKNOWN)
        self._class_of_label = np.array(
            [self._classes.index(one) for one in self.manifest.labels], dtype=np.intp
        )

    def warm_up(self) -> None:
        """What happens once, such as compiling, happens before the first scan comes."""
        low, high = np.reshape(self.manifest.grid.range_m, (2, 3))
        xyz_m = np.linspace(low, high, 50, endpoint=False, dtype=np.float32)
        self.detect(
            PointCloud(frame_id="", stamp_ns=0, xyz_m=xyz_m), plane=np.array([0.0, 0.0, -1.0])
        )

    def detect(self, cloud: PointCloud, *, plane: FloatArray) -> Boxes3D:
        """Boxes of one scan, best first.

        Args:
            cloud: In the sensor's own frame, z up; a sensor without intensity gives zeros.
            plane: (a, b, c) of z = a x + b y + c, the mean plane of the ground.

        Returns:
            Upright boxes in ``cloud.frame_id``, with the sensors ``("lidar",)``; the score is the
            network's, what it leaves open is shared by the other classes and "unknown".
        """
        levelling = Levelling(self.manifest.sensor.ground_z_m, plane)
        intensity = cloud.intensity
        if intensity is None:
            intensity = np.zeros(len(cloud), dtype=np.float32)
        features, cells = pillarize(levelling.level(cloud.xyz_m), intensity, self.manifest.grid)
        if len(cells) == 0:
            return Boxes3D.empty(frame_id=cloud.frame_id, stamp_ns=cloud.stamp_ns)
        inputs: Mapping[str, Any] = dict(zip(INPUTS, (features, cells), strict=True))
        if self._model.size is not None:
            inputs = self._contract.filled(inputs, self._model.size)
        maps = self._model.run(inputs)
        found = self._reader.read(maps, threshold=self._threshold)
        return self._boxes(found, levelling, cloud)

    def _boxes(self, found: Found, levelling: Levelling, cloud: PointCloud) -> Boxes3D:
        num = len(found.score)
        if num == 0:
            return Boxes3D.empty(frame_id=cloud.frame_id, stamp_ns=cloud.stamp_ns)
        center_m = found.boxes[:, :3].copy()
        center_m[:, 2] += levelling.lift_m(center_m[:, :2])
        others = (1 - found.score) / (len(self._classes) - 1)
        probs = np.repeat(others[:, None], len(self._classes), axis=1)
        probs[np.arange(num), self._class_of_label[found.label]] = found.score
        return Boxes3D(
            frame_id=cloud.frame_id,
            stamp_ns=cloud.stamp_ns,
            center_m=center_m,
            quat_xyzw=quat_from_yaw(found.boxes[:, 6]),
            size_lwh_m=np.ascontiguousarray(found.boxes[:, 3:6]),
            covariance=self._covariance(found),
            score=np.clip(found.score, 0.0, 1.0),
            classes=self._classes,
            class_probs=probs,
            sensors=(("lidar",),) * num,
        )

    def _covariance(self, found: Found) -> FloatArray:
        """Of the errors that were measured for each class, float64 [N, 6, 6]."""
        errors = [self.manifest.errors[i] for i in found.label]
        variance = np.array(
            [
                # a share that points the other way is off by a half turn
                [e.xy_m**2] * 2
                + [e.z_m**2]
                + [_TILT_RAD**2] * 2
                + [e.yaw_rad**2 + e.flipped * np.pi**2]
                for e in errors
            ]
        )
        return variance[:, :, None] * np.eye(6)


def contract_of(manifest: Manifest, reader: MapReader) -> Contract:
    """What a manifest promises a back end about the tensors of its file."""
    grid = manifest.grid
    num_x, num_y = grid.num_xy
    return Contract(
        file=manifest.file,
        inputs={
            INPUTS[0]: Input(shape=(VARIES, grid.max_points, len(grid.features))),
            INPUTS[1]: Input(shape=(VARIES,), dtype=np.int64, nothing=num_x * num_y),
        },
        most=grid.max_pillars,
        output_shapes=tuple(reader.shapes()),
        promised_by=f"the manifest's grid, head and {len(manifest.classes)} classes",
    )
