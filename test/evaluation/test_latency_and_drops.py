"""Percentiles by step, regularity of stamps, and journals as a list."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from perception_stack.datatypes import Latency
from perception_stack.errors import DecodeError
from perception_stack.evaluation.drops import drops_from_json, drops_of
from perception_stack.evaluation.latency import frame_timing, step_latencies
from perception_stack.journal import Journal, Reason


def test_percentiles_by_step():
    records = [
        Latency(step=step, stamp_ns=k, duration_ns=(k + 1) * scale)
        for k in range(100)
        for step, scale in (("tracker", 1_000_000), ("fusion", 10_000))
    ]
    tracker, fusion = step_latencies(records)
    assert (tracker.step, fusion.step) == ("tracker", "fusion")
    summary = tracker.as_dict()
    assert summary["num_calls"] == 100
    assert summary["p50_ms"] == pytest.approx(50.5)
    assert summary["p95_ms"] == pytest.approx(np.percentile(np.arange(1, 101), 95))
    assert summary["p99_ms"] == pytest.approx(np.percentile(np.arange(1, 101), 99))
    assert summary["max_ms"] == pytest.approx(100.0)
    assert fusion.as_dict()["mean_ms"] == pytest.approx(0.505)
    assert step_latencies([]) == ()


class TestTiming:
    def test_regular_with_one_gap(self):
        stamps = [k * 100_000_000 for k in range(11) if k != 4]
        timing = frame_timing(stamps[::-1] + stamps[:3])
        assert timing.num_frames == 10
        assert timing.rate_hz == pytest.approx(10.0)
        assert timing.jitter_ms == pytest.approx(0.0, abs=1e-9)
        assert (timing.num_gaps, timing.longest_ms) == (1, pytest.approx(200.0))

    def test_jitter(self):
        timing = frame_timing(np.cumsum([0, 90, 110, 90, 110]) * 1_000_000)
        assert timing.jitter_ms == pytest.approx(10.0)

    @pytest.mark.parametrize("stamps", [[], [5], [5, 5]])
    def test_too_few(self, stamps):
        assert frame_timing(stamps) is None


class TestDrops:
    def journals(self):
        fusion = Journal()
        fusion.count(Reason.SYNC_MISS, stamp_ns=5, detail="gap 83 ms", num=2)
        fusion.count(Reason.SYNC_MISS, stamp_ns=9, detail="gap 90 ms")
        return {"fusion": fusion, "tracker": Journal()}

    def test_of_journals(self):
        (drop,) = drops_of(self.journals())
        assert (drop.step, drop.reason, drop.count) == ("fusion", Reason.SYNC_MISS, 3)
        assert (drop.stamp_ns, drop.detail) == (9, "gap 90 ms")
        assert drop.as_dict()["text"] == Reason.SYNC_MISS.text

    def test_from_json(self):
        content = {
            step: {
                reason.value: {"count": num, **asdict(journal.last(reason))}
                for reason, num in journal.counts.items()
            }
            for step, journal in self.journals().items()
        }
        assert drops_from_json(json.loads(json.dumps(content))) == drops_of(self.journals())

    @pytest.mark.parametrize(
        "content",
        [
            pytest.param([], id="list"),
            pytest.param({"fusion": {"bad_luck": {}}}, id="unknown-reason"),
            pytest.param({"fusion": {"sync_miss": {"count": 1}}}, id="no-stamp"),
            pytest.param({"fusion": 3}, id="no-cases"),
        ],
    )
    def test_malformed(self, content):
        with pytest.raises(DecodeError, match="journal"):
            drops_from_json(content)
