"""A made-up drive in KITTI's format whose truth is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

_CALIB = """\
P2: 721.5377 0 609.5593 0 0 721.5377 172.854 0 0 0 1 0
R_rect 1 0 0 0 1 0 0 0 1
Tr_velo_cam 0 -1 0 0 0 0 -1 0 1 0 0 0
"""
_FRAMES, _NAME, _SPEED_M = 20, "0042", 0.5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The camera drives ahead behind a car as fast, past a parked one; labels only in label_02."""
    root = tmp_path / "kitti"
    poses, labels, detections = [], [], []
    for i in range(_FRAMES):
        pose = np.eye(4)[:3]
        pose[2, 3] = _SPEED_M * i
        poses.append(" ".join(map(str, pose.ravel())))
        ahead = f"1.5 1.6 4 0 1.7 15 {-np.pi / 2:.6f}"
        parked = f"1.5 1.7 4.2 -6 1.7 {35 - _SPEED_M * i} {-np.pi / 2:.6f}"
        for track, box in enumerate((ahead, parked)):
            xyxy = _xyxy(box)
            labels.append(f"{i} {track} Car 0 0 0 {xyxy} {box}")
            comma = f"{i},2,{xyxy.replace(' ', ',')},9.5,{box.replace(' ', ',')},0"
            detections.append(comma)
    files = {
        f"calib/{_NAME}.txt": _CALIB,
        f"orbslam3_pose/{_NAME}.txt": "\n".join(poses),
        f"detection/pointrcnn_Car/{_NAME}.txt": "\n".join(detections),
        f"label_02/{_NAME}.txt": "\n".join(labels),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True)
        path.write_text(text + "\n")
    return root


def _xyxy(box: str) -> str:
    _, width, length, x, y, z, _ = map(float, box.split())
    u = [
        721.5377 * (x + dx) / (z + dz) + 609.5593
        for dx in (-width / 2, width / 2)
        for dz in (-length / 2, length / 2)
    ]
    v = [
        721.5377 * (y - dy) / (z + dz) + 172.854
        for dy in (0, 1.5)
        for dz in (-length / 2, length / 2)
    ]
    return f"{min(u):.4f} {min(v):.4f} {max(u):.4f} {max(v):.4f}"
