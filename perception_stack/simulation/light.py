"""What sun, sky, air and surfaces do to a simulated picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray

_TO_SUN = (0.35, 0.5, 0.79)


def _no_grain() -> NDArray[np.float32]:
    return np.empty((4, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """Flat shading: a surface shines by where it faces.

    Attributes:
        to_sun: Direction, any length.
        ambient: Share of a surface's colour that is seen without sun.
        skylight: More of it on surfaces that face up, less on those that face down.
        sunlight: More of it on surfaces that face the sun.
        horizon_bgr: Colour of the sky above the horizon, and of haze.
        zenith_bgr: Colour of the sky overhead.
        haze_m: Distance at which haze leaves 37 % of a colour.
        noise_sigma: Of pixels, grey values.
        grain: float32 [4, K], waves of light and dark through space, so that surfaces are not
            plain: wave vector in rad/m, and phase. None if K is 0.
        grain_depth: How much lighter or darker.
    """

    to_sun: tuple[float, float, float] = _TO_SUN
    ambient: float = 0.42
    skylight: float = 0.15
    sunlight: float = 0.48
    horizon_bgr: tuple[float, float, float] = (232.0, 222.0, 210.0)
    zenith_bgr: tuple[float, float, float] = (225.0, 165.0, 110.0)
    haze_m: float = 260.0
    noise_sigma: float = 2.0
    grain: NDArray[np.float32] = field(default_factory=_no_grain)
    grain_depth: float = 0.0

    def on(self, normals: FloatArray) -> FloatArray:
        """Share of their colour that surfaces show.

        Args:
            normals: float64 [T, 3], unit, outward, z up.
        """
        to_sun = np.array(self.to_sun) / np.linalg.norm(self.to_sun)
        share: FloatArray = (
            self.ambient
            + self.skylight * normals[:, 2]
            + self.sunlight * np.maximum(normals @ to_sun, 0)
        )
        return share


DAYLIGHT = Light()
