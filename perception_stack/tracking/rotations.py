"""The quarter turns that leave a box the same box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.transforms import quat_multiply

_ROOT_HALF = np.sqrt(0.5)
# turns of k times 90 degrees about z
_QUARTER_TURNS = np.array(
    [[0, 0, 0, 1], [0, 0, _ROOT_HALF, _ROOT_HALF], [0, 0, 1, 0], [0, 0, _ROOT_HALF, -_ROOT_HALF]]
)


def turned_by_quarters(quat_xyzw: FloatArray, num_quarters: NDArray[np.intp]) -> FloatArray:
    """Rotations of boxes whose x axes are taken quarter turns further about their own z.

    Args:
        quat_xyzw: float64 [N, 4].
        num_quarters: int [N].
    """
    return quat_multiply(quat_xyzw, _QUARTER_TURNS[num_quarters % 4])


def sides_after_quarters(sides: FloatArray, num_quarters: NDArray[np.intp]) -> FloatArray:
    """What belongs to length, width and height, once boxes are turned by quarters.

    Args:
        sides: float64 [N, 3].
        num_quarters: int [N].
    """
    odd = (num_quarters % 2 == 1)[:, None]
    return np.where(odd, sides[:, [1, 0, 2]], sides)
