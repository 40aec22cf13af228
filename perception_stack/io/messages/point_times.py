"""When each point of a scan was measured, whatever the driver calls it and counts in.

Drivers agree on nothing here. Of those in wide use:

* Ouster (``ouster_ros``): ``t``, uint32, nanoseconds after the stamp, the start of the scan.
* Velodyne (``velodyne_pointcloud``): ``time``, float32, seconds after the stamp, or before it and
  negative where the stamp is that of the last packet.
* Nebula (Autoware): ``time_stamp``, uint32, nanoseconds after the stamp.
* Hesai (``hesai_ros_driver``) and RoboSense (``rslidar_sdk``): ``timestamp``, float64, absolute
  seconds; the stamp is that of the first or the last point, as configured.
* Livox (``livox_ros_driver2``): ``timestamp``, float64, absolute nanoseconds; ``offset_time``,
  uint32, nanoseconds after the stamp, where its own message is converted.
* Aeva: ``time_offset_ns``, int32, nanoseconds after the stamp.

So the name only says that it is a time. The unit follows from its span, since a scan takes from a
few milliseconds to a second and units lie a factor of 1000 apart; whether it counts from the stamp
follows from its size, since no point is seconds away from the stamp of its scan. Whether the stamp
is that of the scan's start or end need not be asked: the offsets say it. Integers of a name whose
driver counts nanoseconds are these whatever their span: in a cut-out of a thousandth of a scan
they would pass for microseconds, and its points would be moved far off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NAMES = frozenset(
    ("t", "time", "timestamp", "timestamps", "stamps", "timeoffset", "timeoffsetns", "offsettime")
)
_NANOSECONDS = frozenset(("t", "time_stamp", "offset_time", "time_offset_ns"))
_SHORTEST_S = 0.005
_LONGEST_S = 1.0
_NS, _US, _S = 1e-9, 1e-6, 1.0


def is_time(name: str) -> bool:
    """Whether a field of this name holds the time of a point."""
    return name.lower().replace("_", "") in _NAMES


def offsets_s(values: NDArray[Any], *, name: str, stamp_ns: int) -> NDArray[np.float32]:
    """Seconds after the stamp.

    Where no unit makes a scan of the span, the usual one is taken, seconds of a fraction and
    nanoseconds of an integer: the offsets are then as impossible as what was sent.

    Args:
        values: Any type [N], N at least 1, as sent.
        name: Of the field.
        stamp_ns: Stamp of the cloud.

    Returns:
        float32 [N], contiguous.
    """
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "f":
        units: tuple[float, ...] = (_S, _US, _NS)
    else:
        units = (_NS,) if name in _NANOSECONDS else (_NS, _US)
    unit_s = next((unit for unit in units if _takes_a_scan((high - low) * unit)), units[0])
    if max(abs(low), abs(high)) * unit_s > 2 * _LONGEST_S:
        # the clock of absolute times is that of the stamp; what is not comes out as far away
        values = values.astype(np.float64) - stamp_ns * (_NS / unit_s)
    with np.errstate(over="ignore"):
        return values.astype(np.float32) * np.float32(unit_s)


def _takes_a_scan(span_s: float) -> bool:
    return _SHORTEST_S <= span_s <= _LONGEST_S
