"""Option values that choose a part of a recording: showings (0-8) or a stretch of time (0.8-1)."""

from __future__ import annotations

import re
from typing import Any

import click


class Repeats(click.ParamType[tuple[int, ...]]):
    """Showings on the command line: ``0-8``, ``3``, ``0-4,9``."""

    name = "repeats"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What the help shows."""
        return "0-8"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """The numbers, in order and once each."""
        if isinstance(value, tuple):
            return value
        numbers: set[int] = set()
        for part in str(value).split(","):
            first, dash, last = part.strip().partition("-")
            if not first.isdigit() or (dash and not last.isdigit()):
                self.fail(f"{value!r} is not a list of repeats; write 0-8, or 0-4,9.", param, ctx)
            numbers |= set(range(int(first), int(last or first) + 1))
        if not numbers:
            self.fail(f"{value!r} names no repeat; write the smaller number first.", param, ctx)
        return tuple(sorted(numbers))


class TimeType(click.ParamType[tuple[float, float]]):
    """A part of a recording, as two fractions."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        """Read ``0-0.8``."""
        if isinstance(value, tuple):
            return (value[0], value[1])
        match = re.fullmatch(r"\s*(\d*\.?\d+)\s*-\s*(\d*\.?\d+)\s*", str(value))
        if match is None or not 0 <= float(match[1]) < float(match[2]) <= 1:
            self.fail(
                f"{value!r} is not a part of a recording; write it like 0-0.8, from 0 to 1.", param, ctx
            )
        return float(match[1]), float(match[2])


REPEATS = Repeats()
TIME = TimeType()
