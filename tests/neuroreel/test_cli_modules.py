"""Imports: other packages of the same names are refused, and no heavy library is loaded without need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live

BLOCK_TORCH = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "cebra"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
count = 0
for package in ("stream", "decoders", "gui", "replay_data", "neuroreel"):
    module = importlib.import_module(package)
    for info in pkgutil.walk_packages(module.__path__, package + "."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
            count += 1
print(count)
"""

ENGINE = """
import sys
import {modules}
found = {{name.split(".")[0] for name in sys.modules}}
print(*sorted(found & {{"scipy", "sklearn", "PyQt5", "pyqtgraph", "matplotlib", "av", "torch", "pyxdf", "rich"}}))
"""


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | settings
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_import_of_neuroreel_loads_no_numpy_and_no_lsl() -> None:
    done = run("import sys, neuroreel; print('numpy' in sys.modules or 'pylsl' in sys.modules)")
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("package", ["stream", "decoders", "gui", "replay_data"])
def test_another_package_of_the_same_name_is_refused(tmp_path: Path, package: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    done = run("import neuroreel", PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    message = done.stderr.strip().splitlines()[-1]
    assert message.startswith(f"ImportError: the package '{package}' that NeuroReel needs")
    assert str(tmp_path) in message
    assert "environment of its own" in message


def test_every_module_imports_without_torch() -> None:
    done = run(BLOCK_TORCH, QT_QPA_PLATFORM="offscreen")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


@pytest.mark.parametrize(
    "modules",
    [
        "decoders.model.model",
        "stream.lsl.inlet",
        "decoders.model.model, stream.lsl.inlet, decoders.live.engine",
    ],
)
def test_engine_imports_no_heavy_library(modules: str) -> None:
    done = run(ENGINE.format(modules=modules))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
