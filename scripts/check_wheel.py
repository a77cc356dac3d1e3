"""Build the wheel, compare it with the source tree, and run it in a clean environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOT_SOURCE = (".git", ".venv", "build", "dist", "site", "out", "*.egg-info", "__pycache__", ".*_cache")

PROBE = """
import importlib, sys
from pathlib import Path
import neuroreel
for name in neuroreel.__all__:
    getattr(neuroreel, name)
for package in sys.argv[2:]:
    found = Path(importlib.import_module(package).__file__).resolve()
    if not found.is_relative_to(Path(sys.argv[1]).resolve()):
        sys.exit(f"{package} came from {found}, not from the installed wheel")
"""


def main() -> None:
    """Run all steps; exits with code 1 and a list if the wheel and the tree differ."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages: list[str] = settings["packages"]
    with tempfile.TemporaryDirectory(prefix="neuroreel-wheel-") as folder:
        wheel = build(Path(folder))
        problems = compare(wheel, packages, settings["package-data"])
        if problems:
            sys.exit("check_wheel: the wheel and the tree differ:\n  " + "\n  ".join(problems))
        run_installed(wheel, packages, Path(folder))
        print(f"check_wheel: {wheel.name} contains all {len(packages)} packages and runs outside the tree")


def build(folder: Path) -> Path:
    """Build the wheel from a copy of the tree, without leftovers of earlier builds; returns its path."""
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "dist"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"check_wheel: building the wheel failed:\n{done.stdout}{done.stderr}")
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


def compare(wheel: Path, packages: list[str], package_data: dict[str, list[str]]) -> list[str]:
    """Differences between the wheel, the tree and the lists in pyproject.toml, as messages."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    top_level = {package for package in packages if "." not in package}
    tree = {
        path.relative_to(ROOT).as_posix()
        for package in top_level
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    declared = {
        f"{package.replace('.', '/')}/{name}" for package, names in package_data.items() for name in names
    }
    return [
        *(f"in the tree but not in the wheel: {name}" for name in sorted(tree - packed)),
        *(f"in the wheel but not in the tree: {name}" for name in sorted(packed - tree)),
        *(f"package data in pyproject.toml that is missing: {name}" for name in sorted(declared - packed)),
    ]


def run_installed(wheel: Path, packages: list[str], folder: Path) -> None:
    """Install the wheel outside the tree, import every package from it and run the command line."""
    home = folder / "env"
    venv.create(home, with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(home), "platbase": str(home)}))
    install = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, str(wheel)], check=True)
    # Dependencies come from this environment's folder. Its own .pth files are not read from there, so the editable
    # install of the tree stays out.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    python = str(home / "bin" / "python")
    commands = (
        [python, "-P", "-c", PROBE, str(home), *packages],
        [str(home / "bin" / "neuroreel"), "--help"],
        [python, "-P", "-m", "neuroreel", "--version"],
    )
    for command in commands:
        done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"check_wheel: failed in the clean environment: {command}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
