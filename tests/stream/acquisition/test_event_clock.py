from __future__ import annotations

import math

import numpy as np
import pytest

from stream.acquisition.event_clock import AGREE_N, EventClock

PERIOD_S = 1 / 30
DELAY_S = 0.004


class Sender:
    """Sends one event per frame, each as one call of `EventClock.convert`, and keeps what comes out."""

    def __init__(self, clock_s: float = 0.0, delay_s: float = DELAY_S) -> None:
        self.clock = EventClock()
        self.clock_s = clock_s  # of the sender, ahead of the local one
        self.offset_s = -clock_s  # as measured
        self.neural_shift_s = 0.0
        self.delay_s = delay_s
        self.now_s = 1000.0
        self.n = 0
        self.out: dict[int, float] = {}
        self.true: dict[int, float] = {}

    def send(self, n: int = 1, wrong_s: float = 0.0, arrives_after_s: float = 0.0) -> None:
        for _ in range(n):
            self.now_s += PERIOD_S
            self.true[self.n] = self.now_s
            stamp = self.now_s + self.clock_s + wrong_s
            self.convert([self.n], [stamp], self.now_s + self.delay_s + arrives_after_s)
            self.n += 1

    def convert(self, rows: list[int], stamps: list[float], arrival_s: float) -> None:
        done = self.clock.convert(rows, np.array(stamps), arrival_s, self.offset_s, self.neural_shift_s)
        self.out.update(zip(*done, strict=True))

    def errors_s(self, first: int = 0) -> list[float]:
        return [abs(self.out[row] - self.true[row]) for row in self.out if row >= first]


@pytest.mark.parametrize("delay_s", [DELAY_S, -0.7, 3.0])
@pytest.mark.parametrize("clock_s", [0.0, 3000.0, -5e8])
def test_a_measured_offset_is_added(clock_s: float, delay_s: float) -> None:
    sender = Sender(clock_s, delay_s)
    sender.send(100)
    assert len(sender.out) == 100
    assert max(sender.errors_s()) < 1e-6
    assert sender.clock.take_jump() == 0


@pytest.mark.parametrize("wrong_s", [1e6, 3.0, -20.0, math.nan, math.inf, -math.inf, 1e300])
def test_one_wrong_timestamp_is_dropped(wrong_s: float) -> None:
    sender = Sender()
    sender.send(50)
    sender.send(1, wrong_s)
    sender.send(50)
    assert sorted(sender.out) == [*range(50), *range(51, 101)]
    assert max(sender.errors_s()) < 1e-6
    assert sender.clock.shift_s == 0


def test_the_first_timestamp_may_be_wrong() -> None:
    sender = Sender()
    sender.send(1, 1e6)
    sender.send(50)
    assert sorted(sender.out) == list(range(1, 51))
    assert max(sender.errors_s()) < 1e-6


@pytest.mark.parametrize("jump_s", [15.0, -15.0, 3000.0, 0.7])
def test_a_clock_that_jumps_and_one_that_is_corrected_are_followed(jump_s: float) -> None:
    sender = Sender()
    sender.send(50)
    sender.clock_s += jump_s
    sender.send(50)
    assert sorted(sender.out) == list(range(100))
    assert sender.clock.take_jump() == pytest.approx(jump_s, abs=0.01)
    assert sender.clock.take_jump() == 0
    sender.clock_s -= jump_s
    sender.send(50)
    assert sorted(sender.out) == list(range(150))
    assert sender.clock.take_jump() == pytest.approx(-jump_s, abs=0.01)
    assert max(sender.errors_s()) < 0.01


def test_a_jump_of_the_neural_clock_counts_at_once() -> None:
    sender = Sender()
    sender.send(50)
    sender.clock_s += 15
    sender.send(1)  # arrives before the neural sample that shows the jump
    assert 50 not in sender.out
    sender.neural_shift_s = -15
    sender.convert([], [], sender.now_s + DELAY_S)
    assert sender.out[50] == pytest.approx(sender.true[50], abs=1e-6)
    sender.send(20)
    assert sorted(sender.out) == list(range(71))
    assert sender.clock.take_jump() == 0  # it has been reported


def test_an_unknown_offset_is_found_from_the_times_of_arrival() -> None:
    sender = Sender(3000.0)
    sender.offset_s = 0.0
    sender.send(50)
    assert sorted(sender.out) == list(range(50))
    assert max(sender.errors_s()) < 2 * DELAY_S


def test_events_that_come_late_keep_their_times() -> None:
    sender = Sender()
    sender.send(50)
    stamps = [sender.now_s + (i + 1) * PERIOD_S for i in range(90)]
    rows = list(range(50, 140))
    sender.true.update(zip(rows, stamps, strict=True))
    sender.convert(rows, stamps, stamps[-1] + DELAY_S)  # the network stood still for three seconds
    sender.now_s, sender.n = stamps[-1], 140
    sender.send(20)
    assert sorted(sender.out) == list(range(160))
    assert max(sender.errors_s()) < 1e-6
    assert sender.clock.shift_s == 0


def test_rare_events_are_followed_after_a_few() -> None:
    sender = Sender()
    for _ in range(5):
        sender.now_s += 10
        sender.send()
    sender.clock_s += 100
    for _ in range(AGREE_N):
        sender.now_s += 10
        sender.send()
    assert sender.clock.take_jump() == pytest.approx(100, abs=0.01)


def test_another_sender_has_another_clock() -> None:
    sender = Sender(delay_s=2.0)
    sender.send(10)
    sender.clock = EventClock()
    sender.delay_s = 0.0
    sender.send(10)
    assert len(sender.out) == 20
