"""Decodes a few samples with a model from a file, to find damage that no shape or type shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from decoders.errors import BadModel

if TYPE_CHECKING:
    from decoders.model.model import Model

_SPREADS = (0.0, 3.0, -1.0)  # samples at the mean and above and below it, in spreads of each channel
_MAX_SUM_ERROR = 1e-3


def probe(model: Model) -> None:
    """Decode samples like those of the training data, and reset the model.

    Parameters
    ----------
    model
        Model that was just loaded.

    Raises
    ------
    BadModel
        If a prediction holds numbers that are not finite, or its posterior is no probability.
    """
    preprocessor = model.parts.preprocessor
    period_s = 1 / model.rate_hz if model.rate_hz > 0 else 0.1
    with np.errstate(all="ignore"):
        for index in range(len(_SPREADS) + model.n_delay if model.n_delay < 100 else len(_SPREADS)):
            values = preprocessor.mean + _SPREADS[index % len(_SPREADS)] * preprocessor.spread
            if model.kind == "spikes":
                values = np.maximum(np.rint(values), 0)
            prediction = model.step(values.astype(np.float32), index * period_s)
            numbers = (prediction.posterior, prediction.logits, prediction.embedding, prediction.confidence)
            finite = all(np.isfinite(number).all() for number in numbers)
            if not finite or abs(float(np.sum(prediction.posterior)) - 1) > _MAX_SUM_ERROR:
                raise BadModel(
                    "the model's predictions of a usual sample are not finite probabilities: its weights are damaged. "
                    "Fit the model again."
                )
    model.reset()
