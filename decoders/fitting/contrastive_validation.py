"""Validation of the contrastive training: how well an encoder decodes a held-out fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.encoder import Encoder, samples_in_window
from decoders.errors import BadSplit
from decoders.fitting.settings import (
    MAX_HELD_OUT,
    ReadoutSettings,
    cross_validation_folds,
    evenly_spaced,
    fit_readout,
)
from decoders.fitting.validation_sequences import ValidationSequence, validation_sequences
from decoders.readouts.classifiers import Prototypes, calibrate
from decoders.readouts.contrastive import fit_direction_prototypes

Scored = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
"""Similarities or logits float32 [time, states], window fullness float32 [time], and true states int64 [time]."""


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveValidation:
    """The last cross-validation fold, on which encoders are compared during training.

    Attributes
    ----------
    data
        Training data.
    train, test
        Bool [time], training and held-out samples.
    sequences
        Validation sequences of the held-out samples.
    """

    data: TrainingSet
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    sequences: list[ValidationSequence]

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Held-out samples whatever they show, bool [time]; `test` leaves out what training does not show."""
        return np.asarray((self.data.fold >= 0) & ~self.train)

    def similarity(self, encoder: Encoder) -> Scored:
        """Return similarities to the encoder's prototypes, window fullness and true states of the held-out samples.

        Parameters
        ----------
        encoder
            Trained on `train` only.
        """
        prototypes = encoder_prototypes(encoder, self.data, self.train)
        return _subsampled(
            [
                (
                    prototypes.similarity(encoder.transform(s.clean, s.boundary)),
                    _fullness(encoder, s.boundary),
                    s.state,
                )
                for s in self.sequences
            ]
        )

    def score(self, encoder: Encoder) -> float:
        """Return the calibrated held-out log score of an encoder in nats."""
        return calibrate(*self.similarity(encoder))[1]

    def linear_logits(self, settings: ReadoutSettings) -> NDArray[np.float32]:
        """Return the linear frame decoder's logits for the same samples, weighted by window fullness.

        Parameters
        ----------
        settings
            Settings of the frame decoder, which is fitted on `train`.
        """
        readout = fit_readout(self.data, self.train, settings)
        parts = []
        for sequence in self.sequences:
            sums, fullness = settings.windows(sequence.clean, sequence.boundary)
            parts.append((readout.logits(sums), fullness, sequence.state))
        logits, fullness, _ = _subsampled(parts)
        return logits * fullness[:, None]


def encoder_prototypes(encoder: Encoder, data: TrainingSet, keep: NDArray[np.bool_]) -> Prototypes:
    """Fit prototypes to the embedded training samples.

    Parameters
    ----------
    encoder
        Trained encoder.
    data
        Training data.
    keep
        Bool [time], samples to use.
    """
    points = encoder.transform(data.clean, data.boundary)[keep]
    fullness = _fullness(encoder, data.boundary)[keep]
    return fit_direction_prototypes(points, data.state[keep], data.n_states, fullness)


def last_fold(data: TrainingSet, seed: int) -> ContrastiveValidation:
    """Return the last cross-validation fold, whose repeats resemble later recordings most.

    Parameters
    ----------
    data
        Training data.
    seed
        Random seed of the shuffled scenes.

    Raises
    ------
    BadSplit
        When no data can be held out.
    """
    folds = list(cross_validation_folds(data))
    if not folds:
        raise BadSplit(
            "contrastive training needs at least two repeats (it pulls repeats together and stops by a held-out one), "
            "but the training data show each frame once. Train on more repeats, or use --mode linear."
        )
    train, test = folds[-1]
    sequences = validation_sequences(data, test, np.random.default_rng(seed), alone=True)
    return ContrastiveValidation(data, train, test, sequences)


def _fullness(encoder: Encoder, boundary: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of the encoder's context that lies in the same segment, float32 [time]."""
    return (samples_in_window(boundary, encoder.n_context) / encoder.n_context).astype(np.float32)


def _subsampled(parts: list[Scored]) -> Scored:
    """Join the sequences and keep at most `MAX_HELD_OUT` evenly spaced samples."""
    similarity, fullness, state = (np.concatenate([part[column] for part in parts]) for column in range(3))
    index = evenly_spaced(np.ones(len(state), bool), MAX_HELD_OUT)
    return similarity[index], fullness[index], state[index]
