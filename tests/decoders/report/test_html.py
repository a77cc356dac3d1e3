"""Building blocks of a report page."""

from __future__ import annotations

import math

import pytest

from decoders.report.html import format_number, json_ready, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (12345, "12,345"),
        (None, ""),
        (math.nan, ""),
        (math.inf, ""),
        ("<b>", "&lt;b&gt;"),
    ],
)
def test_numbers_and_text_are_formatted(value: object, text: str) -> None:
    assert format_number(value) == text


def test_json_holds_no_nan() -> None:
    assert json_ready({"a": [1.0, math.nan], "b": (math.inf, 2)}) == {"a": [1.0, None], "b": [None, 2]}


def test_tables_escape_their_text() -> None:
    html = table(("", "x<y"), [["<row>", 1.5], ["text", "words"]], "caption & more")
    assert '<th scope="row">&lt;row&gt;</th><td>1.500</td>' in html
    assert '<td class="words">words</td>' in html
    assert "x&lt;y" in html
    assert "caption &amp; more" in html
