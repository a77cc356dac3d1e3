"""The window is tested in tests/gui, with an engine in tests/live."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neuroreel.commands.display import _problem
from tests.neuroreel.commands.runner import run_refused


def test_damaged_model_is_refused_before_the_window_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gui.app.run_display", lambda *_, **__: pytest.fail("the window was opened"))
    (tmp_path / "m.safetensors").write_bytes(b"nonsense")
    assert "m.safetensors" in run_refused("display", tmp_path / "m.safetensors", "--network", "loopback")


@pytest.mark.parametrize(
    ("errors", "running", "message"),
    [
        (b"warning\nneuroreel: no stream 'V1' within 10 s.\n", False, "no stream 'V1' within 10 s."),
        (b"Traceback ...\n", False, "the engine ended with exit code 1"),
        (b"", True, ""),
    ],
)
def test_error_message_of_an_engine_that_the_window_started(
    tmp_path: Path, errors: bytes, running: bool, message: str
) -> None:
    child: Any = SimpleNamespace(running=running, process=SimpleNamespace(returncode=None if running else 1))
    (tmp_path / "errors").write_bytes(errors)
    with (tmp_path / "errors").open("rb") as file:
        assert _problem(child, file) == message
