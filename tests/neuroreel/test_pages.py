"""The pages: every file, name, command and flag that they mention exists, and every public name has its entry."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import click
import pytest

import neuroreel
from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.cli import cli
from stream.replay.faults import CONSTANT_FAULTS, SCHEDULED_FAULTS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "replay_data/README.md")]
PAGES += sorted(path for path in DOCS.rglob("*.md") if path.name != "commands.md")  # a generated page
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())


@cache
def flags(name: str) -> frozenset[str]:
    command = cli.get_command(click.Context(cli), name)
    if command is None:
        return frozenset()
    subcommands = command.commands.values() if isinstance(command, click.Group) else [command]
    options = [option for each in subcommands for option in each.params]
    return frozenset(flag for option in options for flag in (*option.opts, *option.secondary_opts))


def exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = dotted.split(".")
    for n_parts in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n_parts]))
        except ModuleNotFoundError:
            continue
        for name in parts[n_parts:]:
            found = getattr(found, name, None)
        return found is not None
    return False


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


@each_page
def test_files_and_modules_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|md|txt|toml|xdf|safetensors))`", text):
        assert (ROOT / path).exists() or (page.parent / path).exists(), path
    packages = "stream|decoders|gui|replay_data|neuroreel|benchmarks"
    for name in re.findall(rf"(?:`|python -m |from |::: )((?:{packages})(?:\.\w+)+)", text):
        assert exists(name), name


@each_page
def test_commands_and_flags_exist(page: Path) -> None:
    text = page.read_text().replace("\n", " ")
    for name, rest in re.findall(r"neuroreel ([a-z]+)\b((?: (?:\"[^\"]*\"|[^`\s#]+))*)", text):
        if name in cli.list_commands(click.Context(cli)):
            rest = rest.split(" neuroreel ")[0]
            for flag in re.findall(r"(?<= )--[a-z][\w-]*", rest):
                assert flag in flags(name) | {"--help"}, f"{name} {flag}"


def test_every_public_name_has_one_entry() -> None:
    text = "\n".join(page.read_text() for page in sorted((DOCS / "api").glob("*.md")))
    entries = re.findall(r"^::: neuroreel\.(\w+)$", text, re.MULTILINE)
    assert sorted(entries) == sorted(set(neuroreel.__all__) - {"__version__"})


def test_every_page_is_in_the_navigation() -> None:
    listed = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_every_prediction_channel_and_fault_is_described() -> None:
    streams, replay = (DOCS / "streams.md").read_text(), (DOCS / "replay.md").read_text()
    assert [name for name in PREDICTION_CHANNELS if f"`{name}`" not in streams] == []
    assert [
        kind for kind in (*SCHEDULED_FAULTS, *CONSTANT_FAULTS) if not re.search(rf"`{kind}[@=]", replay)
    ] == []
