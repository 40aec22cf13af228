from __future__ import annotations

import pytest

from perception_stack.errors import ConfigError
from perception_stack.lidar.config import LidarDetectorConfig


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"min_range_m": 30.0, "max_range_m": 20.0}, id="ranges_crossed"),
        pytest.param({"min_z_m": 2.0, "max_z_m": 2.0}, id="no_height"),
        pytest.param({"voxel_m": 0.5}, id="columns_wider_than_the_gap"),
        pytest.param({"tolerance_m": 1.0}, id="gap_wider_than_the_widest"),
        pytest.param({"max_range_m": 300.0, "voxel_m": 0.02}, id="grid_too_large"),
        pytest.param({"max_slope": float("nan")}, id="nan"),
    ],
)
def test_impossible_values_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        LidarDetectorConfig(**values)
