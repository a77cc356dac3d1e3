from __future__ import annotations

import click
import pytest

from neuroreel.click_types import REPEATS, TIME


@pytest.mark.parametrize(
    ("text", "numbers"), [("3", (3,)), ("0-4,9", (0, 1, 2, 3, 4, 9)), ("2, 0-2", (0, 1, 2))]
)
def test_repeats(text: str, numbers: tuple[int, ...]) -> None:
    assert REPEATS.convert(text, None, None) == numbers


@pytest.mark.parametrize("text", ["", "x", "8-0", "1-", "-1"])
def test_invalid_repeats_show_the_format(text: str) -> None:
    with pytest.raises(click.BadParameter, match="0-8"):
        REPEATS.convert(text, None, None)


def test_part_of_a_recording() -> None:
    assert TIME.convert("0-0.8", None, None) == (0.0, 0.8)
    assert TIME.convert(" .5 - 1 ", None, None) == (0.5, 1.0)


@pytest.mark.parametrize("text", ["0.8", "0.9-0.1", "0-1.5", "a-b"])
def test_invalid_part_shows_the_format(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"0-0\.8"):
        TIME.convert(text, None, None)
