"""Recorded messages: rosbag2 folders and files, MCAP and SQLite, read and written without ROS."""

from perception_stack.io.bags.reader import BagMessage, BagReader
from perception_stack.io.bags.writer import STORAGES, BagWriter

__all__ = ["STORAGES", "BagMessage", "BagReader", "BagWriter"]
