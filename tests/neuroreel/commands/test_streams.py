from __future__ import annotations

import json
import threading
import time
import uuid
from types import SimpleNamespace

import pytest

from stream.lsl.outlet import make_outlet
from tests.neuroreel.commands.runner import run, run_process

FOUND = SimpleNamespace(
    name="V1", type="Spikes", hostname="rig", source_id="probe-[1]", n_channels=120, rate_hz=30.0, info=None
)


def test_no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.lsl.resolve.list_streams", lambda _wait_s: [])
    for hint in ("", "Hidden on this computer is 'V1'.\n"):
        monkeypatch.setattr("neuroreel.hints.hidden_hint", lambda hint=hint: hint)
        result = run("streams", "--network", "loopback")
        assert result.exit_code == 0
        assert result.output == "No streams found (network scope: loopback).\n" + hint


def test_table_and_json_without_measured_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.lsl.resolve.list_streams", lambda _wait_s: [FOUND])
    arguments = ("streams", "--network", "loopback", "--measure", 0)
    table = run(*arguments)
    assert table.output.splitlines()[1].split() == ["V1", "Spikes", "rig", "probe-[1]", "120", "30", "-", "-"]
    (row,) = json.loads(run(*arguments, "--json", "-").output)["streams"]
    assert (row["name"], row["nominal_rate_hz"], row["effective_rate_hz"]) == ("V1", 30.0, None)


@pytest.mark.live
def test_effective_rates_are_measured_without_starting_a_waiting_replay() -> None:
    name = f"list-{uuid.uuid4().hex[:6]}"
    outlet = make_outlet(name, "Spikes", ("a", "b"), 100.0, facts={"mode": "live"}, role="rig")
    waiting = make_outlet(f"{name}-w", "EEG", ("a",), 50.0, facts={"mode": "replay", "waits": 1})
    done = threading.Event()

    def send() -> None:
        begun, n_sent = time.monotonic(), 0
        while not done.wait(0.01):
            while n_sent < (time.monotonic() - begun) * 100:  # several if this thread was held up
                outlet.push_sample([1, 2])
                n_sent += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        result = run_process("streams", "--wait", "2", "--json", "-")
        table = run_process("streams", "--wait", "2", "--measure", "0")
    finally:
        done.set()
        thread.join()
    listed = json.loads(result.stdout)
    assert listed["network"] == "loopback"
    rows = {row["name"]: row for row in listed["streams"]}
    row = rows[name]
    assert (row["type"], row["n_channels"], row["nominal_rate_hz"], row["mode"]) == (
        "Spikes",
        2,
        100.0,
        "live",
    )
    assert row["source_id"] == f"neuroreel/{name}/Spikes/rig"
    assert 50 < row["effective_rate_hz"] < 150
    assert rows[f"{name}-w"]["effective_rate_hz"] is None
    assert not waiting.have_consumers()
    assert name in table.stdout
