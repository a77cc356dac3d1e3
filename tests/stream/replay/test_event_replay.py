"""Spike events as a replay pushes them; processes send and bin them in tests/live/test_spike_events.py."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stream.acquisition.event_binner import BEGIN, TICK
from stream.acquisition.spike_event_inlet import SPIKE_EVENTS
from stream.errors import BadUsage
from stream.replay.event_replay import EventReplay
from stream.session import Kind, Session
from tests.stream.replay.conftest import MemoryNetwork


def bins(memory: MemoryNetwork, n_units: int = 6) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Counts between ticks, the ticks' timestamps, and after which ticks a segment begins."""
    events, stamps = memory.of("V1")
    assert (np.diff(stamps) >= -1e-9).all()
    counts: list[np.ndarray] = []
    ticks: list[float] = []
    begins: list[int] = []
    row = np.zeros(n_units, int)
    for event, stamp in zip(events[:, 0].tolist(), stamps.tolist(), strict=True):
        if event == TICK:
            counts.append(row)
            ticks.append(stamp)
            row = np.zeros(n_units, int)
        elif event == BEGIN:
            assert not row.any()
            begins.append(len(ticks))
        else:
            row[event] += 1
    assert not row.any()
    return np.array(counts), np.array(ticks), begins


@pytest.mark.parametrize("speed", [1.0, 3.0])
def test_the_spikes_between_ticks_are_the_counts(
    memory: MemoryNetwork, small_session: Session, speed: float
) -> None:
    report = EventReplay(small_session, speed=speed, wait=False).run()
    counts, ticks, begins = bins(memory)
    np.testing.assert_array_equal(counts, small_session.neural)
    np.testing.assert_allclose(ticks - ticks[0], (small_session.stamps - 100) / speed, atol=1e-9)
    assert begins == [0, 40]  # the recording has a gap there
    assert report.samples == small_session.n_samples


def test_spikes_lie_well_within_their_bin(memory: MemoryNetwork, small_session: Session) -> None:
    EventReplay(small_session, wait=False).run()
    events, stamps = memory.of("V1")
    _, ticks, _ = bins(memory)
    spikes = stamps[events[:, 0] >= 0]
    before_tick_s = ticks[np.searchsorted(ticks, spikes)] - spikes
    assert before_tick_s.min() > 0.05 / 30
    assert before_tick_s.max() < 0.95 / 30


def test_a_segment_begins_one_bin_before_its_first_tick(
    memory: MemoryNetwork, small_session: Session
) -> None:
    memory.commands = [(0.4, {"do": "seek", "s": 1.0})]
    EventReplay(small_session, wait=False, control=memory).run()
    events, stamps = memory.of("V1")
    _, ticks, begins = bins(memory)
    assert len(begins) == 3
    np.testing.assert_allclose(stamps[events[:, 0] == BEGIN], ticks[begins] - 1 / 30, atol=1e-9)


def test_without_spikes_there_are_ticks(memory: MemoryNetwork, small_session: Session) -> None:
    EventReplay(replace(small_session, neural=np.zeros_like(small_session.neural)), wait=False).run()
    counts, _, _ = bins(memory)
    assert counts.shape == (small_session.n_samples, 6)
    assert not counts.any()


def test_the_stream_is_irregular_and_names_its_units(memory: MemoryNetwork, small_session: Session) -> None:
    EventReplay(small_session)
    opened = memory.opened[-1]
    assert (opened["type"], opened["rate_hz"], opened["labels"]) == (SPIKE_EVENTS, 0, ("unit",))
    assert json.loads(opened["facts"]["units"]) == list(small_session.channel_names)
    assert opened["facts"]["recorded_rate_hz"] == "30.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": Kind.EEG}, "'V1' is eeg at 30 Hz"),
        ({"neural": 0.5}, "values that are not counts"),
        ({"neural": -1.0}, "values that are not counts"),
        ({"neural": np.nan}, "values that are not counts"),
        ({"neural": np.inf}, "values that are not counts"),
    ],
)
def test_what_are_no_counts_is_refused_before_anything_opens(
    memory: MemoryNetwork, small_session: Session, changes: dict[str, Any], message: str
) -> None:
    if "neural" in changes:
        neural = small_session.neural.copy()
        neural[7, 3] = changes["neural"]
        changes = {"neural": neural}
    with pytest.raises(BadUsage, match=message):
        EventReplay(replace(small_session, **changes))
    assert memory.opened == []
