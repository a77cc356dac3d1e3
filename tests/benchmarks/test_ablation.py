"""Ablations: every part can be switched off, what is shared between fits changes nothing, and the costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.ablation.__main__ import DEFAULT, Results, cost_by_figure, measure, show, word
from benchmarks.ablation.cases import CASES, NEED_DATA, Case
from benchmarks.ablation.measure import Fitter, score_test
from benchmarks.ablation.parts import PARTS, Part, Stage
from benchmarks.v1_sized import simulated_sessions
from decoders.data.training_set import with_repeat_boundaries
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions


@pytest.fixture(scope="module")
def case() -> Case:
    session, _ = simulated_sessions(0, "alone")
    wander = np.random.default_rng(0).normal(0, 0.1, session.n_samples)
    position = (np.cos(session.frame / 5) + wander)[:, None].astype(np.float32)
    session = replace(session, labels={"position": position})
    tests = {"in order": with_repeat_boundaries(session.select_repeats((4, 5)))}
    return Case(session, FitOptions(train_repeats=(0, 1, 2, 3)), tests)


@pytest.fixture(scope="module")
def fitter(case: Case) -> Fitter:
    return Fitter(case)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.title)
def test_every_part_is_there_to_be_switched_off(part: Part) -> None:
    owner, name, value = part.without[0]
    before = getattr(owner, name)
    with part.off():
        assert getattr(owner, name) is value
    assert getattr(owner, name) is before


@pytest.mark.slow
@pytest.mark.parametrize("stage", Stage)
def test_what_fits_share_does_not_change_the_scores(case: Case, fitter: Fitter, stage: Stage) -> None:
    part = next(part for part in PARTS if part.stage is stage and part.of(fitter.data))
    with part.off():
        model = fit_model(case.train, case.options, baselines=False)
    assert fitter.scores(part) == {"in order": score_test(model, case.tests["in order"])}


@pytest.mark.slow
def test_results_are_added_to_those_that_are_there(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part for part in PARTS if part.title in ("square root of counts", "choice among voxels")]
    results: Results = {"v1-sized:0": {}}
    assert list(measure(results["v1-sized:0"], lambda: case, parts)) == [DEFAULT, *(p.title for p in parts)]
    assert not list(measure(results["v1-sized:0"], pytest.fail, parts))
    assert results["v1-sized:0"]["choice among voxels"]["scores"] is None  # no voxels
    show(results)
    assert "square root of counts" in capsys.readouterr().out


def test_costs_are_paired_and_small_ones_do_not_count() -> None:
    def row(accuracy: float, error: float) -> dict[str, Any]:
        return {"scores": {"test": {"accuracy alone": accuracy, "error alone": error}}}

    results = {
        "eeg-769:0": {DEFAULT: row(0.9, 2.0), "part": row(0.8, 3.0)},
        "eeg-769:1": {DEFAULT: row(0.5, 4.0), "part": row(0.3, 6.0)},
        "eeg-769:2": {DEFAULT: row(0.5, 4.0)},
    }
    costs = cost_by_figure(results, "eeg-769", "part")
    assert costs["accuracy alone"] == pytest.approx([0.1, 0.2])
    assert costs["error alone"] == pytest.approx([0.5, 0.5])
    assert word("accuracy alone", costs["accuracy alone"]) == "+0.150±0.050!"
    assert word("accuracy alone", np.array([0.001, 0.001])).endswith("0.000")
    assert word("accuracy alone", np.array([0.1, -0.05])).endswith("0.075")


def test_names() -> None:
    assert len({part.title for part in PARTS}) == len(PARTS)
    assert set(NEED_DATA) <= set(CASES)
