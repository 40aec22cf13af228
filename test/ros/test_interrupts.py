"""A node that is told to stop again and again ends as one that is told once."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

pytestmark = pytest.mark.ros

# A terminal, launch and an impatient person tell at any time, so here somebody does all the time.
NODE = """
import os, subprocess, sys
from rclpy.node import Node
from perception_stack.ros.step_node import run

# it begins after its parent has noted whom to stop
WAIT = f"import os, signal, time; node = {os.getpid()}; time.sleep(0.3)"
TELL = WAIT + "\\nwhile os.getppid() == node: os.kill(node, signal.SIGINT)"

class Told(Node):
    def __init__(self, **_):
        super().__init__("told")
        self.timer = self.create_timer(0.01, self.begin)

    def begin(self):
        self.timer.cancel()
        self.teller = subprocess.Popen([sys.executable, "-c", TELL])

    def destroy_node(self):
        super().destroy_node()
        self.teller.kill()
        self.teller.wait()
        print("destroyed")

run(Told)
"""


WORST = """
import os, signal, time
from perception_stack.ros.interrupts import interrupt_once

def tell():
    os.kill(os.getpid(), signal.SIGINT)

interrupt_once()
try:
    tell()
    time.sleep(30)
except KeyboardInterrupt:
    tell()
finally:
    tell()
print("ended")
"""


def test_only_the_first_one_interrupts() -> None:
    command = [sys.executable, "-c", WORST]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


def test_a_node_that_is_told_without_end_ends_cleanly() -> None:
    command = [sys.executable, "-c", NODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "destroyed\n"), done.stderr
    assert "Traceback" not in done.stderr
