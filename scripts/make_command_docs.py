"""Write docs/commands.md from the help of the commands; with --check, only check that it is up to date."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from neuroreel.cli import COMMANDS, cli

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

HEAD = """# Commands

<!-- Written by scripts/make_command_docs.py (`make command-docs`). Do not edit. -->

Exit codes: 0 success, 1 failure, 2 wrong usage or unusable input. An existing output file is overwritten only with
`--force`, a recording never. Files are written completely or not at all.
"""


def main() -> None:
    """Write the page, or compare it with the commands."""
    text = "\n".join([HEAD, *sections()])
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(
            f"{PAGE.name} differs from the commands' help. Run `make command-docs` and commit the result."
        )


def sections() -> Iterator[str]:
    """The page's sections: one per command, in the order of ``neuroreel --help``."""
    with click.Context(cli, info_name="neuroreel") as parent:
        for name in COMMANDS:
            command = cli.get_command(parent, name)
            if command is not None:
                yield from command_sections(click.Context(command, info_name=name, parent=parent))


def command_sections(context: click.Context) -> Iterator[str]:
    """Section of a command, followed by those of its subcommands."""
    yield section(context)
    if isinstance(context.command, click.Group):
        for name, command in context.command.commands.items():
            if command.hidden:
                continue
            yield from command_sections(click.Context(command, info_name=name, parent=context))


def section(context: click.Context) -> str:
    """Markdown of one command: usage, description and options."""
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
    r"""Click's help text as markdown; a paragraph marked with \b keeps its line breaks."""
    blocks = inspect.cleandoc(help_text).split("\f")[0].strip().split("\n\n")
    return "\n\n".join(
        "```\n" + block.lstrip("\b\n") + "\n```" if block.startswith("\b") else block for block in blocks
    )


def cell(text: str) -> str:
    """Text for a cell of a markdown table: on one line, with the column separator escaped."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
