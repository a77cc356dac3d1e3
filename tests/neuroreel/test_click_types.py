from __future__ import annotations

import click
import pytest

from neuroreel.cli import COMMANDS, cli
from neuroreel.click_types import NUMBER, REPEATS, TIME, Number, NumberRange


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


@pytest.mark.parametrize("text", ["0-99999999999", "9" * 400, "1-", "-1", "²", "0-1-2", "", "1,,2"])
def test_repeats_that_are_none_or_too_many_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a list of repeats up to 999999"):
        REPEATS.convert(text, None, None)


@pytest.mark.parametrize("kind", [NUMBER, NumberRange(min=0)])
def test_numbers_are_finite(kind: click.ParamType[float]) -> None:
    assert kind.convert("1.5", None, None) == 1.5
    for text in ("nan", "inf", "1e999"):
        with pytest.raises(click.BadParameter, match="is not a finite number"):
            kind.convert(text, None, None)


def test_every_number_of_every_command_is_finite() -> None:
    """`click.FLOAT` and `click.FloatRange` accept NaN, which passes every limit."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        commands = [command, *command.commands.values()] if isinstance(command, click.Group) else [command]
        for one in commands:
            for param in one.params:
                if isinstance(param.type, click.types.FloatParamType | click.FloatRange):
                    assert isinstance(param.type, Number | NumberRange), (name, param.name)
                if param.name == "seed":
                    assert isinstance(param.type, click.IntRange)
                    assert param.type.min == 0
