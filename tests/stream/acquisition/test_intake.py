from __future__ import annotations

import math
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from stream.acquisition.channel_health import ChannelHealth
from stream.acquisition.intake import PATIENCE_S, Intake
from stream.acquisition.timed_samples import TimedSamples
from stream.chunk import Chunk
from stream.notices import Notice, Notices
from stream.recorder.continuity import Continuity

RATE_HZ = 100.0
START_S = 1000.0


class Bench:
    """An intake, fed by the test's own clock."""

    def __init__(self, *, rate_hz: float = RATE_HZ, **options: float | bool) -> None:
        self.inlet = SimpleNamespace(
            notices=Notices(), n_connections=1, rate_hz=rate_hz, time_correction_s=math.nan
        )
        health = ChannelHealth(["a", "b"], None, np.ones(2, np.bool_), self.inlet.notices)
        self.intake = Intake(self.inlet, rate_hz, health, **{"lag_budget_s": 1.0, **options})  # type: ignore[arg-type]
        self.n = 0

    def feed(
        self, n: int, arrival_s: float, stamps: np.ndarray | None = None, **more: float
    ) -> TimedSamples | None:  # type: ignore[type-arg]
        """A chunk of the next ``n`` samples."""
        sequence = np.arange(self.n, self.n + n)
        self.n += n
        if stamps is None:
            stamps = START_S + sequence / RATE_HZ
        samples = np.random.default_rng(self.n).normal(size=(n, 2)).astype(np.float32)
        with self.intake.accept(Chunk(samples, stamps, sequence), arrival_s, **more) as accepted:
            return accepted

    def in_time(self, n: int, delay_s: float = 0.002) -> list[TimedSamples]:
        """Samples one at a time, each in time."""
        accepted = [self.feed(1, START_S + self.n / RATE_HZ + delay_s) for _ in range(n)]
        assert all(one is not None for one in accepted)
        return [one for one in accepted if one is not None]

    def reported(self, event: str) -> list[Notice]:
        """Notices of a kind, since the last call."""
        return [notice for notice in self.inlet.notices.take() if notice.event == event]


def test_all_samples_in_time_are_accepted() -> None:
    bench = Bench()
    accepted = bench.in_time(500)
    assert [int(one.sequence[0]) for one in accepted] == list(range(500))
    assert {int(one.segment[0]) for one in accepted} == {0}
    assert bench.intake.skipped == 0
    assert not bench.inlet.notices


@pytest.mark.parametrize("pieces", [1, 4])
def test_after_a_stall_decoding_resumes_with_the_newest_samples(pieces: int) -> None:
    bench = Bench()
    bench.in_time(300)
    resumed_s, accepted = START_S + 7.0, []
    for piece in range(pieces):  # the backlog may come out at once or bit by bit
        away_s = 4.0 if piece == 0 else 0.01
        accepted.append(bench.feed(400 // pieces, resumed_s + piece * 0.01, away_s=away_s))
    kept = [one for one in accepted if one is not None]
    assert int(kept[-1].sequence[-1]) == 699
    n_kept = sum(len(one) for one in kept)
    assert 0 < n_kept <= 125
    assert bench.intake.skipped == 400 - n_kept
    (notice,) = bench.reported("skipped")
    assert notice.facts["samples"] == 400 - n_kept
    assert {int(one.segment[0]) for one in kept} == {1}
    assert bench.intake.timing.counts.gaps == 0
    after = bench.in_time(50)
    assert {int(one.segment[0]) for one in after} == {1}


def test_large_chunks_are_not_late() -> None:
    bench = Bench()
    for piece in range(10):
        accepted = bench.feed(200, START_S + (piece + 1) * 2.0)
        assert accepted is not None
        assert len(accepted) == 200
    assert bench.intake.skipped == 0


def test_samples_that_stay_late_are_decoded_after_a_while() -> None:
    bench = Bench()
    bench.in_time(100)
    accepted = [bench.feed(1, START_S + bench.n / RATE_HZ + 3.0) for _ in range(400)]
    late = [one is None for one in accepted]
    assert sum(late) == pytest.approx(PATIENCE_S * RATE_HZ, abs=2)
    assert not any(late[-100:])


@pytest.mark.parametrize("options", [{"lag_budget_s": math.inf}, {"paced": False}])
def test_nothing_is_skipped_without_a_budget_or_at_full_speed(options: dict[str, float | bool]) -> None:
    bench = Bench(**options)
    bench.in_time(100)
    accepted = bench.feed(5000, START_S + 90, away_s=50)
    assert accepted is not None
    assert len(accepted) == 5000


def test_local_time_is_continuous_across_a_jump_of_the_senders_clock() -> None:
    bench = Bench()
    bench.in_time(100)
    for i in range(100, 200):
        stamps = np.array([START_S + i / RATE_HZ + 5.0])
        accepted = bench.feed(1, START_S + i / RATE_HZ + 0.002, stamps)
        assert accepted is not None
        assert accepted.local[0] == pytest.approx(START_S + i / RATE_HZ, abs=0.02)
        assert accepted.stamps[0] == stamps[0]
    assert [round(notice.facts["seconds"]) for notice in bench.reported("clock_jump")] == [5]


def test_timestamps_of_another_clock_are_replaced_until_its_offset_is_known() -> None:
    bench = Bench()
    for i in range(10):
        stamps = np.array([5e8 + i / RATE_HZ])
        accepted = bench.feed(1, START_S + i / RATE_HZ, stamps)
        assert accepted is not None
        assert accepted.local[0] == START_S + i / RATE_HZ
        assert accepted.stamps[0] == stamps[0]
    assert bench.intake.stats()["foreign_clock"]
    assert len(bench.reported("foreign_clock")) == 1
    bench.inlet.time_correction_s = START_S - 5e8 - 0.002
    bench.intake.tick(START_S + 1)
    accepted = bench.feed(1, START_S + 10 / RATE_HZ, np.array([5e8 + 10 / RATE_HZ]))
    assert accepted is not None
    assert accepted.local[0] == pytest.approx(START_S + 10 / RATE_HZ - 0.002, abs=1e-6)
    assert len(bench.reported("clock_known")) == 1


def test_the_clock_of_a_replay_at_full_speed_is_not_judged() -> None:
    bench = Bench(paced=False)
    for i in range(10):
        accepted = bench.feed(1, START_S + i * 1e-4, np.array([5e8 + i / RATE_HZ]))
        assert accepted is not None
    assert not bench.inlet.notices


@pytest.mark.parametrize(("factor", "n_reports"), [(1.0, 0), (1.02, 1), (0.98, 1), (1.003, 0)])
def test_a_rate_that_is_off_is_reported_once(factor: float, n_reports: int) -> None:
    bench = Bench()
    for i in range(2500):
        stamp = START_S + i / (RATE_HZ * factor)
        bench.feed(1, stamp + 0.002, np.array([stamp]))
        if i % 100 == 99:
            bench.intake.tick(stamp + 0.002)
    notices = bench.reported("rate_off")
    assert len(notices) == n_reports
    assert bench.intake.timing.measured_hz == pytest.approx(RATE_HZ * factor, rel=0.002)
    for notice in notices:
        assert notice.facts["off_percent"] == pytest.approx(100 * (factor - 1), abs=0.2)


def test_values_are_examined_when_the_block_is_left() -> None:
    bench = Bench()
    chunk = Chunk(np.ones((3, 2), np.float32), START_S + np.arange(3) / RATE_HZ, np.arange(3))
    with bench.intake.accept(chunk, START_S + 0.03) as accepted:
        assert accepted is not None
        assert bench.intake.health.n_new == 0
    assert bench.intake.health.n_new == 3
    with bench.intake.accept(chunk, START_S + 0.04) as again:
        assert again is None
    assert bench.intake.health.n_new == 3


def test_a_constant_channel_is_masked_until_it_changes() -> None:
    bench = Bench()
    for i in range(700):
        samples = np.random.default_rng(i).normal(size=(1, 2)).astype(np.float32)
        if 100 <= i < 600:
            samples[0, 1] = 0
        stamp = START_S + i / RATE_HZ
        with bench.intake.accept(Chunk(samples, np.array([stamp]), np.array([i])), stamp) as accepted:
            assert accepted is not None
            assert np.isnan(accepted.samples[0, 1]) == bench.intake.health.any_dead
        if i % 100 == 99:
            bench.intake.tick(stamp)
    assert [notice.event for notice in bench.inlet.notices.take()] == ["channel_dead", "channel_back"]


def test_screening_a_sample_in_order_is_fast() -> None:
    """Compared with `Continuity`, the least check that exists: whether a timestamp follows."""

    def best_s(judge: Callable[[int], object]) -> float:
        times = []
        for part in range(7):
            begun = time.perf_counter()
            for i in range(part * 500, (part + 1) * 500):
                judge(i)
            times.append(time.perf_counter() - begun)
        return min(times)

    stamps = START_S + np.arange(3500)[:, None] / RATE_HZ
    bench, continuity = Bench(), Continuity(RATE_HZ)
    samples, sequence = np.ones((1, 2), np.float32), np.zeros(1, np.int64)
    took_s = best_s(lambda i: bench.intake.accept(Chunk(samples, stamps[i], sequence), float(stamps[i, 0])))
    assert took_s < 15 * best_s(lambda i: continuity.check(stamps[i]))


def test_a_reconnection_begins_a_segment_with_a_new_clock() -> None:
    bench = Bench()
    bench.in_time(100)
    bench.inlet.n_connections = 2
    stamps = np.array([3.0])
    accepted = bench.feed(1, 3.001, stamps)
    assert accepted is not None
    assert accepted.segment[0] == 1
    assert accepted.local[0] == pytest.approx(3.0)
    assert not bench.reported("clock_jump")
