"""How to fit a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from decoders.errors import BadSplit
from decoders.fitting.select_classifier import DECODERS
from stream.errors import BadUsage

MODES = ("linear", "label", "time", "hybrid")
POSITIVES = ("auto", "frames", "labels", "both")

MAX_LOOKAHEAD = 200
"""Samples."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit.

    Attributes
    ----------
    mode
        Kind of embedding: one of `MODES`. All but ``linear`` need torch.
    decoder
        One of `decoders.fitting.select_classifier.DECODERS`.
    context_s
        Length of the causal window; None = chosen on held-out data.
    lookahead_frames
        Future samples that each answer waits for: it is about the moment that long ago.
    lag_s
        Seconds by which the signal comes after what it answers to; None = none, but of BOLD chosen on held-out data.
    positives
        What the contrastive training takes for alike: ``auto``, ``frames``, ``labels`` or ``both``.
    resume
        File that the contrastive training is kept in and taken up from; None = it is not kept.
    train_repeats
        Showings to train on; None = all.
    train_time
        Part of the recording to train on, from 0 to 1; None = all.
    seed
        Of everything random.
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

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadUsage(f"no mode {self.mode!r}; there are {', '.join(MODES)}.")
        if self.positives not in POSITIVES:
            raise BadUsage(f"no positives {self.positives!r}; there are {', '.join(POSITIVES)}.")
        if self.mode == "linear" and self.resume is not None:
            raise BadUsage("mode 'linear' has no training to resume; give --mode label, time or hybrid.")
        if self.decoder not in DECODERS:
            raise BadUsage(f"no decoder {self.decoder!r}; there are {', '.join(DECODERS)}.")
        if not 0 <= self.lookahead_frames <= MAX_LOOKAHEAD:
            raise BadUsage(
                f"a lookahead of {self.lookahead_frames} samples is not possible; give 0 to {MAX_LOOKAHEAD}."
            )
        if self.context_s is not None and not 0 < self.context_s <= 60:
            raise BadUsage(
                f"a context of {self.context_s:g} s is not possible; give more than 0 and at most 60."
            )
        if self.train_repeats is not None and self.train_time is not None:
            raise BadSplit("give repeats or a time to train on, not both.")
