"""Refits on the last showings, causally, and whether a refit is better than what it would replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from decoders.data.delays import delay_truth
from decoders.data.fingerprint import overlap
from decoders.data.training_set import concatenate_sessions, with_repeat_boundaries
from decoders.errors import BadSplit
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import frame_errors, likeliest
from decoders.model.model import Model
from decoders.readouts.classifiers import UNOBSERVED_LOGIT
from decoders.readouts.continuous import RIDGE
from stream.movie import Movie
from stream.session import Session

MIN_REPEATS = 2
"""Fewer showings than this are not refitted on: settings are chosen on held-out ones."""

MIN_COVERAGE = 0.9
"""A refit must have seen at least this share of the frames that the model knows, else it would forget the rest."""

BLOCK_S = 1.0
"""Moments this near to each other are taken as one when two models are compared: windows overlap."""


def repeats_in_order(session: Session) -> list[int]:
    """The showings of a recording in the order in which they began.

    Parameters
    ----------
    session
        Any.
    """
    showing = session.showing()
    numbers, first = np.unique(showing, return_index=True)
    return [int(number) for number in numbers[np.argsort(first)] if number >= 0]


def repeats_before(session: Session, tested: int, n: int) -> Session | None:
    """The last showings that ended before another one began.

    Parameters
    ----------
    session
        A recording.
    tested
        Number of the showing that nothing may be known of, nor of what came after it.
    n
        How many showings to take; fewer when there are fewer.

    Returns
    -------
    part
        None when fewer than `MIN_REPEATS` were there.

    Raises
    ------
    BadSplit
        When there is no such showing.
    """
    order = repeats_in_order(session)
    if tested not in order:
        raise BadSplit(f"the recording has no showing {tested}; it has {order}.")
    showing = session.showing()
    begins = int(np.argmax(showing == tested))
    earlier = [number for number in order[: order.index(tested)] if number != tested]
    chosen = earlier[-n:]
    if len(chosen) < MIN_REPEATS:
        return None
    # The mask, too, ends where the tested showing begins: a number that comes back later may not bring later samples.
    return session.take(np.isin(showing, chosen) & (np.arange(session.n_samples) < begins))


def refit(model: Model, session: Session, *, baselines: bool = False) -> Model:
    """Fit the linear mode anew, to answer in place of a model.

    Window, frames, movie and labels are the model's; everything else is chosen anew inside the given showings. Labels
    that the showings lack are read from the frames as the model reads them.

    Parameters
    ----------
    model
        Fitted; stays as it is.
    session
        What to train on.
    baselines
        Choose settings of the baselines too, so that the refit can be evaluated.
    """
    card = model.card
    n_samples = session.n_samples
    labels = {
        str(name): session.labels.get(name, np.full((n_samples, k), np.nan, np.float32))
        for name, k in card["labels"]
    }
    movie = Movie(model.clips, model.pictures) if model.clips else None
    options = FitOptions(
        mode="linear",
        context_s=card["context_ms"] / 1000 or None,
        lookahead_frames=round(card["lookahead_ms"] / 1000 * card["rate_hz"]),
        lag_s=card["lag_ms"] / 1000,
        seed=int(card.get("seed", 0)),
    )
    fitted = fit_model(
        replace(session, labels=labels, movie=movie), options, n_frames=model.n_frames, baselines=baselines
    )
    if any(name not in session.labels for name in labels):
        known = model.parts.continuous
        reader = replace(
            known,
            ridge=np.zeros((fitted.n_embedding + 1, known.ridge.shape[1])),
            # What was read from the old embedding cannot be read from the new one.
            sharpness=np.where(known.sharpness == RIDGE, 1.0, known.sharpness),
        )
        fitted = Model(replace(fitted.parts, continuous=reader), fitted.card)
    same_channels = np.array_equal(fitted.parts.preprocessor.valid, model.parts.preprocessor.valid)
    if model.parts.contrastive is not None and same_channels:
        # What is shown stays in one space from swap to swap; frames are read from the refitted linear embedding.
        fitted = Model(replace(fitted.parts, contrastive=model.parts.contrastive), fitted.card)
    fitted.use_playback = model.use_playback
    return fitted


def concatenate_repeats(parts: Sequence[Session]) -> Session:
    """Showings one after the other as one recording, each with a number of its own.

    Parameters
    ----------
    parts
        At least one; each is one showing. Labels that not all of them have are left out.
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
    """The share of the frames that the model knows which a recording shows, 0 to 1.

    Parameters
    ----------
    model
        Fitted.
    session
        Showings of the same frames.
    """
    known = np.flatnonzero(model.parts.prototypes.bias[:-1] > UNOBSERVED_LOGIT / 2)
    return float(np.isin(known, session.frame).mean()) if len(known) else 1.0


def was_trained_on(model: Model, session: Session) -> bool:
    """Whether a model cannot be judged on a recording, because it has seen some of it.

    Parameters
    ----------
    model
        Fitted.
    session
        To be judged on.
    """
    return overlap(session, model.parts.extra.get("fingerprints", np.zeros(0, np.uint64))) > 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same showing, which neither was trained on.

    Attributes
    ----------
    new, old
        Share of moments within one second, without the playback model.
    standard_error
        Of the difference, over blocks of `BLOCK_S`.
    """

    new: float
    old: float
    standard_error: float

    @property
    def worse(self) -> bool:
        """Whether the new one is worse by more than the standard error."""
        return self.new < self.old - self.standard_error

    def facts(self) -> dict[str, float]:
        """For the status stream."""
        return {name: round(getattr(self, name), 4) for name in ("new", "old", "standard_error")}


def compare(new: Model, old: Model, showing: Session) -> Comparison:
    """Decode a showing with two models.

    Parameters
    ----------
    new, old
        Fitted.
    showing
        With the truth; some frame must be shown.
    """
    by_new, by_old = _hits(new, showing), _hits(old, showing)
    n_blocks = max(1, ceil(len(by_new) / max(1, round(BLOCK_S * (showing.rate_hz or 1)))))
    blocks = [part.mean() for part in np.array_split(by_new - by_old, n_blocks)]
    error = float(np.std(blocks, ddof=1)) / sqrt(n_blocks) if n_blocks > 1 else 0.0
    return Comparison(float(by_new.mean()), float(by_old.mean()), error)


def _hits(model: Model, showing: Session) -> NDArray[np.float64]:
    """1 for every shown moment answered within one second without the playback model, else 0."""
    predictions = model.predict(showing, forecasts=False)
    showing, kept = delay_truth(showing, model.n_delay)
    answers = likeliest(predictions.posterior_without_playback[kept])
    shown = showing.frame >= 0
    axis = model.axis
    within = frame_errors(answers[shown], showing.frame[shown], axis.clip, axis.tolerance_frames)[1]
    return within.astype(np.float64)
