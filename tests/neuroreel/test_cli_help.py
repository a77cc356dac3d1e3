from __future__ import annotations

import subprocess
import sys
import time

import pytest

from neuroreel.cli import COMMANDS

pytestmark = pytest.mark.live

HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "pylsl",
    "pyxdf",
    "safetensors",
    "PyQt5",
    "pyqtgraph",
    "matplotlib",
    "av",
    "torch",
)

PROBE = f"""
import sys
from neuroreel.__main__ import main
try:
    main()
finally:
    print("LOADED", *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, timeout=60)


def fastest_s(*arguments: str) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        run(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_answers_without_loading_anything_heavy(name: str) -> None:
    done = run("-c", PROBE, *name.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: neuroreel {name}".rstrip())
    assert done.stderr.strip().splitlines()[-1].split() == ["LOADED"]


def test_help_is_fast() -> None:
    # 150 ms where an empty Python takes 15; as a ratio, so that a busy machine does not fail it
    bare = fastest_s("-c", "pass")
    for name in ("", "replay", "live"):
        assert fastest_s("-m", "neuroreel", *name.split(), "--help") < 12 * bare, name


def test_help_lists_every_command_once() -> None:
    listed = run("-m", "neuroreel", "--help").stdout.split("Commands:")[1]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names == list(COMMANDS)
