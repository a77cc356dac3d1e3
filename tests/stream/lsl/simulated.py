"""Outlets and a network without LSL."""

from __future__ import annotations

from typing import Any


class SimulatedOutlet:
    """What LSL shows of an outlet from afar: has the methods of `pylsl.StreamInfo`."""

    def __init__(
        self, uid: str, source_id: str, hostname: str = "here", name: str = "V1", **fields: Any
    ) -> None:
        common = {
            "type": "Spikes",
            "channel_count": 4,
            "nominal_srate": 60.0,
            "channel_format": 1,
            "session_id": "ours",
        }
        self._fields = {
            **common, "uid": uid, "source_id": source_id, "hostname": hostname, "name": name, **fields
        }  # fmt: skip

    def __getattr__(self, field: str) -> object:
        return lambda: self._fields[field]


class SimulatedNetwork:
    """Outlets that can be found, and the time."""

    def __init__(self) -> None:
        self.outlets: list[SimulatedOutlet] = []
        self.now_s = 100.0

    def results(self) -> list[SimulatedOutlet]:
        return self.outlets

    def monotonic(self) -> float:
        return self.now_s
