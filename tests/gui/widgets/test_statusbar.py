from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from gui.state.snapshot import Counts, Newest, Snapshot, Source
from gui.theme import DARK, LIGHT
from gui.widgets.statusbar import FIELDS, Field, StatusBar
from tests.gui.test_window import count, pixels

pytestmark = pytest.mark.gui

SOURCE = Source(rate_hz=30.0, model_path="/models/demo.safetensors", model_hash="abc")
COUNTS = Counts(received=1_000, age_ms=40.0, latency_p50_ms=2.0, latency_p99_ms=5.25, input_hz=29.97)
RICH = "<h1>ALL IS WELL</h1>"


@pytest.fixture
def bar(qtbot: Any) -> StatusBar:
    bar = StatusBar()
    qtbot.addWidget(bar)
    bar.set_theme(DARK)
    bar.resize(1600, 30)
    bar.show()
    return bar


def show(bar: StatusBar, counts: Counts = COUNTS, source: Source = SOURCE, **more: Any) -> dict[str, str]:
    """Texts of the fields that are visible, by their names."""
    bar.show_snapshot(Snapshot(counts=counts, source=source, **more), 30.4)
    shown = {name: field for name, field in bar.fields.items() if not field.isHidden()}
    assert all(field.text().startswith(f"{name}  ") for name, field in shown.items())
    return {name: field.text()[len(name) + 2 :] for name, field in shown.items()}


def test_figures_have_units_and_those_that_do_not_apply_are_hidden(bar: StatusBar) -> None:
    assert show(bar) == {
        "latency": "p50 2.0 · p99 5.2 ms",
        "age": "40 ms",
        "input": "29.97 of 30 Hz",
        "display": "30 fps",
        "dropped": "0",
        "model": "demo.safetensors",
    }
    counts = replace(COUNTS, unusable=3, clock_offset_ms=0.213, clock_uncertainty_ms=nan)
    assert show(bar, counts).items() >= {"unusable": "3", "clock": "+0.21 ms"}.items()
    assert show(bar, replace(counts, clock_uncertainty_ms=0.1))["clock"] == "+0.21 ± 0.10 ms"
    assert set(show(bar)) == set(FIELDS) - {"lost", "unusable", "clock"}
    assert show(bar, replace(COUNTS, lost=12))["lost"] == "12"


@pytest.mark.parametrize(
    ("value_ms", "latency", "age"),
    [
        (nan, "–", "–"),
        (inf, "–", "–"),
        (0.04, "0.0", "0 ms"),
        (99.9, "99.9", "100 ms"),
        (99.96, "99.96", "100 ms"),
        (1234.5, "1234", "1234 ms"),
        (12_345.6, "12346", "12 s"),
        (-2_996.0, "–", "–"),
    ],
)
def test_numbers_of_any_size(bar: StatusBar, value_ms: float, latency: str, age: str) -> None:
    counts = replace(COUNTS, age_ms=value_ms, latency_p50_ms=value_ms, latency_p99_ms=value_ms)
    texts = show(bar, counts)
    assert texts["latency"] == f"p50 {latency} · p99 {latency} ms"
    assert texts["age"] == age


def test_the_nominal_rate_counts_seconds_of_real_time(bar: StatusBar) -> None:
    assert show(bar, source=replace(SOURCE, stamp_rate=4.0))["input"] == "29.97 of 120 Hz"
    assert show(bar, source=replace(SOURCE, rate_hz=0.0))["input"] == "29.97 Hz"
    fast = replace(COUNTS, input_hz=29_996.7)
    assert show(bar, fast, replace(SOURCE, rate_hz=30_000.0))["input"] == "29997 of 30000 Hz"


def test_at_full_speed_there_is_no_latency_age_or_nominal_rate(bar: StatusBar) -> None:
    texts = show(bar, source=replace(SOURCE, speed="max"))
    assert (texts["latency"], texts["age"], texts["input"]) == ("undefined at full speed", "–", "29.97 Hz")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "demo.safetensors"),
        ({"model_path": "C:\\models\\a.safetensors"}, "a.safetensors"),
        ({"model_path": ""}, "abc"),
        ({"model_path": "", "model_hash": ""}, "–"),
        ({"playback": False}, "demo.safetensors, no playback"),
    ],
)
def test_the_model_is_named_by_its_file(bar: StatusBar, changes: dict[str, Any], text: str) -> None:
    assert show(bar, source=replace(SOURCE, **changes))["model"] == text
    newest = Newest(1, 0.9, 2, 0.5, 1.0, 0.1, 7, 2.0, 4, -2)
    assert show(bar, source=replace(SOURCE, **changes), newest=newest)["model"] == f"{text} v4"


def test_the_name_of_a_model_is_printable(bar: StatusBar) -> None:
    assert show(bar, source=replace(SOURCE, model_path="/x/a\x1b[2J\n" + "y" * 500))["model"].isprintable()


def test_a_warning_takes_the_place_of_the_hint_until_it_expires(bar: StatusBar) -> None:
    hint = bar.note.text()
    show(bar, notice=RICH)
    assert bar.note.text() == RICH
    assert "&lt;h1&gt;" in bar.note.toolTip()
    show(bar, notice="")
    assert (bar.note.text(), bar.note.toolTip()) == (hint, "")


def test_figures_beyond_a_threshold_are_coloured_and_become_ordinary_again(bar: StatusBar) -> None:
    late = replace(COUNTS, age_ms=400.0, dropped=500)
    for theme in (DARK, LIGHT):
        bar.set_theme(theme)
        show(bar, late)
        colours = {name: field.colour for name, field in bar.fields.items()}
        assert (colours["age"], colours["dropped"], colours["input"]) == (theme.warn, theme.alarm, theme.text)
        show(bar)
        assert {field.colour for field in bar.fields.values()} == {theme.text}


def test_a_long_warning_does_not_push_the_figures_out(bar: StatusBar) -> None:
    show(bar)
    before = [field.width() for field in bar.fields.values()]
    show(bar, notice="a sample is missing " * 200)
    bar.grab()
    assert bar.width() == 1600
    assert [field.width() for field in bar.fields.values()] == before


def test_a_field_keeps_its_room_when_its_value_is_short_until_the_theme_changes(qtbot: Any) -> None:
    field = Field("age")
    qtbot.addWidget(field)
    field.set_value("123456 ms", DARK.text)
    width = field.minimumWidth()
    assert width >= field.fontMetrics().horizontalAdvance("age  123456 ms")
    field.set_value("1 ms", DARK.text)
    assert field.minimumWidth() == width
    field.set_name_colour(LIGHT.dim)
    field.set_value("2 ms", LIGHT.text)
    assert field.minimumWidth() < width


def test_name_and_value_are_painted_at_either_end_in_their_colours(qtbot: Any) -> None:
    field = Field("age")
    qtbot.addWidget(field)
    field.set_name_colour("#00ff00")
    field.set_value("40 ms", "#ff0000")
    field.resize(300, 20)
    image = pixels(field.grab())
    assert count(image[:, :60], "#00ff00", 90) > 5
    assert count(image[:, 200:], "#ff0000", 90) > 5
    assert count(image[:, 60:], "#00ff00", 90) == count(image[:, :200], "#ff0000", 90) == 0
