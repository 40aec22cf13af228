"""``perception_stack/TrackedObjectArray`` as bytes on the wire; see ``wire``."""

from __future__ import annotations

import numpy as np

from perception_stack.datatypes import TrackedObjects
from perception_stack.io.messages.objects import SHAPE_BOX
from perception_stack.io.messages.wire import (
    CDR_LE,
    UINT32,
    header_bytes,
    name,
    padding,
    row_bytes,
    string,
    time_bytes,
)


def objects_to_bytes(objects: TrackedObjects) -> bytes:
    """The serialised message, as :func:`objects_to_msg` has it."""
    boxes = objects.boxes
    header = header_bytes(objects.stamp_ns, objects.frame_id)
    start = header + padding(len(header), 4) + UINT32.pack(len(objects))
    pose = row_bytes(boxes.center_m, boxes.quat_xyzw, boxes.covariance)
    # angular acceleration is not known
    motion = row_bytes(
        objects.velocity_mps,
        objects.angular_velocity_radps,
        objects.twist_covariance,
        objects.acceleration_mps2,
        np.full((len(objects), 3 + 36), np.nan),
    )
    size = row_bytes(boxes.size_lwh_m, objects.size_covariance)
    scores = boxes.class_probs.astype("<f8")
    existence = boxes.score.astype("<f4")
    likely = np.argsort(-boxes.class_probs, axis=1, kind="stable").tolist()
    parts, at = [start], len(start)
    for i, sensors in enumerate(boxes.sensors):
        given = [column for column in likely[i] if scores[i, column] > 0]
        opening = objects.ids[i].bytes + bytes([int(objects.state[i])])
        opening += padding(at + len(opening), 4) + existence[i].tobytes()
        opening += UINT32.pack(len(given))
        mine, here = [opening], at + len(opening)
        for column in given:
            text = name(here % 8, boxes.classes[column])
            mine += (text, scores[i, column].tobytes())
            here += len(text) + 8
        known = bytes([int(objects.orientation_known[i])]) + bytes(7)
        standing = bytes([int(objects.stationary[i]), SHAPE_BOX]) + bytes(6)
        mine += (padding(here, 8), pose[i], known, motion[i], standing, size[i])
        closing = UINT32.pack(len(sensors))
        for sensor in sensors:
            closing += padding(len(closing), 4) + string(sensor)
        closing += padding(len(closing), 4) + UINT32.pack(int(objects.num_detections[i]))
        mine.append(closing + time_bytes(int(objects.last_seen_ns[i])))
        parts += mine
        at += sum(map(len, mine))
    return CDR_LE + b"".join(parts)
