"""Causal refits on the last repeats, and comparisons of a refit with the model that it would replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.data.fingerprint import overlap
from decoders.data.training_set import concatenate_sessions, with_repeat_boundaries
from decoders.embedding.agreement import agreement_r2, alignment
from decoders.errors import BadSplit
from decoders.fitting.fit import fit_states
from decoders.fitting.options import POSITIVES, FitOptions
from decoders.metrics import frame_errors, likeliest
from decoders.model.model import Model
from decoders.readouts.classifiers import UNOBSERVED_LOGIT
from decoders.readouts.continuous import RIDGE
from stream.movie import Movie
from stream.session import Session

MIN_REPEATS = 2
"""Smallest number of repeats for a refit, whose settings are chosen on held-out repeats."""

MIN_COVERAGE = 0.9
"""Smallest share of the model's frames that a refit's data must contain, since a refit forgets the others."""

BLOCK_S = 1.0
"""Duration of the blocks over which the standard error of a comparison is computed, since windows overlap."""


def repeats_in_order(session: Session) -> list[int]:
    """Numbers of the repeats of a recording, in the order in which they began.

    Parameters
    ----------
    session
        Recording.
    """
    repeat = session.repeat_with_blanks()
    numbers, first = np.unique(repeat, return_index=True)
    return [int(number) for number in numbers[np.argsort(first)] if number >= 0]


def repeats_before(session: Session, tested: int, n: int) -> Session | None:
    """The last repeats that ended before another one began.

    Parameters
    ----------
    session
        Recording.
    tested
        Number of the other repeat, of which the result contains no sample, nor of anything after its start.
    n
        Number of repeats; there may be fewer.

    Returns
    -------
    part
        The repeats, or None if there are fewer than `MIN_REPEATS`.

    Raises
    ------
    BadSplit
        If the recording has no repeat of that number.
    """
    order = repeats_in_order(session)
    if tested not in order:
        raise BadSplit(f"the recording has no repeat {tested}; it has {order}.")
    repeat = session.repeat_with_blanks()
    begins = int(np.argmax(repeat == tested))
    earlier = [number for number in order[: order.index(tested)] if number != tested]
    chosen = earlier[-n:]
    if len(chosen) < MIN_REPEATS:
        return None
    # The mask ends where the tested repeat begins, in case an earlier number occurs again later.
    return session.take(np.isin(repeat, chosen) & (np.arange(session.n_samples) < begins))


def refit(model: Model, session: Session, *, baselines: bool = False) -> Model:
    """Fit a replacement for a model to new data.

    Window, frames, movie and labels stay those of the model; everything else is selected on the given repeats, without
    the samples that show another frame. Labels that the repeats lack are decoded from frames as in the model. A
    contrastive encoder is trained a little further where the last repeat is new to it, and what decodes is chosen on
    that repeat. The new embedding is rotated onto the model's on the same samples.

    Parameters
    ----------
    model
        Model to replace; it is not changed.
    session
        Training data.
    baselines
        Whether to select settings of the baselines too, which an evaluation needs.
    """
    card = model.card
    state = model.states.of_session(session)
    known = (state < model.n_frames) & ((state >= 0) | (model.states.places is None))
    session = session.take(known) if not known.all() else session
    n_samples = session.n_samples
    labels = {
        str(name): session.labels.get(name, np.full((n_samples, k), np.nan, np.float32))
        for name, k in card["labels"]
    }
    movie = Movie(model.clips, model.pictures) if model.clips else None
    newest = session.select_repeats(repeats_in_order(session)[-1:])
    renewed = model.parts.contrastive is not None and not was_trained_on(model, newest)
    options = FitOptions(
        mode=card["mode"] if renewed else "linear",
        positives=_positives(model) if renewed and labels.keys() <= session.labels.keys() else "auto",
        context_s=card["context_ms"] / 1000 or None,
        lookahead_frames=round(card["lookahead_ms"] / 1000 * card["rate_hz"]),
        lag_s=card["lag_ms"] / 1000,
        seed=int(card.get("seed", 0)),
        order=str(card.get("order", "any")),
    )
    translated = model.states.translated(replace(session, labels=labels), movie)
    fitted = fit_states(
        translated, model.states, options, baselines=baselines, running=model if renewed else None
    )
    if model.parts.contrastive is not None and not renewed:
        fitted = _with_contrastive_of(model, fitted)
    if any(name not in session.labels for name in labels):
        old = model.parts.continuous
        reader = replace(
            old,
            ridge=np.zeros((fitted.n_embedding + 1, old.ridge.shape[1])),
            # A regression on the old embedding does not apply to the new one.
            sharpness=np.where(old.sharpness == RIDGE, 1.0, old.sharpness),
        )
        fitted = Model(replace(fitted.parts, continuous=reader), fitted.card)
    fitted = _with_data_of(model, rotated_onto(fitted, model, session))
    fitted.use_playback = model.use_playback
    return fitted


def _positives(model: Model) -> str:
    kind = str(model.card["contrastive"]["positives"])
    return kind if kind in POSITIVES else "auto"


def _with_contrastive_of(model: Model, fitted: Model) -> Model:
    """Keep a model's contrastive embedding in a refit."""
    decoder, valid = model.parts.contrastive, fitted.parts.preprocessor.valid
    assert decoder is not None
    decoder = decoder.on_channels(valid, model.parts.preprocessor.valid)
    card = {name: model.card[name] for name in ("mode", "decoder_embedding", "contrastive")}
    return Model(replace(fitted.parts, contrastive=decoder), {**fitted.card, **card})


def rotated_onto(fitted: Model, model: Model, session: Session) -> Model:
    """Rotate a model's embedding onto that of another, so that nothing on screen jumps.

    Parameters
    ----------
    fitted
        Model whose embedding is rotated.
    model
        Model that it replaces.
    session
        Recording that both embed.

    Returns
    -------
    model
        The first model; ``agreement_r2`` on its card says how much of the second embedding it explains.
    """
    points, before = fitted.embed(session), model.embed(session)
    rotation = alignment(points, before)
    agreement = round(agreement_r2(points @ rotation, before), 4)
    return Model(replace(fitted.parts, rotation=rotation), {**fitted.card, "agreement_r2": agreement})


def _with_data_of(model: Model, fitted: Model) -> Model:
    """Add what a model was trained on to a refit, which has it too: in the encoder, and in the rotation."""
    card = {**fitted.card, "simulated": True} if model.simulated else fitted.card
    known = [
        part.extra[name] for part in (model.parts, fitted.parts) if (name := "fingerprints") in part.extra
    ]
    extra = {**fitted.parts.extra, "fingerprints": np.unique(np.concatenate(known))}
    return Model(replace(fitted.parts, extra=extra), card)


def concatenate_repeats(parts: Sequence[Session]) -> Session:
    """Concatenate repeats into one recording and number them.

    Parameters
    ----------
    parts
        Repeats, at least one; labels that not all of them have are left out.
    """
    common = set.intersection(*(set(part.labels) for part in parts))
    numbered = [
        replace(
            part,
            repeat=np.where(part.frame >= 0, 0, -1).astype(np.int32),
            labels={name: label for name, label in part.labels.items() if name in common},
        )
        for part in parts
    ]
    return with_repeat_boundaries(concatenate_sessions(numbered))


def coverage(model: Model, session: Session) -> float:
    """Share of the model's frames that occur in a recording, 0 to 1.

    Parameters
    ----------
    model
        Fitted model.
    session
        Repeats of the same movie.
    """
    known = np.flatnonzero(model.parts.prototypes.bias[:-1] > UNOBSERVED_LOGIT / 2)
    return float(np.isin(known, model.states.of_session(session)).mean()) if len(known) else 1.0


def was_trained_on(model: Model, session: Session) -> bool:
    """Whether a model was trained on any part of a recording, so that it cannot be tested on it.

    Parameters
    ----------
    model
        Fitted model.
    session
        Recording to test on.
    """
    return overlap(session, model.parts.extra.get("fingerprints", np.zeros(0, np.uint64))) > 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of two models on a repeat that neither was trained on.

    Attributes
    ----------
    new, old
        Accuracy within one second, without the playback model.
    standard_error
        Standard error of the difference, over blocks of `BLOCK_S`.
    """

    new: float
    old: float
    standard_error: float

    @property
    def worse(self) -> bool:
        """Whether the new model is worse by more than the standard error."""
        return self.new < self.old - self.standard_error

    def facts(self) -> dict[str, float]:
        """Fields for the status stream."""
        return {name: round(getattr(self, name), 4) for name in ("new", "old", "standard_error")}


def compare(new: Model, old: Model, repeat: Session) -> Comparison:
    """Compare two models on a repeat.

    Parameters
    ----------
    new, old
        Fitted models.
    repeat
        Repeat with its true frames, at least one of them not blank.
    """
    by_new, by_old = _hits(new, repeat), _hits(old, repeat)
    n_blocks = max(1, ceil(len(by_new) / max(1, round(BLOCK_S * (repeat.rate_hz or 1)))))
    blocks = [part.mean() for part in np.array_split(by_new - by_old, n_blocks)]
    error = float(np.std(blocks, ddof=1)) / sqrt(n_blocks) if n_blocks > 1 else 0.0
    return Comparison(float(by_new.mean()), float(by_old.mean()), error)


def _hits(model: Model, repeat: Session) -> NDArray[np.float64]:
    """For each moment with a frame on screen: 1 if the decoded one is within one second (no playback model), else 0."""
    predictions = model.predict(repeat, forecasts=False)
    repeat, kept = delay_truth(model.states.translated(repeat), model.n_delay)
    decoded = likeliest(predictions.posterior_without_playback[kept])
    shown = repeat.frame >= 0
    axis = model.axis
    within = frame_errors(decoded[shown], repeat.frame[shown], axis.clip, axis.tolerance_frames)[1]
    return within.astype(np.float64)
