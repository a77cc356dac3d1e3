"""Facts of an engine's description: bounded, whatever was sent."""

from __future__ import annotations

import math
from dataclasses import fields
from types import SimpleNamespace

import pytest

from gui.client.engine_info import MAX_FRAMES, MODES, parse_engine_info
from gui.state.snapshot import Source

GOOD = {"mode": "replay", "speed": "2.0", "stamp_rate": "2.0", "recorded_rate_hz": "30", "n_frames": "900",
        "movie_rate_hz": "30.0", "tolerance_frames": "30", "playback": "off", "source_stream": "V1"}  # fmt: skip
NUMBERS = ("stamp_rate", "recorded_rate_hz", "n_frames", "movie_rate_hz", "tolerance_frames", "lookahead_ms",
           "signal_lag_ms", "speed")  # fmt: skip


def parse(facts: dict[str, str], rate_hz: float = 60.0) -> tuple[Source, tuple[str, ...]]:
    inlet = SimpleNamespace(facts=facts, name="V1-prediction", hostname="rig", rate_hz=rate_hz)
    return parse_engine_info(inlet)  # type: ignore[arg-type]


def test_an_engine_describes_itself() -> None:
    source, problems = parse(GOOD)
    assert (source.mode, source.speed, source.rate_hz, source.n_frames) == ("replay", "2", 30.0, 900)
    assert not source.playback
    assert problems == ()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("text", ["abc", "nan", "inf", "-inf", "-1", "1e300", "1" * 400, "0x10"])
def test_a_fact_that_is_no_number_in_range_is_absent_and_named(name: str, text: str) -> None:
    source, problems = parse({**GOOD, name: text})
    assert any(f" {name}=" in problem for problem in problems)
    values = [getattr(source, field.name) for field in fields(source)]
    assert all(math.isfinite(value) for value in values if isinstance(value, int | float))
    assert 0 <= source.n_frames <= MAX_FRAMES
    assert source.stamp_rate > 0
    assert source.speed == "max" or float(source.speed) > 0


def test_texts_are_bounded_and_a_mode_is_one_of_three() -> None:
    source, _ = parse({"mode": "<h1>LIVE", "recording": "x\n" * 9_000, "movie_name": "\x1b[2J"})
    assert source.mode == ""
    assert source.mode not in MODES
    assert len(source.recording) <= 4 * 120
    assert source.recording.isprintable()
    assert source.movie_name.isprintable()


@pytest.mark.parametrize("text", ["x", "0-898", "0-900", "5, 3", "0-899999999999"])
def test_frames_that_are_not_as_many_are_absent_and_named(text: str) -> None:
    source, problems = parse({**GOOD, "frames": text})
    assert any("frame" in problem for problem in problems)
    assert str(source.states) == "0-899"
    assert str(parse({**GOOD, "frames": "100-999"})[0].states) == "100-999"


@pytest.mark.parametrize(
    "text",
    ["x", "[]", "3", '{"label": "x"}', '{"label": "x", "centres": [[1]], "scale": [1]}',
     '{"label": "x", "centres": [[1], [NaN]], "scale": [1]}', '{"label": "x", "centres": [[1], [2]], "scale": [0]}',
     '{"label": "x", "centres": [1, 2], "scale": [1]}', "[" * 5000],
)  # fmt: skip
def test_places_that_do_not_fit_are_absent_and_named(text: str) -> None:
    facts = {**GOOD, "n_frames": "2"}
    source, problems = parse({**facts, "places": text})
    assert any("places=" in problem for problem in problems)
    assert source.states.places is None
    source, _ = parse({**facts, "places": '{"label": "x", "centres": [[1], [2]], "scale": [1]}'})
    assert source.states.places is not None
    assert source.truth_stream == ("V1-x", "Label")
