"""Contrastive training: context, temperature and stopping selected on a held-out fold, and compared with linear."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout
from decoders.embedding.agreement import agreement_r2, alignment
from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.encoder import MAX_CONTEXT, Encoder, start_encoder
from decoders.embedding.linear import fit_linear, unit_length
from decoders.embedding.sampler import (
    contiguous_runs,
)
from decoders.embedding.trainer import OneThread, Trainer, require_torch
from decoders.embedding.training_run import ProgressCallback, TrainingRun, ValidationScore
from decoders.fitting.contrastive_pairs import (
    ContrastiveOptions,
    check_trainable,
    held_out_infonce,
    kind_of_positives,
    pair_sampler,
    training_samples,
)
from decoders.fitting.contrastive_validation import ContrastiveValidation, encoder_prototypes, last_fold
from decoders.fitting.settings import (
    N_TYPICALITY_LEVELS,
    ReadoutSettings,
    feature_scaling,
    state_statistics,
)
from decoders.readouts.classifiers import calibrate
from decoders.readouts.contrastive import ContrastiveDecoder

TEMPERATURES = (0.1, 0.2)
FIRST_STEPS = 100
"""Steps after which only the better temperature continues."""

CONTEXT_STEPS = 200
"""Steps after which only the best of several contexts continues; long contexts learn more slowly."""

MAX_STEPS = 600
RENEWAL_STEPS = 100
"""Largest number of steps of a renewal while the experiment runs: about two seconds, twice."""

MIN_AGREEMENT = 0.96
"""Smallest R2 of the renewed embedding of the training samples with the running one, so that it keeps its place."""

MARGIN = 0.01
"""Nats by which a more complex embedding must beat a simpler one."""

LONG_CONTEXT = 12
"""Contexts longer than this, in samples, may start from the whitening of their newest part."""

CONTEXTS_S = (2 / 3, 1.0)
"""Candidate contexts in seconds besides the linear embedding's window: an encoder can use longer ones."""


_Candidate = tuple[int, float]
"""Context of an encoder in samples, and temperature of its training."""


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


def renew_contrastive(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    start: Encoder,
    temperature: float,
) -> ContrastiveFit:
    """Train a running encoder further on newer data, and compare it with the linear embedding.

    It takes few steps, so that the embedding stays in its place and the time is bounded. Whether they help, and what
    decodes, is chosen on the newest repeat, which the encoder has not been trained on. Without torch, and where only
    one other repeat is left to train on, the encoder stays as it is.

    Parameters
    ----------
    data
        Training data; its last repeat is newer than the encoder.
    settings
        Settings of the linear frame decoder.
    options
        How to train.
    start
        Running encoder.
    temperature
        Temperature of its training.

    Raises
    ------
    BadSplit
        When no data can be held out.
    """
    newest = data.block == data.block[-1]
    apart = replace(data, fold=np.where(data.fold < 0, -1, newest.astype(np.int64)))
    validation = last_fold(apart, options.seed)
    n_steps = RENEWAL_STEPS if len(np.unique(data.block)) > 2 and find_spec("torch") is not None else 0

    before = unit_length(start.transform(data.clean, data.boundary))
    decoding = _validation_score(apart, validation, temperature, options)

    def score(encoder: Encoder) -> float:
        points = unit_length(encoder.transform(data.clean, data.boundary))
        moved = agreement_r2(points @ alignment(points, before), before) < MIN_AGREEMENT
        return -inf if moved else decoding(encoder)

    def train(keep: NDArray[np.bool_], n_most: int, score: ValidationScore | None) -> TrainingRun:
        sampler = pair_sampler(data, keep, start.n_context, options)
        trainer = Trainer(start, training_samples(data, options), sampler, temperature, options.seed)
        run = TrainingRun("renewal", trainer, score, None, None)
        run.advance(n_most)
        return run

    validated, encoder, n_best = start, start, 0
    if n_steps:
        with OneThread():
            best = train(validation.train, n_steps, score)
            validated, n_best = best.best, best.best_step
            encoder = train(data.fold >= 0, n_best, None).best if n_best else start
    return _compare_with_linear(
        apart, settings, options, validation, encoder, validated, n_best, temperature, renewed=True
    )


def _validation_score(
    data: TrainingSet, validation: ContrastiveValidation, temperature: float, options: ContrastiveOptions
) -> ValidationScore:
    """Return the function that scores encoders on the held-out fold: by their frames, in mode ``time`` by InfoNCE."""

    def score(encoder: Encoder) -> float:
        if options.mode == "time":  # frames are not the objective
            return -held_out_infonce(data, validation.held_out, encoder, temperature, options)[0]
        return validation.score(encoder)

    return score


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
        check_trainable(data, n_context, options)
    checkpoint = Checkpoint(options.resume, key) if options.resume is not None else None
    search = _Search(data, settings, options, validation, checkpoint, report)
    final = None
    with OneThread():
        try:
            for n_context in contexts:
                n_steps = CONTEXT_STEPS if len(contexts) > 1 else FIRST_STEPS
                search.train((n_context, TEMPERATURES[0]), n_steps)
            for temperature in TEMPERATURES[1:]:
                search.train((search.leading[0], temperature), FIRST_STEPS)
            search.runs[search.leading].advance(MAX_STEPS)
            final = search.new_run("all repeats", data.fold >= 0, search.leading, scored=False)
            final.advance(search.runs[search.leading].best_step)
        except KeyboardInterrupt:
            if not search.runs:
                raise
            final = None
    best = search.runs[search.leading]
    encoder = best.best if final is None else final.best
    temperature = search.leading[1]
    return _compare_with_linear(
        data,
        settings,
        options,
        validation,
        encoder,
        best.best,
        best.best_step,
        temperature,
        interrupted=final is None,
    )


class _Search:
    """Trains encoders of several contexts and temperatures, validated on a held-out fold.

    Attributes
    ----------
    runs
        Training run of each candidate.
    """

    def __init__(
        self,
        data: TrainingSet,
        settings: ReadoutSettings,
        options: ContrastiveOptions,
        validation: ContrastiveValidation,
        checkpoint: Checkpoint | None,
        report: ProgressCallback | None,
    ) -> None:
        self._data, self._settings, self._options = data, settings, options
        self._validation, self._checkpoint, self._report = validation, checkpoint, report
        self._starts = {
            n: _best_start(data, settings, n, validation, options.seed)
            for n in options.contexts or (settings.n_window,)
        }
        self.runs: dict[_Candidate, TrainingRun] = {}

    @property
    def leading(self) -> _Candidate:
        """Candidate with the best validation score."""
        return max(self.runs, key=lambda candidate: self.runs[candidate].best_score)

    def train(self, candidate: _Candidate, n_steps: int) -> None:
        """Start the run of a candidate on the training part of the fold."""
        stage = f"{candidate[0]} samples, temperature {candidate[1]:g}"
        self.runs[candidate] = self.new_run(stage, self._validation.train, candidate, scored=True)
        self.runs[candidate].advance(n_steps)

    def new_run(
        self, stage: str, keep: NDArray[np.bool_], candidate: _Candidate, *, scored: bool
    ) -> TrainingRun:
        """Return a run on some samples; it stops early when it is scored."""
        data, options = self._data, self._options
        n_context, temperature = candidate
        start = _start(data, self._settings, keep, n_context, self._starts[n_context], options.seed)
        sampler = pair_sampler(data, keep, n_context, options)
        trainer = Trainer(start, training_samples(data, options), sampler, temperature, options.seed)
        score = _validation_score(data, self._validation, temperature, options)
        return TrainingRun(stage, trainer, score if scored else None, self._report, self._checkpoint)


def _compare_with_linear(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    validation: ContrastiveValidation,
    encoder: Encoder,
    validated: Encoder,
    n_steps: int,
    temperature: float,
    *,
    interrupted: bool = False,
    renewed: bool = False,
) -> ContrastiveFit:
    """Select the embedding that decodes frames: linear, contrastive, or the mean of both logits.

    ``validated`` was trained like ``encoder``, ``n_steps`` long, without the held-out fold.
    """
    similarity, fullness, state = validation.similarity(validated)
    contrastive, linear = similarity * fullness[:, None], validation.linear_logits(settings)
    full = np.ones(len(state), np.float32)
    inverse_temperature, score = calibrate(contrastive, full, state)
    linear_scale, linear_score = calibrate(linear, full, state)
    both = np.asarray((contrastive * inverse_temperature + linear * linear_scale) / 2, np.float32)
    both_scale, both_score = calibrate(both, full, state)
    selected, linear_weight = "linear", 0.0
    # An untrained encoder equals the linear embedding, unless its context is longer.
    differs = renewed or n_steps > 0 or encoder.n_context != settings.n_window
    if differs and score > linear_score + MARGIN:
        selected = "contrastive"
    if differs and both_score > max(score, linear_score) + MARGIN:
        selected, linear_weight = "both", linear_scale * both_scale / 2
        inverse_temperature *= both_scale / 2
    levels = np.quantile(similarity.max(1).astype(np.float64), np.linspace(0, 1, N_TYPICALITY_LEVELS))
    prototypes = encoder_prototypes(encoder, data, np.ones(len(data.state), bool))
    card = {
        "context_ms": round(1000 * encoder.n_context / data.rate_hz, 3) if data.rate_hz else 0.0,
        "temperature": temperature,
        "steps": n_steps,
        "interrupted": interrupted,
        "positives": kind_of_positives(data, options) if options.mode != "time" else "time",
        "log_score_nats": round(score, 6),
        "linear_log_score_nats": round(linear_score, 6),
        "both_log_score_nats": round(both_score, 6),
    }
    if not renewed:  # the positives of a single held-out repeat would be the same samples
        held_out = validation.held_out if options.mode == "time" else validation.test
        loss, chance = held_out_infonce(data, held_out, validated, temperature, options)
        card |= {"infonce_nats": round(loss, 6), "infonce_chance_nats": round(chance, 6)}
    part = ContrastiveDecoder(encoder, prototypes, inverse_temperature, linear_weight, levels)
    return ContrastiveFit(part, selected, card)


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
    statistics = state_statistics(data, Layout(n_start), keep, scaling)
    linear = fit_linear(statistics, settings.shrinkage, diagonal=settings.diagonal)
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
