from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.printable import MAX_LENGTH, printable

ANY_TEXT = st.text(st.characters(codec=None, categories=None) | st.integers(0, 0x10FFFF).map(chr))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("V1", "V1"),
        ("Größe 脳 µV", "Größe 脳 µV"),
        ("a\x1b]0;title\x07\x1b[2J", r"a\x1b]0;title\x07\x1b[2J"),
        ("a\x9b2J", r"a\x9b2J"),
        ("a\nneuroreel: b\r\t", r"a\nneuroreel: b\r\t"),
        ("exe\u202efdx.", r"exe\u202efdx."),
        ("\u2066a\u2069\u200b\ufeff", r"\u2066a\u2069\u200b\ufeff"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT)
def test_any_text_becomes_one_short_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_long_text_is_cut() -> None:
    assert len(printable("a" * 10_000)) == MAX_LENGTH
    assert printable("abcdef", limit=4) == "abc…"


@given(ANY_TEXT, st.integers(5, 40), st.booleans())
def test_no_text_becomes_longer_than_the_limit(text: str, limit: int, lines: bool) -> None:
    assert len(printable(text, limit=limit, lines=lines)) <= limit


def test_what_is_cut_ends_with_a_whole_escape() -> None:
    assert printable("\x1b" * 100, limit=12) == r"\x1b\x1b" + "…"
    assert printable("ab\u202e\u202e", limit=9) == r"ab\u202e" + "…"
    assert printable("\U000e0041" * 9, limit=15) == r"\U000e0041" + "…"
    assert printable("\x1b\x1b", limit=8) == r"\x1b\x1b"


def test_only_the_first_of_several_lines_begins_at_the_margin() -> None:
    assert printable("error:\n  first\nneuroreel: forged\x1b", lines=True) == (
        "error:\n  first\n  neuroreel: forged\\x1b"
    )
