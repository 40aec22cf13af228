"""Where the tracks are by now: an acceleration lasts a while, a turn rate changes a little.

Both are processes in continuous time, so two short steps add up to one long one and the frame
rate does not matter; see :mod:`kernels.motion`.
"""

from __future__ import annotations

from perception_stack.tracking.config import TrackerConfig, numbers
from perception_stack.tracking.tracks import Tracks


def predict(tracks: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """Tracks carried on by a time step; who is still there is not its question.

    The error of the rotation is not turned along with the box: over one step the difference is
    of second order.

    Args:
        tracks: Where they were.
        dt_s: Time step in seconds, not negative.
        config: Noise.
    """
    from perception_stack.tracking.kernels import motion as kernels

    table = tracks.copied_table()
    kernels.predict(table, dt_s, numbers(config))
    return tracks.with_table(table)


def carry_on(tracks: Tracks, dt_s: float, config: TrackerConfig) -> Tracks:
    """As :func:`predict`, without what could be anywhere by now.

    Any detection would seem to be that of a track whose place is less certain than ``lost_spread``
    sizes.
    """
    from perception_stack.tracking.kernels import motion as kernels

    table = tracks.copied_table()
    lost = kernels.predict(table, dt_s, numbers(config))
    return tracks.with_table(table).only(~lost)
