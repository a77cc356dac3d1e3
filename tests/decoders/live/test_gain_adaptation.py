"""Following slow changes without labels: causal, bounded, and the same live as offline."""

from __future__ import annotations

import numpy as np
import pytest

from decoders.data.preprocessing import Preprocessor
from decoders.live.gain_adaptation import MAX_GAIN, MAX_SHIFT, TIME_CONSTANT_S, GainAdaptation
from stream.session import Kind

RATE_HZ = 2.0


def adapter(kind: Kind) -> tuple[GainAdaptation, np.ndarray]:
    random = np.random.default_rng(3)
    training = random.poisson(4.0, (2000, 5)).astype(np.float32)
    training[:, 4] = 0  # dead
    return GainAdaptation(Preprocessor.fit(training, kind, RATE_HZ), RATE_HZ), training


@pytest.mark.parametrize("factor", [0.7, 1.5])
def test_a_lasting_change_of_gain_is_taken_back(factor: float) -> None:
    follow, training = adapter(Kind.SPIKES)
    n = round(6 * TIME_CONSTANT_S * RATE_HZ)
    changed = np.random.default_rng(4).poisson(4.0 * factor, (n, 5)).astype(np.float32)
    adjusted = follow.run(changed)
    assert adjusted[-400:, :4].mean() == pytest.approx(training[:, :4].mean(), rel=0.08)
    assert np.array_equal(
        adjusted[:, 4], changed[:, 4]
    )  # a channel that the model does not use is left alone
    assert set(follow.facts()) == {"gain_median", "gain_least", "gain_most"}


@pytest.mark.parametrize("kind", [Kind.SPIKES, Kind.BOLD])
def test_it_stays_within_bounds_whatever_comes(kind: Kind) -> None:
    follow, _ = adapter(kind)
    for level in (0.0, 1e6):
        for _ in range(3000):
            follow.step(np.full(5, level, np.float32))
        if kind is Kind.SPIKES:
            assert np.all((follow.correction >= 1 / MAX_GAIN) & (follow.correction <= MAX_GAIN))
        else:
            assert np.all(np.abs(follow.correction) <= MAX_SHIFT)


def test_it_knows_only_the_past_and_missing_values_teach_nothing() -> None:
    one, samples = adapter(Kind.SPIKES)
    other, _ = adapter(Kind.SPIKES)
    later = samples.copy()
    later[1000:] = 50
    assert np.array_equal(one.run(samples[:1500])[:1000], other.run(later[:1500])[:1000])
    before = one.correction
    missing = one.step(np.full(5, np.nan, np.float32))
    assert np.isnan(missing).all()
    assert np.array_equal(one.correction, before)
