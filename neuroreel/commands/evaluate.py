"""``neuroreel evaluate``: score a model, or a way of fitting, beside its baselines and controls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuroreel.click_types import REPEATS, TIME
from neuroreel.options import html_option, json_option

if TYPE_CHECKING:
    from decoders.evaluation.evaluate import EvaluateOptions
    from decoders.evaluation.evaluate_rolling import Refits
    from decoders.model.model import Model
    from stream.session import Session


@click.command()
@click.argument("files", metavar="[MODEL] SESSION", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--repeats", type=REPEATS, help="Showings to test on, such as 9-19 [default: all].")
@click.option(
    "--time", "part", type=TIME, help="Part of the recording to test on, such as 0.8-1 [default: all]."
)
@click.option("--cv", help="Fit and test in turn: 'repeat', or 'blocks:5'. Give only SESSION with it.")
@click.option(
    "--gap-s", type=click.FloatRange(min=0), help="With --cv: seconds left out around each test part."
)
@click.option(
    "--rolling",
    metavar="N",
    type=click.IntRange(min=2),
    help="Score refits, too: before each test showing on the last N before it.",
)
@click.option(
    "--agree-with",
    metavar="MODEL SESSION",
    nargs=2,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Compare the embedding with that of another run, or of another recording of the same frames.",
)
@click.option(
    "--draws", type=int, default=20, show_default=True, help="Refits on shifted labels; 0 = no controls."
)
@click.option("--mode", default="linear", show_default=True, help="With --cv: as in fit.")
@click.option("--decoder", default="auto", show_default=True, help="With --cv: as in fit.")
@click.option("--context-s", type=float, help="With --cv: as in fit.")
@click.option("--lookahead-frames", type=int, default=0, show_default=True, help="With --cv: as in fit.")
@click.option("--movie", "movie_path", type=click.Path(path_type=Path), help="With --cv: as in fit.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
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
    movie_path: Path | None,
    seed: int,
    html_target: str | None,
    json_target: str | None,
) -> None:
    """Score MODEL on SESSION, or with --cv a way of fitting on SESSION alone."""
    from decoders.evaluation.evaluate import EvaluateOptions, run_cross_validation, run_evaluation
    from decoders.fitting.fit import select_part
    from decoders.fitting.options import FitOptions
    from decoders.model.model import Model
    from neuroreel.options import write_json, write_text
    from stream.errors import BadUsage
    from stream.io.session_io import load_session
    from stream.movie import load_movie

    if len(files) != (1 if cv else 2):
        raise BadUsage("give MODEL and SESSION, or with --cv only SESSION.")
    if cv and rolling is not None:
        raise BadUsage("--rolling refits a MODEL from showing to showing; it does not go with --cv.")
    if cv and agree_with:
        raise BadUsage("--agree-with compares the embedding of a MODEL; it does not go with --cv.")
    if json_target == "-" == html_target:
        raise BadUsage("--json - and --html - would mix on standard output; give one of them a file.")
    chosen = EvaluateOptions(repeats, part, draws, seed)
    if cv:
        options = FitOptions(mode, decoder, context_s, lookahead_frames, seed=seed)
        session = select_part(load_session(files[0]), repeats, part)
        movie = load_movie(movie_path) if movie_path is not None else None
        scored = run_cross_validation(session, cv, options, draws=draws, gap_s=gap_s, movie=movie)
    else:
        fitted, session = Model.load(files[0]), load_session(files[1])
        refits = _refits(fitted, session, rolling, chosen) if rolling is not None else None
        scored = run_evaluation(fitted, session, chosen)
        if refits is not None:
            scored.report["rolling"] = refits.scores(scored.report)
        if agree_with:
            from decoders.evaluation.consistency import embedding_consistency

            others = [(Model.load(path), load_session(recording)) for path, recording in agree_with]
            scored.report["agreement"] = embedding_consistency(scored, others, chosen)
    if html_target is not None:
        from decoders.report.page import html_page

        write_text(html_page(scored, title=_title(files, repeats, part), seed=seed), html_target)
    if json_target is not None:
        write_json(scored.report, json_target)
    if "-" not in (json_target, html_target):
        _tables(scored.report)


def _refits(model: Model, session: Session, n: int, options: EvaluateOptions) -> Refits:
    from decoders.evaluation.evaluate_rolling import refit_before_each_repeat

    return refit_before_each_repeat(model, session, n, options)


def _title(files: tuple[Path, ...], repeats: tuple[int, ...] | None, part: tuple[float, float] | None) -> str:
    what = " on ".join(path.name for path in files)
    if repeats is not None:
        return f"{what}, repeats {', '.join(map(str, repeats))}"
    return what if part is None else f"{what}, part {part[0]:g} to {part[1]:g}"


def _tables(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = ("accuracy_within_1s", "accuracy_exact", "median_frame_error", "log_score_bits", "ece")
    table = Table(caption="alone: without the playback model", caption_justify="left")
    for heading in ("", "within 1 s", "exact", "error", "bits", "ece", "null p95"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for title, block in {"model": result, **result["baselines"], **result["controls"]}.items():
        for part, label in (("with_playback", title), ("without_playback", "  alone")):
            scores = block[part]
            null = scores.get("null_p95", scores.get("p95"))
            figures = [f"{scores[name]:.3f}" if name in scores else "" for name in names]
            table.add_row(label, *figures, "" if null is None else f"{null:.3f}")
    console = Console()
    console.print(table)
    for name, scores in result["continuous"].items():
        console.print(f"{name}: median error {scores['median_error']:.4g}, r2 {scores['r2']:.3f}")
        for other, figures in scores["baselines"].items():
            console.print(f"  {other}: median error {figures['median_error']:.4g}", highlight=False)
    for horizon, scores in result["forecast"].items():
        console.print(
            f"forecast +{horizon} s, bits: {scores['log_score_bits']:.2f}; persistence "
            f"{scores['persistence']['log_score_bits']:.2f}, advance {scores['advance']['log_score_bits']:.2f}"
        )
    if "rolling" in result:
        console.print(_side_by_side(result["rolling"]))
    if "agreement" in result:
        found = result["agreement"]
        console.print(f"embeddings agree: R2 {found['mean']:.3f}, chance {found['chance']:.3f}")
    if result["lookahead_ms"]:
        console.print(f"answers wait for {result['lookahead_ms']:g} ms of activity to come (lookahead)")
    console.print(f"verdict: {result['verdict']}")


def _side_by_side(rolling: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(
        title=f"within 1 s, fixed and refitted on the last {rolling['n']} showings", title_justify="left"
    )
    for heading in ("showing", "fixed", "rolling", "fixed, alone", "rolling, alone", "refitted on"):
        table.add_column(heading, justify="left" if heading == "refitted on" else "right")
    for number, row in rolling["per_showing"].items():
        figures = [
            f"{row[which][way]['accuracy_within_1s']:.3f}"
            for way in ("with_playback", "without_playback")
            for which in ("fixed", "rolling")
        ]
        table.add_row(number, *figures, ", ".join(map(str, row["trained_on"])) or "not refitted")
    return table
