"""The command line: help, suggestions, error messages and exit codes."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from decoders.errors import BadModel
from neuroreel import cli
from stream.errors import AmbiguousStream, BadRecording, NeuroReelError, NoStream, OutputExists, StreamLost
from tests.neuroreel.commands.runner import run, run_refused

HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "pylsl",
    "pyxdf",
    "safetensors",
    "PyQt5",
    "pyqtgraph",
    "matplotlib",
    "av",
    "torch",
)

PROBE = f"""
import sys
from neuroreel.__main__ import main
try:
    main()
finally:
    print("LOADED", *(name for name in {HEAVY!r} if name in sys.modules), file=sys.stderr)
"""


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", *arguments], capture_output=True, text=True, timeout=60)


def least_cpu_s(*arguments: str) -> float:
    """Processor time of a command, which waiting for a busy machine does not count in: the least of five runs."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run_python(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


@pytest.mark.live
@pytest.mark.parametrize("name", ["", *cli.COMMANDS])
def test_help_loads_no_heavy_library(name: str) -> None:
    done = run_python("-c", PROBE, *name.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: neuroreel {name}".rstrip())
    assert done.stderr.strip().splitlines()[-1].split() == ["LOADED"]


@pytest.mark.live
def test_help_is_fast() -> None:
    # 150 ms where an empty Python takes 15 ms; a ratio, so that it also holds on a busy machine
    bare = least_cpu_s("-c", "pass")
    for name in ("", "replay", "live"):
        assert least_cpu_s("-m", "neuroreel", *name.split(), "--help") < 12 * bare, name


def test_help_lists_every_command_once() -> None:
    commands = run("--help").output.split("Commands:")[1]
    names = [line.split()[0] for line in commands.splitlines() if line.startswith("  ") and line[2] != " "]
    assert names == list(cli.COMMANDS)


def leaf_commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand, hidden ones included, with its name."""
    context = click.Context(cli.cli)
    found = [(name, cli.cli.get_command(context, name)) for name in (*cli.COMMANDS, *cli.HIDDEN)]
    commands = [(name, command) for name, command in found if command is not None]
    groups = [(name, command) for name, command in commands if isinstance(command, click.Group)]
    return commands + [
        (f"{name} {sub}", command) for name, group in groups for sub, command in group.commands.items()
    ]


@pytest.mark.parametrize(("name", "command"), leaf_commands())
def test_every_option_has_help_of_one_sentence(name: str, command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.opts
            assert option.help[0].isupper() or option.help.startswith("NWB"), option.help
            assert option.help.endswith("."), option.help
            assert ". " not in option.help.replace("e. g. ", ""), option.help


def test_unknown_command_suggests_the_closest_one() -> None:
    assert "Did you mean 'replay'?" in run_refused("replya")


def test_unknown_command_without_a_close_one() -> None:
    output = run_refused("xyzzy")
    assert "xyzzy" in output
    assert "Did you mean" not in output


def test_unknown_option_suggests_the_closest_one() -> None:
    assert "--json" in run_refused("doctor", "--jsno", "x")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRecording, 2),
        (OutputExists, 2),
        (AmbiguousStream, 2),
        (BadModel, 2),
        (NoStream, 1),
        (StreamLost, 1),
    ],
)
def test_neuroreel_error_ends_with_its_message_and_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: type[NeuroReelError], code: int
) -> None:
    result = run_failing(monkeypatch, error("the value was 3; give 4."))
    assert result.exit_code == code
    assert result.output == "neuroreel: the value was 3; give 4.\n"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "/a.xdf"), "/a.xdf: Permission denied."),
        (OSError(24, "Too many open files"), "Too many open files."),
        (MemoryError(), "not enough memory. Close other programs, or use a smaller recording."),
        (BadRecording("'a\x1b[2J' is bad\nneuroreel: ok"), r"'a\x1b[2J' is bad" + "\n  neuroreel: ok"),
    ],
)
def test_errors_of_the_system_and_foreign_text_become_messages(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    result = run_failing(monkeypatch, error)
    assert result.exit_code in (1, 2)
    assert result.output == f"neuroreel: {message}\n"


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_failing(monkeypatch, ZeroDivisionError("ours"))
    assert isinstance(result.exception, ZeroDivisionError)


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_failing(monkeypatch, KeyboardInterrupt()).exit_code == 130


def run_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    """Run a command that raises the error."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)
    return CliRunner().invoke(cli.cli, ["doctor"], prog_name="neuroreel")


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "{missing}.xdf"),
        ("fit", "{missing}.npz", "-o", "{missing}.safetensors"),
        ("evaluate", "{missing}.safetensors", "{missing}.npz"),
        ("live", "{missing}.safetensors", "--network", "loopback"),
        ("convert", "{missing}.xdf", "{missing}-2.npz"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_missing_file_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    missing = str(tmp_path / "missing")
    assert "missing" in run_refused(*(argument.format(missing=missing) for argument in arguments))
    assert not list(tmp_path.iterdir())
