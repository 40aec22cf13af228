"""Lists of objects as bytes, in machine code; imported when first used.

Plain CDR, little endian (OMG DDSI-RTPS 2.5, section 10): every number is aligned to its size,
counted from behind the four bytes of the encapsulation. ``at`` is a place counted so. What is
written goes into ``body``, float64 [W] of zeros, whose words are aligned alike. A table of texts
is uint8 [K, L], and int64 [K] says how many bytes of each row are text, the closing zero included.
"""

# ruff: noqa: PLR0917 - machine code takes its arguments by position

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perception_stack.datatypes import FloatArray
from perception_stack.geometry.compiled import free

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# bytes that the shortest detection and the shortest hypothesis take
_DETECTION, _HYPOTHESIS = 100, 352


@free
def put_bytes(body: FloatArray, at: int, given: Bytes) -> int:
    """All these, as they are; returns where they end, as the others do."""
    octets = body.view(np.uint8)
    for k in range(len(given)):
        octets[at + k] = given[k]
    return at + len(given)


@free
def put_byte(body: FloatArray, at: int, value: int) -> int:
    body.view(np.uint8)[at] = value
    return at + 1


@free
def put_uint32(body: FloatArray, at: int, value: int) -> int:
    at = (at + 3) // 4 * 4
    body.view(np.uint32)[at // 4] = value
    return at + 4


@free
def put_doubles(body: FloatArray, at: int, given: FloatArray) -> int:
    first = (at + 7) // 8
    for k in range(len(given)):
        body[first + k] = given[k]
    return 8 * (first + len(given))


@free
def put_text(body: FloatArray, at: int, text: Bytes, size: int) -> int:
    return put_bytes(body, put_uint32(body, at, size), text[:size])


@free
def put_boxes(
    body: FloatArray,
    at: int,
    header: Bytes,
    names: Bytes,
    name_size: Ints,
    given: NDArray[np.bool_],
    score: FloatArray,
    pose: FloatArray,
    bbox: FloatArray,
    ids: Bytes,
    id_size: Ints,
    id_of_box: Ints,
) -> int:
    """N ``vision_msgs/Detection3D``.

    Args:
        body: Gets them.
        at: Place of the first.
        header: That of each.
        names: Table of C classes.
        name_size: Their sizes.
        given: [N, C], which of them are hypotheses.
        score: [N, C], of each hypothesis.
        pose: [N, 43], pose and covariance of each hypothesis.
        bbox: [N, 10], pose and size.
        ids: Table of texts.
        id_size: Their sizes.
        id_of_box: [N], a row of them.
    """
    for i in range(len(bbox)):
        at = put_bytes(body, (at + 3) // 4 * 4, header)
        at = put_uint32(body, at, np.sum(given[i]))
        for k in range(len(name_size)):
            if given[i, k]:
                at = put_text(body, at, names[k], name_size[k])
                at = put_doubles(body, at, score[i, k : k + 1])
                at = put_doubles(body, at, pose[i])
        at = put_doubles(body, at, bbox[i])
        at = put_text(body, at, ids[id_of_box[i]], id_size[id_of_box[i]])
    return at


@free
def put_objects(
    body: FloatArray,
    at: int,
    uuid: Bytes,
    state: Bytes,
    existence: NDArray[np.uint32],
    names: Bytes,
    name_size: Ints,
    likely: Ints,
    prob: FloatArray,
    pose: FloatArray,
    orientation_known: NDArray[np.bool_],
    motion: FloatArray,
    stationary: NDArray[np.bool_],
    shape: int,
    size: FloatArray,
    sensor: Bytes,
    sensor_size: Ints,
    sensors_of_object: Ints,
    num_detections: Ints,
    last_seen: Ints,
) -> int:
    """N ``perception_stack/TrackedObject``.

    Args:
        body: Gets them.
        at: Place of the first.
        uuid: [N, 16].
        state: [N].
        existence: [N], the bits of float32.
        names: Table of C classes.
        name_size: Their sizes.
        likely: [N, C], in what order they are written where their probability is not zero.
        prob: [N, C], their probabilities.
        pose: [N, 43], pose and covariance.
        orientation_known: [N].
        motion: [N, 84], twist and acceleration with covariances.
        stationary: [N].
        shape: That of all.
        size: [N, 12], size and covariance.
        sensor: Table of S names.
        sensor_size: Their sizes.
        sensors_of_object: [N, S], rows of them, -1 from the end of an object's own on.
        num_detections: [N].
        last_seen: [N, 2], seconds and nanoseconds.
    """
    for i in range(len(pose)):
        at = put_byte(body, put_bytes(body, at, uuid[i]), state[i])
        at = put_uint32(body, at, existence[i])
        at = put_uint32(body, at, np.sum(prob[i] > 0))
        for k in likely[i]:
            if prob[i, k] > 0:
                at = put_text(body, at, names[k], name_size[k])
                at = put_doubles(body, at, prob[i, k : k + 1])
        at = put_doubles(body, at, pose[i])
        at = put_byte(body, at, orientation_known[i])
        at = put_doubles(body, at, motion[i])
        at = put_byte(body, put_byte(body, at, stationary[i]), shape)
        at = put_doubles(body, at, size[i])
        at = put_uint32(body, at, np.sum(sensors_of_object[i] >= 0))
        for k in sensors_of_object[i]:
            if k >= 0:
                at = put_text(body, at, sensor[k], sensor_size[k])
        at = put_uint32(body, at, num_detections[i])
        at = put_uint32(body, put_uint32(body, at, last_seen[i, 0]), last_seen[i, 1])
    return at


@free
def uint32_at(raw: Bytes, at: int) -> tuple[int, int]:
    """A number and where it ends, beyond the bytes if it is not among them."""
    at = (at + 3) // 4 * 4
    if at + 4 > len(raw):
        return 0, len(raw) + 1
    value = 0
    for k in range(3, -1, -1):
        value = 256 * value + raw[at + k]
    return value, at + 4


@free
def same(raw: Bytes, one: int, other: int, size: int) -> bool:
    """Whether the bytes at two places are alike."""
    for k in range(size):  # noqa: SIM110 - machine code knows no generators
        if raw[one + k] != raw[other + k]:
            return False
    return True


@free
def text_at(raw: Bytes, at: int, texts: Ints, num_texts: int) -> tuple[int, int, int]:
    """Which of the texts so far one is, how many these are then, and where it ends.

    Args:
        raw: The message.
        at: Where it begins.
        texts: [K, 2], where those so far begin and end; gets this one if it is new.
        num_texts: How many they are.
    """
    size, start = uint32_at(raw, at)
    end = start + size
    if end > len(raw):
        return 0, num_texts, len(raw) + 1
    for k in range(num_texts):
        if texts[k, 1] - texts[k, 0] == size and same(raw, texts[k, 0], start, size):
            return k, num_texts, end
    texts[num_texts, 0], texts[num_texts, 1] = start, end
    return num_texts, num_texts + 1, end


@free
def find_boxes(
    raw: Bytes, at: int, num: int
) -> tuple[bool, Ints, Ints, Ints, Ints, Ints, Ints, Ints]:
    """Where the parts of N ``vision_msgs/Detection3D`` with M hypotheses are.

    Args:
        raw: The message.
        at: Where the first begins.
        num: How many it says there are.

    Returns:
        Whether all are there, else the rest means nothing;
        [K, 2], where texts begin and end;
        [N], which of them names the frame of each box;
        [N], which of them is its id;
        [N], the double with which its pose and size begin;
        [M], the box of each hypothesis;
        [M], which text names its class;
        [M], the double that is its score; pose and covariance follow.
    """
    most = len(raw) // _DETECTION
    num_boxes = min(num, most)
    texts = np.empty((2 * most + len(raw) // _HYPOTHESIS, 2), dtype=np.int64)
    frame = np.empty(num_boxes, dtype=np.int64)
    name = np.empty(num_boxes, dtype=np.int64)
    bbox = np.empty(num_boxes, dtype=np.int64)
    box_of = np.empty(len(raw) // _HYPOTHESIS, dtype=np.int64)
    label = np.empty_like(box_of)
    score = np.empty_like(box_of)
    num_texts, m = 0, 0
    complete = num == num_boxes
    for i in range(num_boxes):
        # a header's stamp is that of the array
        frame[i], num_texts, at = text_at(raw, (at + 3) // 4 * 4 + 8, texts, num_texts)
        num_hypotheses, at = uint32_at(raw, at)
        for _ in range(num_hypotheses):
            which, num_texts, at = text_at(raw, at, texts, num_texts)
            first = (at + 7) // 8
            at = 8 * (first + 1 + 43)
            if at > len(raw):
                break
            box_of[m], label[m], score[m] = i, which, first
            m += 1
        bbox[i] = (at + 7) // 8
        name[i], num_texts, at = text_at(raw, 8 * (bbox[i] + 10), texts, num_texts)
        if at > len(raw):
            complete = False
            break
    return complete, texts[:num_texts], frame, name, bbox, box_of[:m], label[:m], score[:m]
