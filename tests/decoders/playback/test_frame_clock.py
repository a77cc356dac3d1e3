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


@pytest.mark.parametrize("rate_hz", [24.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("jitter_s", [0.0, 2e-4])
def test_timestamps_that_are_rounded_or_jitter_give_one_frame_each(rate_hz: float, jitter_s: float) -> None:
    clock, random = FrameClock(rate_hz), np.random.default_rng(0)
    stamps = np.round(7 + np.arange(1000) / rate_hz + random.normal(0, jitter_s, 1000), 3)
    assert [clock.advance(float(stamp)) for stamp in stamps] == [0] + [1] * 999


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
    assert clock.advance(0.04) == 1  # and 0.7 frames are left
    clock.reset()
    assert [clock.advance(stamp) for stamp in (9.0, 9.034)] == [0, 1]
    assert clock.advance(9.048) == 0
