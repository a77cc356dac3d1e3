"""Contrastive training: context, temperature and stopping selected on a held-out fold, and compared with linear."""

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
from decoders.fitting.settings import N_TYPICALITY_LEVELS, ReadoutSettings, feature_scaling, state_statistics
from decoders.readouts.classifiers import calibrate
from decoders.readouts.contrastive import ContrastiveDecoder
from stream.errors import BadRecording, BadUsage

TEMPERATURES = (0.1, 0.2)
FIRST_STEPS = 100
"""Steps after which only the better temperature continues."""

CONTEXT_STEPS = 200
"""Steps after which only the best of several contexts continues; long contexts learn more slowly."""

MAX_STEPS = 600
MARGIN = 0.01
"""Nats by which a more complex embedding must beat a simpler one."""

NEAR_S = 1 / 3
"""Movie frames closer than this, in seconds, are never negatives of each other."""

LONG_CONTEXT = 12
"""Contexts longer than this, in samples, may start from the whitening of their newest part."""

CONTEXTS_S = (2 / 3, 1.0)
"""Candidate contexts in seconds besides the linear embedding's window: an encoder can use longer ones."""

N_TIME_NEIGHBOURS = 5
"""Samples closer than this are never negatives of each other in mode ``time``."""

N_PAIRS = 512
"""Held-out pairs on which InfoNCE is reported."""


_Candidate = tuple[int, float]
"""Context of an encoder in samples, and temperature of its training."""


@dataclass(frozen=True, slots=True)
class ContrastiveOptions:
    """How to train.

    Attributes
    ----------
    mode
        ``label``, ``time`` or ``hybrid``.
    positives
        Positive pairs in modes ``label`` and ``hybrid``: one of `decoders.fitting.options.POSITIVES`; ``auto`` uses the
        frames of a movie, and for other recordings the continuous labels where there are any.
    seed
        Random seed.
    resume
        File in which the training is stored and from which it resumes; None disables it.
    contexts
        Candidate contexts of the encoder in samples; empty for the window of the linear embedding.
    """

    mode: str
    positives: str = "auto"
    seed: int = 0
    resume: Path | None = None
    contexts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveFit:
    """A trained encoder and its comparison with the linear embedding.

    Attributes
    ----------
    contrastive
        Encoder and its prototypes.
    decoder_embedding
        Embedding with the best held-out log score: ``linear``, ``contrastive`` or ``both``.
    card
        Entries for the model's card.
    """

    contrastive: ContrastiveDecoder
    decoder_embedding: str
    card: dict[str, Any]


def candidate_contexts(data: TrainingSet, n_window: int) -> tuple[int, ...]:
    """Return the candidate contexts of the encoder in samples, in increasing order.

    Parameters
    ----------
    data
        Training data.
    n_window
        Window of the linear embedding in samples.
    """
    longest = min(MAX_CONTEXT, int(np.bincount(contiguous_runs(data.boundary, data.block)).max()))
    contexts = (n_window, *(round(context * data.rate_hz) for context in CONTEXTS_S if data.rate_hz))
    return tuple(sorted({min(n, longest) for n in contexts if n >= min(n_window, longest)}))


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
        Settings of the linear frame decoder.
    options
        How to train.
    key
        Identifies data and options in the file of ``options.resume``.
    report
        Receives the progress after every step.

    Raises
    ------
    TrainingUnavailable
        When torch is not installed.
    BadSplit
        When no data can be held out, or no contiguous run is as long as the context.
    BadRecording
        When the labels never vary, or the file to resume belongs to other data.
    """
    require_torch()
    validation = last_fold(data, options.seed)
    contexts = options.contexts or (settings.n_window,)
    for n_context in contexts:
        _check(data, n_context, options)
    starts = {n: _best_start(data, settings, n, validation, options.seed) for n in contexts}
    checkpoint = Checkpoint(options.resume, key) if options.resume is not None else None

    def new_run(stage: str, keep: NDArray[np.bool_], candidate: _Candidate, *, scored: bool) -> TrainingRun:
        n_context, temperature = candidate
        start = _start(data, settings, keep, n_context, starts[n_context], options.seed)
        sampler = _sampler(data, keep, n_context, options)
        trainer = Trainer(start, _samples(data, options), sampler, temperature, options.seed)

        def score(encoder: Encoder) -> float:
            if options.mode == "time":  # frames are not the objective
                return -_held_out_infonce(data, validation.test, encoder, temperature, options)[0]
            return validation.score(encoder)

        return TrainingRun(stage, trainer, score if scored else None, report, checkpoint)

    final = None
    with OneThread():
        runs: dict[_Candidate, TrainingRun] = {}

        def start_run(n_context: int, temperature: float, n_steps: int) -> None:
            stage = f"{n_context} samples, temperature {temperature:g}"
            candidate = (n_context, temperature)
            runs[candidate] = new_run(stage, validation.train, candidate, scored=True)
            runs[candidate].advance(n_steps)

        def leading() -> _Candidate:
            return max(runs, key=lambda candidate: runs[candidate].best_score)

        try:
            for n_context in contexts:
                start_run(n_context, TEMPERATURES[0], CONTEXT_STEPS if len(contexts) > 1 else FIRST_STEPS)
            for temperature in TEMPERATURES[1:]:
                start_run(leading()[0], temperature, FIRST_STEPS)
            runs[leading()].advance(MAX_STEPS)
            final = new_run("all repeats", data.fold >= 0, leading(), scored=False)
            final.advance(runs[leading()].best_step)
        except KeyboardInterrupt:
            if not runs:
                raise
            final = None
    best = runs[leading()]
    encoder = best.best if final is None else final.best
    return _compare_with_linear(
        data, settings, options, validation, encoder, best, leading()[1], final is None
    )


def _compare_with_linear(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    validation: ContrastiveValidation,
    encoder: Encoder,
    best: TrainingRun,
    temperature: float,
    interrupted: bool,
) -> ContrastiveFit:
    """Select the embedding that decodes frames: linear, contrastive, or the mean of both logits."""
    similarity, fullness, state = validation.similarity(best.best)
    contrastive, linear = similarity * fullness[:, None], validation.linear_logits(settings)
    full = np.ones(len(state), np.float32)
    inverse_temperature, score = calibrate(contrastive, full, state)
    linear_scale, linear_score = calibrate(linear, full, state)
    both = np.asarray((contrastive * inverse_temperature + linear * linear_scale) / 2, np.float32)
    both_scale, both_score = calibrate(both, full, state)
    selected, linear_weight = "linear", 0.0
    # An untrained encoder equals the linear embedding, unless its context is longer.
    differs = best.best_step > 0 or encoder.n_context != settings.n_window
    if differs and score > linear_score + MARGIN:
        selected = "contrastive"
    if differs and both_score > max(score, linear_score) + MARGIN:
        selected, linear_weight = "both", linear_scale * both_scale / 2
        inverse_temperature *= both_scale / 2
    levels = np.quantile(similarity.max(1).astype(np.float64), np.linspace(0, 1, N_TYPICALITY_LEVELS))
    loss, chance = _held_out_infonce(data, validation.test, best.best, temperature, options)
    prototypes = encoder_prototypes(encoder, data, np.ones(len(data.state), bool))
    card = {
        "context_ms": round(1000 * encoder.n_context / data.rate_hz, 3) if data.rate_hz else 0.0,
        "temperature": temperature,
        "steps": best.best_step,
        "interrupted": interrupted,
        "positives": _kind_of_positives(data, options) if options.mode != "time" else "time",
        "log_score_nats": round(score, 6),
        "linear_log_score_nats": round(linear_score, 6),
        "both_log_score_nats": round(both_score, 6),
        "infonce_nats": round(loss, 6),
        "infonce_chance_nats": round(chance, 6),
    }
    part = ContrastiveDecoder(encoder, prototypes, inverse_temperature, linear_weight, levels)
    return ContrastiveFit(part, selected, card)


def _check(data: TrainingSet, n_context: int, options: ContrastiveOptions) -> None:
    if n_context > MAX_CONTEXT:
        raise BadUsage(
            f"a context of {n_context} samples is too long for contrastive training, whose longest is {MAX_CONTEXT}. "
            f"Give --context-s {MAX_CONTEXT / (data.rate_hz or 1):g} or less, or use --mode linear."
        )
    longest = int(np.bincount(contiguous_runs(data.boundary, data.block)).max())
    if longest < n_context:
        raise BadSplit(
            f"the longest contiguous run has {longest} samples, fewer than the context of {n_context}. Give a shorter "
            "--context-s."
        )
    if options.mode == "time":
        return
    kind = _kind_of_positives(data, options)
    if kind != "labels" and len(np.unique(data.state[data.state < data.n_frames])) < 2:
        raise BadRecording(
            "the training data show a single frame, so contrastive training has no negatives. "
            "Train on more frames."
        )
    if kind != "frames":
        labels = _labels(data)
        if labels.shape[1] == 0:
            raise BadRecording(
                f"positives {options.positives!r} need continuous labels, but the recording has none. "
                "Use --positives frames."
            )
        known = np.isfinite(labels).all(1)
        if not known.any() or not np.any(labels[known].std(0) > 0):
            raise BadRecording(
                f"the labels {', '.join(data.labels)} never vary, so contrastive training has no negatives. Use "
                "--positives frames or --mode time."
            )


def _kind_of_positives(data: TrainingSet, options: ContrastiveOptions) -> str:
    if options.positives != "auto":
        return options.positives
    return "labels" if data.movie is None and data.labels else "frames"


def _labels(data: TrainingSet) -> NDArray[np.float32]:
    return np.concatenate([np.zeros((len(data.state), 0), np.float32), *data.labels.values()], 1)


def _sampler(
    data: TrainingSet, keep: NDArray[np.bool_], n_context: int, options: ContrastiveOptions
) -> Sampler:
    labels = _labels(data)
    kind = _kind_of_positives(data, options)
    if options.mode != "time" and kind != "frames":
        keep = keep & np.isfinite(labels).all(1)
    index = np.flatnonzero(keep)
    run = contiguous_runs(data.boundary, data.block)
    n_offset = max(N_TIME_NEIGHBOURS, n_context)
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
    """Return the samples with the pairs that are never negatives: near frames of a movie, or the same frame."""
    if options.mode == "time":
        return Samples(data.clean, data.boundary, np.arange(len(data.state)), N_TIME_NEIGHBOURS)
    if _kind_of_positives(data, options) != "frames":
        return Samples(data.clean, data.boundary)
    n_near = round(NEAR_S * data.movie_rate_hz)
    # Offsets keep frames of different clips, and "no stimulus", from being near.
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
    """Return an untrained encoder: the whitening of the newest ``n_start`` samples of its context."""
    scaling = feature_scaling(data, n_start)
    windows = window_sums(data.clean, data.boundary, n_start)
    linear = fit_linear(state_statistics(data, *windows, keep, scaling), settings.shrinkage)
    return start_encoder(linear, n_context, root=scaling.root, seed=seed, n_start=n_start)


def _best_start(
    data: TrainingSet, settings: ReadoutSettings, n_context: int, validation: ContrastiveValidation, seed: int
) -> int:
    """Return the part of a long context, in samples, whose whitening decodes the held-out fold best before training."""
    lengths = {
        n_context,
        *(max(1, round(n_context / part)) for part in (2, 3, 6) if n_context > LONG_CONTEXT),
    }
    scores = {
        n: validation.score(_start(data, settings, validation.train, n_context, n, seed))
        for n in sorted(lengths)
    }
    return max(scores, key=lambda n: scores[n])


def _held_out_infonce(
    data: TrainingSet,
    test: NDArray[np.bool_],
    encoder: Encoder,
    temperature: float,
    options: ContrastiveOptions,
) -> tuple[float, float]:
    """Return the InfoNCE loss of held-out pairs and its chance level, in nats."""
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
