"""What RViz shows of grasps: the gripper at the best ones, and a word where there is none."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from perception_stack.datatypes import Grasps, ShapeKind
from perception_stack.geometry.gripper import Gripper
from perception_stack.geometry.transforms import matrix_from_quat
from perception_stack.ros.conversions import header_msg, pose_msg

_SHAPES = {ShapeKind.CYLINDER: Marker.CYLINDER, ShapeKind.SPHERE: Marker.SPHERE}
_TEXT_M = 0.02


def grasp_markers(grasps: Grasps, gripper: Gripper) -> MarkerArray:
    """Shapes of the objects, three boxes for each grasp, green to red by score, and reasons."""
    header = header_msg(grasps.stamp_ns, grasps.frame_id)
    array = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    boxes = grasps.objects.boxes
    for row in range(len(boxes)):
        kind = _SHAPES.get(ShapeKind(int(grasps.objects.shape[row])), Marker.CUBE)
        shape = Marker(header=header, ns="shapes", id=row, type=kind)
        shape.pose = pose_msg(boxes.center_m[row], boxes.quat_xyzw[row])
        length, width, height = boxes.size_lwh_m[row].tolist()
        shape.scale = Vector3(x=length, y=width, z=height)
        shape.color = ColorRGBA(r=0.6, g=0.6, b=0.9, a=0.3)
        array.markers.append(shape)
        text = Marker(header=header, ns="names", id=row, type=Marker.TEXT_VIEW_FACING)
        text.pose = pose_msg(boxes.center_m[row], np.array([0.0, 0.0, 0.0, 1.0]))
        text.scale.z = _TEXT_M
        text.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        text.text = f"{boxes.labels[row]} {grasps.objects.reasons[row]}".strip()
        array.markers.append(text)
    low, high = gripper.boxes(grasps.opening_m, np.zeros(len(grasps)))
    for i in range(len(grasps)):
        rotation = matrix_from_quat(grasps.quat_xyzw[i])
        score = float(grasps.score[i])
        for part in range(3):
            box = Marker(header=header, ns="grasps", id=3 * i + part, type=Marker.CUBE)
            middle = (low[i, part] + high[i, part]) / 2
            box.pose = pose_msg(grasps.position_m[i] + rotation @ middle, grasps.quat_xyzw[i])
            x, y, z = (high[i, part] - low[i, part]).tolist()
            box.scale = Vector3(x=x, y=y, z=z)
            box.color = ColorRGBA(r=1 - score, g=score, b=0.2, a=0.7)
            array.markers.append(box)
    return array
