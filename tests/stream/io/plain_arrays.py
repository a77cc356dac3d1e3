"""The smallest session as named arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain_arrays(**more: Any) -> dict[str, Any]:
    """Ten samples of three channels at 4 Hz, three repeats of a movie; ``more`` adds or replaces arrays."""
    frame = np.array([-1, 0, 1, -1, 0, 1, 2, 0, 1, -1])
    return {"neural": np.arange(30.0).reshape(10, 3), "stamps": np.arange(10) / 4, "frame": frame} | more
