"""Options of the benchmarks; the benchmarks themselves are tested in tests/neuroreel/bench."""

from __future__ import annotations

import sys

import pytest

from tests.neuroreel.commands.runner import run, run_refused


@pytest.mark.parametrize("command", ["fit", "decode"])
def test_missing_cebra_names_the_extra(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cebra", None)
    assert "pip install 'neuroreel[compare]'" in run_refused("bench", command, "--against", "cebra")


@pytest.mark.parametrize(("library", "module"), [("mne-lsl", "mne_lsl.stream"), ("ezmsg", "ezmsg.lsl.inlet")])
def test_missing_library_is_named_with_its_extra(
    library: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    output = run_refused("bench", "latency", "--against", library)
    assert f"{library.removesuffix('-lsl')}-lsl is not installed" in output
    assert "pip install 'neuroreel[compare]'" in output


def test_unknown_library() -> None:
    assert "mne-lsl, ezmsg-lsl" in run_refused("bench", "latency", "--against", "labstreamer")


@pytest.mark.parametrize("grid", ["120", "x30", "0x30", "120x30,1e9x30", "120x0"])
def test_invalid_grid(grid: str) -> None:
    assert grid.rpartition(",")[2] in run_refused("bench", "latency", "--grid", grid)


def test_grid_and_speed_exclude_each_other() -> None:
    assert "--speed" in run_refused("bench", "latency", "--grid", "120x30", "--speed", 2)


def test_help_of_soak_states_the_memory_limit() -> None:
    assert "more than 5 MB" in " ".join(run("bench", "soak", "--help").output.split())
