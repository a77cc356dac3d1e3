"""The command line: commands are loaded only when they are called, so that ``--help`` answers at once."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import click

from neuroreel import __version__

COMMANDS = {
    "demo": "Replay the bundled recording, decode it live, show it.",
    "streams": "List the streams on the network.",
    "record": "Record streams, losing nothing.",
    "replay": "Send a recording as live streams.",
    "fit": "Train a model on a recording.",
    "evaluate": "Score a model beside its baselines and controls.",
    "live": "Decode a stream.",
    "display": "Open the window.",
    "convert": "Convert a recording between file formats.",
    "bench": "Measure latency, decoding and fitting, beside a floor or a peer.",
    "doctor": "Say what would go wrong on this computer.",
}
"""Every command and its one line of help; the command of name X is ``neuroreel.commands.X.command``."""


HIDDEN = ("refit",)
"""Commands that only other commands call."""


class LazyGroup(click.Group):
    """A group that imports a command's module when it is called, and turns user errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
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
        """As click does, and with a suggestion for a name that is nearly right."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            if near:
                raise click.UsageError(f"{error.message} Did you mean '{near[0]}'?", ctx) from None
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing one of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and end with a message and an exit code instead of a traceback for what the user can mend."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        except Exception as error:
            from stream.errors import NeuroReelError

            if not isinstance(error, NeuroReelError):
                raise
            click.echo(f"neuroreel: {error}", err=True)
            raise click.exceptions.Exit(error.exit_code) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neuroreel")
def cli() -> None:
    """Decode live, over Lab Streaming Layer, which movie frame a brain is looking at, and what comes next."""
