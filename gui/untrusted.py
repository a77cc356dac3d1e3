"""Numbers that come from the network, made fit to show; texts go through `stream.printable`."""

from __future__ import annotations

import math


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
