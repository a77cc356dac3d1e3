"""``neuroreel convert``: a recording in another file format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuroreel.options import json_option

if TYPE_CHECKING:
    from stream.session import Session


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--stream", help="Which neural stream, for a file that has several.")
@click.option("--stimulus", metavar="NAME", help="NWB: which stimulus, as the file calls it.")
@click.option(
    "--area", multiple=True, metavar="NAME", help="NWB: only units in this area ('VIS*'); can be repeated."
)
@click.option(
    "--quality", multiple=True, metavar="WORD", help="NWB: only units of this quality; can be repeated."
)
@click.option(
    "--bin-ms",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MS",
    help="NWB: width of the bins that spikes are counted in [default: one frame of the movie, else 33.333].",
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
    """Convert the recording IN to OUT; the suffixes say the formats.

    Read: .xdf, .npz, .h5, .csv, .mat and .nwb; written: the first four. Recordings are never
    overwritten, with --force or without.
    """
    from neuroreel.options import write_json
    from stream.errors import refuse_existing
    from stream.io.session_io import ReadOptions, load_session_with_notes, save_session

    refuse_existing(target, recording=True)
    session, notes = load_session_with_notes(source, ReadOptions(stream, stimulus, area, quality, bin_ms))
    notes += save_session(session, target)
    facts = _facts(session)
    if json_target is not None:
        write_json({"source": str(source), "target": str(target), **facts, "notes": notes}, json_target)
    if json_target != "-":
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim")
        table.add_column(overflow="fold")
        for name, value in {**facts, "notes": "\n".join(notes), "written to": target}.items():
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            if text:
                table.add_row(name.replace("_", " "), text)
        Console().print(table)


def _facts(session: Session) -> dict[str, object]:
    """What a session holds."""
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
