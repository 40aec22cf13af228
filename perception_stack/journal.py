"""Explainable silence: why something was dropped, how often, and the numbers behind the last case.

Each step writes into the :class:`Journal` it was given; nodes publish it as diagnostics, the
offline tools put it into the report. Nothing is dropped without a line here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from perception_stack.errors import PerceptionError


class Reason(str, Enum):
    """Machine-readable reason codes; the text says what a person should understand by it."""

    EMPTY_CLOUD = "empty_cloud", "the cloud has no points"
    NO_VALID_POINTS = "no_valid_points", "every point is NaN, infinite or outside the crop region"
    NON_FINITE_POINTS = (
        "non_finite_points",
        "points with NaN or infinite coordinates were left out",
    )
    CROPPED_POINTS = "cropped_points", "points outside of the crop region were left out"
    ROBOT_POINTS = "robot_points", "points on the robot itself were left out"
    NOT_MOTION_CORRECTED = "not_motion_corrected", "the scan went on as if taken at one instant"
    GROUND_SHIFTED = "ground_shifted", "the sensor no longer stands above the ground as it did"
    SENSOR_UNSUITED = "sensor_unsuited", "no network: it was not made for such a LiDAR"
    SENSOR_MOVED = "sensor_moved", "a sensor no longer sits where its calibration says"
    CLUSTER_TOO_SMALL = "cluster_too_small", "clusters with fewer points than the minimum"
    CLUSTER_TOO_LARGE = "cluster_too_large", "clusters larger than any object sought"
    SUPERSEDED = "superseded", "a newer one came before there was time for it"
    DRIFT = "drift", "what comes in or goes out no longer is like the reference"
    OVER_BUDGET = "over_budget", "worth a label, but too soon after another"
    QUOTA_FULL = "quota_full", "worth a label, but the folder holds as much as it may"
    KNOWN_SCENE = "known_scene", "worth a label, but much like what was kept"
    EMPTY_IMAGE = "empty_image", "the image has no pixels"
    BELOW_THRESHOLD = "below_threshold", "detections with a score below the threshold"
    NO_MODEL = "no_model", "no model is configured"
    NO_CALIBRATION = "no_calibration", "no camera_info received yet"
    NO_BOARD = "no_board", "images without the calibration board"
    BLURRED_BOARD = "blurred_board", "images in which the calibration board is blurred"
    MOVING_BOARD = "moving_board", "images in which the calibration board moves"
    KNOWN_VIEW = "known_view", "images that show the calibration board as one taken before"
    NO_DEPTH = "no_depth", "no valid depth inside the 2-D box"
    DEPTH_IMPLAUSIBLE = "depth_implausible", "depth values do not fit the unit of the encoding"
    FLYING_PIXELS = "flying_pixels", "pixels that mix two surfaces were left out"
    NO_SUPPORT = "no_support", "no table, floor or wall was found; all that is seen stands out"
    DUPLICATE = "duplicate", "a second box of one body"
    NON_FINITE_BOXES = "non_finite_boxes", "boxes with NaN, infinite or impossible values"
    OUT_OF_IMAGE = "out_of_image", "boxes without an area within the image"
    OUT_OF_VIEW = "out_of_view", "3-D boxes that no camera sees"
    SYNC_MISS = "sync_miss", "no partner within the tolerance"
    SYNC_TIMEOUT = "sync_timeout", "went on without a partner that did not come in time"
    UNUSED = "unused", "messages that lay near no message of the sensor that leads"
    LEADER_CHANGED = (
        "leader_changed",
        "another LiDAR leads, the one before is silent or no longer first",
    )
    QUEUE_FULL = "queue_full", "the oldest entry was pushed out of a full queue"
    STALE_STAMP = "stale_stamp", "the stamp is older than what was already processed"
    STAMP_JUMP = "stamp_jump", "stamps jumped back; the state was reset"
    NO_TRANSFORM = "no_transform", "no transform at the stamp"
    FRAME_MISMATCH = "frame_mismatch", "data came in another frame than expected"
    NO_MESH = "no_mesh", "no mesh for the class of the detection"
    POSE_NOT_FOUND = "pose_not_found", "no pose hypothesis fits well enough"
    POSE_RESTARTED = "pose_restarted", "a followed pose was wrong or moved; a fresh one took over"
    POSE_LOST = "pose_lost", "a followed object was not seen for too many frames"
    CARRIES_OBJECT = "carries_object", "another object stands or leans on it"
    NO_ANTIPODAL = "no_antipodal", "no two parts of its surface face each other within friction"
    TOO_WIDE = "too_wide", "it is wider than the gripper opens"
    OUT_OF_REACH = "out_of_reach", "every approach is too level or from behind"
    HITS_SUPPORT = "hits_support", "the gripper would hit what it stands on"
    HITS_SCENE = "hits_scene", "the gripper would hit something else"
    NO_ROOM = "no_room", "the open gripper would hit the object itself"
    WEAK_GRASP = "weak_grasp", "no grasp is likely enough to hold"
    NOT_FITTED = "not_fitted", "too few points of an unknown object to fit a shape"
    BAD_SHAPE = "bad_shape", "an array or message has the wrong shape"
    UNDECODABLE = "undecodable", "the message does not hold together"
    BAD_CALIBRATION = "bad_calibration", "the calibration is missing, malformed or impossible"
    BAD_CONFIG = "bad_config", "a parameter cannot be used"
    BAD_MODEL = "bad_model", "the model cannot be used"
    BAD_FILE = "bad_file", "the file cannot be read"
    QOS_INCOMPATIBLE = "qos_incompatible", "a publisher offers a QoS that was not requested"
    ERROR = "error", "an unforeseen error"

    text: str

    def __new__(cls, value: str, text: str) -> Reason:  # noqa: D102
        member = str.__new__(cls, value)
        member._value_ = value
        member.text = text
        return member


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The last case of one reason: when, and the numbers behind it."""

    stamp_ns: int
    detail: str


class Journal:
    """Counts of each reason, and the newest case of each."""

    def __init__(self) -> None:
        self._counts: Counter[Reason] = Counter()
        self._last: dict[Reason, Entry] = {}

    def count(self, reason: Reason, *, stamp_ns: int, detail: str, num: int = 1) -> None:
        """Note that ``num`` things were dropped at ``stamp_ns``; zero notes nothing.

        Args:
            reason: Why.
            stamp_ns: Stamp of the data concerned.
            detail: The measured values behind it, e.g. ``"gap 83 ms, tolerance 50 ms"``.
            num: How many things (points, boxes, frames) were dropped.
        """
        if num <= 0:
            return
        self._counts[reason] += num
        self._last[reason] = Entry(stamp_ns=stamp_ns, detail=detail)

    def count_error(self, error: PerceptionError, *, stamp_ns: int, where: str) -> None:
        """Note that something was dropped because of an error.

        Args:
            error: What went wrong.
            stamp_ns: Stamp of the data concerned.
            where: Topic or file it came from.
        """
        reason = Reason(error.reason)  # type: ignore[call-arg]  # looked up by value
        self.count(reason, stamp_ns=stamp_ns, detail=f"{where}: {error}")

    @property
    def counts(self) -> dict[Reason, int]:
        """Number of dropped things by reason, in the order of :class:`Reason`."""
        return {reason: self._counts[reason] for reason in Reason if self._counts[reason]}

    def last(self, reason: Reason) -> Entry:
        """Newest case of a reason.

        Raises:
            KeyError: the reason never occurred.
        """
        return self._last[reason]
