"""The part of ROS 2's ``sensor_msgs_py`` that perception_stack uses, for machines without ROS."""
