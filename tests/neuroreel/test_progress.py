from __future__ import annotations

import sys

import pytest

from decoders.embedding.training_run import TrainingProgress
from neuroreel.progress import training_bar


def test_no_bar_without_a_terminal() -> None:
    with training_bar() as report:
        assert report is None


def test_bar_shows_stage_and_loss(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with training_bar() as report:
        assert report is not None
        report(TrainingProgress("stage one", 5, 10, 3.25))
    output = capsys.readouterr().err
    assert "stage one" in output
    assert "3.25" in output
