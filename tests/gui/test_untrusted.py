"""Numbers from the network."""

from __future__ import annotations

import math

import pytest

from gui.untrusted import finite_number


@pytest.mark.parametrize("value", [10**400, -(10**400), 1e300, math.inf, math.nan, "3", None, [1], True])
def test_what_is_no_number_of_reasonable_size_is_nan(value: object) -> None:
    assert math.isnan(finite_number(value))
