"""Contrastive training: context and dimensions selected on a held-out fold, and the result compared with linear."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.data.training_statistics import Layout
from decoders.embedding.agreement import agreement_r2, alignment
from decoders.embedding.checkpoint import Checkpoint
from decoders.embedding.encoder import DIMENSIONS, Encoder, start_encoder
from decoders.embedding.linear import fit_linear
from decoders.embedding.multiscale import window_spans
from decoders.embedding.sampler import contiguous_runs
from decoders.embedding.trainer import OneThread, Trainer, require_torch
from decoders.embedding.training_run import ProgressCallback, run_training
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

TEMPERATURE = 0.1
TEST_TEMPERATURES = (TEMPERATURE, 0.2, 0.4)
"""Temperatures of which the best gives the InfoNCE of held-out pairs: those of noisy samples are too far apart for the
temperature of training, so that even an embedding with structure would be above chance in few dimensions."""

STEPS = 1000
SELECTION_STEPS = 300
"""Steps after which contexts and dimensions are compared."""

RENEWAL_STEPS = (25, 100)
"""Candidate numbers of steps of a renewal while the experiment runs, besides none: one to two seconds together."""

MIN_AGREEMENT = 0.96
"""Smallest R2 of the renewed embedding of the training samples with the running one, so that it keeps its place."""

MARGIN = 0.01
"""Nats by which a more complex embedding must beat a simpler one."""

CONTEXTS_S = (2 / 3, 1.0)
"""Candidate contexts in seconds besides the linear embedding's window: an encoder can use longer ones."""

CANDIDATE_DIMENSIONS = (8, 16, 32)
DIMENSION_MARGIN = 0.1
"""Nats per doubling of the dimensions that more dimensions must gain on held-out data."""

DISPLAY_DIMENSIONS = 3


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
    longest = int(np.bincount(contiguous_runs(data.boundary, data.block)).max())
    contexts = (n_window, *(round(context * data.rate_hz) for context in CONTEXTS_S if data.rate_hz))
    return tuple(sorted({min(n, longest) for n in contexts if n >= min(n_window, longest)}))


def renew_contrastive(
    data: TrainingSet, settings: ReadoutSettings, options: ContrastiveOptions, start: ContrastiveDecoder
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
        Running decoder.

    Raises
    ------
    BadSplit
        When no data can be held out.
    """
    newest = data.block == data.block[-1]
    apart = replace(data, fold=np.where(data.fold < 0, -1, newest.astype(np.int64)))
    validation = last_fold(apart, options.seed)
    training = _Training(apart, settings, options, None, None)
    inputs = start.encoder.inputs(data.clean, data.boundary)

    def further(encoder: Encoder, keep: NDArray[np.bool_], n_steps: int) -> Encoder:
        """Train an encoder, and rotate it onto what it was; it stays as it was if it moved too far."""
        if not n_steps:
            return encoder
        trained = training.advance("renewal", encoder, keep, n_steps)
        points, before = trained.project(inputs), encoder.project(inputs)
        rotation = alignment(points, before)
        moved = agreement_r2(points @ rotation, before) < MIN_AGREEMENT
        return encoder if moved else trained.rotated(rotation)

    candidates: tuple[int, ...] = (0,)
    if len(np.unique(data.block)) > 2 and find_spec("torch") is not None:
        candidates += RENEWAL_STEPS
    with OneThread() if len(candidates) > 1 else nullcontext():
        validated = {n: further(start.encoder, validation.train, n) for n in candidates}
        scores = {n: training.score(validation, encoder) for n, encoder in validated.items()}
        n_steps = max(scores, key=lambda n: scores[n])
        encoder = further(start.encoder, data.fold >= 0, n_steps)
        display = None if start.display is None else further(start.display, data.fold >= 0, n_steps)
    return _compare_with_linear(training, validation, validated[n_steps], encoder, display, n_steps)


def fit_contrastive(
    data: TrainingSet,
    settings: ReadoutSettings,
    options: ContrastiveOptions,
    key: dict[str, Any],
    report: ProgressCallback | None = None,
) -> ContrastiveFit:
    """Train an encoder, and compare it with the linear embedding.

    Ctrl-C ends the training and keeps what the present stage has reached.

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
    for n_context in options.contexts or (settings.n_window,):
        check_trainable(data, n_context, options)
    checkpoint = Checkpoint(options.resume, key) if options.resume is not None else None
    training = _Training(data, settings, options, checkpoint, report)
    everything = data.fold >= 0
    with OneThread():
        n_context = _best_context(training, validation)
        n_dimensions = _best_dimensions(training, validation, n_context)
        held_out = training.train("training repeats", validation.train, n_context, n_dimensions, STEPS)
        encoder = training.train("all repeats", everything, n_context, n_dimensions, STEPS)
        display = None
        if n_dimensions > DISPLAY_DIMENSIONS:
            display = training.train("display", everything, n_context, DISPLAY_DIMENSIONS, STEPS)
    return _compare_with_linear(training, validation, held_out, encoder, display, None)


class _Training:
    """Trains encoders of given contexts and dimensions.

    Attributes
    ----------
    interrupted
        Whether Ctrl-C has ended the training; what follows is not trained.
    """

    def __init__(
        self,
        data: TrainingSet,
        settings: ReadoutSettings,
        options: ContrastiveOptions,
        checkpoint: Checkpoint | None,
        report: ProgressCallback | None,
    ) -> None:
        self.data, self.settings, self.options = data, settings, options
        self._checkpoint, self._report = checkpoint, report
        self._scores: dict[str, float] = {}
        self.interrupted = False

    def train(
        self, stage: str, keep: NDArray[np.bool_], n_context: int, n_dimensions: int, n_steps: int
    ) -> Encoder:
        """Train an encoder on some samples, from its whitening."""
        start = _start(self.data, self.settings, keep, n_context, n_dimensions, self.options.seed)
        return start if self.interrupted else self.advance(stage, start, keep, n_steps)

    def advance(self, stage: str, start: Encoder, keep: NDArray[np.bool_], n_steps: int) -> Encoder:
        """Train an encoder from where it is."""
        data, options = self.data, self.options
        inputs = start.inputs(data.clean, data.boundary)
        trainer = Trainer(
            [start],
            training_samples(data, inputs, options),
            pair_sampler(data, keep, start.n_context, options),
            n_steps=n_steps,
            temperature=TEMPERATURE,
            seed=options.seed,
        )
        try:
            run_training(stage, trainer, n_steps, self._report, self._checkpoint)
        except KeyboardInterrupt:
            self.interrupted = True
        return trainer.encoder

    def score(self, validation: ContrastiveValidation, encoder: Encoder) -> float:
        """Score an encoder on the held-out fold in nats, higher is better."""
        if self.options.mode == "time":  # frames are not the objective
            return -held_out_infonce(self.data, validation.held_out, encoder, TEMPERATURE, self.options)[0]
        return validation.score(encoder)

    def candidate(self, validation: ContrastiveValidation, n_context: int, n_dimensions: int) -> float:
        """Train a candidate for a short time on the training part of the fold, and return its score."""
        stage = f"{n_context} samples, {n_dimensions} dimensions"
        if stage not in self._scores:
            encoder = self.train(stage, validation.train, n_context, n_dimensions, SELECTION_STEPS)
            self._scores[stage] = self.score(validation, encoder)
        return self._scores[stage]


def _best_context(training: _Training, validation: ContrastiveValidation) -> int:
    """Return the context in samples that is best on held-out data."""
    contexts = training.options.contexts or (training.settings.n_window,)
    if len(contexts) == 1:
        return contexts[0]
    n_dimensions = training.options.dimensions or min(16, _most_dimensions(training.data))
    scores = {n: training.candidate(validation, n, n_dimensions) for n in contexts}
    return max(scores, key=lambda n: scores[n])


def _best_dimensions(training: _Training, validation: ContrastiveValidation, n_context: int) -> int:
    """Return the requested dimensions, or as many as pay on held-out data."""
    if training.options.dimensions is not None:
        return training.options.dimensions
    most = _most_dimensions(training.data)
    candidates = [n for n in CANDIDATE_DIMENSIONS if n < most] or [most]
    if len(candidates) == 1:
        return candidates[0]
    scores = {
        n: training.candidate(validation, n_context, n) - DIMENSION_MARGIN * np.log2(n) for n in candidates
    }
    return max(scores, key=lambda n: scores[n])


def _most_dimensions(data: TrainingSet) -> int:
    return min(DIMENSIONS[1], int(data.clean.shape[1]))


def _compare_with_linear(
    training: _Training,
    validation: ContrastiveValidation,
    held_out: Encoder,
    encoder: Encoder,
    display: Encoder | None,
    renewal_steps: int | None,
) -> ContrastiveFit:
    """Select the embedding that decodes frames: linear, contrastive, or the mean of both logits.

    ``held_out`` is the encoder trained without the held-out fold; ``renewal_steps`` are those of a renewal.
    """
    data, options = training.data, training.options
    similarity, fullness, state = validation.similarity(held_out)
    contrastive, linear = similarity * fullness[:, None], validation.linear_logits(training.settings)
    full = np.ones(len(state), np.float32)
    inverse_temperature, score = calibrate(contrastive, full, state)
    linear_scale, linear_score = calibrate(linear, full, state)
    both = np.asarray((contrastive * inverse_temperature + linear * linear_scale) / 2, np.float32)
    both_scale, both_score = calibrate(both, full, state)
    selected, linear_weight = "linear", 0.0
    if score > linear_score + MARGIN:
        selected = "contrastive"
    if both_score > max(score, linear_score) + MARGIN:
        selected, linear_weight = "both", linear_scale * both_scale / 2
        inverse_temperature *= both_scale / 2
    levels = np.quantile(similarity.max(1).astype(np.float64), np.linspace(0, 1, N_TYPICALITY_LEVELS))
    prototypes = encoder_prototypes(encoder, data, np.ones(len(data.state), bool))
    card = {
        "dimensions": encoder.n_dimensions,
        "display_dimensions": display.n_dimensions if display is not None else 0,
        "context_ms": round(1000 * encoder.n_context / data.rate_hz, 3) if data.rate_hz else 0.0,
        "temperature": TEMPERATURE,
        "steps": STEPS if renewal_steps is None else renewal_steps,
        "interrupted": training.interrupted,
        "positives": kind_of_positives(data, options) if options.mode != "time" else "time",
        "log_score_nats": round(score, 6),
        "linear_log_score_nats": round(linear_score, 6),
        "both_log_score_nats": round(both_score, 6),
    }
    if renewal_steps is None:  # the positives of a single held-out repeat would be the same samples
        scored = validation.held_out if options.mode == "time" else validation.test
        loss, chance = min(
            held_out_infonce(data, scored, held_out, temperature, options)
            for temperature in TEST_TEMPERATURES
        )
        card |= {"infonce_nats": round(loss, 6), "infonce_chance_nats": round(chance, 6)}
    part = ContrastiveDecoder(encoder, prototypes, inverse_temperature, linear_weight, levels, display)
    return ContrastiveFit(part, selected, card)


def _start(
    data: TrainingSet,
    settings: ReadoutSettings,
    keep: NDArray[np.bool_],
    n_context: int,
    n_dimensions: int,
    seed: int,
) -> Encoder:
    """Return an untrained encoder: the whitening of windows side by side."""
    scaling = feature_scaling(data, n_context)
    spans = window_spans(n_context, int(data.clean.shape[1])) or (n_context,)
    statistics = state_statistics(data, Layout(n_context, spans), keep, scaling)
    linear = fit_linear(statistics, settings.shrinkage, diagonal=settings.diagonal)
    return start_encoder(linear, spans, n_dimensions, root=scaling.root, seed=seed)
