"""Every benchmark can be imported and prints its help."""

from __future__ import annotations

import importlib
import sys

import pytest

BENCHMARKS = (
    "benchmarks.ablation.__main__",
    "benchmarks.embedding.__main__",
    "benchmarks.embedding.consistency",
    "benchmarks.embedding.labels",
    "benchmarks.haxby.__main__",
    "benchmarks.independent.__main__",
    "benchmarks.playback_speeds",
    "benchmarks.presets.__main__",
    "benchmarks.presets.peer",
    "benchmarks.rats.__main__",
    "benchmarks.rolling_latency",
    "benchmarks.v1_movie",
    "benchmarks.v1_sized",
)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_help(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(name)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as stopped:
        module.main()
    assert stopped.value.code == 0
    assert name.removesuffix(".__main__") in capsys.readouterr().out
