"""Option values that choose parts of a recording: showings (0-8, or 0,2,5-7) and times (0.8-1)."""

from __future__ import annotations

import re
from typing import Any

import click


class RepeatsType(click.ParamType):
    """Showings, as a tuple of int."""

    name = "repeats"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Read ``0-8`` or ``0,2,5-7``."""
        if isinstance(value, tuple):
            return value
        chosen: set[int] = set()
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
            if match is None or (match[2] and int(match[2]) < int(match[1])):
                self.fail(f"{value!r} is not a choice of repeats; write them like 0-8 or 0,2,5-7.", param, ctx)
            chosen.update(range(int(match[1]), int(match[2] or match[1]) + 1))
        return tuple(sorted(chosen))


class TimeType(click.ParamType):
    """A part of a recording, as two fractions."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Read ``0-0.8``."""
        if isinstance(value, tuple):
            return (value[0], value[1])
        match = re.fullmatch(r"\s*(\d*\.?\d+)\s*-\s*(\d*\.?\d+)\s*", str(value))
        if match is None or not 0 <= float(match[1]) < float(match[2]) <= 1:
            self.fail(f"{value!r} is not a part of a recording; write it like 0-0.8, from 0 to 1.", param, ctx)
        return float(match[1]), float(match[2])


REPEATS = RepeatsType()
TIME = TimeType()
