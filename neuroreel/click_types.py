"""Option types: repeats of the movie (0-8), a fraction of a recording's time (0.8-1), and finite numbers."""

from __future__ import annotations

import math
import re
from typing import Any

import click

MAX_REPEAT = 999_999


class Number(click.types.FloatParamType):
    """A number; NaN and infinity are refused, as they pass every comparison with a limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the number."""
        number: float = super().convert(value, param, ctx)
        return _check_finite(number, self, param, ctx)


class NumberRange(click.FloatRange):
    """A number within limits; NaN and infinity are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the number."""
        number: float = super().convert(value, param, ctx)
        return _check_finite(number, self, param, ctx)


def _check_finite(
    number: float, kind: click.ParamType[float], param: click.Parameter | None, ctx: click.Context | None
) -> float:
    if not math.isfinite(number):
        kind.fail(f"{number} is not a finite number.", param, ctx)
    return number


class Repeats(click.ParamType[tuple[int, ...]]):
    """A list of movie repeats, such as ``0-8``, ``3`` or ``0-4,9``."""

    name = "repeats"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The placeholder shown in the help."""
        return "0-8"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Parse the list; returns the repeat numbers, sorted and without duplicates."""
        if isinstance(value, tuple):
            return value
        numbers: set[int] = set()
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*([0-9]{1,6})(?:-([0-9]{1,6}))?\s*", part)
            if match is None:
                self.fail(
                    f"{value!r} is not a list of repeats up to {MAX_REPEAT}; write it as 0-8 or 0-4,9.",
                    param,
                    ctx,
                )
            numbers |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        if not numbers:
            self.fail(f"{value!r} contains no repeat; write the smaller number first, as in 0-8.", param, ctx)
        return tuple(sorted(numbers))


class TimeType(click.ParamType[tuple[float, float]]):
    """A part of a recording, as two fractions of its duration, such as ``0-0.8``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Parse the two fractions; returns start and end, from 0 to 1."""
        if isinstance(value, tuple):
            return (value[0], value[1])
        match = re.fullmatch(r"\s*(\d*\.?\d+)\s*-\s*(\d*\.?\d+)\s*", str(value))
        if match is None or not 0 <= float(match[1]) < float(match[2]) <= 1:
            self.fail(
                f"{value!r} is not a part of a recording; give two fractions from 0 to 1, as in 0-0.8.",
                param,
                ctx,
            )
        return float(match[1]), float(match[2])


REPEATS = Repeats()
TIME = TimeType()
NUMBER = Number()
SEED = click.IntRange(min=0)
