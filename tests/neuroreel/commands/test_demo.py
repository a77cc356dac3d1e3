"""The demo as a whole is tested in tests/live/test_demo.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from neuroreel.commands.demo import _print_row


def test_row_of_the_live_table() -> None:
    newest = SimpleNamespace(truth=-1, frame=17, next_frame=47, confidence=0.5)
    snapshot: Any = SimpleNamespace(
        newest=newest,
        score=SimpleNamespace(within=0.9, chance=0.1),
        counts=SimpleNamespace(received=90, latency_p50_ms=1.0, latency_p99_ms=2.0),
        source=SimpleNamespace(rate_hz=30.0),
    )
    rows: list[str] = []
    _print_row(rows.append, snapshot)
    assert " ".join(rows[0].split()) == "3.0s blank 17 50% 47 90.0% (chance 10%) 1.00 / 2.00 ms"
    snapshot.newest, snapshot.state, snapshot.reason = None, "connecting", "waiting for the engine"
    _print_row(rows.append, snapshot)
    assert "connecting: waiting for the engine" in rows[1]
