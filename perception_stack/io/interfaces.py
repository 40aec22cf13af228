"""Message types by name, without ROS: the standard ones of Jazzy, ``vision_msgs`` 4.x and our own.

The types of ROS come with the ``rosbags`` library. Those below are not among them; a test compares
them with ``msg/`` and with the ``vision_msgs`` that the nodes are built against, by type hash
(REP 2011), so that a bag holds what the nodes exchange.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from perception_stack.errors import DecodeError

DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": """
        vision_msgs/Pose2D center
        float64 size_x
        float64 size_y""",
    "vision_msgs/msg/BoundingBox3D": "geometry_msgs/Pose center\ngeometry_msgs/Vector3 size",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": """
        vision_msgs/ObjectHypothesis hypothesis
        geometry_msgs/PoseWithCovariance pose""",
    "vision_msgs/msg/Detection2D": """
        std_msgs/Header header
        vision_msgs/ObjectHypothesisWithPose[] results
        vision_msgs/BoundingBox2D bbox
        string id""",
    "vision_msgs/msg/Detection2DArray": """
        std_msgs/Header header
        vision_msgs/Detection2D[] detections""",
    "vision_msgs/msg/Detection3D": """
        std_msgs/Header header
        vision_msgs/ObjectHypothesisWithPose[] results
        vision_msgs/BoundingBox3D bbox
        string id""",
    "vision_msgs/msg/Detection3DArray": """
        std_msgs/Header header
        vision_msgs/Detection3D[] detections""",
    "vision_msgs/msg/VisionClass": "uint16 class_id\nstring class_name",
    "vision_msgs/msg/LabelInfo": """
        std_msgs/Header header
        vision_msgs/VisionClass[] class_map
        float32 threshold""",
    "perception_stack/msg/Keypoints2D": """
        string detection_id
        vision_msgs/Point2D[] points
        float64[] scores""",
    "perception_stack/msg/Keypoints2DArray": """
        std_msgs/Header header
        string[] names
        perception_stack/Keypoints2D[] detections""",
    "perception_stack/msg/TrackedObject": """
        uint8 STATE_TENTATIVE = 1
        uint8 STATE_CONFIRMED = 2
        uint8 STATE_COASTING = 3
        uint8 SHAPE_BOX = 0
        uint8 SHAPE_CYLINDER = 1
        unique_identifier_msgs/UUID id
        uint8 state
        float32 existence_probability
        vision_msgs/ObjectHypothesis[] classes
        geometry_msgs/PoseWithCovariance pose
        bool orientation_known
        geometry_msgs/TwistWithCovariance twist
        geometry_msgs/AccelWithCovariance accel
        bool stationary
        uint8 shape
        geometry_msgs/Vector3 size
        float64[9] size_covariance
        string[] sensors
        uint32 num_detections
        builtin_interfaces/Time last_seen""",
    "perception_stack/msg/TrackedObjectArray": """
        std_msgs/Header header
        perception_stack/TrackedObject[] objects""",
    "perception_stack/msg/Grasp": """
        uint8 SOURCE_LIBRARY = 1
        uint8 SOURCE_MODEL = 2
        uint8 SOURCE_SEEN = 3
        unique_identifier_msgs/UUID object_id
        uint32 object_index
        string class_id
        uint8 source
        geometry_msgs/Pose pose
        float64 opening
        float64 width
        float64 approach_distance
        float64 score""",
    "perception_stack/msg/SceneObject": """
        uint8 SHAPE_BOX = 0
        uint8 SHAPE_CYLINDER = 1
        uint8 SHAPE_SPHERE = 2
        uint8 SHAPE_PRISM = 3
        uint8 SHAPE_MODEL = 4
        unique_identifier_msgs/UUID id
        string class_id
        uint8 shape
        geometry_msgs/PoseWithCovariance pose
        geometry_msgs/Vector3 size
        float64[9] size_covariance
        float64 score
        bool on_support
        uint32[] stands_on
        uint32[] touches
        uint32 num_grasps
        string reason""",
    "perception_stack/msg/GraspArray": """
        std_msgs/Header header
        float64[4] support
        perception_stack/SceneObject[] objects
        perception_stack/Grasp[] grasps""",
}


@lru_cache(maxsize=1)
def typestore() -> Any:
    """The types this package can read and write, as a ``rosbags`` type store."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


def build_message(name: str, /, **fields: Any) -> Any:
    """A message of the given type, every field named.

    This is how messages for bags are made; a node passes a function of its own with the same
    signature that makes the messages of its middleware.

    Args:
        name: Full type name, e.g. ``"std_msgs/msg/Header"``.
        **fields: Values of all fields; number arrays as ndarray, message arrays as lists.
    """
    return typestore().types[name](**fields)


def is_known(name: str, definition: str = "") -> bool:
    """Whether messages of a type can be decoded.

    Args:
        name: Full type name.
        definition: The ``.msg`` text that came with the data; empty when none did. Another
            version of a known type would decode to nonsense, so it counts as unknown.
    """
    from rosbags.typesys import TypesysError, get_types_from_msg

    store = typestore()
    if name not in store.fielddefs or not definition:
        return name in store.fielddefs
    try:
        theirs = get_types_from_msg(definition, name)
    except TypesysError:  # not in the language of .msg files
        return False
    return all(
        store.fielddefs[part][1] == fields
        for part, (_, fields) in theirs.items()
        if part in store.fielddefs
    )


def decode(raw: bytes | memoryview, name: str) -> Any:
    """Message of its CDR serialisation; number arrays are views of ``raw``.

    Raises:
        DecodeError: unknown type, or bytes that are no message of it.
    """
    from rosbags.serde import SerdeError

    if name not in typestore().fielddefs:
        raise DecodeError(f"message type {name} is not one of those this package knows")
    try:
        return typestore().deserialize_cdr(raw, name)
    except SerdeError as error:
        raise DecodeError(f"bytes are no {name}: {error}") from error


def encode(message: Any) -> tuple[memoryview, str]:
    """CDR serialisation of a message made by :func:`build_message`, and its type name."""
    name: str = message.__msgtype__
    return typestore().serialize_cdr(message, name), name
