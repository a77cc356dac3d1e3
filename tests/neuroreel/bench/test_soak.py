from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuroreel.bench.process_stats import process_stats
from neuroreel.bench.soak import growth, problems
from neuroreel.cli import cli
from neuroreel.subprocesses import start_child

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


SECONDS = 600.0
AT_S = [5.0 * i for i in range(120)]


def samples(memory: list[float], handles: list[int], threads: int = 5) -> list[dict[str, object]]:
    return [
        {"at_s": at, "engine": {"cpu_s": 0.1 * at, "memory_mb": m, "handles": h, "threads": threads}}
        for at, m, h in zip(AT_S, memory, handles, strict=True)
    ]


def judge(of: dict[str, float], *, long_enough: bool = True, **more: object) -> list[str]:
    good = {"exit_codes": {}, "lost": {"received": 0}, "lag_growth_ms": 0.0, "rate_hz": 30.0}
    return problems({"processes": {"engine": of}, "holds_judged": long_enough, **good, **more})


def test_what_is_held_is_counted_after_the_warm_up() -> None:
    filling = [min(at, 115.0) for at in AT_S]
    sockets = [9 + i % 3 for i in range(120)]
    flat = growth("engine", samples(filling, sockets), SECONDS)
    assert (flat["memory_growth_mb"], flat["memory_mb_per_hour"], flat["handles_growth"]) == (0.0, 0.0, 0.0)
    assert flat["cpu_of_one_core"] == pytest.approx(0.1)
    assert judge(flat) == []
    assert growth("engine", [], SECONDS) == {}


def test_a_leak_is_named() -> None:
    leak = growth("engine", samples([100.0 + i for i in range(120)], list(range(120))), SECONDS)
    assert leak["memory_mb_per_hour"] == pytest.approx(720)
    said = judge(leak, exit_codes={"recorder": 1}, lost={"received": 3}, lag_growth_ms=100.0)
    assert said[0] == "the memory of the engine grew by 90.0 MB"
    assert "90 more handles" in said[1]
    assert said[2:] == ["the recorder ended with exit code 1", "3 samples lost", "the lag grew by 100.0 ms"]
    assert judge(leak, long_enough=False) == []


@pytest.mark.parametrize(("mb_a_minute", "passes"), [(0.5, True), (0.8, False)])
def test_a_slow_leak_counts_over_the_whole_run(mb_a_minute: float, passes: bool) -> None:
    slow = growth("engine", samples([100 + at / 60 * mb_a_minute for at in AT_S], [9] * 120), SECONDS)
    assert (judge(slow) == []) == passes


def test_what_was_held_for_a_minute_counts_though_it_was_given_back() -> None:
    bump = growth("engine", samples([108.0 if 300 <= at < 360 else 100.0 for at in AT_S], [9] * 120), SECONDS)
    assert judge(bump) == ["the memory of the engine grew by 8.0 MB"]


@pytest.mark.live
@linux
def test_figures_of_a_process() -> None:
    mine = process_stats(os.getpid())
    assert mine is not None
    assert mine.memory_mb > 10
    assert mine.threads >= 1
    with Path(os.devnull).open() as _:
        more = process_stats(os.getpid())
    assert more is not None
    assert more.handles == mine.handles + 1
    child = start_child(["--version"])
    child.wait(30)
    assert process_stats(child.pid) is None


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
    assert set(result["processes"]) == {"sender", "engine", "recorder"}
    assert not result["holds_judged"]
    assert result["exit_codes"]["recorder"] == 0
    assert len(result["minutes"]) == 1


def test_help_says_what_fails() -> None:
    assert "more than 5 MB" in " ".join(CliRunner().invoke(cli, ["bench", "soak", "--help"]).output.split())
