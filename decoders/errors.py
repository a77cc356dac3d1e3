"""Errors of fitting and decoding; the tree continues `stream.errors`.

::

    NeuroReelError
    ├── NotFitted              a model or part of it was used before it was fitted
    ├── BadModel               a model file that is corrupt, hostile or of an unknown format
    ├── ModelMismatch          a model for other channels or another rate
    ├── TrainedOnTestData      the test data are among what the model was trained on
    ├── BadSplit               repeats or times that select nothing, or overlap
    └── TrainingUnavailable    contrastive training without torch
"""

from __future__ import annotations

from stream.errors import NeuroReelError


class NotFitted(NeuroReelError):
    """A model, or a part of one, was used before it was fitted."""


class BadModel(NeuroReelError):
    """A model file that is corrupt, hostile, or of a format this version does not know."""


class ModelMismatch(NeuroReelError):
    """A model that was fitted for other channels, another rate or another kind of recording."""


class TrainedOnTestData(NeuroReelError):
    """The data to score on are among those the model was trained on."""


class BadSplit(NeuroReelError):
    """A choice of repeats or times that selects nothing, or whose parts overlap."""


class TrainingUnavailable(NeuroReelError):
    """Contrastive training was asked for where torch is not installed."""
