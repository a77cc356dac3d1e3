"""A simulated network: outlets that LSL would find, and the time."""

from __future__ import annotations

import pylsl
import pytest

import stream.lsl.duplicate_senders
import stream.lsl.reconnect
from tests.stream.lsl.simulated import SimulatedNetwork


@pytest.fixture
def lan(monkeypatch: pytest.MonkeyPatch) -> SimulatedNetwork:
    """Network that searches of `stream.lsl.reconnect` see, with its own clock."""
    made = SimulatedNetwork()
    monkeypatch.setattr(pylsl, "ContinuousResolver", lambda **_: made)
    monkeypatch.setattr(stream.lsl.reconnect, "time", made)
    monkeypatch.setattr(stream.lsl.duplicate_senders, "time", made)
    return made
