"""Makes text from the network or a file safe to print: a terminal acts on control characters, a reader on bidi ones."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 1000
_CUT_ESCAPE = re.compile(r"\\(x[0-9a-f]?|u[0-9a-f]{0,3}|U[0-9a-f]{0,7})?$")


def printable(text: object, *, lines: bool = False, limit: int = MAX_LENGTH) -> str:
    r"""Escape everything that a terminal would act on or that is invisible, and cut what is too long.

    Escaped are control characters (with them ANSI sequences), characters that change the direction of text, invisible
    ones and lone surrogates.

    Parameters
    ----------
    text
        Text, or an object whose `str` is meant.
    lines
        Whether the text may have several lines; all but the first are then indented, so that none can pass for a message
        of its own.
    limit
        Longest result, in characters.

    Examples
    --------
    >>> print(printable("V1\x1b[2J"))
    V1\x1b[2J
    """
    shown = str(text)
    if lines:
        first, *more = shown[: limit + 1].split("\n")
        escaped = "\n".join([_escaped(first), *(f"  {_escaped(line.removeprefix('  '))}" for line in more)])
    else:
        escaped = _escaped(shown[: limit + 1])
    return escaped if len(escaped) <= limit else _whole(escaped[: limit - 1]) + "…"


def _escaped(line: str) -> str:
    if line.isascii() and line.isprintable():
        return line
    return "".join(map(_escape, line))


def _escape(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()


def _whole(text: str) -> str:
    """Text without an escape that is cut off at its end."""
    return _CUT_ESCAPE.sub("", text)
