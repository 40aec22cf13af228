"""How bright, rich in contrast, sharp, hazy and colourful an image is, from one pixel in 64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import ColorImage, FloatArray
from perception_stack.geometry.compiled import compiled
from perception_stack.watch.features import IMAGE

_STRIDE, _FAR = 8, 8
_BLOCK = 4  # sampled pixels per side of a block of the dark channel
_NOISE = 1.0  # grey values², so that a flat image is neither sharp nor blurred


def image_features(image: ColorImage) -> FloatArray:
    """What an image is like.

    * width and height: in pixels;
    * brightness and contrast: logarithms to base 2 of mean and standard deviation of the grey
      values, so a change of exposure is a shift;
    * sharpness: how much neighbours differ, against pixels ``_FAR`` apart, which blur hardly
      changes; like the slope of the spectrum it depends little on what is seen;
    * haze: the dark channel, the mean over blocks of the darkest value of any colour (He et al.,
      "Single image haze removal using dark channel prior", CVPR 2009);
    * colour: mean saturation.

    Returns:
        float64 [7], in the order of :data:`~perception_stack.watch.features.IMAGE`; NaN
        where the image is too small.
    """
    height, width = image.bgr.shape[:2]
    if min(height, width) < 2 * (_STRIDE * _BLOCK):
        return np.array([width, height, *[np.nan] * (len(IMAGE) - 2)])
    mean, variance, near, far, dark, colour = _measure(image.bgr, _STRIDE, _FAR, _BLOCK)
    return np.array(
        [
            width,
            height,
            np.log2(1 + mean),
            0.5 * np.log2(_NOISE + variance),
            0.5 * np.log2((_NOISE + near) / (_NOISE + far)),
            dark,
            100 * colour,
        ]
    )


@compiled
def _measure(
    bgr: NDArray[np.uint8], stride: int, far: int, block: int
) -> tuple[float, float, float, float, float, float]:
    """Mean, variance, squared differences near and far, dark channel, saturation."""
    side = stride * block
    rows = (bgr.shape[0] - far) // side
    columns = (bgr.shape[1] - far) // side
    total, squares, near, distant, dark, colour = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(rows):
        for j in range(columns):
            darkest = 255
            for k in range(block):
                for m in range(block):
                    y, x = i * side + k * stride, j * side + m * stride
                    b, g, r = int(bgr[y, x, 0]), int(bgr[y, x, 1]), int(bgr[y, x, 2])
                    grey = 0.25 * (b + 2 * g + r)
                    total += grey
                    squares += grey * grey
                    low, high = min(b, g, r), max(b, g, r)
                    darkest = min(darkest, low)
                    colour += (high - low) / max(high, 1)
                    # green alone: of a Bayer sensor it is the sharpest
                    near += (bgr[y, x + 1, 1] - g) ** 2 + (bgr[y + 1, x, 1] - g) ** 2
                    distant += (bgr[y, x + far, 1] - g) ** 2 + (bgr[y + far, x, 1] - g) ** 2
            dark += darkest
    num = rows * columns * block * block
    mean = total / num
    variance = max(squares / num - mean * mean, 0.0)
    return (
        mean,
        variance,
        near / (2 * num),
        distant / (2 * num),
        dark / (rows * columns),
        colour / num,
    )
