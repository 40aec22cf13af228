"""A grade on disk: every number comes back, and the page says it in words."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest
import yaml

from perception_stack.calibration.grading.grade import (
    Grade,
    Observation,
    Parameter,
    Provenance,
    ResidualSummary,
    Verdict,
)
from perception_stack.calibration.grading.overlay import Shot, overlay_section
from perception_stack.calibration.grading.report import render_grade, write_grade
from perception_stack.errors import ShapeError
from perception_stack.geometry.camera import CameraModel
from perception_stack.geometry.transforms import RigidTransform
from perception_stack.report.page import Picture, Section

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))


def grade(**changes):
    values = {
        "verdict": Verdict.USABLE,
        "why": ("The centre is loose.",),
        "advice": ("Hold the board at the lower left <corner>.",),
        "direction": "Takes points of the camera to the base.",
        "fitted": ResidualSummary.of(np.array([3.0, -4.0]), unit="px"),
        "held_out": ResidualSummary.of(np.empty(0), unit="px"),
        "parameters": (
            Parameter(name="fx", value=500.0, std=0.5, unit="px", observable=True),
            Parameter(name="k3", value=0.1, std=np.inf, unit="", observable=False),
        ),
        "covariance": np.diag([0.25, 1e30]),
        "observations": (
            Observation(name="view 1", used=True, error=0.3),
            Observation(name="view 2", used=False, error=np.nan, reason="no board"),
        ),
        "coverage": {"image area": 0.5},
        "provenance": Provenance.of("bundle adjustment", np.arange(3.0), now=NOW),
    }
    return Grade(**{**values, **changes})


def test_there_and_back(tmp_path):
    values, page = write_grade(tmp_path / "front.yaml", grade(), title="Camera front")
    assert (values.name, page.name) == ("front.grade.yaml", "front.report.html")
    read = yaml.safe_load(values.read_text(encoding="utf-8"))
    assert read["verdict"] == "usable"
    assert read["fitted"] == {
        "unit": "px",
        "num": 2,
        "rms": pytest.approx(np.sqrt(12.5)),
        "median": 3.5,
        "p95": pytest.approx(3.95),
    }
    assert read["held_out"]["rms"] is None
    assert read["parameters"][1]["std"] == np.inf
    assert read["covariance"] == [[0.25, 0.0], [0.0, 1e30]]
    assert read["observations"][1] == {
        "name": "view 2",
        "used": False,
        "error": None,
        "reason": "no board",
    }
    assert read["provenance"]["date"] == "2026-01-02T01:04:05+00:00"


def test_page():
    picture = Picture(uri="data:image/png;base64,AA", alt="arrows")
    sections = (Section(title="Arrows", intro="", pictures=(picture,)),)
    text = render_grade(grade(), title="Camera front", sections=sections)
    for said in ("Usable", "The centre is loose.", "&lt;corner&gt;", "no board", "1 of 2", "50 %"):
        assert said in text
    assert text == render_grade(grade(), title="Camera front", sections=sections)


def test_the_hash_is_that_of_the_data():
    hashes = {
        Provenance.of("m", np.array(one), now=NOW).data_hash
        for one in ([1.0, 2.0], [[1.0, 2.0]], [1.0, 2.5], [1, 2])
    }
    assert len(hashes) == 4


def test_covariance_of_another_size():
    with pytest.raises(ShapeError):
        grade(covariance=np.eye(3))


def test_points_are_drawn_where_the_camera_sees_them():
    k = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    camera = CameraModel.pinhole(frame_id="camera", width_px=640, height_px=480, k=k)
    pose = RigidTransform.from_matrix(np.eye(4), target="camera", source="lidar")
    points = np.array([[0.4, 0.2, 5.0], [0, 0, -5.0], [np.nan, 0, 5]], dtype=np.float32)
    shot = Shot(name="a", bgr=np.zeros((480, 640, 3), np.uint8), points_m=points)
    (picture,) = overlay_section([shot], camera, {"result": pose}).pictures
    encoded = np.frombuffer(b64decode(picture.uri.split(",")[1]), np.uint8)
    drawn = cv2.imdecode(encoded, cv2.IMREAD_COLOR).max(axis=2) > 100
    assert drawn.any()
    np.testing.assert_allclose(np.argwhere(drawn).mean(axis=0), [260, 360], atol=1.5)
