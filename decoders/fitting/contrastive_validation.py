"""What an encoder is tried on while it trains: held-out showings, and how it reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.data.training_set import TrainingSet
from decoders.embedding.encoder import Encoder, samples_in_window
from decoders.embedding.linear import unit_length
from decoders.errors import BadSplit
from decoders.fitting.settings import (
    MAX_HELD_OUT,
    ReadoutSettings,
    cross_validation_folds,
    evenly_spaced,
    fit_readout,
)
from decoders.fitting.validation_sequences import validation_sequences
from decoders.readouts.classifiers import Prototypes, calibrate
from decoders.readouts.contrastive import fit_direction_prototypes


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveValidation:
    """Held-out passages, and the fold that they are not part of."""

    data: TrainingSet
    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    asked: list[tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]]

    def similarity(
        self, encoder: Encoder
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Similarities, how full each window was, and truth of the held-out moments."""
        prototypes = encoder_prototypes(encoder, self.data, self.train)
        return _thinned(
            [
                (
                    prototypes.similarity(unit_length(encoder.transform(clean, boundary))),
                    (samples_in_window(boundary, encoder.n_context) / encoder.n_context).astype(np.float32),
                    state,
                )
                for clean, boundary, state in self.asked
            ]
        )

    def score(self, encoder: Encoder) -> float:
        """Mean log probability of the truth, in nats."""
        return calibrate(*self.similarity(encoder))[1]

    def linear_logits(self, settings: ReadoutSettings) -> NDArray[np.float32]:
        """Logits of the frame decoder on the linear embedding for the same moments, flatter in partial windows."""
        windows = settings.windows(self.data.clean, self.data.boundary)
        reader = fit_readout(self.data, windows, self.train, settings)
        parts = []
        for clean, boundary, state in self.asked:
            sums, fullness = settings.windows(clean, boundary)
            parts.append((reader.logits(sums), fullness, state))
        logits, fullness, _ = _thinned(parts)
        return logits * fullness[:, None]


def encoder_prototypes(encoder: Encoder, data: TrainingSet, keep: NDArray[np.bool_]) -> Prototypes:
    """Prototypes of an encoder from the kept training samples."""
    points = encoder.transform(data.clean, data.boundary)[keep]
    fullness = samples_in_window(data.boundary, encoder.n_context)[keep] / np.float32(encoder.n_context)
    return fit_direction_prototypes(points, data.state[keep], data.n_states, fullness.astype(np.float32))


def last_fold(data: TrainingSet, seed: int) -> ContrastiveValidation:
    """The last part of the training data, held out in order and with its scenes shuffled.

    Parameters
    ----------
    data
        Training data.
    seed
        Of the order of scenes.

    Raises
    ------
    BadSplit
        When nothing can be held out.
    """
    folds = list(cross_validation_folds(data))
    if not folds:
        raise BadSplit(
            "contrastive training needs a second repeat: it pulls repeats together and stops by one that it holds out, "
            "but the training data show each frame once. Train on more showings, or use --mode linear."
        )
    train, test = folds[-1]  # the last showings are the most like those to come
    asked = [
        (p.clean, p.boundary, p.state) for p in validation_sequences(data, test, np.random.default_rng(seed))
    ]
    return ContrastiveValidation(data, train, test, asked)


def _thinned(
    parts: list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    similarity, fullness, state = (np.concatenate([part[column] for part in parts]) for column in range(3))
    index = evenly_spaced(np.ones(len(state), bool), MAX_HELD_OUT)
    return similarity[index], fullness[index], state[index]
