"""V1-sized recordings with a change of state: refits help, LDA is matched, and confidence drops at the change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.v1_movie import CHANGE, measure, simulate, tuning

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_a_change_of_state_is_followed_by_refits_and_lowers_confidence(shared_data: Path) -> None:
    counts = tuning(shared_data)
    runs = [measure(simulate(counts, seed)) for seed in range(3)]

    def mean(who: str, figure: str, repeat: int | None = None) -> float:
        rows = [run[who] if repeat is None else run[who]["per_repeat"][str(repeat)] for run in runs]
        return float(np.mean([row[figure] for row in rows]))

    assert mean("ours, rolling", "accuracy_exact") > mean("ours, fixed", "accuracy_exact")
    for kind in ("fixed", "rolling"):
        assert mean(f"ours, {kind}", "accuracy_exact") > mean(f"LDA, {kind}", "accuracy_exact") - 0.02
        before, change = (mean(f"ours, {kind}", "mean_confidence", s) for s in (CHANGE - 1, CHANGE))
        assert change < before
