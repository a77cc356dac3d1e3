"""Options and metadata of the engine; `decoders.live.engine` itself is tested in tests/live/test_engine.py."""

from __future__ import annotations

from math import nan
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from decoders.live.engine_options import (
    LiveOptions,
    channel_health,
    engine_facts,
    milliseconds,
    peak_memory_mb,
)
from decoders.model.model import Model
from decoders.prediction import UNSURE_BELOW
from stream.notices import Notices


def test_metadata_describe_model_stream_and_options(model: Model) -> None:
    inlet: Any = SimpleNamespace(
        name="V1", hostname="rig", source_id="rig/V1", facts={"mode": "replay", "speed": "4"}
    )
    facts = engine_facts(model, inlet, LiveOptions("V1", model_path="/m.safetensors", adapt=True))
    assert (facts["mode"], facts["speed"], facts["source_stream"]) == ("replay", "4", "V1")
    assert (facts["model_hash"], facts["n_frames"], facts["tolerance_frames"]) == (model.hash, "60", "30")
    assert (facts["source_hostname"], facts["source_id"]) == ("rig", "rig/V1")
    assert float(facts["unsure_below"]) == UNSURE_BELOW
    assert (facts["adaptation"], facts["playback"]) == ("on", "on")
    assert facts["model_simulated"] == "0"
    assert facts["baseline"] in model.card["baselines"]
    assert float(facts["baseline_within_1s"]) == max(model.card["baseline_accuracy"].values())
    assert all(isinstance(value, str) for value in facts.values())


def test_a_model_of_simulated_data_says_so(model: Model) -> None:
    inlet: Any = SimpleNamespace(name="V1", hostname="rig", source_id="rig/V1", facts={})
    simulated = Model(model.parts, {**model.card, "simulated": True, "baseline_accuracy": {}})
    facts = engine_facts(simulated, inlet, LiveOptions("V1"))
    assert (facts["mode"], facts["model_simulated"]) == ("live", "1")
    assert (facts["baseline"], facts["baseline_within_1s"]) == ("", "")


def test_the_channel_monitor_expects_the_rates_of_training(model: Model) -> None:
    monitor = channel_health(model, Notices())
    assert monitor.dead.shape == (len(model.channel_names),)
    assert not np.any(monitor.dead)


def test_milliseconds_are_rounded_and_unknown_ones_are_none() -> None:
    assert milliseconds(0.00123456) == 1.2346
    assert milliseconds(nan) is None


def test_peak_memory_is_in_megabytes() -> None:
    assert peak_memory_mb() == pytest.approx(500, rel=20)
    assert peak_memory_mb() > 10
