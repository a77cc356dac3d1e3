"""The soak test, with the sender and receivers that it shares with the latency benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuroreel.bench.soak import growth, problems
from neuroreel.subprocesses import start_child

SECONDS = 600.0
AT_S = [5.0 * i for i in range(120)]


def samples(memory: list[float], handles: list[int], threads: int = 5) -> list[dict[str, object]]:
    return [
        {"at_s": at, "engine": {"cpu_s": 0.1 * at, "memory_mb": m, "handles": h, "threads": threads}}
        for at, m, h in zip(AT_S, memory, handles, strict=True)
    ]


def engine_problems(engine: dict[str, float], *, long_enough: bool = True, **changes: object) -> list[str]:
    """Problems of a run whose engine has grown like this; otherwise without problems, except for the changes."""
    good = {"exit_codes": {}, "lost": {"received": 0}, "lag_growth_ms": 0.0, "rate_hz": 30.0}
    return problems({"processes": {"engine": engine}, "holds_judged": long_enough, **good, **changes})


def test_growth_counts_from_the_end_of_the_warm_up() -> None:
    filling = [min(at, 115.0) for at in AT_S]
    sockets = [9 + i % 3 for i in range(120)]
    flat = growth("engine", samples(filling, sockets), SECONDS)
    assert (flat["memory_growth_mb"], flat["memory_mb_per_hour"], flat["handles_growth"]) == (0.0, 0.0, 0.0)
    assert flat["cpu_of_one_core"] == pytest.approx(0.1)
    assert engine_problems(flat) == []
    assert growth("engine", [], SECONDS) == {}


def test_leaks_losses_and_exit_codes_are_problems() -> None:
    leak = growth("engine", samples([100.0 + i for i in range(120)], list(range(120))), SECONDS)
    assert leak["memory_mb_per_hour"] == pytest.approx(720)
    messages = engine_problems(leak, exit_codes={"recorder": 1}, lost={"received": 3}, lag_growth_ms=100.0)
    assert messages[0] == "the memory of the engine grew by 90.0 MB"
    assert "90 more handles" in messages[1]
    assert messages[2:] == [
        "the recorder ended with exit code 1",
        "3 samples lost",
        "the lag grew by 100.0 ms",
    ]
    assert engine_problems(leak, long_enough=False) == []


@pytest.mark.parametrize(("mb_per_minute", "passes"), [(0.5, True), (0.8, False)])
def test_slow_leak_counts_over_the_whole_run(mb_per_minute: float, passes: bool) -> None:
    slow = growth("engine", samples([100 + at / 60 * mb_per_minute for at in AT_S], [9] * 120), SECONDS)
    assert (engine_problems(slow) == []) == passes


def test_memory_held_for_a_minute_counts_even_if_freed_later() -> None:
    bump = growth("engine", samples([108.0 if 300 <= at < 360 else 100.0 for at in AT_S], [9] * 120), SECONDS)
    assert engine_problems(bump) == ["the memory of the engine grew by 8.0 MB"]


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_short_soak_loses_nothing(tmp_path: Path) -> None:
    target = tmp_path / "soak.json"
    shape = ["--minutes", "0.12", "--channels", "16", "--rate", "60"]
    child = start_child(["bench", "soak", *shape, "--no-window", "--json", str(target)])
    child.wait(120)
    result = json.loads(target.read_text())
    assert result["sent"] == 432
    assert result["lost"] == {"floor": 0, "received": 0}
    assert set(result["processes"]) == {"sender", "engine", "recorder"}
    assert not result["holds_judged"]
    assert result["exit_codes"]["recorder"] == 0
    assert len(result["minutes"]) == 1
