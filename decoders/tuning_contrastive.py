"""Contrastive training for a recording: temperature and stopping chosen on held-out showings, linear kept if it wins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.contrastive import Contrastive, fit_directions
from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.contrast import OneThread, Samples, Trainer, need_torch, same_moment
from decoders.embedding.encoder import MAX_CONTEXT, Encoder, held_samples, start_encoder
from decoders.embedding.goodness import infonce
from decoders.embedding.linear import fit_linear, unit
from decoders.embedding.runs import Report, Run
from decoders.embedding.sampler import (
    FramePositives,
    NearestPositives,
    Positives,
    Sampler,
    TimePositives,
    stretches,
)
from decoders.embedding.windows import window_sums
from decoders.errors import BadSplit
from decoders.frames import Prototypes, calibrate
from decoders.passages import passages
from decoders.training import TrainingSet
from decoders.tuning import (
    MAX_HELD_OUT,
    Settings,
    fit_reader,
    held_out,
    scaling_of,
    state_moments,
    thinned,
)
from stream.errors import BadRecording, BadUsage

POSITIVES = ("auto", "frames", "labels", "both")
TEMPERATURES = (0.1, 0.2)
FIRST_STEPS = 100
"""After which the better temperature goes on alone."""

MAX_STEPS = 300
MARGIN = 0.01
"""Nats by which the simpler of two ways may be worse and still be taken."""

NEAR_S = 1 / 3
"""Moments of a movie that are this near are not pushed apart."""

LONG_CONTEXT = 12
"""Samples above which training may begin with a part of the context."""

N_APART = 5
"""Samples within which moments are alike in mode ``time``, so not pushed apart."""

N_PAIRS = 512
N_LIKENESS = 256


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """How to train.

    Attributes
    ----------
    mode
        ``label``, ``time`` or ``hybrid``.
    positives
        What makes two moments alike in mode ``label`` and ``hybrid``: one of `POSITIVES`; ``auto`` takes the frames of
        a movie, and for other recordings the continuous labels where there are any.
    seed
        Of everything random.
    resume
        File that the training is kept in and taken up from, or None.
    """

    mode: str
    positives: str = "auto"
    seed: int = 0
    resume: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What came of the training.

    Attributes
    ----------
    contrastive
        Part of the model.
    decoder_embedding
        What told held-out moments best: ``linear``, ``contrastive`` or ``both``.
    card
        What the model's card says of it.
    """

    contrastive: Contrastive
    decoder_embedding: str
    card: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _HeldOut:
    """Held-out passages, and the fold that they are not part of."""

    data: TrainingSet
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    asked: list[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]]

    def logits(self, encoder: Encoder) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Similarities, fullness and truth of the held-out moments."""
        prototypes = directions_of(encoder, self.data, self.train)
        return _thinned(
            [
                (
                    prototypes.similarity(unit(encoder.transform(clean, border))),
                    (held_samples(border, encoder.n_context) / encoder.n_context).astype(np.float32),
                    state,
                )
                for clean, border, state in self.asked
            ]
        )

    def score(self, encoder: Encoder) -> float:
        """Mean log probability of the truth, in nats."""
        return calibrate(*self.logits(encoder))[1]

    def linear_logits(self, settings: Settings) -> NDArray[np.float32]:
        """Logits of the frame decoder on the linear embedding, for the same moments."""
        windows = window_sums(self.data.clean, self.data.border, settings.n_window)
        reader = fit_reader(self.data, windows, self.train, settings)
        parts = []
        for clean, border, state in self.asked:
            sums, fullness = window_sums(clean, border, settings.n_window)
            parts.append((reader.logits(sums), fullness, state))
        return _thinned(parts)[0]


def fit_contrastive(
    data: TrainingSet,
    settings: Settings,
    options: ContrastiveOptions,
    key: dict[str, Any],
    report: Report | None = None,
) -> Trained:
    """Train an encoder, and compare it with the linear embedding.

    Ctrl-C ends the training and keeps the best encoder so far.

    Parameters
    ----------
    data
        Training data.
    settings
        Of the linear embedding and its frame decoder; the window is the encoder's context.
    options
        How.
    key
        What names data and options in the file of ``options.resume``.
    report
        Told of every step.

    Raises
    ------
    TrainingUnavailable
        When torch is not installed.
    BadSplit
        When nothing can be held out, or no stretch is as long as the context.
    BadRecording
        When the labels never vary, or the file to resume is of other data.
    """
    need_torch()
    held = _held_out(data, options.seed)
    _check(data, settings.n_window, options)
    n_start = _best_start(data, settings, held, options.seed)
    checkpoint = Checkpoint(options.resume, key) if options.resume is not None else None

    def run(stage: str, keep: NDArray[np.bool_], temperature: float, *, scored: bool) -> Run:
        start = _start(data, settings, keep, n_start, options.seed)
        sampler = _sampler(data, keep, settings.n_window, options)
        trainer = Trainer(start, _samples(data, options), sampler, temperature, options.seed)

        def score(encoder: Encoder) -> float:
            if options.mode == "time":  # frames are not what it is about
                return -_goodness(data, held.test, encoder, temperature, options)[0]
            return held.score(encoder)

        return Run(stage, trainer, score if scored else None, report, checkpoint)

    final = None
    with OneThread():
        runs = [run(f"temperature {t:g}", held.train, t, scored=True) for t in TEMPERATURES]
        best = runs[0]
        try:
            for trial in runs:
                trial.advance(FIRST_STEPS)
            best = max(runs, key=lambda trial: trial.best_score)
            best.advance(MAX_STEPS)
            temperature = TEMPERATURES[runs.index(best)]
            final = run("all showings", data.fold >= 0, temperature, scored=False)
            final.advance(best.best_step)
        except KeyboardInterrupt:
            best, final = max(runs, key=lambda trial: trial.best_score), None
    encoder = best.best if final is None else final.best
    return _trained(
        data, settings, options, held, encoder, best, TEMPERATURES[runs.index(best)], final is None
    )


def directions_of(encoder: Encoder, data: TrainingSet, keep: NDArray[np.bool_]) -> Prototypes:
    """Prototypes of an encoder from the kept training samples."""
    points = encoder.transform(data.clean, data.border)[keep]
    fullness = held_samples(data.border, encoder.n_context)[keep] / np.float32(encoder.n_context)
    return fit_directions(points, data.state[keep], data.n_states, fullness.astype(np.float32))


def _trained(
    data: TrainingSet,
    settings: Settings,
    options: ContrastiveOptions,
    held: _HeldOut,
    encoder: Encoder,
    best: Run,
    temperature: float,
    interrupted: bool,
) -> Trained:
    similarity, fullness, state = held.logits(best.best)
    linear = held.linear_logits(settings)
    factor, score = calibrate(similarity, fullness, state)
    linear_factor, linear_score = calibrate(linear, fullness, state)
    mixed = np.asarray((similarity * factor + linear * linear_factor) / 2, np.float32)
    mixed_factor, mixed_score = calibrate(mixed, fullness, state)
    way, weight = "linear", 0.0
    if best.best_step > 0 and score > linear_score + MARGIN:
        way = "contrastive"
    if best.best_step > 0 and mixed_score > max(score, linear_score) + MARGIN:
        way, weight = "both", linear_factor * mixed_factor / 2
        factor *= mixed_factor / 2
    levels = np.quantile(similarity.max(1).astype(np.float64), np.linspace(0, 1, N_LIKENESS))
    loss, chance = _goodness(data, held.test, best.best, temperature, options)
    everything = np.ones(len(data.state), bool)
    contrastive = Contrastive(encoder, directions_of(encoder, data, everything), factor, weight, levels)
    card = {
        "temperature": temperature,
        "steps": best.best_step,
        "interrupted": interrupted,
        "positives": _kind(data, options) if options.mode != "time" else "time",
        "log_score_nats": round(score, 6),
        "linear_log_score_nats": round(linear_score, 6),
        "both_log_score_nats": round(mixed_score, 6),
        "infonce_nats": round(loss, 6),
        "infonce_chance_nats": round(chance, 6),
    }
    return Trained(contrastive, way, card)


def _held_out(data: TrainingSet, seed: int) -> _HeldOut:
    folds = list(held_out(data))
    if not folds:
        raise BadSplit(
            "contrastive training needs a second repeat: it pulls repeats together and stops by one that it holds out, "
            "but the training data show each frame once. Train on more showings, or use --mode linear."
        )
    train, test = folds[-1]  # the last showings are the most like those to come
    asked = [(p.clean, p.border, p.state) for p in passages(data, test, np.random.default_rng(seed))]
    return _HeldOut(data, train, test, asked)


def _check(data: TrainingSet, n_context: int, options: ContrastiveOptions) -> None:
    if n_context > MAX_CONTEXT:
        raise BadUsage(
            f"a context of {n_context} samples is too long for contrastive training, which takes up to {MAX_CONTEXT}. "
            f"Give --context-s {MAX_CONTEXT / (data.rate_hz or 1):g} or less, or use --mode linear."
        )
    longest = int(np.bincount(stretches(data.border, data.block)).max())
    if longest < n_context:
        raise BadSplit(
            f"the longest stretch has {longest} samples, fewer than the context of {n_context}. Give a shorter "
            "--context-s."
        )
    if options.mode == "time":
        return
    kind = _kind(data, options)
    if kind != "labels" and len(np.unique(data.state[data.state < data.n_frames])) < 2:
        raise BadRecording("the training data show one frame only: there is nothing to tell apart.")
    if kind != "frames":
        labels = _labels(data)
        if labels.shape[1] == 0:
            raise BadRecording(
                f"positives {options.positives!r} need continuous labels, but the recording has none."
            )
        known = np.isfinite(labels).all(1)
        if not known.any() or not np.any(labels[known].std(0) > 0):
            raise BadRecording(
                f"the labels {', '.join(data.labels)} never vary: there is nothing to tell apart. Use "
                "--positives frames or --mode time."
            )


def _kind(data: TrainingSet, options: ContrastiveOptions) -> str:
    if options.positives != "auto":
        return options.positives
    return "labels" if data.movie is None and data.labels else "frames"


def _labels(data: TrainingSet) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((len(data.state), 0), np.float32), *data.labels.values()], 1)


def _sampler(
    data: TrainingSet, keep: NDArray[np.bool_], n_context: int, options: ContrastiveOptions
) -> Sampler:
    labels = _labels(data)
    kind = _kind(data, options)
    if options.mode != "time" and kind != "frames":
        keep = keep & np.isfinite(labels).all(1)
    index = np.flatnonzero(keep)
    run = stretches(data.border, data.block)
    n_offset = max(N_APART, n_context)
    positives: list[Positives] = []
    if options.mode in ("label", "hybrid") and kind == "frames":
        positives.append(FramePositives(index, data.state, data.block))
    elif options.mode in ("label", "hybrid"):
        state = data.state if kind == "both" else None
        positives.append(NearestPositives(index, labels, data.block, run, n_offset, state))
    if options.mode in ("time", "hybrid"):
        positives.append(TimePositives(index, run, n_offset))
    return Sampler(index, tuple(positives), options.seed)


def _samples(data: TrainingSet, options: ContrastiveOptions) -> Samples:
    """With what is never a negative: near moments of a movie, or the same frame."""
    if options.mode == "time":
        return Samples(data.clean, data.border, np.arange(len(data.state)), N_APART)
    if _kind(data, options) != "frames":
        return Samples(data.clean, data.border)
    n_near = round(NEAR_S * data.movie_rate_hz)
    # Clips, and what is no stimulus, are put so far apart that they never touch.
    clip = np.r_[data.axis.clip, data.axis.clip.max(initial=0) + 1]
    return Samples(data.clean, data.border, data.state + clip[data.state] * (n_near + 1), n_near)


def _start(
    data: TrainingSet, settings: Settings, keep: NDArray[np.bool_], n_start: int, seed: int
) -> Encoder:
    """The whitening of the newest ``n_start`` samples of the context."""
    scaling = scaling_of(data, n_start)
    m = state_moments(data, *window_sums(data.clean, data.border, n_start), keep, scaling)
    linear = fit_linear(m, settings.shrinkage)
    return start_encoder(linear, settings.n_window, root=scaling.root, seed=seed, n_start=n_start)


def _best_start(data: TrainingSet, settings: Settings, held: _HeldOut, seed: int) -> int:
    """How much of a long context the training begins with: what tells held-out moments best untrained."""
    n_context = settings.n_window
    lengths = {
        n_context,
        *(max(1, round(n_context / part)) for part in (2, 3, 6) if n_context > LONG_CONTEXT),
    }
    scores = {n: held.score(_start(data, settings, held.train, n, seed)) for n in sorted(lengths)}
    return max(scores, key=lambda n: scores[n])


def _goodness(
    data: TrainingSet,
    test: NDArray[np.bool_],
    encoder: Encoder,
    temperature: float,
    options: ContrastiveOptions,
) -> tuple[float, float]:
    """InfoNCE of held-out pairs, and chance."""
    points = encoder.transform(data.clean, data.border)
    both = []
    samples = _samples(data, options)
    for anchor, partner in _sampler(data, test, encoder.n_context, options).batch(0, N_PAIRS):
        both.append(
            infonce(points[anchor], points[partner], same_moment(anchor, partner, samples), temperature)
        )
    loss, chance = np.mean(both, axis=0)
    return float(loss), float(chance)


def _thinned(
    parts: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    similarity, fullness, state = (np.concatenate([part[column] for part in parts]) for column in range(3))
    index = thinned(np.ones(len(state), bool), MAX_HELD_OUT)
    return similarity[index], fullness[index], state[index]
