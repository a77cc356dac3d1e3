"""Errors of fitting and decoding; they extend the tree of `stream.errors`.

::

    NeuroReelError                  exit 2; its other branches are in stream.errors
    ├── BadUsage ... StreamError    see stream.errors
    ├── NotFitted                   a model or part of one is used before it is fitted
    ├── BadModel                    a model file is corrupt, hostile or of an unknown format
    ├── ModelMismatch               a model was fitted for other channels, another rate or kind
    ├── TrainedOnTestData           the model was trained on the test data
    ├── BadSplit                    a selection of repeats or times is empty, or its parts overlap
    └── TrainingUnavailable         contrastive training is requested, but torch is not installed
"""

from __future__ import annotations

from stream.errors import NeuroReelError


class NotFitted(NeuroReelError):
    """A model, or part of one, is used before it is fitted."""


class BadModel(NeuroReelError):
    """A model file is corrupt, hostile, or of a format that this version cannot read."""


class ModelMismatch(NeuroReelError):
    """A model was fitted for other channels, another rate or another kind of recording."""


class TrainedOnTestData(NeuroReelError):
    """The test data overlap with the data that the model was trained on."""


class BadSplit(NeuroReelError):
    """A selection of repeats or times is empty, or its parts overlap."""


class TrainingUnavailable(NeuroReelError):
    """Contrastive training is requested, but torch is not installed."""
