"""Contrastive training for a recording: temperature and stopping chosen on held-out showings, linear kept if it wins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.agreement import infonce_loss
from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.encoder import MAX_CONTEXT, Encoder, start_encoder
from decoders.embedding.linear import fit_linear
from decoders.embedding.sampler import (
    FramePositives,
    NearestPositives,
    Positives,
    Sampler,
    TimePositives,
    contiguous_runs,
)
from decoders.embedding.trainer import OneThread, Samples, Trainer, excluded_negatives, require_torch
from decoders.embedding.training_run import ProgressCallback, TrainingRun
from decoders.embedding.windows import window_sums
from decoders.errors import BadSplit
from decoders.fitting.contrastive_validation import ContrastiveValidation, encoder_prototypes, last_fold
from decoders.fitting.settings import ReadoutSettings, feature_scaling, state_statistics
from decoders.readouts.classifiers import calibrate
from decoders.readouts.contrastive import ContrastiveDecoder
from stream.errors import BadRecording, BadUsage

TEMPERATURES = (0.1, 0.2)
FIRST_STEPS = 100
"""After which the better temperature goes on alone."""

CONTEXT_STEPS = 200
"""After which the best of several contexts goes on alone: a long one learns more slowly."""

MAX_STEPS = 600
MARGIN = 0.01
"""Nats by which the simpler of two ways may be worse and still be taken."""

NEAR_S = 1 / 3
"""Moments of a movie that are this near are not pushed apart."""

LONG_CONTEXT = 12
"""Samples above which training may begin with a part of the context."""

CONTEXTS_S = (2 / 3, 1.0)
"""Contexts that are tried beside the window of the linear embedding: an encoder can use longer ones."""

N_APART = 5
"""Samples within which moments are alike in mode ``time``, so not pushed apart."""

N_PAIRS = 512
N_TYPICALITY = 256


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """How to train.

    Attributes
    ----------
    mode
        ``label``, ``time`` or ``hybrid``.
    positives
        What makes two moments alike in mode ``label`` and ``hybrid``: one of `POSITIVES` of the options;
        ``auto`` takes the frames of a movie, and for other recordings the continuous labels where there are any.
    seed
        Of everything random.
    resume
        File that the training is kept in and taken up from, or None.
    contexts
        Lengths of the encoder's context among which held-out showings choose, samples; none = the window of the linear
        embedding.
    """

    mode: str
    positives: str = "auto"
    seed: int = 0
    resume: Path | None = None
    contexts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveFit:
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

    contrastive: ContrastiveDecoder
    decoder_embedding: str
    card: dict[str, Any]


def candidate_contexts(data: TrainingSet, n_window: int) -> tuple[int, ...]:
    """Contexts among which held-out showings choose, samples.

    Parameters
    ----------
    data
        Training data.
    n_window
        Window of the linear embedding.
    """
    longest = min(MAX_CONTEXT, int(np.bincount(contiguous_runs(data.boundary, data.block)).max()))
    asked = (n_window, *(round(context * data.rate_hz) for context in CONTEXTS_S if data.rate_hz))
    return tuple(sorted({min(n, longest) for n in asked if n >= min(n_window, longest)}))


def fit_contrastive(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    key: dict[str, Any],
    report: ProgressCallback | None = None,
) -> ContrastiveFit:
    """Train an encoder, and compare it with the linear embedding.

    Ctrl-C ends the training and keeps the best encoder so far.

    Parameters
    ----------
    data
        Training data.
    settings
        Of the linear embedding and its frame decoder.
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
    require_torch()
    held = last_fold(data, options.seed)
    contexts = options.contexts or (settings.n_window,)
    for n_context in contexts:
        _check(data, n_context, options)
    starts = {n: _best_start(data, settings, n, held, options.seed) for n in contexts}
    checkpoint = Checkpoint(options.resume, key) if options.resume is not None else None

    def run(stage: str, keep: NDArray[np.bool_], way: tuple[int, float], *, scored: bool) -> TrainingRun:
        n_context, temperature = way
        start = _start(data, settings, keep, n_context, starts[n_context], options.seed)
        sampler = _sampler(data, keep, n_context, options)
        trainer = Trainer(start, _samples(data, options), sampler, temperature, options.seed)

        def score(encoder: Encoder) -> float:
            if options.mode == "time":  # frames are not what it is about
                return -_goodness(data, held.test, encoder, temperature, options)[0]
            return held.score(encoder)

        return TrainingRun(stage, trainer, score if scored else None, report, checkpoint)

    final = None
    with OneThread():
        runs: dict[tuple[int, float], TrainingRun] = {}

        def attempt(n_context: int, temperature: float, n_steps: int) -> None:
            stage = f"{n_context} samples, temperature {temperature:g}"
            way = (n_context, temperature)
            runs[way] = run(stage, held.train, way, scored=True)
            runs[way].advance(n_steps)

        def leading() -> tuple[int, float]:
            return max(runs, key=lambda way: runs[way].best_score)

        try:
            for n_context in contexts:
                attempt(n_context, TEMPERATURES[0], CONTEXT_STEPS if len(contexts) > 1 else FIRST_STEPS)
            for temperature in TEMPERATURES[1:]:
                attempt(leading()[0], temperature, FIRST_STEPS)
            runs[leading()].advance(MAX_STEPS)
            final = run("all showings", data.fold >= 0, leading(), scored=False)
            final.advance(runs[leading()].best_step)
        except KeyboardInterrupt:
            if not runs:
                raise
            final = None
    best = runs[leading()]
    encoder = best.best if final is None else final.best
    return _trained(data, settings, options, held, encoder, best, leading()[1], final is None)


def _trained(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    held: ContrastiveValidation,
    encoder: Encoder,
    best: TrainingRun,
    temperature: float,
    interrupted: bool,
) -> ContrastiveFit:
    similarity, fullness, state = held.similarity(best.best)
    heard, linear = similarity * fullness[:, None], held.linear_logits(settings)
    whole = np.ones(len(state), np.float32)
    factor, score = calibrate(heard, whole, state)
    linear_factor, linear_score = calibrate(linear, whole, state)
    mixed = np.asarray((heard * factor + linear * linear_factor) / 2, np.float32)
    mixed_factor, mixed_score = calibrate(mixed, whole, state)
    way, weight = "linear", 0.0
    # Untrained, with the same window, it is the linear embedding; with a longer one it may serve as it began.
    differs = best.best_step > 0 or encoder.n_context != settings.n_window
    if differs and score > linear_score + MARGIN:
        way = "contrastive"
    if differs and mixed_score > max(score, linear_score) + MARGIN:
        way, weight = "both", linear_factor * mixed_factor / 2
        factor *= mixed_factor / 2
    levels = np.quantile(similarity.max(1).astype(np.float64), np.linspace(0, 1, N_TYPICALITY))
    loss, chance = _goodness(data, held.test, best.best, temperature, options)
    everything = np.ones(len(data.state), bool)
    contrastive = ContrastiveDecoder(
        encoder, encoder_prototypes(encoder, data, everything), factor, weight, levels
    )
    card = {
        "context_ms": round(1000 * encoder.n_context / data.rate_hz, 3) if data.rate_hz else 0.0,
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
    return ContrastiveFit(contrastive, way, card)


def _check(data: TrainingSet, n_context: int, options: ContrastiveOptions) -> None:
    if n_context > MAX_CONTEXT:
        raise BadUsage(
            f"a context of {n_context} samples is too long for contrastive training, which takes up to {MAX_CONTEXT}. "
            f"Give --context-s {MAX_CONTEXT / (data.rate_hz or 1):g} or less, or use --mode linear."
        )
    longest = int(np.bincount(contiguous_runs(data.boundary, data.block)).max())
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
    run = contiguous_runs(data.boundary, data.block)
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
        return Samples(data.clean, data.boundary, np.arange(len(data.state)), N_APART)
    if _kind(data, options) != "frames":
        return Samples(data.clean, data.boundary)
    n_near = round(NEAR_S * data.movie_rate_hz)
    # Clips, and what is no stimulus, are put so far apart that they never touch.
    clip = np.r_[data.axis.clip, data.axis.clip.max(initial=0) + 1]
    return Samples(data.clean, data.boundary, data.state + clip[data.state] * (n_near + 1), n_near)


def _start(
    data: TrainingSet,
    settings: ReadoutSettings,
    keep: NDArray[np.bool_],
    n_context: int,
    n_start: int,
    seed: int,
) -> Encoder:
    """The whitening of the newest ``n_start`` samples of the context."""
    scaling = feature_scaling(data, n_start)
    m = state_statistics(data, *window_sums(data.clean, data.boundary, n_start), keep, scaling)
    linear = fit_linear(m, settings.shrinkage)
    return start_encoder(linear, n_context, root=scaling.root, seed=seed, n_start=n_start)


def _best_start(
    data: TrainingSet, settings: ReadoutSettings, n_context: int, held: ContrastiveValidation, seed: int
) -> int:
    """How much of a long context the training begins with: what tells held-out moments best untrained."""
    lengths = {
        n_context,
        *(max(1, round(n_context / part)) for part in (2, 3, 6) if n_context > LONG_CONTEXT),
    }
    scores = {n: held.score(_start(data, settings, held.train, n_context, n, seed)) for n in sorted(lengths)}
    return max(scores, key=lambda n: scores[n])


def _goodness(
    data: TrainingSet,
    test: NDArray[np.bool_],
    encoder: Encoder,
    temperature: float,
    options: ContrastiveOptions,
) -> tuple[float, float]:
    """InfoNCE of held-out pairs, and chance."""
    points = encoder.transform(data.clean, data.boundary)
    both = []
    samples = _samples(data, options)
    for anchor, partner in _sampler(data, test, encoder.n_context, options).batch(0, N_PAIRS):
        both.append(
            infonce_loss(
                points[anchor], points[partner], excluded_negatives(anchor, partner, samples), temperature
            )
        )
    loss, chance = np.mean(both, axis=0)
    return float(loss), float(chance)
