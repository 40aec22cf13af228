"""What RViz shows of the tracked list: a box, a name and a velocity arrow for each object.

Markers of objects that are gone are deleted by name, so nothing lingers, also not after a jump
back in time.
"""

from __future__ import annotations

import hashlib
from uuid import UUID

import numpy as np
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from perception_stack.datatypes import TrackedObjects, TrackState
from perception_stack.ros.conversions import header_msg, pose_msg

_BOXES, _NAMES, _VELOCITIES = "boxes", "names", "velocities"
_OPACITY = {TrackState.TENTATIVE: 0.2, TrackState.CONFIRMED: 0.6, TrackState.COASTING: 0.3}
_VELOCITY_SHOWN_MPS = 0.3
_MAX_ID = 2**31


class ObjectMarkers:
    """Turns each list into markers and deletes those of the list before."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, int]] = set()

    def update(self, objects: TrackedObjects) -> MarkerArray:
        """Markers for one list, with deletions for what the list before had and this has not."""
        array = MarkerArray()
        for row, uuid in enumerate(objects.ids):
            array.markers += self._object(objects, row, uuid)
        shown = {(one.ns, one.id) for one in array.markers}
        header = header_msg(objects.stamp_ns, objects.frame_id)
        for name, number in sorted(self._shown - shown):
            array.markers.append(Marker(header=header, ns=name, id=number, action=Marker.DELETE))
        self._shown = shown
        return array

    def _object(self, objects: TrackedObjects, row: int, uuid: UUID) -> list[Marker]:
        boxes = objects.boxes
        header = header_msg(objects.stamp_ns, objects.frame_id)
        number = uuid.int % _MAX_ID
        color = _color(uuid, _OPACITY[TrackState(int(objects.state[row]))])
        length, width, height = boxes.size_lwh_m[row].tolist()
        box = Marker(header=header, ns=_BOXES, id=number, type=Marker.CUBE, color=color)
        box.pose = pose_msg(boxes.center_m[row], boxes.quat_xyzw[row])
        box.scale = Vector3(x=length, y=width, z=height)

        name = Marker(header=header, ns=_NAMES, id=number, type=Marker.TEXT_VIEW_FACING)
        above = boxes.center_m[row] + [0, 0, height / 2 + 0.4]
        name.pose = pose_msg(above, np.array([0.0, 0.0, 0.0, 1.0]))
        name.scale.z = 0.5
        name.color = ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        name.text = f"{boxes.labels[row]} {uuid.hex[:4]} {boxes.score[row]:.2f}"

        markers = [box, name]
        velocity = objects.velocity_mps[row]
        if np.linalg.norm(velocity) > _VELOCITY_SHOWN_MPS:
            arrow = Marker(header=header, ns=_VELOCITIES, id=number, type=Marker.ARROW)
            arrow.color = ColorRGBA(r=color.r, g=color.g, b=color.b, a=1.0)
            arrow.scale = Vector3(x=0.1, y=0.25, z=0.3)
            start = boxes.center_m[row]
            arrow.points = [_point(start), _point(start + velocity)]
            markers.append(arrow)
        return markers


def _point(position_m: np.ndarray) -> Point:
    x, y, z = position_m.tolist()
    return Point(x=x, y=y, z=z)


def _color(uuid: UUID, opacity: float) -> ColorRGBA:
    """A colour that stays with an object; bright enough on a dark ground."""
    digest = hashlib.blake2s(uuid.bytes, digest_size=3).digest()
    red, green, blue = (0.3 + 0.7 * byte / 255 for byte in digest)
    return ColorRGBA(r=red, g=green, b=blue, a=opacity)
