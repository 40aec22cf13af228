"""Rigs that hang together, and those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_stack.calibration.config import CalibrationConfig
from perception_stack.calibration.grading.rig_check import check_rig
from perception_stack.errors import CalibrationError, ConfigError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.io.calibration_files import (
    Extrinsic,
    write_camera_info,
    write_extrinsics,
)
from perception_stack.pipeline.calibration import load_rig

K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])


def camera(frame_id: str) -> CameraModel:
    return CameraModel.pinhole(frame_id=frame_id, width_px=640, height_px=480, k=K)


def link(target: str, source: str, x_m: float = 0.1) -> RigidTransform:
    return RigidTransform(
        target=target, source=source, rotation=np.eye(3), translation_m=np.array([x_m, 0, 0])
    )


@pytest.mark.parametrize(
    ("cameras", "extrinsics"),
    [
        pytest.param((), (), id="nothing"),
        pytest.param(("cam",), (), id="camera-alone"),
        pytest.param(("cam",), (("base", "lidar"), ("lidar", "cam")), id="chain"),
        pytest.param(("base",), (("base", "lidar"),), id="camera-is-the-root"),
    ],
)
def test_sound_rigs_pass(
    cameras: tuple[str, ...], extrinsics: tuple[tuple[str, str], ...]
) -> None:
    check_rig([camera(one) for one in cameras], [link(*one) for one in extrinsics])


@pytest.mark.parametrize(
    ("cameras", "extrinsics", "message"),
    [
        pytest.param(("cam", "cam"), (), "camera frame 'cam' is given 2 times", id="twice"),
        pytest.param((), (("a", "c"), ("b", "c")), "'c' is given 2 times", id="two-parents"),
        pytest.param((), (("a", "b"), ("b", "a")), "loop", id="loop"),
        pytest.param((), (("a", "b"), ("c", "d")), "trees of a, c", id="apart"),
        pytest.param(("cam",), (("a", "b"),), "'cam' is not in the tree", id="camera-nowhere"),
        pytest.param((), (("a", "b", 270.0),), "270 m long", id="millimetres"),
    ],
)
def test_unsound_rigs_are_named(
    cameras: tuple[str, ...], extrinsics: tuple[tuple[str, str], ...], message: str
) -> None:
    with pytest.raises(CalibrationError, match=message):
        check_rig([camera(one) for one in cameras], [link(*one) for one in extrinsics])


def test_rig_of_files(tmp_path: Path) -> None:
    intrinsics, extrinsics = tmp_path / "cam.yaml", tmp_path / "rig.yaml"
    write_camera_info(intrinsics, camera("cam"), camera_name="cam")
    write_extrinsics(extrinsics, [Extrinsic(parent_from_child=link("base", "cam"))])
    config = CalibrationConfig(
        camera_info_files=(str(intrinsics),), extrinsics_files=(str(extrinsics),)
    )
    rig = load_rig(config)
    assert [one.frame_id for one in rig.cameras] == ["cam"]
    np.testing.assert_allclose(rig.extrinsics[0].translation_m, [0.1, 0, 0])


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param(CalibrationConfig(), "no calibration files", id="none"),
        pytest.param(
            CalibrationConfig(camera_info_files=("a", "b")), "as many camera_info_topics", id="two"
        ),
    ],
)
def test_incomplete_configuration_is_refused(config: CalibrationConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_rig(config)


def test_the_example_of_the_documentation_is_read(tmp_path: Path) -> None:
    page = Path(__file__).resolve().parent.parent.parent / "docs" / "calibration.md"
    block = page.read_text(encoding="utf-8").split("## Extrinsics")[1].split("```")[1]
    path = tmp_path / "rig.yaml"
    path.write_text(block.removeprefix("yaml\n"))
    rig = load_rig(CalibrationConfig(extrinsics_files=(str(path),)))
    assert [(one.target, one.source) for one in rig.extrinsics] == [("base_link", "velodyne")]
