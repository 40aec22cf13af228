"""The tree of coordinate frames over time: the one place that answers "where was A in B, then?".

Behaves as tf2 does: linear interpolation of the translation and slerp of the rotation between the
neighbouring samples, no extrapolation, static transforms valid at any time, a new parent replaces
the old one (REP 105). Online and offline use this same class, so both give the same floats.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

import numpy as np

from perception_stack.datatypes import FloatArray
from perception_stack.errors import (
    ExtrapolationError,
    FrameMismatchError,
    UnconnectedFramesError,
    UnknownFrameError,
)
from perception_stack.geometry.transforms import RigidTransform, matrix_from_quat, slerp

_S = 1_000_000_000


class _OutOfRecordError(Exception):
    """A stamp outside the samples of one frame."""


@dataclass(slots=True)
class _Link:
    """What is known of one child frame: its parent and samples ordered by stamp."""

    parent: str
    static: bool
    stamps_ns: list[int] = field(default_factory=list)
    samples: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict)


class FrameTree:
    """Record of transforms with a bounded memory.

    Args:
        history_s: How far back of the newest sample of a frame samples are kept.
        reset_s: A sample that falls back by more than this begins the frame's record anew: a
            recording looped or a simulation was reset, and poses must not be mixed across that.
            None: never, as in tf2.
    """

    def __init__(self, *, history_s: float = 10.0, reset_s: float | None = None) -> None:
        self._links: dict[str, _Link] = {}
        self._history_ns = round(history_s * _S)
        self._reset_ns = None if reset_s is None else round(reset_s * _S)

    @property
    def frames(self) -> frozenset[str]:
        """Every frame named so far, as parent or as child."""
        return frozenset(self._links) | {link.parent for link in self._links.values()}

    def clear(self) -> None:
        """Forget everything that moves; static transforms stay."""
        self._links = {child: link for child, link in self._links.items() if link.static}

    def add(
        self, parent_from_child: RigidTransform, *, stamp_ns: int, static: bool = False
    ) -> None:
        """Record where a child frame is.

        A sample at a stamp already present replaces it. Samples older than the history are let
        go without a word, as tf2 does, unless stamps falling back mean a new beginning.

        Raises:
            FrameMismatchError: the child is its own parent or ancestor, which would be a loop.
        """
        child, parent = parent_from_child.source, parent_from_child.target
        if child in self._ancestors(parent):
            what = f"transform {parent} <- {child} closes a loop"
            raise FrameMismatchError(what, expected="a tree", received=f"{child} above {parent}")
        link = self._links.get(child)
        if link is None or link.parent != parent or link.static != static:
            link = self._links[child] = _Link(parent=parent, static=static)
        if static:
            link.stamps_ns.clear()
            link.samples.clear()
            stamp_ns = 0
        elif self._is_new_beginning(link, stamp_ns):
            link.stamps_ns.clear()
            link.samples.clear()
        if stamp_ns not in link.samples:
            insort(link.stamps_ns, stamp_ns)
        link.samples[stamp_ns] = (parent_from_child.quat_xyzw, parent_from_child.translation_m)
        oldest_ns = link.stamps_ns[-1] - self._history_ns
        while link.stamps_ns[0] < oldest_ns:
            del link.samples[link.stamps_ns.pop(0)]

    def _is_new_beginning(self, link: _Link, stamp_ns: int) -> bool:
        if self._reset_ns is None or not link.stamps_ns:
            return False
        return stamp_ns < link.stamps_ns[-1] - self._reset_ns

    def lookup(self, target: str, source: str, stamp_ns: int) -> RigidTransform:
        """The transform that takes ``source`` to ``target`` at a stamp.

        Raises:
            UnknownFrameError: one of the frames was never named.
            UnconnectedFramesError: both are known but share no ancestor.
            ExtrapolationError: the stamp lies outside the samples of a frame on the way.
        """
        up_target, up_source, common = self._paths(target, source, stamp_ns)
        try:
            turn_target, shift_target_m = self._climb(up_target, common, stamp_ns)
            turn_source, shift_source_m = self._climb(up_source, common, stamp_ns)
        except _OutOfRecordError as error:
            raise ExtrapolationError(target, source, stamp_ns, why=str(error)) from None
        return RigidTransform(
            target=target,
            source=source,
            rotation=turn_target.T @ turn_source,
            translation_m=turn_target.T @ (shift_source_m - shift_target_m),
        )

    def lookup_between(
        self, target: str, target_stamp_ns: int, source: str, source_stamp_ns: int, *, fixed: str
    ) -> RigidTransform:
        """The transform that takes ``source`` at its stamp to ``target`` at another one.

        What stands still in ``fixed`` is then where the other sensor, at its own time, sees it. At
        one and the same stamp ``fixed`` is not needed.

        Raises:
            UnknownFrameError, UnconnectedFramesError, ExtrapolationError: as :meth:`lookup`.
        """
        if target_stamp_ns == source_stamp_ns:
            return self.lookup(target, source, source_stamp_ns)
        fixed_from_target = self.lookup(fixed, target, target_stamp_ns)
        return fixed_from_target.inverse() @ self.lookup(fixed, source, source_stamp_ns)

    def latest_common_stamp(self, target: str, source: str) -> int | None:
        """The newest stamp at which every moving frame between the two has been recorded.

        It is what tf2 takes for "time zero". A frame that began to move later than another one
        stopped makes the lookup at this stamp fail all the same.

        Returns:
            None where nothing between the two moves: any stamp will do.

        Raises:
            UnknownFrameError: one of the frames was never named.
            UnconnectedFramesError: both are known but share no ancestor.
        """
        up_target, up_source, common = self._paths(target, source, 0)
        path = up_target[: up_target.index(common)] + up_source[: up_source.index(common)]
        links = [self._links[child] for child in path]
        return min((link.stamps_ns[-1] for link in links if not link.static), default=None)

    def _paths(self, target: str, source: str, stamp_ns: int) -> tuple[list[str], list[str], str]:
        """The ways up from both frames, and the first frame that they share."""
        known = self.frames
        for name in (target, source) if target != source else ():
            if name not in known:
                why = f"frame '{name}' is unknown; known: {', '.join(sorted(known)) or 'none'}"
                raise UnknownFrameError(target, source, stamp_ns, why=why)
        up_target, up_source = self._ancestors(target), self._ancestors(source)
        common = next((name for name in up_source if name in up_target), None)
        if common is None:
            why = f"'{up_target[-1]}' and '{up_source[-1]}' are roots of separate trees"
            raise UnconnectedFramesError(target, source, stamp_ns, why=why)
        return up_target, up_source, common

    def _ancestors(self, frame: str) -> list[str]:
        """The frame itself and everything above it, nearest first."""
        chain = [frame]
        while (link := self._links.get(chain[-1])) is not None:
            chain.append(link.parent)
        return chain

    def _climb(self, chain: list[str], top: str, stamp_ns: int) -> tuple[FloatArray, FloatArray]:
        """Rotation and translation from the first frame of the chain up to ``top``.

        Bare arrays: every :class:`RigidTransform` would be checked anew.
        """
        rotation, translation_m = np.eye(3), np.zeros(3)
        for child in chain[: chain.index(top)]:
            quat, shift_m = self._sample(child, stamp_ns)
            turn = matrix_from_quat(quat)
            rotation, translation_m = turn @ rotation, turn @ translation_m + shift_m
        return rotation, translation_m

    def _sample(self, child: str, stamp_ns: int) -> tuple[FloatArray, FloatArray]:
        link = self._links[child]
        if link.static:
            return link.samples[0]
        if stamp_ns in link.samples:
            return link.samples[stamp_ns]
        return _interpolate(link, child, stamp_ns)


def _interpolate(link: _Link, child: str, stamp_ns: int) -> tuple[FloatArray, FloatArray]:
    stamps = link.stamps_ns
    after = bisect_left(stamps, stamp_ns)
    if after == 0:
        gap_ms = (stamps[0] - stamp_ns) / 1e6
        raise _OutOfRecordError(f"{gap_ms:.1f} ms before the oldest {link.parent} <- {child}")
    if after == len(stamps):
        gap_ms = (stamp_ns - stamps[-1]) / 1e6
        raise _OutOfRecordError(f"{gap_ms:.1f} ms after the newest {link.parent} <- {child}")
    t0, t1 = stamps[after - 1], stamps[after]
    (q0, p0), (q1, p1) = link.samples[t0], link.samples[t1]
    fraction = (stamp_ns - t0) / (t1 - t0)
    return slerp(q0, q1, fraction), (1 - fraction) * p0 + fraction * p1
