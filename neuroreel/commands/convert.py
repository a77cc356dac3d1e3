"""``neuroreel convert``: convert a recording to another file format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuroreel.click_types import NumberRange
from neuroreel.files import INPUT, SESSION_OUTPUT, FileCommand
from neuroreel.options import json_option
from neuroreel.terminal import console

if TYPE_CHECKING:
    from stream.session import Session


@click.command(cls=FileCommand)
@click.argument("source", metavar="IN", type=INPUT)
@click.argument("target", metavar="OUT", type=SESSION_OUTPUT)
@click.option(
    "--stream",
    metavar="NAME",
    help="Neural stream to convert, if the file contains several: a name or, for XDF, a query such as "
    "\"name='EEG' and hostname='pc-b'\".",
)
@click.option(
    "--stimulus",
    metavar="NAME",
    help="NWB and XDF: name of the stimulus in the file; for NWB also TABLE/COLUMN, for XDF also a query.",
)
@click.option(
    "--area",
    multiple=True,
    metavar="NAME",
    help="NWB: keep only units of this brain area, such as 'VISp' or 'VIS*'; repeatable [default: all].",
)
@click.option(
    "--quality",
    multiple=True,
    metavar="WORD",
    help="NWB: keep only units of this quality, such as 'good'; repeatable [default: all].",
)
@click.option(
    "--bin-ms",
    type=NumberRange(min=0, min_open=True),
    metavar="MS",
    help="NWB: bin width for spike counts in ms [default: one movie frame, otherwise 33.333].",
)
@json_option
def command(
    source: Path,
    target: Path,
    stream: str | None,
    stimulus: str | None,
    area: tuple[str, ...],
    quality: tuple[str, ...],
    bin_ms: float | None,
    json_target: str | None,
) -> None:
    """Convert the recording IN to the file OUT; the suffixes choose the formats.

    Reads .xdf (also compressed, .xdfz or .xdf.gz), .npz, .h5, .csv, .mat and .nwb; writes .xdf, .npz, .h5 and .csv. An
    existing OUT is never overwritten, not even with --force. Where IN is damaged, the rest is converted, and the exit
    code is 1.
    """
    from neuroreel.options import write_json
    from stream.io.session_io import ReadOptions, check_suffix, load_session_with_notes, save_session

    check_suffix(target)
    session, notes = load_session_with_notes(source, ReadOptions(stream, stimulus, area, quality, bin_ms))
    notes += [*session.losses, *save_session(session, target)]
    facts = _facts(session)
    if json_target is not None:
        write_json({"source": str(source), "target": str(target), **facts, "notes": notes}, json_target)
    if json_target != "-":
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, value in {**facts, "notes": "\n".join(notes), "written to": target}.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            if text:
                table.add_row({"showings": "repeats"}.get(name, name.replace("_", " ")), escape(text))
        console().print(table)
    if session.losses:
        click.get_current_context().exit(1)


def _facts(session: Session) -> dict[str, object]:
    """Properties of a session, for the table and for JSON."""
    return {
        "name": session.name,
        "kind": str(session.kind),
        "channels": session.n_channels,
        "samples": session.n_samples,
        "rate_hz": session.rate_hz,
        "segments": int(session.segment[-1] - session.segment[0]) + 1,
        "frames": session.n_frames,
        "showings": len(session.repeats),
        "labels": list(session.labels),
        "movie": [clip.name for clip in session.movie.clips[:8]] if session.movie else [],
    }
