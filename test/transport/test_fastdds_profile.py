"""Camera images get through the shared memory of the shipped Fast DDS profile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("sensor_msgs.msg")
pytestmark = pytest.mark.ros

PROFILE = Path(__file__).resolve().parents[2] / "config" / "fastdds.xml"
NUM_IMAGES = 20
IMAGE_BYTES = 3 * 1242 * 376

# All images are sent at once, so they must find room in the shared memory: 28 MB. The default
# segment of 512 kB holds a third of one image, and next to none arrives.
PEER = """
import array, sys, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Empty

role, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rclpy.init()
node = rclpy.create_node(role)
qos = QoSProfile(depth=count, reliability=ReliabilityPolicy.BEST_EFFORT)
heard = []

def spin_until(done):
    end = time.monotonic() + 20.0
    while not done() and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)

if role == "reader":
    node.create_subscription(Image, "image", lambda msg: heard.append(msg.header.frame_id), qos)
    spin_until(lambda: node.count_publishers("image"))
    ready = node.create_publisher(Empty, "ready", 1)
    spin_until(ready.get_subscription_count)
    ready.publish(Empty())
    spin_until(lambda: len(heard) == count)
    print(*heard)
else:
    images = node.create_publisher(Image, "image", qos)
    node.create_subscription(Empty, "ready", heard.append, 1)
    spin_until(lambda: heard and images.get_subscription_count())
    image = Image(data=array.array("B", bytes(size)))
    for number in range(count):
        image.header.frame_id = str(number)
        images.publish(image)
    spin_until(lambda: not images.get_subscription_count())
"""


def test_best_effort_images_all_arrive() -> None:
    memory = os.statvfs("/dev/shm")
    if memory.f_bavail * memory.f_frsize < 2 * 64 * 2**20:
        pytest.skip("less than 128 MB of /dev/shm")
    environment = {
        **os.environ,
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
    }

    def start(role: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PEER, role, str(NUM_IMAGES), str(IMAGE_BYTES)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    reader, writer = start("reader"), start("writer")
    heard, _ = reader.communicate(timeout=60)
    writer.communicate(timeout=60)
    assert heard.split() == [str(number) for number in range(NUM_IMAGES)]
