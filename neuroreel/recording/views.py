"""What a recording says of itself while it runs and when it has ended: in a terminal, or to a parent process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from neuroreel.options import plain

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from stream.recorder.recorder import Recorder


class View:
    """What both have in common; a context manager."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._used = time.process_time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the terminal."""

    def ready(self, recorder: Recorder) -> None:
        """Say that the first streams are open."""

    def event(self, event: dict[str, Any]) -> None:
        """Say what happened."""

    def second(self, recorder: Recorder) -> None:
        """Say how it stands, once a second."""

    def orphaned(self) -> None:
        """Say that the parent process has died."""
        _complain(
            f"the engine is gone; recording goes on until its stream is gone, too ('kill -INT {os.getpid()}' ends it)"
        )

    def end(self, summary: dict[str, Any]) -> None:
        """Say that it has ended."""

    def usage(self) -> dict[str, Any]:
        """What the process used so far: share of one core, peak memory in MB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall_s = time.monotonic() - self._begun
        return {
            "cpu_of_one_core": round((time.process_time() - self._used) / max(wall_s, 1e-9), 4),
            "memory_mb": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        }


class ReportView(View):
    """Tells a parent process in JSON lines on standard output, and never waits for it to listen."""

    def __init__(self) -> None:
        super().__init__()
        self._problem = ""
        os.set_blocking(1, False)

    def ready(self, recorder: Recorder) -> None:
        """Say that everything is open but what is held."""
        self._tell({"do": "ready", "streams": len(recorder.streams), "pid": os.getpid()})

    def event(self, event: dict[str, Any]) -> None:
        """Pass it on."""
        self._tell({"do": "event", **event})

    def second(self, recorder: Recorder) -> None:
        """Counts, size and a problem, if there is one."""
        problem = recorder.disk_writer.problem
        if problem != self._problem:
            reason = f"{recorder.disk_writer.path}: {problem}" if problem else "written again"
            self.event({"event": "failing" if problem else "recovered", "reason": reason})
            self._problem = problem
        samples = sum(stream.stats.n_samples for stream in recorder.streams)
        for stream in recorder.streams:
            stream.update_rate()
        self._tell(
            {"do": "status", "samples": samples, "bytes": recorder.disk_writer.n_written, "problem": problem}
        )

    def end(self, summary: dict[str, Any]) -> None:
        """The whole summary."""
        os.set_blocking(1, True)
        self._tell({"do": "end", "summary": plain(summary)})

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the parent is gone, or does not listen: never wait for it
            os.write(1, (json.dumps(plain(message)) + "\n").encode())


class TerminalView(View):
    """A table that is renewed once a second; where standard error is no terminal, a line.

    Parameters
    ----------
    title
        What is recorded.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._live: Live | None = None
        self._problem = ""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: dict[str, Any]) -> None:
        """One line for each."""
        self._say(event["reason"])

    def second(self, recorder: Recorder) -> None:
        """Per stream: samples, rate, age."""
        for stream in recorder.streams:
            stream.update_rate()
        problem = recorder.disk_writer.problem
        if problem and problem != self._problem:
            self._say(f"NOT WRITTEN: {recorder.disk_writer.path}: {problem}")
        self._problem = problem
        if self._live is not None:
            self._live.update(_state_table(self._title, recorder), refresh=True)
        else:
            self._say(_state_line(recorder))

    def _say(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(text))  # as it is: the table is printed anew along with it
        else:
            _complain(text)


def print_summary(summary: dict[str, Any]) -> None:
    """The end of a recording as a table.

    Parameters
    ----------
    summary
        Of `stream.recorder.recorder.Recorder.stop`.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("stream", "samples", "rate Hz", "gaps", "duration s", "clock offsets", "lost", box=None)
    for row in summary["streams"]:
        rate = row["measured_rate_hz"]
        lost = f"{row['lost']}" if row["matches"] else f"[red]{row['lost']}, differs[/red]"
        table.add_row(
            escape(row["name"]),
            str(row["samples"]),
            f"{rate:.3f}" if rate is not None and row["nominal_rate_hz"] else "irregular",
            str(row["gaps"]),
            f"{row['duration_s']:.2f}",
            str(row["clock_offsets"]),
            lost,
        )
    console = Console()
    console.print(table)
    said = "read back, nothing is lost" if summary["verified"] else "NOT everything received is in the file"
    console.print(
        f"{summary['file']}: {summary['bytes'] / 1e6:.2f} MB in {summary['seconds']:.1f} s; {said}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for problem in summary["problems"]:
        _complain(f"problem: {problem}")


def _state_table(title: str, recorder: Recorder) -> Table:
    """How the recording stands, for a terminal."""
    from rich.markup import escape
    from rich.table import Table

    spool = recorder.disk_writer
    state = f"[red]NOT WRITTEN: {escape(spool.problem)}[/red]" if spool.problem else "[red]recording[/red]"
    table = Table(
        "stream", "type", "samples", "Hz", "age s", box=None, title_justify="left",
        title=f"{state} {escape(title)}  {_clock(recorder.elapsed_s)}  {spool.n_written / 1e6:.2f} MB",
    )  # fmt: skip
    for stream in list(recorder.streams):
        age = f"{stream.age_s:.1f}" if stream.present else "gone"
        table.add_row(
            escape(stream.name),
            escape(stream.type),
            str(stream.stats.n_samples),
            f"{stream.measured_hz:.1f}",
            f"[red]{age}[/red]" if stream.stale else age,
        )
    for query in sorted(filter(None, recorder.unmatched)):
        table.add_row(f"[red]{escape(query)}[/red]", "", "", "", "[red]not there[/red]")
    return table


def _state_line(recorder: Recorder) -> str:
    """How the recording stands, in one line."""
    parts = [
        f"{stream.name} {stream.stats.n_samples} ({stream.measured_hz:.1f} Hz{', STALE' if stream.stale else ''})"
        for stream in list(recorder.streams)
    ]
    parts += [f"{query}: not there" for query in sorted(filter(None, recorder.unmatched))]
    size = f"{recorder.disk_writer.n_written / 1e6:.2f} MB"
    return f"{_clock(recorder.elapsed_s)}  {size}  {'  '.join(parts)}"


def _clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600:d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _complain(text: str) -> None:
    """A line on standard error; nothing when nobody is there any more."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)
