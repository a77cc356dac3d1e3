"""``neuroreel streams``: list the streams on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import FileCommand
from neuroreel.options import json_option, network_option
from neuroreel.terminal import console, echo

if TYPE_CHECKING:
    from stream.lsl.resolve import FoundStream


@click.command(cls=FileCommand)
@click.option(
    "--wait",
    "wait_s",
    type=NumberRange(min=0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Search for streams for this many seconds.",
)
@click.option(
    "--measure",
    "measure_s",
    type=NumberRange(min=0),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Count samples for this many seconds to measure the effective rate; 0 disables it.",
)
@json_option
@network_option("lab")
def command(wait_s: float, measure_s: float, json_target: str | None, network: str) -> None:
    """List the LSL streams on the network with their nominal and effective sampling rates.

    A replay that waits for its first consumer is listed but not measured, because measuring would start it.
    """
    from neuroreel.hints import hidden_hint
    from neuroreel.options import write_json
    from stream.lsl.network import configure
    from stream.lsl.resolve import list_streams

    scope = configure(network).scope
    found = list_streams(wait_s)
    rows = [_row(stream) for stream in found]
    if measure_s > 0:
        _measure(found, rows, measure_s)
    if json_target is not None:
        write_json({"network": scope, "streams": rows}, json_target)
    if json_target == "-":
        return
    if not rows:
        echo(f"No streams found (network scope: {scope}).")
        for line in filter(None, hidden_hint().split("\n")):
            echo(line)
        return
    _print_streams(rows)


def _row(stream: FoundStream) -> dict[str, Any]:
    """A stream's properties, as announced; the stream is not opened."""
    return {
        "name": stream.name,
        "type": stream.type,
        "hostname": stream.hostname,
        "source_id": stream.source_id,
        "n_channels": stream.n_channels,
        "nominal_rate_hz": stream.rate_hz,
        "effective_rate_hz": None,
        "mode": None,
    }


def _measure(found: list[FoundStream], rows: list[dict[str, Any]], measure_s: float) -> None:
    """Measure the effective rates of all streams at the same time, and store them in the rows."""
    import time

    from stream.errors import StreamError
    from stream.lsl.event_inlet import EventInlet

    counted = []
    for stream, row in zip(found, rows, strict=True):
        inlet = EventInlet(stream.info)
        try:
            inlet.prepare(1.0, sync_timeout_s=0.0)
            row["mode"] = inlet.facts.get("mode")
            if inlet.facts.get("waits", "0") == "0":
                inlet.open(1.0)
                counted.append((inlet, row))
        except StreamError:
            continue  # the stream has disappeared since
    begin = time.monotonic()
    counts = [0] * len(counted)
    while counted and time.monotonic() < begin + measure_s:
        time.sleep(0.02)
        for index, (inlet, _) in enumerate(counted):
            counts[index] += len(inlet.pull()[1])
    elapsed_s = time.monotonic() - begin
    for (inlet, row), count in zip(counted, counts, strict=True):
        row["effective_rate_hz"] = round(count / elapsed_s, 2)
        inlet.close()


def _print_streams(rows: list[dict[str, Any]]) -> None:
    """Print the streams as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "name", "type", "host", "source id", "channels", "nominal Hz", "effective Hz", "mode", box=None
    )
    for row in rows:
        texts = [escape(str(row[key])) for key in ("name", "type", "hostname", "source_id")]
        nominal, effective = row["nominal_rate_hz"], row["effective_rate_hz"]
        rates = f"{nominal:g}" if nominal else "irregular", "-" if effective is None else f"{effective:g}"
        table.add_row(*texts, str(row["n_channels"]), *rates, row["mode"] or "-")
    console().print(table)
