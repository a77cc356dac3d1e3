"""Plots of a report page as SVG: light, printable, in the colours of Okabe and Ito."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from decoders.report.accuracy_curves import Curve
from decoders.report.plot_values import Confusion, Points, Reliability

ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"
INK, DIM, GRID = "#222222", "#6b7280", "#d8dce1"

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": DIM,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": DIM,
    "ytick.color": DIM,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "svg.hashsalt": "neuroreel",
}
N_TICKS = 7
"""Number of frame numbers along an axis of the confusion matrix."""

LINES: dict[str, dict[str, Any]] = {
    "model": {"color": BLUE, "marker": "o", "lw": 4, "ms": 8, "alpha": 0.75, "zorder": 2},
    "rolling": {"color": VERMILION, "marker": "*", "ms": 9, "lw": 2},
    "lda": {"color": ORANGE, "marker": "s"},
    "naive_bayes": {"color": GREEN, "marker": "^"},
    "knn": {"color": PURPLE, "marker": "D"},
    "linear": {"color": SKY, "marker": "v"},
}
NAMES = {
    "model": "model",
    "rolling": "refitted model",
    "linear": "linear embedding",
    "lda": "shrinkage LDA",
    "naive_bayes": "naive Bayes",
    "knn": "k nearest neighbours",
    "ridge_regression": "ridge regression",
    "knn_regression": "nearest-neighbour regression",
    "counter": "counter",
    "onset_clock": "onset clock",
    "neural_shuffled": "shuffled activity",
    "labels_shifted": "shifted labels",
}


def _styled(draw: Callable[..., str]) -> Callable[..., str]:
    """Decorate a plot function to draw in the style of this module."""

    @functools.wraps(draw)
    def inside(*data: Any) -> str:
        with mpl.rc_context(STYLE):
            return draw(*data)

    return inside


def display_name(key: str) -> str:
    """Return the name of a decoder or control on the page."""
    if key in NAMES:
        return NAMES[key]
    decoder, _, method = key.rpartition("_")
    return f"{NAMES[decoder]}, {method}" if decoder in NAMES else key.replace("_", " ")


def decoder_blocks(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of the model, of its refits if there are any, and of the baselines.

    A linear model is its own linear baseline, which is left out.

    Parameters
    ----------
    report
        From `decoders.evaluation.summary.report`.
    """
    parts = ("with_playback", "without_playback")
    refits = {"rolling": report["rolling"]} if "rolling" in report else {}
    baselines = {
        name: block
        for name, block in report["baselines"].items()
        if any(block[part] != report[part] for part in parts)
    }
    return {"model": report, **refits, **baselines}


@_styled
def headline(report: Mapping[str, Any], criterion: str) -> str:
    """Plot the accuracy of the model, its baselines and the controls, with and without the playback model.

    Parameters
    ----------
    report
        From `decoders.evaluation.summary.report`.
    criterion
        How a sample must be decoded to count as correct.
    """
    decoders = decoder_blocks(report)
    rows = [*decoders.items(), *report["controls"].items()]
    figure, (axes,) = _figure(1, height=0.55 + 0.3 * len(rows))
    for at, (name, block) in enumerate(rows):
        with_playback, without = block["with_playback"], block["without_playback"]
        if name == "labels_shifted":
            for part, dy, colour in ((with_playback, -0.14, BLUE), (without, 0.14, VERMILION)):
                axes.plot([part["mean"], part["p95"]], [at + dy] * 2, color=colour, lw=2)
                axes.plot(part["p95"], at + dy, "|", color=colour, ms=9, mew=2)
            continue
        axes.plot(with_playback["accuracy_within_1s"], at, "o", color=BLUE, ms=8)
        axes.plot(without["accuracy_within_1s"], at, "D", color=VERMILION, ms=6, mfc="white", mew=1.8)
        for part, colour in ((with_playback, BLUE), (without, VERMILION)):
            if "null_p95" in part:
                axes.plot(part["null_p95"], at, "|", color=colour, ms=13, mew=1.5)
    axes.axhline(len(decoders) - 0.5, color=GRID, lw=1)
    axes.set_yticks(range(len(rows)), [display_name(name) for name, _ in rows])
    axes.set(
        ylim=(len(rows) - 0.4, -0.6),
        xlim=_span(axes.get_xlim()),
        xlabel=f"share of samples decoded {criterion}",
    )
    axes.plot([], [], "o", color=BLUE, ms=8, label="with playback model")
    axes.plot([], [], "D", color=VERMILION, ms=6, mfc="white", mew=1.8, label="without")
    axes.plot([], [], "|", color=DIM, ms=12, mew=1.5, label="null distribution, 95th percentile")
    figure.legend(loc="outside upper right", ncols=3)
    return _svg(figure)


@_styled
def by_repeat(
    series: Mapping[str, Mapping[str, Mapping[str, Any]]], null: float | None, unit: str, criterion: str
) -> str:
    """Plot the accuracy of each repeat or fold.

    Parameters
    ----------
    series
        By decoder, then ``with_playback`` or ``without_playback``, then by repeat: scores.
    null
        95th percentile of refits on shifted labels, without the playback model; None when not measured.
    unit
        ``repeat`` or ``fold``.
    criterion
        How a sample must be decoded to count as correct.
    """
    figure, axes = _figure(2, height=2.9)
    for axis, part, title in zip(
        axes,
        ("with_playback", "without_playback"),
        ("with playback model", "without playback model"),
        strict=True,
    ):
        for name, parts in series.items():
            numbers = list(parts[part])
            scores = [parts[part][number]["accuracy_within_1s"] for number in numbers]
            axis.plot(numbers, scores, label=display_name(name), **_line(name))
        if null is not None and part == "without_playback":
            axis.axhline(null, color=DIM, ls=":", label="shifted labels, 95th percentile")
        axis.set(title=title, xlabel=unit)
    top = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(_span((0.0, top)))
    axes[0].set_ylabel(f"share decoded {criterion}")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return _svg(figure)


@_styled
def confusions(data: Mapping[str, Confusion], movie_rate_hz: float) -> str:
    """Plot two-dimensional histograms of decoded against true frame.

    Parameters
    ----------
    data
        By ``with_playback`` and ``without_playback``.
    movie_rate_hz
        Movie rate, to label the axes in seconds; 0 labels them in frames.
    """
    figure, axes = _figure(2, height=3.7)
    titles = ("with playback model", "without playback model")
    for axis, part, title in zip(axes, data.values(), titles, strict=True):
        edges = part.edges
        image = axis.imshow(
            np.ma.masked_invalid(part.share),
            origin="lower",
            extent=(edges[0], edges[-1], edges[0], edges[-1]),
            cmap=mpl.colors.LinearSegmentedColormap.from_list("ink", ("white", SKY, BLUE, "#001a33")),
            norm=mpl.colors.PowerNorm(0.5, 0, 1),
            interpolation="nearest",
            aspect="equal",
        )
        axis.set(title=title, xlabel="true, " + ("s of movie time" if movie_rate_hz else "frame"))
        at = np.unique(np.linspace(0, len(part.frames) - 1, N_TICKS).astype(np.int64))
        names = [
            f"{number:.3g}" if movie_rate_hz else str(number)
            for number in part.frames[at] / (movie_rate_hz or 1)
        ]
        for set_ticks in (axis.set_xticks, axis.set_yticks):
            set_ticks(at + 0.5, names)
    axes[0].set_ylabel("decoded")
    figure.colorbar(image, ax=axes, label="share of each column", shrink=0.85)
    return _svg(figure)


@_styled
def reliabilities(data: Mapping[str, Reliability], criterion: str) -> str:
    """Plot accuracy against confidence.

    Parameters
    ----------
    data
        By ``with_playback`` and ``without_playback``.
    criterion
        How a sample must be decoded to count as correct.
    """
    figure, axes = _figure(2, height=2.9)
    axes[0].plot([0, 1], [0, 1], color=DIM, ls=":", label="perfectly calibrated")
    styles = (
        ("with playback model", {"color": BLUE, "marker": "o"}),
        ("without", {"color": VERMILION, "marker": "D", "mfc": "white"}),
    )
    n_bins = len(next(iter(data.values())).moments)
    for offset, part, (label, style) in zip((-0.5, 0.5), data.values(), styles, strict=True):
        full = part.moments > 0
        axes[0].plot(part.confidence[full], part.accuracy[full], label=label, lw=1.8, **style)
        centres = (np.arange(n_bins) + 0.5 + 0.4 * offset) / n_bins
        axes[1].bar(centres, part.moments / part.moments.sum(), 0.38 / n_bins, color=style["color"])
    axes[0].set(
        xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel=f"share decoded {criterion}"
    )
    axes[1].set(xlim=(-0.02, 1.02), xlabel="confidence", ylabel="share of samples", title="frequency")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return _svg(figure)


@_styled
def forecasts(report: Mapping[str, Any]) -> str:
    """Plot the forecast, persistence and advance by horizon.

    Parameters
    ----------
    report
        From `decoders.evaluation.summary.report`.
    """
    forecast = report["forecast"]
    horizons = list(forecast)
    scores = ["log_score_bits", "median_frame_error"]
    labels = ["log score, bits above uniform", "median frame error"]
    if "pixcorr" in forecast[horizons[0]]:
        scores.append("pixcorr")
        labels.append("correlation of the pictures")
    figure, axes = _figure(len(scores), height=2.8)
    drawn = (
        ("forecast", None, LINES["model"]),
        ("advance", "advance", {"color": ORANGE, "marker": "s"}),
        ("persistence", "persistence", {"color": GREEN, "marker": "^"}),
    )
    for axis, score, label in zip(axes, scores, labels, strict=True):
        for name, key, style in drawn:
            blocks = [forecast[h] if key is None else forecast[h][key] for h in horizons]
            axis.plot([float(h) for h in horizons], [b[score] for b in blocks], label=name, **style)
        axis.set(title=label, xlabel="seconds ahead")
        axis.axhline(0, color=GRID, zorder=0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return _svg(figure)


@_styled
def accuracy_curves(curves: Sequence[Curve], null: float | None, criterion: str) -> str:
    """Plot accuracy by number of units and by window.

    Parameters
    ----------
    curves
        From `decoders.report.accuracy_curves.accuracy_curves`.
    null
        95th percentile of refits on shifted labels; None when not measured.
    criterion
        How a sample must be decoded to count as correct.
    """
    figure, axes = _figure(len(curves), height=2.9)
    for axis, curve in zip(axes, curves, strict=True):
        for name, scores in curve.scores.items():
            values = list(scores)
            low, middle, high = ([float(f(scores[v])) for v in values] for f in (np.min, np.mean, np.max))
            style = _line(name)
            axis.plot(values, middle, label=display_name(name), **style)
            axis.fill_between(values, low, high, color=style["color"], alpha=0.15, lw=0)
        if null is not None:
            axis.axhline(null, color=DIM, ls=":", label="shifted labels, 95th percentile")
        axis.set(xscale="log", ylim=_span(axis.get_ylim()), xlabel=curve.variable)
        ticks = list(next(iter(curve.scores.values()), {}))
        axis.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axis.minorticks_off()
    axes[0].set_ylabel(f"share decoded {criterion}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return _svg(figure)


@_styled
def embedding(points: Points, movie_rate_hz: float) -> str:
    """Plot the embedding along its three slowest axes, coloured by movie time.

    Parameters
    ----------
    points
        From `decoders.report.plot_values.slowest`.
    movie_rate_hz
        Movie rate, to label the colours in seconds; 0 labels them in frames.
    """
    figure, axes = _figure(3, height=2.9)
    colour = points.frame / (movie_rate_hz or 1.0)
    for axis, (i, j) in zip(axes, ((0, 1), (0, 2), (1, 2)), strict=True):
        shown = axis.scatter(
            points.position[:, i], points.position[:, j], c=colour, s=4, cmap="viridis", lw=0, rasterized=True
        )
        axis.set(xlabel=f"axis {i + 1}", ylabel=f"axis {j + 1}", xticks=[], yticks=[])
    figure.colorbar(shown, ax=axes, label="movie time, s" if movie_rate_hz else "frame", shrink=0.9)
    return _svg(figure)


@_styled
def labels(report: Mapping[str, Any]) -> str:
    """Plot the median error of each continuous label and its baselines.

    Parameters
    ----------
    report
        From `decoders.evaluation.summary.report`.
    """
    continuous = report["continuous"]
    n_rows = max(len(label_blocks(scores)) for scores in continuous.values())
    figure, axes = _figure(len(continuous), height=0.9 + 0.28 * n_rows)
    for axis, (label, scores) in zip(axes, continuous.items(), strict=True):
        rows = label_blocks(scores)
        colours = [BLUE, *[DIM] * (len(rows) - 1)]
        axis.barh(
            range(len(rows)), [row["median_error"] for row in rows.values()], color=colours, height=0.65
        )
        axis.set_yticks(range(len(rows)), [display_name(name) for name in rows])
        axis.invert_yaxis()
        axis.set(title=label, xlabel="median error")
    return _svg(figure)


def label_blocks(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Scores of one continuous label by decoder: the model, its baselines and its control."""
    controls = {
        name: block for name, block in scores.get("controls", {}).items() if isinstance(block, Mapping)
    }
    return {"model": scores, **scores["baselines"], **controls}


def _span(drawn: tuple[float, float]) -> tuple[float, float]:
    """Return axis limits for shares: 0 to 1, or less when all values are small."""
    return -0.02 * min(drawn[1], 1), 1.04 if drawn[1] > 0.6 else 1.1 * drawn[1]


def _line(name: str) -> dict[str, Any]:
    return {"lw": 1.3, "ms": 4.5, "zorder": 3, **LINES.get(name, {"color": DIM, "marker": "x"})}


def _figure(n_columns: int, height: float) -> tuple[Figure, list[Any]]:
    figure = Figure(figsize=(9.2, height), layout="constrained", facecolor="white")
    axes = figure.subplots(1, n_columns, squeeze=False)[0]
    for axis in axes:
        axis.grid(visible=True, color=GRID, lw=0.6)
        axis.set_axisbelow(True)
    return figure, list(axes)


def _svg(figure: Figure) -> str:
    out = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", dpi=180, metadata=nothing)
    return out.getvalue().decode()
