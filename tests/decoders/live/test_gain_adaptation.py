"""The correction of slow drifts is causal and bounded, and the same live as offline."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.preprocessing import Preprocessor
from decoders.live.gain_adaptation import MAX_GAIN, MAX_SHIFT, TIME_CONSTANT_S, GainAdaptation
from stream.session import Kind

RATE_HZ = 2.0


def fitted(kind: Kind) -> tuple[GainAdaptation, np.ndarray]:
    random = np.random.default_rng(3)
    training = random.poisson(4.0, (2000, 5)).astype(np.float32)
    training[:, 4] = 0  # dead
    return GainAdaptation(Preprocessor.fit(training, kind, RATE_HZ), RATE_HZ), training


@pytest.mark.parametrize("gain", [0.7, 1.5])
def test_a_lasting_change_of_gain_is_corrected(gain: float) -> None:
    adaptation, training = fitted(Kind.SPIKES)
    n = round(6 * TIME_CONSTANT_S * RATE_HZ)
    changed = np.random.default_rng(4).poisson(4.0 * gain, (n, 5)).astype(np.float32)
    corrected = adaptation.run(changed)
    assert corrected[-400:, :4].mean() == pytest.approx(training[:, :4].mean(), rel=0.08)
    assert np.array_equal(corrected[:, 4], changed[:, 4])  # the model does not use this channel
    assert set(adaptation.facts()) == {"gain_median", "gain_least", "gain_most"}


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.BOLD])
def test_the_correction_stays_within_bounds(kind: Kind) -> None:
    adaptation, _ = fitted(kind)
    for level in (0.0, 1e6):
        for _ in range(3000):
            adaptation.step(np.full(5, level, np.float32))
        if kind is Kind.SPIKES:
            assert np.all((adaptation.correction >= 1 / MAX_GAIN) & (adaptation.correction <= MAX_GAIN))
        else:
            assert np.all(np.abs(adaptation.correction) <= MAX_SHIFT)


def test_it_is_causal_and_ignores_missing_values() -> None:
    one, samples = fitted(Kind.SPIKES)
    other, _ = fitted(Kind.SPIKES)
    later = samples.copy()
    later[1000:] = 50
    assert np.array_equal(one.run(samples[:1500])[:1000], other.run(later[:1500])[:1000])
    before = one.correction
    missing = one.step(np.full(5, np.nan, np.float32))
    assert np.isnan(missing).all()
    assert np.array_equal(one.correction, before)
