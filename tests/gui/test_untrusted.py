"""Text and numbers from the network."""

from __future__ import annotations

import math

import pytest

from gui.untrusted import finite_number, one_line


@pytest.mark.parametrize("text", ["\x1b[2J\x07", "a\nb\r\nc", "\u202egpj", "\ud800", "x" * 10_000, "\x00"])
def test_a_text_becomes_one_printable_line(text: str) -> None:
    line = one_line(text, 40)
    assert line.isprintable()
    assert len(line) <= 40


def test_ordinary_text_stays() -> None:
    assert one_line("V1=left (ä), 3 samples are missing") == "V1=left (ä), 3 samples are missing"


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, math.inf, math.nan, "3", None, [1], True])
def test_what_is_no_number_of_reasonable_size_is_nan(value: object) -> None:
    assert math.isnan(finite_number(value))
