"""Runs commands of the command line, within the test's process or in one of their own."""

from __future__ import annotations

import subprocess
import sys

from click.testing import CliRunner, Result

from neuroreel.cli import cli
from stream.lsl.network import child_env


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


def run_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own; it must succeed."""
    command = [sys.executable, "-P", "-m", "neuroreel", *map(str, arguments)]
    done = subprocess.run(command, env=child_env(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done
