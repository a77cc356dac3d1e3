"""Progress and summary of a recording: printed on a terminal, or reported to a parent process."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from neuroreel.options import plain
from neuroreel.terminal import echo_live, live_console
from stream.printable import printable

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from stream.recorder.recorder import Recorder


class View:
    """Base class of the two views; a context manager."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._start_cpu = time.process_time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the terminal."""

    def ready(self, recorder: Recorder) -> None:
        """Report that the first streams are open."""

    def event(self, event: dict[str, Any]) -> None:
        """Report an event, such as a stream that appeared or was lost."""

    def update(self, recorder: Recorder) -> None:
        """Report the state of the recording; called once a second."""

    def orphaned(self) -> None:
        """Report that the parent process has died."""
        echo_live(
            "the engine has ended; recording continues until the neural stream ends "
            f"(stop it with 'kill -INT {os.getpid()}')",
            err=True,
        )

    def end(self, summary: dict[str, Any]) -> None:
        """Report the summary of the finished recording."""

    def usage(self) -> dict[str, Any]:
        """CPU time as a share of one core, and peak memory in MB, of this process so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        wall_s = time.monotonic() - self._start
        return {
            "cpu_of_one_core": round((time.process_time() - self._start_cpu) / max(wall_s, 1e-9), 4),
            "memory_mb": round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1),
        }


class ReportView(View):
    """Reports to a parent process as JSON lines on standard output, without ever blocking."""

    def __init__(self) -> None:
        super().__init__()
        self._problem = ""
        os.set_blocking(1, False)

    def ready(self, recorder: Recorder) -> None:
        """Report that all streams are open except those held back for the engine."""
        self._report({"do": "ready", "streams": len(recorder.streams), "pid": os.getpid()})

    def event(self, event: dict[str, Any]) -> None:
        """Report an event."""
        self._report({"do": "event", **event})

    def update(self, recorder: Recorder) -> None:
        """Report the number of samples, the file size, and a problem if there is one."""
        problem = recorder.disk_writer.problem
        if problem != self._problem:
            reason = f"{recorder.disk_writer.path}: {problem}" if problem else "writing to the file again"
            self.event({"event": "failing" if problem else "recovered", "reason": reason})
            self._problem = problem
        samples = sum(stream.stats.n_samples for stream in recorder.streams)
        for stream in recorder.streams:
            stream.update_rate()
        self._report(
            {"do": "status", "samples": samples, "bytes": recorder.disk_writer.n_written, "problem": problem}
        )

    def end(self, summary: dict[str, Any]) -> None:
        """Report the summary; waits until the parent has room for it."""
        os.set_blocking(1, True)
        self._report({"do": "end", "summary": plain(summary)})

    def _report(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # the parent has died or does not read: never wait for it
            os.write(1, (json.dumps(plain(message)) + "\n").encode())


class TerminalView(View):
    """Updates a table once a second; prints one line instead where standard error is not a terminal.

    Parameters
    ----------
    title
        Title of the table: the file.
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._live: Live | None = None
        self._problem = ""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.live import Live

            self._live = Live(console=live_console(err=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: dict[str, Any]) -> None:
        """Print an event as one line."""
        self._print(event["reason"])

    def update(self, recorder: Recorder) -> None:
        """Show samples, rate and age of the newest sample, for each stream."""
        for stream in recorder.streams:
            stream.update_rate()
        problem = recorder.disk_writer.problem
        if problem and problem != self._problem:
            self._print(f"NOT WRITTEN: {recorder.disk_writer.path}: {problem}")
        self._problem = problem
        if self._live is not None:
            self._live.update(_state_table(self._title, recorder), refresh=True)
        else:
            self._print(_state_line(recorder))

    def _print(self, text: str) -> None:
        if self._live is not None:
            from rich.text import Text

            self._live.console.print(Text(printable(text)))  # Text: names may contain rich's markup
        else:
            echo_live(text, err=True)


def print_summary(summary: dict[str, Any]) -> None:
    """Print the summary of a recording as a table.

    Parameters
    ----------
    summary
        Returned by `stream.recorder.recorder.Recorder.stop`.
    """
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
    console = live_console()
    console.print(table)
    differences = summary.get("differences", ())
    if not summary["verified"]:
        verdict = "NOT verified: some of the samples received are not in the file"
    elif differences:
        verdict = "verified, all that the recorder received is in the file; decoder and recorder differ"
    elif summary["problems"]:
        verdict = "verified, all that was received is in the file; but see the problems"
    else:
        verdict = "verified, no samples lost"
    console.print(
        f"{summary['file']}: {summary['bytes'] / 1e6:.2f} MB in {summary['seconds']:.1f} s; {verdict}.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    for difference in differences:
        echo_live(f"difference: {difference}", err=True)
    for problem in summary["problems"]:
        echo_live(f"problem: {problem}", err=True)


def _state_table(title: str, recorder: Recorder) -> Table:
    """State of the recording as a table."""
    from rich.markup import escape
    from rich.table import Table

    disk_writer = recorder.disk_writer
    state = (
        f"[red]NOT WRITTEN: {escape(disk_writer.problem)}[/red]"
        if disk_writer.problem
        else "[red]recording[/red]"
    )
    table = Table(
        "stream", "type", "samples", "Hz", "age s", box=None, title_justify="left",
        title=f"{state} {escape(title)}  {_clock(recorder.elapsed_s)}  {disk_writer.n_written / 1e6:.2f} MB",
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
        table.add_row(f"[red]{escape(query)}[/red]", "", "", "", "[red]missing[/red]")
    return table


def _state_line(recorder: Recorder) -> str:
    """State of the recording in one line."""
    parts = [
        f"{stream.name} {stream.stats.n_samples} ({stream.measured_hz:.1f} Hz{', STALE' if stream.stale else ''})"
        for stream in list(recorder.streams)
    ]
    parts += [f"{query}: missing" for query in sorted(filter(None, recorder.unmatched))]
    size = f"{recorder.disk_writer.n_written / 1e6:.2f} MB"
    return f"{_clock(recorder.elapsed_s)}  {size}  {'  '.join(parts)}"


def _clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600:d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
