"""A ``ros2`` command with ``launch`` and ``run`` only, for machines without ROS.

It interprets the part of the XML launch language that perception_stack's launch files use, as
``launch``, ``launch_xml`` and ``launch_ros`` do, and refuses everything else by name. What it
accepts means the same on every ROS from Humble on.
"""
