"""``neuroreel fit``: train a model on a recording."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import NUMBER, REPEATS, SEED, TIME
from neuroreel.files import INPUT, OUTPUT, UPDATED, FileCommand
from neuroreel.options import json_option
from neuroreel.terminal import console, echo

if TYPE_CHECKING:
    from decoders.evaluation.lookahead_curve import LookaheadPoint
    from decoders.model.model import Model

N_NAMED = 20
"""Excluded channels listed by name at most; an fMRI scan has hundreds of voxels outside the head."""

FEW_MOMENTS, FEW_FRAMES = 100, 0.2
"""Held-out moments, and share of the frames, below which a choice of settings rests on little."""


@click.command(cls=FileCommand)
@click.argument("sessions", metavar="SESSION...", nargs=-1, required=True, type=INPUT)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OUTPUT,
    help="File for the model (.safetensors).",
)
@click.option(
    "--mode",
    default="linear",
    show_default=True,
    help="Embedding: linear, or trained by contrastive learning (needs torch): label, time, hybrid.",
)
@click.option(
    "--dimensions",
    type=int,
    metavar="D",
    help="Dimensions of the contrastive embedding, 2 to 64 [default: chosen on held-out data].",
)
@click.option(
    "--decoder",
    default="auto",
    show_default=True,
    help="Frame classifier: auto (chosen on held-out data), blend, cosine, lda.",
)
@click.option(
    "--context-s",
    type=NUMBER,
    metavar="SECONDS",
    help="Length of the causal window in seconds [default: chosen on held-out data].",
)
@click.option(
    "--lookahead-frames",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="Use N future samples for each prediction, which adds the same delay.",
)
@click.option(
    "--lookahead-curve",
    is_flag=True,
    help="Print held-out accuracy against lookahead for the linear embedding; no model is written.",
)
@click.option(
    "--lag-s",
    type=NUMBER,
    metavar="SECONDS",
    help="Delay of the signal after the stimulus in seconds [default: 0; for BOLD, chosen on held-out data].",
)
@click.option(
    "--train-repeats",
    type=REPEATS,
    help="Train on these repeats of the movie, such as 0-8 or 0,2,4 [default: all].",
)
@click.option(
    "--train-time",
    type=TIME,
    help="Train on this part of the recording, as fractions of its duration, such as 0-0.8 [default: all].",
)
@click.option(
    "--positives",
    default="auto",
    show_default=True,
    help="What makes a positive pair in contrastive training: auto, frames, labels, both.",
)
@click.option(
    "--resume",
    metavar="FILE",
    type=UPDATED,
    help="Save the state of contrastive training to this file, and continue from it if it exists.",
)
@click.option(
    "--label",
    metavar="NAME",
    help="Decode places of this label instead of frames [default: the first label, if the recording has no frames].",
)
@click.option(
    "--movie",
    "movie_path",
    metavar="FILE",
    type=INPUT,
    help="Video file of the movie, for its frames [default: none].",
)
@click.option(
    "--order",
    default="any",
    show_default=True,
    help="Whether settings must hold when a movie's scenes come in another order (any) or it never changes (known).",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@json_option
def command(
    sessions: tuple[Path, ...],
    output: Path | None,
    mode: str,
    dimensions: int | None,
    decoder: str,
    context_s: float | None,
    lookahead_frames: int,
    lookahead_curve: bool,
    lag_s: float | None,
    train_repeats: tuple[int, ...] | None,
    train_time: tuple[float, float] | None,
    positives: str,
    resume: Path | None,
    label: str | None,
    movie_path: Path | None,
    order: str,
    seed: int,
    force: bool,
    json_target: str | None,
) -> None:
    """Train a model on one or more recordings of the same channels and write it to a file."""
    from decoders.fitting.fit import fit_model
    from decoders.fitting.options import FitOptions
    from neuroreel.options import write_json
    from neuroreel.progress import training_bar
    from stream.errors import BadUsage
    from stream.io.session_io import load_session
    from stream.movie import load_movie

    if output is None and not lookahead_curve:
        raise BadUsage("no output: give a file for the model with -o, or --lookahead-curve.")
    options = FitOptions(
        mode,
        decoder,
        context_s,
        lookahead_frames,
        train_repeats,
        train_time,
        seed,
        positives,
        resume,
        lag_s,
        order,
        label,
        dimensions,
    )
    movie = load_movie(movie_path) if movie_path is not None else None
    if output is None or lookahead_curve:
        from decoders.evaluation.lookahead_curve import as_json
        from decoders.evaluation.lookahead_curve import lookahead_curve as curve

        points = curve([load_session(path) for path in sessions], options, movie)
        if json_target is not None:
            write_json({"lookahead": as_json(points)}, json_target)
        if json_target != "-":
            _print_curve(points)
        return
    with training_bar() as report:
        model = fit_model([load_session(path) for path in sessions], options, movie, report=report)
    _save(model, output, force)
    unused = model.card["unused_channels"]
    if unused:
        names = ", ".join(unused[:N_NAMED]) + (
            f" and {len(unused) - N_NAMED} more" if len(unused) > N_NAMED else ""
        )
        echo(f"excluded channels (constant or mostly NaN): {names}", err=True)
    if json_target != "-":
        _print_card(output, model.hash, model.card)
        _warn_of_little_evidence(model.card["validation"], "place" if "places" in model.card else "frame")
        _warn_of_few_samples(model.card)
    if json_target is not None:
        write_json({"model": str(output), "hash": model.hash, **model.card}, json_target)


def _save(model: Model, path: Path, force: bool) -> None:
    """Save the model; if that fails after the training, save it among the temporary files instead, and report both."""
    import tempfile

    from stream.errors import NeuroReelError

    try:
        model.save(path, force=force)
    except NeuroReelError as error:
        rescued = Path(tempfile.mkdtemp(prefix="neuroreel-")) / path.name
        try:
            model.save(rescued)
        except NeuroReelError:
            raise error from None
        raise type(error)(f"{error} The fitted model is saved as {rescued}.") from error


def _print_card(output: Path, content_hash: str, card: dict[str, object]) -> None:
    """Print what was fitted as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(str(output))} ({content_hash})", show_header=False, title_justify="left")
    used = len(card["channel_names"]) - len(card["unused_channels"])  # type: ignore[arg-type]
    rows = {
        "channels": f"{used} used of {len(card['channel_names'])}",  # type: ignore[arg-type]
        **(
            {"places": f"{card['n_frames']} of label {card['places']['label']}"}  # type: ignore[index]
            if "places" in card
            else {"frames": card["n_frames"]}
        ),
        **({"resolution": f"{card['frames_per_sample']:.3g} frames"} if "frames_per_sample" in card else {}),
        "context": f"{card['context_ms']:g} ms",
        **({"lookahead": f"{card['lookahead_ms']:g} ms"} if card["lookahead_ms"] else {}),
        "decoder": f"{card['mode']}, {card['decoder']}, shrinkage {card['shrinkage']:g}",
        "lag": f"{card['lag_ms']:g} ms",
        **({"trained on": "simulated data"} if card.get("simulated") else {}),
        "settings chosen on": _chosen_on(card["validation"], "places" if "places" in card else "frames"),
        "fitted in": f"{card['train_seconds']:.1f} s",
    }
    contrastive = card.get("contrastive")
    if isinstance(contrastive, dict):
        names = {"linear": "linear_", "contrastive": "", "both": "both_"}
        scores = [f"{name} {contrastive[start + 'log_score_nats']:.3f}" for name, start in names.items()]
        rows["held-out log score"] = ", ".join(scores) + " nats"
        shown = contrastive["display_dimensions"]
        rows["dimensions"] = f"{contrastive['dimensions']}" + (f", and {shown} to show" if shown else "")
        rows["embedding used"] = f"{card['decoder_embedding']}"
        loss, chance = contrastive["infonce_nats"], contrastive["infonce_chance_nats"]
        rows["held-out InfoNCE"] = f"{loss:.2f} nats, chance {chance:.2f}"
        steps = (
            f"{contrastive['steps']} steps at temperature {contrastive['temperature']:g}, context "
            f"{contrastive['context_ms']:g} ms"
        )
        rows["training"] = steps + (", interrupted" if contrastive["interrupted"] else "")
    for name, value in rows.items():
        table.add_row(name, str(value))
    console().print(table)


def _chosen_on(validation: Any, states: str) -> str:
    """Say on which held-out data the settings were chosen."""
    if not validation["moments"]:
        return "nothing held out"
    return (
        f"{validation['moments']:,} held-out moments of {validation['repeats']} repeats, "
        f"{validation['frames']} of {validation['of_frames']} {states}, {validation['order']}"
    )


def _warn_of_little_evidence(validation: dict[str, int | str], state: str) -> None:
    """Warn when the settings were chosen on little or nothing."""
    moments, frames, of_frames = (int(validation[name]) for name in ("moments", "frames", "of_frames"))
    if not moments:
        echo(
            f"warning: nothing could be held out, because no {state} occurs in two parts of the training data. Settings "
            "are defaults, and confidence is not calibrated. Train on at least two repeats.",
            err=True,
        )
    elif moments < FEW_MOMENTS or frames < FEW_FRAMES * of_frames:
        echo(
            f"warning: the settings rest on {moments} held-out moments of {frames} of {of_frames} {state}s, which "
            "is little. Train on more repeats.",
            err=True,
        )


def _warn_of_few_samples(card: dict[str, Any]) -> None:
    """Warn when there are fewer samples than movie frames."""
    if card.get("frames_per_sample", 1) > 1:
        never = (
            f", and {card['unsampled_frames']} frames were never sampled" if card["unsampled_frames"] else ""
        )
        echo(
            f"warning: the movie shows {card['frames_per_sample']:.3g} frames per sample{never}. Frames that lie closer "
            "together cannot be told apart, and are decoded from what was sampled around them.",
            err=True,
        )


def _print_curve(points: list[LookaheadPoint]) -> None:
    """Print held-out accuracy against lookahead as a table."""
    from rich.table import Table

    table = Table(
        title="Held-out accuracy against lookahead: linear embedding, no playback model", title_justify="left"
    )
    for heading in ("samples", "added delay", "window", "in order", "scenes shuffled", "exact frame"):
        table.add_column(heading, justify="right")
    for point in points:
        shares = (point.in_order, point.shuffled, point.exact)
        table.add_row(
            str(point.lookahead_frames),
            f"{point.lookahead_ms:.0f} ms",
            f"{point.context_ms:.0f} ms",
            *("" if share != share else f"{share:.3f}" for share in shares),
        )
    console().print(table)
