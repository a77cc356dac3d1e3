"""A network and a clock in memory, on which a replay plays at once."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


@dataclass
class Push:
    """Samples pushed at once: stream, when, values [n, channels] and timestamps, both seconds since the first call."""

    stream: str
    at_s: float
    values: list[list[Any]]
    stamps: list[float]


class MemoryOutlet:
    """Stands in for an outlet: notes in the network what is pushed."""

    def __init__(self, network: MemoryNetwork, name: str, n_channels: int) -> None:
        self.network, self.name, self.n_channels = network, name, n_channels

    def push_chunk(self, values: Any, stamps: Any) -> None:
        rows = np.atleast_2d(np.asarray(values)).tolist()
        stamps = np.atleast_1d(stamps).tolist()
        assert {len(row) for row in rows} == {self.n_channels}
        assert len(rows) == len(stamps)
        self.network.note(Push(self.name, self.network.now_s, rows, stamps))

    def push_sample(self, values: list[Any], stamp: float) -> None:
        self.network.note(Push(self.name, self.network.now_s, [values], [stamp]))

    def have_consumers(self) -> bool:
        return self.network.now_s >= self.network.consumers_from_s.get(self.name, 0.0) and (
            self.network.now_s < self.network.consumers_until_s
        )

    def wait_for_consumers(self, timeout_s: float) -> bool:
        if not self.have_consumers():
            self.network.sleep(timeout_s)
        return self.have_consumers()


@dataclass
class MemoryNetwork:
    """Outlets that note what is pushed, on a clock that only sleeping and looking at it advance.

    Attributes
    ----------
    opened
        Arguments of each outlet: name, type, labels, rate, format, facts and role.
    commands
        Commands and the time from which each can be read.
    consumers_from_s, consumers_until_s
        When consumers of a stream, by its name, connect, and when all disconnect.
    interrupt_at_s
        When the user presses Ctrl-C.
    """

    now_s: float = 0.0
    opened: list[dict[str, Any]] = field(default_factory=list)
    pushed: list[Push] = field(default_factory=list)
    commands: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    consumers_from_s: dict[str, float] = field(default_factory=dict)
    consumers_until_s: float = np.inf
    interrupt_at_s: float = np.inf

    def local_clock(self) -> float:
        self.now_s += 1e-5
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now_s += seconds
        if self.now_s >= self.interrupt_at_s:
            self.interrupt_at_s = np.inf
            raise KeyboardInterrupt

    def make_outlet(
        self, name: str, type_: str, labels: Any, rate_hz: float, fmt: str = "float32", **more: Any
    ) -> MemoryOutlet:
        self.opened.append({"name": name, "type": type_, "labels": labels, "rate_hz": rate_hz, **more})
        return MemoryOutlet(self, name, len(labels))

    def note(self, push: Push) -> None:
        self.pushed.append(push)

    def poll(self, timeout_s: float = 0.0) -> dict[str, Any] | None:
        """As `stream.control.ControlReader.poll`."""
        if self.commands and self.commands[0][0] > self.now_s:
            self.sleep(min(timeout_s, self.commands[0][0] - self.now_s))
        elif not self.commands:
            self.sleep(timeout_s)
        if self.commands and self.commands[0][0] <= self.now_s:
            return self.commands.pop(0)[1]
        return None

    def of(self, stream: str) -> tuple[np.ndarray, np.ndarray]:
        """All values and timestamps of a stream, in the order in which they were pushed."""
        pushes = [push for push in self.pushed if push.stream == stream]
        values = [row for push in pushes for row in push.values]
        return np.array(values), np.array([stamp for push in pushes for stamp in push.stamps])

    def announced(self) -> list[dict[str, Any]]:
        """Messages of the events stream."""
        return [json.loads(push.values[0][0]) for push in self.pushed if push.stream.endswith("-events")]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryNetwork:
    """Replays open their outlets in memory and sleep on its clock."""
    network = MemoryNetwork()
    for module in ("player", "event_replay"):
        monkeypatch.setattr(f"stream.replay.{module}.make_outlet", network.make_outlet)
    monkeypatch.setattr("stream.replay.player.pylsl", SimpleNamespace(local_clock=network.local_clock))
    clock = SimpleNamespace(sleep=network.sleep, monotonic=network.local_clock)
    monkeypatch.setattr("stream.replay.player.time", clock)
    return network
