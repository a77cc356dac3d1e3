"""Text and numbers that come from the network, made fit to show."""

from __future__ import annotations

import math

LONGEST = 300
"""Number of characters of a message that are shown."""


def one_line(text: str, longest: int = LONGEST) -> str:
    r"""Make a text one printable line.

    Parameters
    ----------
    text
        Any text, such as a stream's name or a marker.
    longest
        Number of characters kept.

    Examples
    --------
    >>> one_line("V1\n\x1b[2Jgone")
    'V1 [2Jgone'
    """
    kept = text[: 4 * longest]
    printable = "".join(c if c.isprintable() else " " for c in kept)
    words = " ".join(printable.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def finite_number(value: object) -> float:
    """A finite number of reasonable size, NaN for everything else.

    Parameters
    ----------
    value
        Any value, such as a field of a JSON object.

    Examples
    --------
    >>> finite_number(3), finite_number("3"), finite_number(10**400)
    (3.0, nan, nan)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value) if -1e12 < value < 1e12 else math.nan
