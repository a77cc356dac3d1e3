"""Option types that select part of a recording: repeats of the movie (0-8) or a fraction of its time (0.8-1)."""

from __future__ import annotations

import re
from typing import Any

import click


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
            first, dash, last = part.strip().partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                self.fail(f"{value!r} is not a list of repeats; write it as 0-8 or 0-4,9.", param, ctx)
            numbers |= set(range(int(first), int(last or first) + 1))
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
