"""``neuroreel evaluate``: score a model, or cross-validate fit options, against baselines and controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import NUMBER, REPEATS, SEED, TIME, NumberRange
from neuroreel.files import INPUT, FileCommand
from neuroreel.options import html_option, json_option
from neuroreel.terminal import console

if TYPE_CHECKING:
    from decoders.evaluation.evaluate import EvaluateOptions, Evaluation


@click.command(cls=FileCommand)
@click.argument("files", metavar="[MODEL] SESSION", nargs=-1, required=True, type=INPUT)
@click.option(
    "--repeats", type=REPEATS, help="Test on these repeats of the movie, such as 9-19 [default: all]."
)
@click.option(
    "--time",
    "part",
    type=TIME,
    help="Test on this part of the recording, as fractions of its duration, such as 0.8-1 [default: all].",
)
@click.option(
    "--cv",
    metavar="SCHEME",
    help="Cross-validate on SESSION alone: 'repeat' leaves out one repeat at a time, 'blocks:5' one of 5 blocks.",
)
@click.option(
    "--gap-s",
    type=NumberRange(min=0),
    metavar="SECONDS",
    help="With --cv: exclude this many seconds of training data on each side of the test part "
    "[default: one context window where a segment is cut, otherwise 0].",
)
@click.option(
    "--rolling",
    metavar="N",
    type=click.IntRange(min=2),
    help="Also score refits: before each test repeat, the model is refitted on the N repeats before it.",
)
@click.option(
    "--agree-with",
    metavar="MODEL SESSION",
    nargs=2,
    multiple=True,
    type=INPUT,
    help="Measure how well the embedding agrees with that of another model, on the same or another recording of "
    "the same movie; repeatable.",
)
@click.option(
    "--draws",
    type=int,
    default=20,
    show_default=True,
    metavar="N",
    help="Refits on shifted labels for the null distribution, at least 20; 0 disables controls and verdict.",
)
@click.option("--mode", default="linear", show_default=True, help="With --cv: embedding, as in 'fit'.")
@click.option(
    "--decoder", default="auto", show_default=True, help="With --cv: frame classifier, as in 'fit'."
)
@click.option(
    "--context-s",
    type=NUMBER,
    metavar="SECONDS",
    help="With --cv: length of the causal window in seconds [default: chosen on held-out data].",
)
@click.option(
    "--lookahead-frames",
    type=int,
    default=0,
    show_default=True,
    metavar="N",
    help="With --cv: future samples per prediction, as in 'fit'.",
)
@click.option("--label", metavar="NAME", help="With --cv: decode places of this label, as in 'fit'.")
@click.option(
    "--movie",
    "movie_path",
    metavar="FILE",
    type=INPUT,
    help="With --cv: video file of the movie.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Random seed.")
@html_option
@json_option
def command(
    files: tuple[Path, ...],
    repeats: tuple[int, ...] | None,
    part: tuple[float, float] | None,
    cv: str | None,
    gap_s: float | None,
    rolling: int | None,
    agree_with: tuple[tuple[Path, Path], ...],
    draws: int,
    mode: str,
    decoder: str,
    context_s: float | None,
    lookahead_frames: int,
    label: str | None,
    movie_path: Path | None,
    seed: int,
    html_target: str | None,
    json_target: str | None,
) -> None:
    """Score MODEL on the recording SESSION against baselines and controls; with --cv, fit and score on SESSION alone."""
    from decoders.evaluation.evaluate import EvaluateOptions, run_cross_validation
    from decoders.fitting.options import FitOptions
    from decoders.fitting.training_data import select_part
    from neuroreel.files import write_text
    from neuroreel.options import write_json
    from stream.errors import BadUsage
    from stream.io.session_io import load_session
    from stream.movie import load_movie

    if len(files) != (1 if cv else 2):
        raise BadUsage(
            f"{len(files)} file{'s' if len(files) > 1 else ''} given; give MODEL and SESSION, or only SESSION with --cv."
        )
    if cv and rolling is not None:
        raise BadUsage("--rolling needs a MODEL to refit, so it cannot be combined with --cv.")
    if cv and agree_with:
        raise BadUsage("--agree-with compares the embedding of a MODEL, so it cannot be combined with --cv.")
    test_options = EvaluateOptions(repeats, part, draws, seed)
    if cv:
        options = FitOptions(mode, decoder, context_s, lookahead_frames, seed=seed, label=label)
        session = select_part(load_session(files[0]), repeats, part)
        movie = load_movie(movie_path) if movie_path is not None else None
        scored = run_cross_validation(session, cv, options, draws=draws, gap_s=gap_s, movie=movie)
    else:
        scored = _score_model(files[0], files[1], test_options, rolling, agree_with)
    if "-" not in (json_target, html_target):
        _print_scores(scored.report)
    if json_target is not None:
        write_json(scored.report, json_target)
    if html_target is not None:
        from decoders.report.page import html_page

        write_text(html_page(scored, title=_title(files, repeats, part), seed=seed), html_target)


def _score_model(
    model: Path,
    recording: Path,
    options: EvaluateOptions,
    rolling: int | None,
    agree_with: tuple[tuple[Path, Path], ...],
) -> Evaluation:
    """Score a model, optionally with refits and with the agreement of its embedding with others."""
    from decoders.evaluation.evaluate import run_evaluation
    from decoders.model.model import Model
    from stream.io.session_io import load_session

    fitted, session = Model.load(model), load_session(recording)
    refits = None
    if rolling is not None:
        from decoders.evaluation.evaluate_rolling import refit_before_each_repeat

        refits = refit_before_each_repeat(fitted, session, rolling, options)
    scored = run_evaluation(fitted, session, options)
    if refits is not None:
        scored.report["rolling"] = refits.scores(scored.report)
    if agree_with:
        from decoders.evaluation.consistency import embedding_consistency

        others = [(Model.load(path), load_session(other)) for path, other in agree_with]
        scored.report["agreement"] = embedding_consistency(scored, others, options)
    return scored


def _title(files: tuple[Path, ...], repeats: tuple[int, ...] | None, part: tuple[float, float] | None) -> str:
    """Title of the HTML page: the files and what was tested."""
    names = " on ".join(path.name for path in files)
    if repeats is not None:
        return f"{names}, repeats {', '.join(map(str, repeats))}"
    return names if part is None else f"{names}, part {part[0]:g} to {part[1]:g}"


def _print_scores(result: dict[str, Any]) -> None:
    """Print the scores of model, baselines and controls, and the verdict."""
    from rich.markup import escape
    from rich.table import Table

    names = ("accuracy_within_1s", "accuracy_exact", "median_frame_error", "log_score_bits", "ece")
    table = Table(
        caption="no playback: each moment decoded on its own, without the playback model",
        caption_justify="left",
    )
    for heading in ("", "within 1 s", "exact", "error", "bits", "ECE", "null p95"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for title, block in {"model": result, **result["baselines"], **result["controls"]}.items():
        for part, label in (("with_playback", title), ("without_playback", "  no playback")):
            scores = block[part]
            null = scores.get("null_p95", scores.get("p95"))
            figures = [f"{scores[name]:.3f}" if name in scores else "" for name in names]
            table.add_row(label, *figures, "" if null is None else f"{null:.3f}")
    output = console()
    output.print(table)
    for name, scores in result["continuous"].items():
        output.print(
            f"{escape(name)}: median error {scores['median_error']:.4g}, mean {scores['mean_error']:.4g}, r2 "
            f"{scores['r2']:.3f}"
        )
        for other, figures in scores["baselines"].items():
            errors = f"median error {figures['median_error']:.4g}, mean {figures['mean_error']:.4g}"
            output.print(f"  {other}: {errors}", highlight=False)
        if "controls" in scores:
            output.print(
                f"  shifted by chance: median error {scores['controls']['null_p05']:.4g} (5th percentile)"
            )
    for horizon, scores in result["forecast"].items():
        output.print(
            f"forecast +{horizon} s: log score {scores['log_score_bits']:.2f} bits; persistence "
            f"{scores['persistence']['log_score_bits']:.2f}, advance {scores['advance']['log_score_bits']:.2f}"
        )
    if result["order"]:
        alone, added = result["order"]["alone_shuffled"], result["order"]["added"]
        output.print(
            f"what the order of play adds: {added['accuracy_within_1s']:+.3f} within 1 s, "
            f"{added['log_score_bits']:+.2f} bits, over {alone['accuracy_within_1s']:.3f} and "
            f"{alone['log_score_bits']:.2f} bits without the playback model and with shuffled scenes"
        )
    if "rolling" in result:
        output.print(_rolling_table(result["rolling"]))
    if "agreement" in result:
        found = result["agreement"]
        output.print(f"agreement of embeddings: R2 {found['mean']:.3f}, chance {found['chance']:.3f}")
    if result["lookahead_ms"]:
        output.print(f"predictions are delayed by a lookahead of {result['lookahead_ms']:g} ms")
    output.print(f"verdict: {result['verdict']}")


def _rolling_table(rolling: dict[str, Any]) -> Any:
    """Accuracy of the fixed and of the refitted model for each test repeat, as a table."""
    from rich.table import Table

    table = Table(
        title=f"Accuracy within 1 s: fixed model, and refitted on the last {rolling['n']} repeats",
        title_justify="left",
    )
    headings = ("repeat", "fixed", "rolling", "fixed, no playback", "rolling, no playback", "refitted on")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "refitted on" else "right")
    for number, row in rolling["per_showing"].items():
        figures = [
            f"{row[which][way]['accuracy_within_1s']:.3f}"
            for way in ("with_playback", "without_playback")
            for which in ("fixed", "rolling")
        ]
        table.add_row(number, *figures, ", ".join(map(str, row["trained_on"])) or "not refitted")
    return table
