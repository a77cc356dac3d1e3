"""``neuroreel convert``: a recording in another file format."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--stream", help="Which neural stream, for a file that has several.")
def command(source: Path, target: Path, stream: str | None) -> None:
    """Convert the recording IN to OUT; the suffixes (.xdf, .npz) say the formats.

    Recordings are never overwritten.
    """
    from stream.files import load_session, save_session

    session = load_session(source, stream=stream)
    save_session(session, target)
    pictures = session.movie is not None and session.movie.frames is not None
    note = "; the movie's pictures stay behind" if pictures and target.suffix.lower() == ".xdf" else ""
    click.echo(f"{session} written to {target}{note}")
