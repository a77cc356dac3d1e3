from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from decoders.errors import BadModel
from neuroreel import cli
from stream.errors import AmbiguousStream, BadRecording, NeuroReelError, NoStream, OutputExists, StreamLost


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.cli, list(arguments), prog_name="neuroreel")


def test_unknown_command_suggests_the_near_one() -> None:
    result = invoke("replya")
    assert result.exit_code == 2
    assert "Did you mean 'replay'?" in result.output


def test_unknown_command_without_a_near_one() -> None:
    result = invoke("xyzzy")
    assert result.exit_code == 2
    assert "xyzzy" in result.output
    assert "Did you mean" not in result.output


def test_unknown_option_is_bad_usage() -> None:
    result = invoke("doctor", "--jsno", "x")
    assert result.exit_code == 2
    assert "--json" in result.output


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
def test_errors_of_the_user_end_with_a_message_and_a_code(
    monkeypatch: pytest.MonkeyPatch, error: type[NeuroReelError], code: int
) -> None:
    result = invoke_failing(monkeypatch, error("the value was 3; give 4."))
    assert result.exit_code == code
    assert result.output == "neuroreel: the value was 3; give 4.\n"


def test_an_error_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke_failing(monkeypatch, ZeroDivisionError("ours"))
    assert isinstance(result.exception, ZeroDivisionError)


def test_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke_failing(monkeypatch, KeyboardInterrupt()).exit_code == 130


def invoke_failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> Result:
    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(cli.LazyGroup, "get_command", lambda *_: command)
    return invoke("doctor")


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
def test_no_such_file_is_bad_input(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    missing = str(tmp_path / "missing")
    result = invoke(*(argument.format(missing=missing) for argument in arguments))
    assert result.exit_code == 2, result.output
    assert "missing" in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
