"""placeholder."""

from __future__ import annotations
from decoders.packing import Arrays
from decoders.training import TrainingSet
from decoders.tuning import Settings


def fit_baselines(data: TrainingSet, settings: Settings) -> Arrays:
    return {}
