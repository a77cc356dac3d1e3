"""Latencies of the engine: each stage has its own quantiles, and times are kept only on request."""

from __future__ import annotations

import pytest

from decoders.live.latencies import STAGES, Latencies


@pytest.mark.parametrize("trace", [False, True])
def test_each_stage_has_its_own_quantiles_and_times_are_kept_on_request(trace: bool) -> None:
    latencies = Latencies(trace=trace)
    for number in range(5):
        latencies.add(40.0 + number, 30.0 + number, 10.0 + number, 5.0 + number, 1.0, 2.0, 3.0, 4.0 + number)
    summary = latencies.summary()
    assert tuple(summary) == STAGES
    assert [summary[stage]["p50"] for stage in STAGES] == [42.0, 32.0, 12.0, 7.0]
    assert latencies.trace == ([(1.0, 2.0, 3.0, 4.0 + number) for number in range(5)] if trace else [])
