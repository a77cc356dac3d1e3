from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.acquisition.event_binner import BEGIN, TICK, EventBinner
from stream.binning import bin_spikes
from stream.errors import ShapeMismatch

RATE_HZ, N_UNITS = 30.0, 4


def everything(binner: EventBinner, parts: list[tuple[list[float], list[int]]], late_s: float) -> tuple:
    """All bins of events that are added in parts; time passes with the newest event."""
    counts, stamps = [], []
    for part_stamps, unit in parts:
        binner.add(part_stamps, unit)
        more = binner.close_bins(binner.newest - late_s)
        counts.append(more[0])
        stamps.append(more[1])
    more = binner.close_bins(binner.newest + 10)
    return np.concatenate([*counts, more[0]]), np.concatenate([*stamps, more[1]])


@given(
    st.integers(0, 10_000),
    st.integers(1, 200),
    st.lists(st.integers(0, 200), max_size=10),
    st.sampled_from([0.0, 0.02, 0.1]),
)
def test_bins_equal_offline_ones_however_events_are_split(
    seed: int, n: int, cuts: list[int], settle_s: float
) -> None:
    random = np.random.default_rng(seed)
    stamps = 1e6 + np.sort(random.uniform(0, 3, n))
    unit = random.integers(0, N_UNITS, n)
    order = np.argsort(stamps + random.uniform(0, settle_s, n), kind="stable")  # none later than it may be
    order = np.r_[0, order[order != 0]]  # the first is the first edge
    events = stamps[order], unit[order]
    boundaries = [0, *sorted(cut for cut in cuts if cut < n), n]
    parts = [
        (events[0][a:b].tolist(), events[1][a:b].tolist()) for a, b in itertools.pairwise(boundaries) if b > a
    ]
    binner = EventBinner(N_UNITS, RATE_HZ, settle_s)
    counts, at = everything(binner, parts, 0.0)
    edges = stamps[0] + np.arange(len(at) + 1) / RATE_HZ
    assert at[-1] > stamps[-1]
    np.testing.assert_array_equal(at, edges[1:])
    np.testing.assert_array_equal(counts, bin_spikes(stamps, unit, edges, N_UNITS))
    assert binner.late == 0


def test_empty_bins_close_as_time_passes() -> None:
    binner = EventBinner(2, 10.0, settle_s=0.05)
    assert len(binner.close_bins(100.0)[1]) == 0  # nothing has come, so bins have no place yet
    binner.add([5.0, 5.01], [1, 1])
    assert len(binner.close_bins(5.1)[1]) == 0
    counts, stamps = binner.close_bins(5.16)
    np.testing.assert_array_equal(counts, [[0, 2]])
    np.testing.assert_allclose(stamps, [5.1])
    assert binner.next_due == pytest.approx(5.25)
    counts, stamps = binner.close_bins(5.5)
    np.testing.assert_allclose(stamps, [5.2, 5.3, 5.4])
    assert not counts.any()


def test_late_and_unknown_events_are_counted() -> None:
    binner = EventBinner(2, 10.0)
    binner.add([5.0, 5.25], [0, 0])
    assert len(binner.close_bins()[1]) == 2
    binner.add([5.1, 5.26, 5.27, np.nan], [1, 1, 7, 0])
    assert (binner.late, binner.unknown) == (1, 2)
    np.testing.assert_array_equal(binner.close_bins(5.3)[0], [[1, 1]])


def test_ticks_close_bins_and_are_not_counted() -> None:
    binner = EventBinner(2, 10.0)
    binner.add([5.0, 5.05, 5.1, 5.3], [TICK, 1, TICK, TICK])
    counts, stamps = binner.close_bins()
    np.testing.assert_array_equal(counts, [[0, 1], [0, 0], [0, 0]])
    np.testing.assert_allclose(stamps, [5.1, 5.2, 5.3])


def test_clock_jumps_and_begin_events_start_a_new_grid() -> None:
    binner = EventBinner(1, 10.0)
    binner.add([5.0, 5.15, 105.0, 105.15, 55.03, 55.2], [0] * 6)
    counts, stamps = binner.close_bins()
    np.testing.assert_allclose(stamps, [5.1, 105.1, 55.13])
    assert counts.sum() == 3
    assert binner.jumps == 2
    binner.add([55.26, 55.36], [BEGIN, TICK])
    np.testing.assert_allclose(binner.close_bins()[1], [55.36])
    assert binner.jumps == 2


def test_events_of_several_spikes_add_up() -> None:
    binner = EventBinner(2, 10.0)
    binner.add([1.0, 1.05], [0, 1], [3, 2])
    np.testing.assert_array_equal(binner.close_bins(1.1)[0], [[3, 2]])


@pytest.mark.parametrize(("n_units", "rate_hz"), [(0, 30.0), (3, 0.0)])
def test_no_units_or_rate_is_refused(n_units: int, rate_hz: float) -> None:
    with pytest.raises(ShapeMismatch, match="cannot be binned"):
        EventBinner(n_units, rate_hz)


@pytest.mark.parametrize("stamp", [np.nan, np.inf, 1e300, -1e13])
def test_a_timestamp_that_is_no_number_of_seconds_is_no_event(stamp: float) -> None:
    binner = EventBinner(2, 10.0)
    binner.add([5.0, stamp, 5.01], [0, 1, 0])
    counts, stamps = binner.close_bins(5.11)
    assert binner.unknown == 1
    assert (counts.tolist(), stamps.tolist()) == ([[2.0, 0.0]], [pytest.approx(5.1)])


@pytest.mark.parametrize("count", [np.nan, np.inf, 1e300, -1.0])
def test_a_count_that_is_none_does_not_enter_a_bin(count: float) -> None:
    binner = EventBinner(2, 10.0)
    binner.add([5.0, 5.01, 5.02], [0, 0, 1], [3.0, count, 1.0])
    assert binner.unknown == 1
    assert binner.close_bins(5.11)[0].tolist() == [[3.0, 1.0]]
