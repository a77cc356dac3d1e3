"""The trainer of a running engine is tested in tests/live/test_live_rolling.py."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decoders.model.model import Model
from stream.io.session_io import save_session
from stream.session import Session
from tests.neuroreel.commands.runner import run


def test_repeats_received_together_get_one_decision_and_their_files_are_deleted(
    files: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [files / "4.npz", files / "5.npz"]
    for number, path in zip((4, 5), paths, strict=True):
        save_session(session.select_repeats([number]), path)
    messages: list[dict[str, Any] | None] = [
        *({"do": "showing", "file": str(path), "number": number} for number, path in enumerate(paths, 1)),
        None,
        {"do": "stop"},
    ]
    commands = SimpleNamespace(poll=lambda _timeout_s: messages.pop(0))
    monkeypatch.setattr("stream.control.ControlReader", lambda: commands)
    monkeypatch.setattr(os, "nice", lambda _n: 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    result = run("refit", files / "model.safetensors", "--rolling", 2, "--folder", files)
    assert result.exit_code == 0, result.output
    ready, decision = map(json.loads, result.output.splitlines())
    assert ready == {"do": "ready"}
    assert decision["do"] in ("wait", "refuse", "swap", "rollback")
    assert decision["newest"] == 2
    assert not any(path.exists() for path in paths)


def test_exploring_begins_with_a_blank_model(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = {"channel_names": ["a", "b", "c"], "kind": "spikes", "rate_hz": 30.0}
    (files / "stream.json").write_text(json.dumps(stream))
    commands = SimpleNamespace(poll=lambda _timeout_s: {"do": "stop"})
    monkeypatch.setattr("stream.control.ControlReader", lambda: commands)
    monkeypatch.setattr(os, "nice", lambda _n: 0)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    result = run("refit", files / "stream.json", "--explore", "--folder", files)
    assert json.loads(result.output) == {"do": "ready"}
    blank = Model.load(files / "version-0.safetensors")
    assert (blank.explores, blank.channel_names, blank.n_embedding) == (True, ("a", "b", "c"), 3)
