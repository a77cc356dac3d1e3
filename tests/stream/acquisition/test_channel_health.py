from __future__ import annotations

import numpy as np
import pytest

from stream.acquisition.channel_health import MAX_NAMED, ChannelHealth
from stream.notices import Notices


def make(n: int, expected_hz: float | None, watched: tuple[int, ...] = ()) -> tuple[ChannelHealth, Notices]:
    notices = Notices()
    mask = np.ones(n, np.bool_)
    if watched:
        mask[:] = False
        mask[list(watched)] = True
    expected = None if expected_hz is None else np.full(n, expected_hz)
    return ChannelHealth([f"ch{i}" for i in range(n)], expected, mask, notices), notices


def feed(
    health: ChannelHealth, seconds: int, rate_hz: int, dead: tuple[int, ...] = (), chunk: int = 1
) -> None:
    random = np.random.default_rng(0)
    n = len(health.dead)
    for _ in range(seconds):
        samples = random.normal(10, 1, (rate_hz, n)).astype(np.float32)
        samples[:, list(dead)] = 0
        for part in np.array_split(samples, max(1, rate_hz // chunk)):
            health.update(part, 0.0)
        health.judge(1.0)


@pytest.mark.parametrize("expected_hz", [None, 20.0])
@pytest.mark.parametrize("chunk", [1, 7])
def test_a_dead_channel_is_reported_and_masked_until_it_is_active_again(
    expected_hz: float | None, chunk: int
) -> None:
    health, notices = make(5, expected_hz)
    feed(health, 4, 30, chunk=chunk)
    assert not notices
    feed(health, 5, 30, dead=(2,), chunk=chunk)
    (notice,) = notices.take()
    assert (notice.event, notice.facts["channels"], notice.warning) == ("channel_dead", ["ch2"], True)
    masked = health.mask(np.ones((2, 5), np.float32))
    assert np.isnan(masked[:, 2]).all()
    assert np.isfinite(np.delete(masked, 2, axis=1)).all()
    feed(health, 1, 30, chunk=chunk)
    (notice,) = notices.take()
    assert (notice.event, notice.facts["channels"]) == ("channel_back", ["ch2"])
    assert not health.any_dead


def test_a_unit_that_rarely_fires_may_be_silent_for_long() -> None:
    health, notices = make(3, 0.5)
    feed(health, 60, 10, dead=(0, 1, 2))
    assert not notices
    feed(health, 61, 10, dead=(0, 1, 2))
    assert [notice.event for notice in notices.take()] == ["channel_dead"]


def test_slow_signals_must_be_constant_for_many_samples() -> None:
    health, notices = make(3, None)
    random = np.random.default_rng(0)
    for _ in range(60):  # a volume every two seconds, looked at every second
        health.update(random.normal(size=(1, 3)).astype(np.float32), 0.0)
        health.judge(2.0)
        health.judge(0.0)
    assert not notices


def test_channels_that_the_model_does_not_use_are_ignored() -> None:
    health, notices = make(4, 20.0, watched=(0, 1))
    feed(health, 8, 30, dead=(3,))
    samples = np.ones((1, 4), np.float32)
    samples[0, 2] = np.nan
    health.update(samples, 0.0)
    assert not notices
    assert health.n_nan == 0


@pytest.mark.parametrize("expected_hz", [None, 20.0])
def test_nan_is_reported_when_it_begins_and_ends(expected_hz: float | None) -> None:
    health, notices = make(20, expected_hz)
    samples = np.ones((4, 20), np.float32)
    samples[1:, :12] = np.nan
    samples[2, 0] = np.inf
    health.update(samples, 7.0)
    (notice,) = notices.take()
    assert (notice.event, notice.facts["n_channels"], len(notice.facts["channels"])) == ("nan", 12, MAX_NAMED)
    health.update(np.ones((1, 20), np.float32), 8.0)
    (notice,) = notices.take()
    assert (notice.event, notice.facts["samples"]) == ("nan_over", 3)
    assert health.n_nan == 3


def test_a_channel_that_stays_nan_is_dead() -> None:
    health, notices = make(2, None)
    random = np.random.default_rng(0)
    for _ in range(4):
        samples = random.normal(size=(30, 2)).astype(np.float32)
        samples[:, 1] = np.nan
        health.update(samples, 0.0)
        health.judge(1.0)
    assert [notice.event for notice in notices.take()] == ["nan", "channel_dead"]


@pytest.mark.parametrize("chunk", [1, 7])
def test_negative_counts_are_reported_once_per_channel(chunk: int) -> None:
    health, notices = make(4, 20.0, watched=(0, 1, 2))
    feed(health, 2, 30, chunk=chunk)
    assert not notices
    samples = np.full((14, 4), 5, np.float32)
    samples[9, [1, 3]] = -2.5
    samples[3, 2] = np.nan
    for _ in range(3):
        for part in np.array_split(samples, 14 // chunk):
            health.update(part, 0.0)
        health.judge(1.0)
    (notice,) = [notice for notice in notices.take() if not notice.event.startswith("nan")]
    assert (notice.event, notice.facts, notice.warning) == (
        "negative",
        {"least": -2.5, "channels": ["ch1"], "n_channels": 1},
        True,
    )


def test_other_signals_may_be_negative() -> None:
    health, notices = make(2, None)
    health.update(np.full((5, 2), -1, np.float32), 0.0)
    health.judge(1.0)
    assert not notices


def test_huge_values_are_reported_like_nan() -> None:
    health, notices = make(3, 20.0)
    health.update(np.array([[1, 2, 3e37]], np.float32), 7.0)
    (notice,) = notices.take()
    assert (notice.event, notice.facts["n_channels"]) == ("nan", 1)
    assert "beyond 1e+15" in notice.text
