from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders.playback.frame_clock import FrameClock

STEPS = st.lists(st.integers(1, 90_000), min_size=2, max_size=40)
"""Steps between timestamps in microseconds."""


@settings(max_examples=50, deadline=None)
@given(STEPS, st.floats(0, 1e6))
def test_the_frame_clock_does_not_depend_on_the_origin_of_time(steps: list[int], start: float) -> None:
    stamps = np.cumsum(steps) / 1e6
    counts = []
    for offset in (0.0, start):
        clock = FrameClock(24.0)
        counts.append([clock.advance(float(stamp + offset)) for stamp in stamps])
    near_half = np.abs((np.diff(stamps) * 24_000) % 1 - 0.5) < 1e-4
    if not near_half.any():
        assert counts[0] == counts[1]
    assert abs(sum(counts[0]) - (stamps[-1] - stamps[0]) * 24) < 1 + 0.001 * len(steps)


def test_rounded_timestamps_lose_no_frame() -> None:
    for rate_hz in (24.0, 29.97, 30.0, 60.0):
        clock = FrameClock(rate_hz)
        ticks = [clock.advance(round(7 + index / rate_hz, 3)) for index in range(1000)]
        assert 998 <= sum(ticks) <= 999
        assert ticks[0] == 0


@given(STEPS)
def test_a_copy_counts_on_and_the_original_stays(steps: list[int]) -> None:
    stamps = (np.cumsum(steps) / 1e6).tolist()
    original, whole, copy = FrameClock(30.0), FrameClock(30.0), FrameClock(30.0)
    half = len(stamps) // 2
    for stamp in stamps[:half]:
        original.advance(stamp)
        whole.advance(stamp)
    copy.take_over(original)
    assert [copy.advance(stamp) for stamp in stamps[half:]] == [
        whole.advance(stamp) for stamp in stamps[half:]
    ]
    copy.take_over(original)
    assert [original.advance(s) for s in stamps[half:]] == [copy.advance(s) for s in stamps[half:]]


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_no_tick_is_negative(stamps: list[float]) -> None:
    clock = FrameClock(30.0)
    assert all(clock.advance(stamp) >= 0 for stamp in stamps)


@pytest.mark.parametrize("rate_hz", [0.0, -1.0])
def test_without_a_rate_each_sample_is_a_tick(rate_hz: float) -> None:
    clock = FrameClock(rate_hz)
    assert [clock.advance(stamp) for stamp in (5.0, 5.0, 99.0, 3.0)] == [0, 1, 1, 1]


def test_a_new_segment_begins_at_zero() -> None:
    clock = FrameClock(30.0)
    clock.advance(0.0)
    assert clock.advance(0.05) == 1  # and half a frame is left
    clock.reset()
    assert [clock.advance(stamp) for stamp in (9.0, 9.034)] == [0, 1]
    assert clock.advance(9.05) == 0
