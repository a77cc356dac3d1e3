"""A receiver of real streams, of an engine whose name no other test uses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pylsl
import pytest

from gui.client.receiver import Receiver
from gui.state.snapshot import Snapshot
from gui.state.store import Store


@pytest.fixture
def name() -> str:
    return f"V{uuid.uuid4().hex[:8]}"


@pytest.fixture
def receive(name: str) -> Iterator[Callable[[], Store]]:
    receivers: list[Receiver] = []

    def start() -> Store:
        store = Store(pylsl.local_clock)
        receivers.append(Receiver(store, name))
        receivers[-1].start()
        return store

    yield start
    for receiver in receivers:
        assert receiver.is_alive()
        receiver.stop()
        assert receiver.error is None


def wait_for(store: Store, condition: Callable[[Snapshot], bool], seconds: float = 60.0) -> Snapshot:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        snapshot = store.snapshot()
        if condition(snapshot):
            return snapshot
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {snapshot.state}, {snapshot.reason}, {snapshot.counts}")
