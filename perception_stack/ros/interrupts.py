"""How a process is told to stop."""

from __future__ import annotations

import signal
from typing import Any


def interrupt_once() -> None:
    """Raise :class:`KeyboardInterrupt` at the first SIGINT of this process only.

    A terminal and ``ros2 launch`` both tell, in any time of each other. What a process does to end
    cleanly must not be broken off by the second one. To be called before ``rclpy.init``, whose own
    handler calls this one.
    """
    told = False

    def on_sigint(*_: Any) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_sigint)
