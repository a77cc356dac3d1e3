"""The project's files: pinned versions, package lists, version number and set-up script."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import neuroreel

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_has_an_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pinned = {normal(name) for name in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    requirements = [
        *PROJECT["project"]["dependencies"],
        *extras["dev"],
        *extras["docs"],
        *extras["train"],
        *extras["compare"],
    ]
    assert {normal(re.split(r"[\[>]", requirement)[0]) for requirement in requirements} <= pinned


def test_constraints_name_no_package_index_and_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"^\s*-|://|@", text, re.MULTILINE)


def test_every_package_is_listed_and_typed() -> None:
    settings = PROJECT["tool"]["setuptools"]
    top_level = [package for package in settings["packages"] if "." not in package]
    found = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for package in top_level
        for path in (ROOT / package).rglob("__init__.py")
    }
    assert found == set(settings["packages"])
    for package in top_level:
        assert (ROOT / package / "py.typed").is_file()
        assert "py.typed" in settings["package-data"][package]


def test_the_version_is_the_same_everywhere() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "neuroreel.__version__"}
    version = re.search(r"^## \[(\d.*?)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version is not None
    assert version[1] == neuroreel.__version__
    citation = (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"version: {version[1]}" in citation
    assert f"date-released: {version[2]}" in citation


def test_module_names_are_unique_within_a_package() -> None:
    for package in ("stream", "decoders", "gui", "replay_data", "neuroreel"):
        names = Counter(path.name for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
        assert [name for name, count in names.items() if count > 1] == [], package


def test_every_module_has_a_test_file_or_is_imported_by_a_test() -> None:
    files = set((ROOT / "tests").rglob("*.py")) - {Path(__file__).resolve()}
    tests = "\n".join(path.read_text() for path in files)
    untested = set()
    for package in ("stream", "decoders", "gui", "replay_data", "neuroreel"):
        for path in (ROOT / package).rglob("*.py"):
            module = path.relative_to(ROOT)
            parent = ".".join(module.parent.parts)
            imported = rf"\b{parent}\.{path.stem}\b|from {parent} import .*\b{path.stem}\b"
            mirrored = ROOT / "tests" / module.parent / f"test_{path.name}"
            if path.name != "__init__.py" and not mirrored.exists() and not re.search(imported, tests):
                untested.add(f"{parent}.{path.stem}")
    assert untested == set()


@pytest.mark.live
def test_setup_refuses_an_unknown_target() -> None:
    done = subprocess.run(
        ["sh", str(ROOT / "scripts" / "setup.sh"), "nonsense"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "usage:" in done.stderr
