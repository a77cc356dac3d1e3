"""Printing that never holds up a stream: stopped terminals, pipes that nobody reads, closed descriptors."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from neuroreel import terminal
from neuroreel.terminal import Printer

HOSTILE = "a\x1b]0;t\x07\x1b[2J\u202eb"
ESCAPED = r"a\x1b]0;t\x07\x1b[2J\u202eb"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Read and write ends of a pipe; a test may close them."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def test_lines_are_printed_in_order(pipe: tuple[int, int]) -> None:
    printer = Printer(pipe[1])
    for index in range(50):
        printer.write(b"%d\n" % index)
    assert printer.flush(5.0)
    assert os.read(pipe[0], 10_000).split() == [b"%d" % index for index in range(50)]


def test_pipe_that_nobody_reads_costs_no_time_and_old_lines(pipe: tuple[int, int]) -> None:
    printer = Printer(pipe[1], max_waiting=10)
    begin = time.monotonic()
    for index in range(1000):
        printer.write(b"%d\n" % index + b" " * 100_000 + b"\n")
    assert not printer.flush(0.1)
    assert time.monotonic() - begin < 2.0
    read = b""
    while not printer.flush(0.01) or not read.rstrip().endswith(b"999"):
        read += os.read(pipe[0], 1 << 16)
        assert time.monotonic() - begin < 10.0
    assert b"lines were not printed in time" in read
    assert b"\n999\n" in read


def test_reader_that_has_gone_is_no_error(pipe: tuple[int, int]) -> None:
    printer = Printer(pipe[1])
    os.close(pipe[0])
    printer.write(b"a\n")
    assert printer.flush(5.0)
    printer.write(b"b\n")
    assert printer.flush(5.0)
    assert "CLOSED" in repr(printer)


def test_pipe_that_another_program_made_non_blocking(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    printer = Printer(pipe[1])
    printer.write(b"a" * (1 << 20))
    read = 0
    while read < 1 << 20:
        read += len(os.read(pipe[0], 1 << 16))
    assert printer.flush(5.0)


@pytest.mark.parametrize("print_line", [terminal.echo, terminal.echo_live])
def test_foreign_text_is_made_printable(print_line, capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    print_line(HOSTILE, err=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ESCAPED + "\n"


@pytest.mark.parametrize("make_console", [terminal.console, terminal.live_console])
def test_tables_are_made_printable(make_console, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE + " :cat: \ud800")
    make_console().print(table)
    output = capsys.readouterr().out
    assert output.count(ESCAPED) == 3
    assert ":cat:" in output
    assert "\x1b" not in output
    assert "\u202e" not in output


def test_missing_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    terminal.echo_live("a", err=True)
    terminal.live_console(err=True).print("a")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    sys.stderr.close()
    terminal.echo_live("a", err=True)


def test_log_messages_are_made_printable(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 0, "%s", (HOSTILE,), None)
    terminal.LogHandler().emit(record)
    assert capsys.readouterr().err == ESCAPED + "\n"


CLOSED = """
import os, sys
from neuroreel.terminal import open_standard_streams
open_standard_streams()
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
print("printed")
print("printed", file=sys.stderr)
assert sys.stdin.read() == ""
sys.exit(0 if file > 2 else 3)
"""


@pytest.mark.live
def test_no_file_gets_the_number_of_a_closed_standard_stream(tmp_path) -> None:
    path = tmp_path / "recording.xdf"
    command = f'"{sys.executable}" -P -c "$0" "$1" <&- >&- 2>&-'
    assert subprocess.run(["sh", "-c", command, CLOSED, str(path)], timeout=60).returncode == 0
    assert path.read_bytes() == b""


def test_commands_print_only_through_the_terminal() -> None:
    allowed = {
        "files.py": "JSON and HTML, asked for on standard output",
        "refit.py": "reports to the engine",
        "replay.py": "the list of faults",
        "bench.py": "reports of a child",
        "terminal.py": "the boundary itself",
    }
    folder = Path(terminal.__file__).parent
    printing = {
        path.name
        for path in folder.rglob("*.py")
        if re.search(r"click\.s?echo\(|(?<![\w.])Console\(|import Console", path.read_text(encoding="utf-8"))
    }
    assert printing <= set(allowed), "print foreign text with neuroreel.terminal"
