"""Regressions as baselines of continuous labels."""

from __future__ import annotations

import numpy as np

from decoders.data.training_set import training_set
from decoders.fitting.label_baselines import label_baselines
from decoders.readouts.continuous import median_error
from tests.decoders.conftest import places_session


def test_both_decode_a_position_and_an_unknown_label_stays_unknown() -> None:
    session = places_session()
    data = training_set(session.select_time(0, 0.75), 8, 0.5)
    data.labels["unknown"] = np.full_like(data.labels["position"], np.nan)
    test = session.select_time(0.75, 1)
    boundary = np.r_[True, np.diff(test.segment) > 0]
    clean = data.preprocessor.run(np.asarray(test.neural, np.float32), boundary)
    found = dict(label_baselines(data, [1, 6], clean, boundary))
    assert list(found) == ["ridge_regression", "knn_regression"]
    for estimates in found.values():
        assert median_error(estimates["position"], test.labels["position"]) < 1.2
        assert np.isnan(estimates["unknown"]).all()
