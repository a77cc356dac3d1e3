"""Options of `decoders.fitting.fit.fit_model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from decoders.embedding.encoder import DIMENSIONS
from decoders.errors import BadSplit
from decoders.fitting.select_classifier import DECODERS
from stream.errors import BadUsage

MODES = ("linear", "label", "time", "hybrid")
POSITIVES = ("auto", "frames", "labels", "both")
ORDERS = ("any", "known")

MAX_LOOKAHEAD = 200
"""Longest lookahead in samples."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit a model.

    Attributes
    ----------
    mode
        Kind of embedding: one of `MODES`. All but ``linear`` need torch.
    decoder
        Frame decoder: one of `decoders.fitting.select_classifier.DECODERS`.
    context_s
        Length of the causal window in seconds; None selects it by cross-validation.
    lookahead_frames
        Future samples that each prediction waits for; adds the same delay.
    train_repeats
        Repeats to train on; None for all.
    train_time
        First and last share of the recording to train on, 0 to 1; None for all.
    seed
        Random seed.
    positives
        Positive pairs of the contrastive training: ``auto``, ``frames``, ``labels`` or ``both``.
    resume
        File in which the contrastive training is stored and from which it resumes; None disables it.
    lag_s
        Lag of the signal behind the stimulus in seconds; None for 0, or for BOLD selected by cross-validation.
    order
        ``any``: settings must also be right when a movie's scenes come in another order. ``known``: the order never
        changes, so a window may be longer than what a frame evokes.
    label
        Label whose places are decoded instead of frames; None for the first where a recording has no frames.
    dimensions
        Dimensions of the contrastive embedding, 2 to 64; None selects them by cross-validation.
    """

    mode: str = "linear"
    decoder: str = "auto"
    context_s: float | None = None
    lookahead_frames: int = 0
    train_repeats: tuple[int, ...] | None = None
    train_time: tuple[float, float] | None = None
    seed: int = 0
    positives: str = "auto"
    resume: Path | None = None
    lag_s: float | None = None
    order: str = "any"
    label: str | None = None
    dimensions: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadUsage(f"unknown mode {self.mode!r}; choose one of {', '.join(MODES)}.")
        if self.order not in ORDERS:
            raise BadUsage(f"unknown order {self.order!r}; choose one of {', '.join(ORDERS)}.")
        if self.positives not in POSITIVES:
            raise BadUsage(f"unknown positives {self.positives!r}; choose one of {', '.join(POSITIVES)}.")
        if self.mode == "linear" and self.resume is not None:
            raise BadUsage("mode 'linear' has no training to resume; use --mode label, time or hybrid.")
        if self.dimensions is not None and self.mode == "linear":
            raise BadUsage("mode 'linear' has no dimensions to choose; use --mode label, time or hybrid.")
        low, high = DIMENSIONS
        if self.dimensions is not None and not low <= self.dimensions <= high:
            raise BadUsage(
                f"an embedding of {self.dimensions} dimensions is not possible; give {low} to {high}."
            )
        if self.decoder not in DECODERS:
            raise BadUsage(f"unknown decoder {self.decoder!r}; choose one of {', '.join(DECODERS)}.")
        if not 0 <= self.lookahead_frames <= MAX_LOOKAHEAD:
            raise BadUsage(
                f"lookahead of {self.lookahead_frames} samples is out of range; give 0 to {MAX_LOOKAHEAD}."
            )
        if self.context_s is not None and not 0 < self.context_s <= 60:
            raise BadUsage(
                f"context of {self.context_s:g} s is out of range; give more than 0 and at most 60."
            )
        if self.train_repeats is not None and self.train_time is not None:
            raise BadSplit("train_repeats and train_time exclude each other; give only one of them.")
