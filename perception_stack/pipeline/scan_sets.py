"""Which clouds of several LiDARs belong together.

The first LiDAR named leads: its frame and stamps are those of the result. One that is silent while
others speak is not waited for, and if it led, the next one named leads until it is back: what the
others see must not wait for a dead sensor.
"""

from __future__ import annotations

from collections.abc import Iterable

from perception_stack.datatypes import PointCloud
from perception_stack.fusion.pairing import Companion, PairedSet, Pairing
from perception_stack.journal import Journal, Reason
from perception_stack.lidar.config import LidarDetectorConfig

_QUEUE_SIZE = 10


class ScanSets:
    """Clouds in, sets of clouds that were taken at about one time out.

    A set maps LiDARs to clouds, the leading one first. With a single LiDAR every cloud is one.

    Args:
        config: Names, tolerances and timeouts.
        journal: Told of every cloud that is missing in a set, with its LiDAR.
    """

    def __init__(self, config: LidarDetectorConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._expected = dict.fromkeys(config.cloud_topics, True)
        self._newest_ns: dict[str, int] = {}
        self._leading = next(iter(self._expected))
        self._pairing = self._pair()

    def expect(self, lidar: str, expected: bool) -> None:
        """Say whether a LiDAR is there.

        Raises:
            KeyError: no such LiDAR.
        """
        if self._expected[lidar] != expected:
            self._expected[lidar] = expected
            if self._newest_ns:
                # one that has just come cannot have been silent
                self._newest_ns[lidar] = max(self._newest_ns.values())

    def push(
        self, lidar: str, cloud: PointCloud, *, arrival_ns: int
    ) -> list[dict[str, PointCloud]]:
        """Sets that are finished by one cloud."""
        if len(self._expected) == 1:
            return [{lidar: cloud}]
        self._hear(lidar, cloud.stamp_ns)
        done = self._choose_leading(cloud.stamp_ns)
        pairs = self._pairing.push(lidar, cloud.stamp_ns, cloud, arrival_ns=arrival_ns)
        return done + self._sets(pairs)

    def expire(self, now_ns: int) -> list[dict[str, PointCloud]]:
        """Sets that have waited too long, without the clouds that have not come."""
        return self._sets(self._pairing.expire(now_ns))

    def flush(self) -> list[dict[str, PointCloud]]:
        """Everything that still waits."""
        return self._sets(self._pairing.flush())

    def _hear(self, lidar: str, stamp_ns: int) -> None:
        newest_ns = self._newest_ns.get(lidar)
        if newest_ns is None or stamp_ns < newest_ns - round(self._config.reset_s * 1e9):
            # at first, and after a jump back, nobody has been silent yet
            self._newest_ns = dict.fromkeys(self._expected, stamp_ns)
        self._newest_ns[lidar] = max(self._newest_ns[lidar], stamp_ns)

    def _choose_leading(self, stamp_ns: int) -> list[dict[str, PointCloud]]:
        """Let the first LiDAR that speaks lead; what waited for the one before comes out."""
        silent_ns = max(self._newest_ns.values()) - round(self._config.silence_s * 1e9)
        speaks = {
            name: expected and self._newest_ns[name] >= silent_ns
            for name, expected in self._expected.items()
        }
        leading = next((name for name, yes in speaks.items() if yes), self._leading)
        done: list[dict[str, PointCloud]] = []
        if leading != self._leading:
            done = self.flush()
            behind_s = (self._newest_ns[leading] - self._newest_ns[self._leading]) / 1e9
            why = f"{behind_s:.2f} s behind" if self._expected[self._leading] else "not there"
            detail = f"{leading} leads; {self._leading} is {why}"
            if speaks[self._leading]:
                detail = f"{leading} leads again"
            self._journal.count(Reason.LEADER_CHANGED, stamp_ns=stamp_ns, detail=detail)
            self._leading = leading
            self._pairing = self._pair()
        for name, yes in speaks.items():
            if name != self._leading:
                self._pairing.expect(name, yes)
        return done

    def _pair(self) -> Pairing:
        tolerance_s = self._config.merge_tolerance_s
        return Pairing(
            self._leading,
            # no LiDAR turns so fast that two scans of its own would be a pair
            [
                Companion(name=name, tolerance_s=tolerance_s, least_period_s=tolerance_s)
                for name in self._expected
                if name != self._leading
            ],
            timeout_s=self._config.merge_timeout_s,
            queue_size=_QUEUE_SIZE,
            reset_s=self._config.reset_s,
            journal=self._journal,
        )

    def _sets(self, pairs: Iterable[PairedSet]) -> list[dict[str, PointCloud]]:
        return [
            {self._leading: pair.reference}
            | {name: cloud for name, cloud in pair.companions.items() if cloud is not None}
            for pair in pairs
        ]
