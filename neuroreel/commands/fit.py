"""``neuroreel fit``: train a model on a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuroreel.click_types import REPEATS, TIME
from neuroreel.options import json_option

if TYPE_CHECKING:
    from decoders.evaluation.lookahead_curve import LookaheadPoint

N_NAMED = 20
"""Channels that are left out and named; a scan has hundreds outside the head."""


@click.command()
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where the model goes.")
@click.option("--mode", default="linear", show_default=True, help="Embedding: linear, label, time, hybrid.")
@click.option(
    "--decoder",
    default="auto",
    show_default=True,
    help="Frame decoder: auto, blend, cosine, lda, naive_bayes, gaussian_naive_bayes, knn.",
)
@click.option(
    "--context-s", type=float, help="Length of the causal window [default: chosen on held-out data]."
)
@click.option(
    "--lookahead-frames",
    type=int,
    default=0,
    show_default=True,
    help="Future samples that each answer waits for: so much later it comes.",
)
@click.option(
    "--lookahead-curve",
    is_flag=True,
    help="Write no model; print held-out accuracy by lookahead, of the linear embedding.",
)
@click.option(
    "--lag-s",
    type=float,
    help="Seconds by which the signal comes after what it answers to [default: 0; of BOLD, chosen on held-out data].",
)
@click.option(
    "--train-repeats", type=REPEATS, help="Showings to train on, such as 0-8 or 0,2,4 [default: all]."
)
@click.option(
    "--train-time", type=TIME, help="Part of the recording to train on, such as 0-0.8 [default: all]."
)
@click.option(
    "--positives",
    default="auto",
    show_default=True,
    help="What contrastive training takes for alike: auto, frames, labels, both.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the contrastive training in this file, and take it up from there.",
)
@click.option(
    "--movie", "movie_path", type=click.Path(path_type=Path), help="Video file with the movie's pictures."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@json_option
def command(
    sessions: tuple[Path, ...],
    output: Path | None,
    mode: str,
    decoder: str,
    context_s: float | None,
    lookahead_frames: int,
    lookahead_curve: bool,
    lag_s: float | None,
    train_repeats: tuple[int, ...] | None,
    train_time: tuple[float, float] | None,
    positives: str,
    resume: Path | None,
    movie_path: Path | None,
    seed: int,
    force: bool,
    json_target: str | None,
) -> None:
    """Train a model on one or more recordings of the same channels, and write it to a file."""
    from decoders.fitting.fit import fit_model
    from decoders.fitting.options import FitOptions
    from neuroreel.options import write_json
    from neuroreel.progress import training_bar
    from stream.errors import BadUsage, refuse_existing
    from stream.io.session_io import load_session
    from stream.movie import load_movie

    if output is None and not lookahead_curve:
        raise BadUsage("give a file for the model with -o, or --lookahead-curve.")
    options = FitOptions(
        mode, decoder, context_s, lookahead_frames, train_repeats, train_time, seed, positives, resume, lag_s
    )
    movie = load_movie(movie_path) if movie_path is not None else None
    if output is None or lookahead_curve:
        from decoders.evaluation.lookahead_curve import as_json
        from decoders.evaluation.lookahead_curve import lookahead_curve as curve

        points = curve([load_session(path) for path in sessions], options, movie)
        if json_target is not None:
            write_json({"lookahead": as_json(points)}, json_target)
        if json_target != "-":
            _curve(points)
        return
    refuse_existing(output, force=force)
    with training_bar() as report:
        model = fit_model([load_session(path) for path in sessions], options, movie, report=report)
    model.save(output, force=force)
    unused = model.card["unused_channels"]
    if unused:
        names = ", ".join(unused[:N_NAMED]) + (
            f" and {len(unused) - N_NAMED} more" if len(unused) > N_NAMED else ""
        )
        click.echo(f"left out, flat or mostly not a number: {names}", err=True)
    if json_target is not None:
        write_json({"model": str(output), "hash": model.hash, **model.card}, json_target)
    if json_target != "-":
        _table(output, model.hash, model.card)


def _table(output: Path, content_hash: str, card: dict[str, object]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{output} ({content_hash})", show_header=False, title_justify="left")
    used = len(card["channel_names"]) - len(card["unused_channels"])  # type: ignore[arg-type]
    rows = {
        "channels": f"{used} used of {len(card['channel_names'])}",  # type: ignore[arg-type]
        "frames": card["n_frames"],
        "context": f"{card['context_ms']:g} ms",
        **({"lookahead": f"{card['lookahead_ms']:g} ms"} if card["lookahead_ms"] else {}),
        "decoder": f"{card['mode']}, {card['decoder']}, shrinkage {card['shrinkage']:g}",
        "lag": f"{card['lag_ms']:g} ms",
        "fitted in": f"{card['train_seconds']:.1f} s",
    }
    contrastive = card.get("contrastive")
    if isinstance(contrastive, dict):
        names = {"linear": "linear_", "contrastive": "", "both": "both_"}
        scores = [f"{name} {contrastive[start + 'log_score_nats']:.3f}" for name, start in names.items()]
        rows["held-out log score"] = ", ".join(scores) + " nats"
        rows["frames are read from"] = f"{card['decoder_embedding']}"
        loss, chance = contrastive["infonce_nats"], contrastive["infonce_chance_nats"]
        rows["held-out InfoNCE"] = f"{loss:.2f} nats, chance {chance:.2f}"
        steps = (
            f"{contrastive['steps']} steps at temperature {contrastive['temperature']:g}, context "
            f"{contrastive['context_ms']:g} ms"
        )
        rows["training"] = steps + (", interrupted" if contrastive["interrupted"] else "")
    for name, value in rows.items():
        table.add_row(name, str(value))
    Console().print(table)


def _curve(points: list[LookaheadPoint]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="Held-out accuracy by lookahead, linear embedding without playback", title_justify="left"
    )
    for heading in ("samples", "answers late by", "window", "in order", "scenes shuffled", "exact frame"):
        table.add_column(heading, justify="right")
    for point in points:
        shares = (point.in_order, point.shuffled, point.exact)
        table.add_row(
            str(point.lookahead_frames),
            f"{point.lookahead_ms:.0f} ms",
            f"{point.context_ms:.0f} ms",
            *("" if share != share else f"{share:.3f}" for share in shares),
        )
    Console().print(table)
