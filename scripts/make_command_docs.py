"""Write docs/commands.md from the commands themselves; with --check, only say whether it is up to date."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from neuroreel.cli import COMMANDS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

HEAD = """# Commands

<!-- Written by scripts/make_command_docs.py (`make command-docs`). Do not edit. -->

Exit codes: 0 fine, 1 failed, 2 bad usage or bad input. No output file is overwritten without `--force`, and a
recording never is. Every command that measures or lists takes `--json FILE`; `-` is standard output.
"""


def main() -> None:
    """Write the page, or compare it."""
    text = "\n".join([HEAD, *sections()])
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(
            f"{PAGE.name} is not what the commands say now. Run `make command-docs` and commit the result."
        )


def sections() -> Iterator[str]:
    """One section for each command, in the order of the command line's own list."""
    with click.Context(cli, info_name="neuroreel") as parent:
        for name in COMMANDS:
            # A command without a module has no section; the tests refuse a release in that state.
            if importlib.util.find_spec(f"neuroreel.commands.{name}") is None:
                continue
            command = cli.get_command(parent, name)
            if command is not None:
                yield from command_sections(click.Context(command, info_name=name, parent=parent))


def command_sections(context: click.Context) -> Iterator[str]:
    """A command, and below it those that it groups."""
    yield section(context)
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            if command.hidden:
                continue
            yield from command_sections(click.Context(command, info_name=name, parent=context))


def section(context: click.Context) -> str:
    """One command as markdown: its usage, what it does and its options."""
    command = context.command
    title = context.command_path.removeprefix("neuroreel ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {title}", "", "```", usage, "```", "", paragraphs(command.help or ""), ""]
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if options:
        lines += ["| option | what it does |", "|---|---|"]
    for option in options:
        names, help_text = option.get_help_record(context) or ("", "")
        lines.append(f"| `{cell(names)}` | {cell(help_text)} |")
    return "\n".join([*lines, ""])


def paragraphs(help_text: str) -> str:
    r"""Click's help as markdown; a paragraph marked with \b keeps its line breaks."""
    blocks = inspect.cleandoc(help_text).split("\f")[0].strip().split("\n\n")
    return "\n\n".join(
        "```\n" + block.lstrip("\b\n") + "\n```" if block.startswith("\b") else block for block in blocks
    )


def cell(text: str) -> str:
    """Text on one line that a table can hold."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
