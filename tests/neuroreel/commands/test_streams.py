"""Streams with their measured rates are tested in tests/live/test_stream_commands.py."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tests.neuroreel.commands.runner import run

FOUND = SimpleNamespace(
    name="V1", type="Spikes", hostname="rig", source_id="probe-[1]", n_channels=120, rate_hz=30.0, info=None
)


def test_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.lsl.resolve.list_streams", lambda _wait_s: [])
    result = run("streams", "--network", "loopback")
    assert result.exit_code == 0
    assert result.output == "No streams found (network scope: loopback).\n"


def test_table_and_json_without_measured_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.lsl.resolve.list_streams", lambda _wait_s: [FOUND])
    arguments = ("streams", "--network", "loopback", "--measure", 0)
    table = run(*arguments)
    assert table.output.splitlines()[1].split() == ["V1", "Spikes", "rig", "probe-[1]", "120", "30", "-", "-"]
    (row,) = json.loads(run(*arguments, "--json", "-").output)["streams"]
    assert (row["name"], row["nominal_rate_hz"], row["effective_rate_hz"]) == ("V1", 30.0, None)
