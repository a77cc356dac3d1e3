"""The terminal: foreign text is made printable here, and nothing that decodes or records ever waits for printing.

`echo` and `console` print results and may wait for the reader, as any program does. What is printed while a stream is
decoded, recorded or sent goes through `echo_live` and `live_console`: a thread prints it, and what the terminal does not
accept (it is stopped with Ctrl-S, closed, or a pipe that nobody reads) is dropped.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import signal
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TextIO

import click

from stream.printable import MAX_LENGTH, printable

if TYPE_CHECKING:
    from rich.console import Console

MAX_WAITING = 200
"""Texts that wait for the terminal at most; the oldest are dropped first."""

MAX_MESSAGE = 20_000
"""Longest message of several lines, in characters."""

FLUSH_S = 3.0
"""Longest wait at the end for a terminal that does not accept what is left, seconds."""


class Printer:
    """Prints to a file descriptor from a thread of its own; never blocks, never raises.

    Parameters
    ----------
    fd
        File descriptor.
    max_waiting
        See `MAX_WAITING`.
    """

    def __init__(self, fd: int, max_waiting: int = MAX_WAITING) -> None:
        self._fd, self._max_waiting = fd, max_waiting
        self._waiting: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._writing = self._closed = False
        self._n_dropped = 0
        threading.Thread(target=self._run, name="printer", daemon=True).start()

    def __repr__(self) -> str:
        state = "CLOSED" if self._closed else "WRITING" if self._writing else "IDLE"
        return f"<Printer: {state} | {len(self._waiting)} texts waiting, {self._n_dropped} dropped>"

    def write(self, data: bytes) -> None:
        """Queue a text; if too many wait, the oldest is dropped.

        Parameters
        ----------
        data
            Encoded text, with its line end.
        """
        with self._changed:
            if self._closed:
                return
            if len(self._waiting) >= self._max_waiting:
                self._waiting.popleft()
                self._n_dropped += 1
            self._waiting.append(data)
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is printed; False if it is not after the timeout.

        Parameters
        ----------
        timeout_s
            Longest wait, seconds.
        """
        with self._changed:
            return self._changed.wait_for(
                lambda: self._closed or not (self._waiting or self._writing), timeout_s
            )

    def _run(self) -> None:
        """Print until the descriptor is closed (the thread)."""
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                data, self._writing = self._waiting.popleft(), True
                if self._n_dropped:
                    data = f"({self._n_dropped} lines were not printed in time)\n".encode() + data
                    self._n_dropped = 0
            try:
                self._write_all(data)
            except OSError:  # the reader is gone, or the terminal is closed
                self._closed = True
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _write_all(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # a pipe that another program has made non-blocking
                select.select([], [self._fd], [], 1.0)


_printers: dict[int, Printer] = {}


def echo(text: object, *, err: bool = False, fg: str | None = None) -> None:
    """Print a line of a result; waits for the reader.

    Parameters
    ----------
    text
        Line, with foreign parts as they are.
    err
        Print to standard error.
    fg
        Colour on a terminal.
    """
    flush()
    click.secho(printable(text), err=err, fg=fg)


def echo_live(text: object, *, err: bool = False, fg: str | None = None, lines: bool = False) -> None:
    """Print a line while a stream is decoded, recorded or sent; never waits, never fails.

    Parameters
    ----------
    text, err, fg
        See `echo`.
    lines
        See `stream.printable.printable`.
    """
    output = _output(err)
    if output is not None:
        line = printable(text, lines=lines, limit=MAX_MESSAGE if lines else MAX_LENGTH)
        _write(output, (click.style(line, fg=fg) if fg and output.isatty() else line) + "\n")


def flush(timeout_s: float = FLUSH_S) -> None:
    """Wait until the lines of `echo_live` are printed, but not for ever.

    Parameters
    ----------
    timeout_s
        Longest wait, seconds.
    """
    deadline = time.monotonic() + timeout_s
    for printer in list(_printers.values()):
        printer.flush(max(0.0, deadline - time.monotonic()))


def console(*, err: bool = False) -> Console:
    """Console for tables of results, on which foreign text is printable; waits for the reader.

    Parameters
    ----------
    err
        Print to standard error.
    """
    flush()
    return _console(_output(err))


def live_console(*, err: bool = False) -> Console:
    """Console for what is shown while a stream is decoded, recorded or sent, and for its summary; never waits or fails.

    Parameters
    ----------
    err
        Print to standard error.
    """
    output = _output(err)
    return _console(None if output is None else _LiveFile(output))


def keep_running_without_terminal() -> None:
    """Make this process continue when its terminal is closed, and when it prints from the background."""
    for name in ("SIGHUP", "SIGTTOU"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def open_standard_streams() -> None:
    """Open standard streams that are closed, and let the others print any character.

    Otherwise a recording could get the number of standard error, and with it all that is printed there.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is `fd`
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115, PTH123
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


class LogHandler(logging.Handler):
    """Prints log messages that nobody else handles, by `echo_live`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message."""
        with contextlib.suppress(Exception):
            echo_live(self.format(record), err=True, lines=True)


class _LiveFile(io.TextIOBase):
    """The file of a `live_console`."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._output.encoding or "utf-8"

    def write(self, text: str) -> int:
        _write(self._output, text)
        return len(text)

    def isatty(self) -> bool:
        return self._output.isatty()

    def fileno(self) -> int:
        return self._output.fileno()


def _console(output: Any) -> Console:
    from rich.console import Console
    from rich.text import Text

    class SafeConsole(Console):
        """Makes every text that it renders printable."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str("\n".join(map(printable, text.split("\n"))), **options)

    return SafeConsole(file=output if output is not None else io.StringIO(), emoji=False)


def _output(err: bool) -> TextIO | None:
    return sys.stderr if err else sys.stdout


def _write(output: TextIO, text: str) -> None:
    """Write to a stream without waiting; a stream in memory at once."""
    try:
        fd = output.fileno()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            output.write(text)
        return
    if fd not in _printers:
        _printers[fd] = Printer(fd)
    _printers[fd].write(text.encode(output.encoding or "utf-8", errors="backslashreplace"))
