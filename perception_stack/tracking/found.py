"""What the tracker takes of one detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOUND = np.dtype(
    [
        ("center_m", np.float64, (3,)),
        ("quat_xyzw", np.float64, (4,)),
        ("size_lwh_m", np.float64, (3,)),
        ("noise", np.float64, (6, 6)),
        ("ends_noise_m2", np.float64, (3,)),
        ("yaw_variance_rad2", np.float64),
        ("score", np.float64),
    ],
    align=True,
)
"""One detection, in the fixed frame.

- ``quat_xyzw``: unit, upright.
- ``noise``: of the pose, positive definite.
- ``ends_noise_m2``: variance of each side for ends that were not seen.
- ``yaw_variance_rad2``: as the detector states it.
"""

FoundTable = NDArray[np.void]
"""Rows of :data:`FOUND`."""

FOUND_BYTES = np.dtype((np.void, FOUND.itemsize))  # as in tracks.py
