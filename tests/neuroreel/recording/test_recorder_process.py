"""The comparison of engine and recorder, without processes; the recorder as a child is tested in tests/live."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from neuroreel.recording.recorder_process import RecorderChild
from stream.lsl.sender import Received

RECEIVED = Received("a", 3, 0.0, 1.0)
INLET: Any = SimpleNamespace(name="V1", type="Spikes", received=[RECEIVED])


def child(*streams: dict[str, Any]) -> RecorderChild:
    made = RecorderChild.__new__(RecorderChild)
    made.summary = {"streams": list(streams), "problems": []}
    return made


def row(name: str, *senders: Received) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Spikes",
        "nominal_rate_hz": 2.0,
        "senders": [asdict(each) for each in senders],
    }


def test_a_neural_stream_that_is_not_recorded_is_a_problem() -> None:
    made = child(row("V2", RECEIVED))
    assert not made.compare(INLET)
    assert made.summary is not None
    assert made.summary["problems"] == ["'V1' was decoded but is not in the recording"]
    assert made.summary["compared"][0]["only_engine"] == 3


def test_what_both_received_is_no_difference() -> None:
    made = child(row("V1", RECEIVED))
    assert made.compare(INLET)
    assert made.summary is not None
    assert (made.summary["problems"], made.summary["differences"]) == ([], [])
