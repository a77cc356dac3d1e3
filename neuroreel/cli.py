"""The command line. A command's module is imported only when it is called, so that ``--help`` stays fast."""

from __future__ import annotations

import difflib
import errno
import importlib
from typing import Any

import click

from neuroreel import __version__, terminal

COMMANDS = {
    "demo": "Replay the bundled recording, decode it live and show it.",
    "streams": "List the LSL streams on the network.",
    "record": "Record LSL streams to an XDF file and verify it.",
    "replay": "Send a recording as live LSL streams.",
    "fit": "Train a model on a recording.",
    "evaluate": "Score a model against baselines and controls.",
    "live": "Decode a neural stream live.",
    "display": "Open the window.",
    "convert": "Convert a recording to another file format.",
    "bench": "Measure latency, decoding speed and fitting time.",
    "doctor": "Check this computer and its network for problems.",
}
"""Each command with its one-line help; command X is ``neuroreel.commands.X.command``."""

HIDDEN = ("refit",)
"""Commands that only other commands start."""


class LazyGroup(click.Group):
    """A group of commands, each imported when called; turns NeuroReel's errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Command names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its ``command``."""
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        command: click.Command = importlib.import_module(f"neuroreel.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown name raises click's error, with the closest name as a suggestion."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            if near:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors that a user can correct end with a message and an exit code, without a traceback."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except Exception as error:
            message, code = _explain(error)
            if not message:
                raise
            terminal.echo_live(f"neuroreel: {message}", err=True, lines=True)
            raise click.exceptions.Exit(code) from error


def _explain(error: Exception) -> tuple[str, int]:
    """Message and exit code of an error; the message is empty for one that is not the user's to correct."""
    from stream.errors import NeuroReelError

    if isinstance(error, NeuroReelError):
        return str(error), error.exit_code
    if isinstance(error, MemoryError):
        return "not enough memory. Close other programs, or use a smaller recording.", 1
    if isinstance(error, OSError) and error.errno != errno.EPIPE:  # at a broken pipe click ends quietly
        names = " and ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
        return f"{f'{names}: ' if names else ''}{error.strerror or error}.", 1
    return "", 1


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neuroreel")
def cli() -> None:
    """Decode live, over Lab Streaming Layer (LSL), which movie frame a brain sees and what comes next."""
