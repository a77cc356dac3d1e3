"""The card (metadata) of a newly fitted model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from decoders.data.training_set import TrainingSet
from decoders.fitting.options import FitOptions
from decoders.fitting.settings import ReadoutSettings
from decoders.fitting.validation_sequences import validation_facts
from decoders.model.file import FORMAT, FORMAT_VERSION
from decoders.readouts.secondary_classifier import settings_card
from stream.session import Session


def new_card(
    data: TrainingSet, session: Session, options: FitOptions, settings: ReadoutSettings
) -> dict[str, Any]:
    """Return a model's card without its scores and baselines.

    Parameters
    ----------
    data
        Training data.
    session
        Recording that they were made from.
    options
        How the model was fitted.
    settings
        Selected settings of the frame decoder.

    Returns
    -------
    card
        JSON-ready; `decoders.model.card_schema.check_card` lists the entries that decoding needs.
    """
    period_ms = 1000 / data.rate_hz if data.rate_hz else 0.0
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "mode": options.mode,
        "decoder_embedding": "linear",
        "decoder": settings.decoder,
        "opinion": settings_card(settings.secondary),
        "kind": str(data.kind),
        "rate_hz": data.rate_hz,
        "channel_names": list(session.channel_names),
        "unused_channels": [
            n for n, ok in zip(session.channel_names, data.preprocessor.valid, strict=True) if not ok
        ],
        "recording": session.name,
        "n_frames": data.n_frames,
        "movie_rate_hz": data.movie_rate_hz,
        "clips": [asdict(clip) for clip in data.movie.clips] if data.movie is not None else [],
        "labels": [[name, int(label.shape[1])] for name, label in data.labels.items()],
        "context_ms": round(settings.n_window * period_ms, 3),
        "lookahead_ms": round(options.lookahead_frames * period_ms, 3),
        "lag_ms": round(1000 * data.lag_s, 3) if data.lag_s else 0,
        "windows_ms": [round(span * period_ms, 3) for span in settings.spans or (settings.n_window,)],
        "shrinkage": settings.shrinkage,
        "diagonal": settings.diagonal,
        "evening": settings.smoothing,
        "prior": settings.prior_weight,
        "blank_bias": settings.blank_bias,
        "seed": options.seed,
        "order": options.order,
        "fixed_order": data.fixed_order,
        "validation": validation_facts(data, options.seed),
        "trained_on": {
            "sha256": session.sha256(),
            "repeats": list(options.train_repeats) if options.train_repeats is not None else None,
            "time": list(options.train_time) if options.train_time is not None else None,
            "n_samples": session.n_samples,
        },
        **(
            {
                "frames_per_sample": round(data.frames_per_sample, 3),
                "unsampled_frames": int(data.unsampled.sum()),
            }
            if data.frames_per_sample > 1
            else {}
        ),
        **({"channel_share": settings.channel_share} if settings.channel_share < 1 else {}),
        **({"simulated": True} if session.simulated else {}),
    }
