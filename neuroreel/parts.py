"""The option value that chooses a part of a recording by time: 0.8-1."""

from __future__ import annotations

import re
from typing import Any

import click


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


TIME = TimeType()
