"""Makes text from the network or a file safe to print: a terminal acts on control characters, a reader on bidi ones."""

from __future__ import annotations

import unicodedata

MAX_LENGTH = 1000


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
    if len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    if lines:
        first, *more = shown.split("\n")
        return "\n".join([printable(first), *(f"  {printable(line.removeprefix('  '))}" for line in more)])
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(map(_escape, shown))


def _escape(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode()
