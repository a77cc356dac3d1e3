from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neuroreel.bench import sender
from neuroreel.bench.sender import send_paced


class Rig:
    """A clock that only sleeping and looking at it advance, an outlet, and commands that are due at given times."""

    def __init__(self, *commands: tuple[float, str], ends_at_s: float = np.inf) -> None:
        self.now_s = 50.0
        self.commands = list(commands)
        self.ends_at_s = ends_at_s
        self.pushed: list[tuple[float, float, list[float]]] = []
        self.opened: list[tuple[Any, ...]] = []
        self.delay_s: dict[int, float] = {}

    def local_clock(self) -> float:
        self.now_s += 2e-6
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds

    @property
    def ended(self) -> bool:
        return self.now_s - 50 >= self.ends_at_s

    def poll(self) -> dict[str, str] | None:
        if self.commands and self.now_s - 50 >= self.commands[0][0]:
            return {"do": self.commands.pop(0)[1]}
        return None

    def make_outlet(self, *arguments: Any, **more: Any) -> Rig:
        self.opened.append((*arguments, more))
        return self

    def push_chunk(self, rows: Any, stamp: float) -> None:
        assert rows.shape[0] == 1
        self.pushed.append((stamp, self.now_s, rows[0].tolist()))
        self.now_s += self.delay_s.get(len(self.pushed), 0.0)


def send(rig: Rig, monkeypatch: pytest.MonkeyPatch, seconds: float = 1.0, **options: Any) -> np.ndarray:
    clock = SimpleNamespace(sleep=rig.sleep)
    monkeypatch.setattr(sender, "time", clock)
    monkeypatch.setattr(sender, "pylsl", SimpleNamespace(local_clock=rig.local_clock))
    monkeypatch.setattr(sender, "make_outlet", rig.make_outlet)
    neural = np.arange(20, dtype=np.float32).reshape(10, 2)
    arguments = {"n_channels": 5, "rate_hz": 100.0} | options
    return send_paced("bench", neural, seconds=seconds, control=rig, **arguments)  # type: ignore[arg-type]


def test_samples_are_stamped_when_they_are_due_and_pushed_no_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig((0.5, "go"), (3.0, "stop"))
    sent = send(rig, monkeypatch)
    due, pushed = np.array([push[:2] for push in rig.pushed]).T
    np.testing.assert_allclose(np.diff(due), 0.01, atol=1e-9)
    assert (pushed >= due).all()
    assert (pushed < due + 0.0005).all()
    assert rig.now_s == pytest.approx(53.0, abs=0.02)
    first = int(np.searchsorted(due, sent[0, 0]))
    np.testing.assert_array_equal(sent, np.column_stack([due, pushed])[first : first + 100])


def test_the_measurement_starts_with_go_and_lasts_as_long_as_requested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig((0.5, "go"), (3.0, "stop"))
    sent = send(rig, monkeypatch, seconds=1.2)
    assert sent.shape == (120, 2)
    assert sent[0, 0] == pytest.approx(50.5, abs=0.02)
    assert np.isfinite(sent).all()
    assert len(rig.pushed) > 280  # it sends before and after


def test_without_go_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(Rig((1.0, "stop")), monkeypatch).shape == (0, 2)


def test_a_stop_during_the_measurement_returns_what_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = send(Rig((0.0, "go"), (0.5, "stop")), monkeypatch)
    assert len(sent) == pytest.approx(50, abs=2)


def test_it_ends_when_the_parent_process_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(ends_at_s=0.3)
    send(rig, monkeypatch)
    assert rig.now_s < 50.35


def test_a_late_push_leaves_no_gap_in_the_timestamps_and_counts_as_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig((0.0, "go"), (2.0, "stop"))
    rig.delay_s = {30: 0.1}
    sent = send(rig, monkeypatch)
    np.testing.assert_allclose(np.diff(sent[:, 0]), 0.01, atol=1e-9)
    late_s = sent[:, 1] - sent[:, 0]
    assert late_s.max() == pytest.approx(0.09, abs=0.001)
    assert (late_s > 0.001).sum() == pytest.approx(9, abs=1)


def test_channels_and_samples_are_those_of_the_recording_over_and_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig((0.3, "stop"))
    send(rig, monkeypatch)
    rows = [push[2] for push in rig.pushed]
    assert rows[0] == [0, 1, 0, 1, 0]
    assert rows[13] == rows[3] == [6, 7, 6, 7, 6]
    (opened,) = rig.opened
    assert opened[:2] == ("bench", "Spikes")
    assert len(set(opened[2])) == 5
    assert opened[3] == 100.0
