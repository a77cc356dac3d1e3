"""Runs a command of the command line within the test's process."""

from __future__ import annotations

from click.testing import CliRunner, Result

from neuroreel.cli import cli


def run(*arguments: object) -> Result:
    """Run a command; a traceback in its output fails the test."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], prog_name="neuroreel")
    assert "Traceback" not in result.output
    return result


def run_refused(*arguments: object) -> str:
    """Run a command that must end with exit code 2, wrong usage or input; returns its output."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    return result.output
