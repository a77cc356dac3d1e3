from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel.bench_soak import held, problems
from neuroreel.children import start_child
from neuroreel.cli import cli
from neuroreel.process_figures import process_figures

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def samples(memory: list[float], handles: list[int]) -> list[dict[str, object]]:
    return [
        {"at_s": 10.0 * i, "engine": {"cpu_s": 1.0 * i, "memory_mb": m, "handles": h, "threads": 5}}
        for i, (m, h) in enumerate(zip(memory, handles, strict=True))
    ]


def judge(of: dict[str, float], **more: object) -> list[str]:
    good = {"exit_codes": {}, "lost": {"received": 0}, "lag_growth_ms": 0.0, "rate_hz": 30.0}
    return problems({"processes": {"engine": of}, **good, **more})


def test_what_is_held_is_counted_after_the_warm_up() -> None:
    flat = held("engine", samples([50, 90, *[100.0] * 10], [9] * 12), 120.0)
    assert (flat["memory_growth_mb"], flat["handles_growth"], flat["cpu_of_one_core"]) == (0.0, 0.0, 0.1)
    assert judge(flat) == []
    assert held("engine", [], 120.0) == {}


def test_a_leak_is_named() -> None:
    leak = held("engine", samples([100.0 + i for i in range(12)], list(range(12))), 120.0)
    said = judge(leak, exit_codes={"recorder": 1}, lost={"received": 3}, lag_growth_ms=100.0)
    assert "memory of the engine grew" in said[0]
    assert "more handles" in said[1]
    assert said[2:] == ["the recorder ended with exit code 1", "3 frames lost", "the lag grew by 100.0 ms"]


@linux
def test_figures_of_a_process() -> None:
    mine = process_figures(os.getpid())
    assert mine is not None
    assert mine.memory_mb > 10
    assert mine.threads >= 1
    with Path(os.devnull).open() as _:
        more = process_figures(os.getpid())
    assert more is not None
    assert more.handles == mine.handles + 1
    child = start_child(["--version"])
    child.wait(30)
    assert process_figures(child.pid) is None


@linux
@pytest.mark.live
@pytest.mark.slow
def test_a_short_soak_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "soak.json"
    child = start_child(
        [
            "bench",
            "soak",
            "--minutes",
            "0.12",
            "--channels",
            "16",
            "--rate",
            "60",
            "--no-window",
            "--json",
            str(target),
        ]
    )
    child.wait(120)
    result = json.loads(target.read_text())
    assert result["sent"] == 432
    assert result["lost"] == {"floor": 0, "received": 0}
    assert set(result["processes"]) == {"engine", "recorder"}
    assert result["exit_codes"]["recorder"] == 0
    assert len(result["minutes"]) == 1


def test_help_says_what_fails() -> None:
    assert "more than 5 MB" in " ".join(CliRunner().invoke(cli, ["bench", "soak", "--help"]).output.split())
