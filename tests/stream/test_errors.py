from __future__ import annotations

import re

import decoders.errors
import stream.errors
from stream.errors import NeuroReelError


def subclasses(kind: type[NeuroReelError]) -> set[type[NeuroReelError]]:
    return {kind}.union(*(subclasses(child) for child in kind.__subclasses__()))


def test_the_tree_at_the_top_of_the_module_is_complete() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", stream.errors.__doc__ or "")) | {"NeuroReelError"}
    defined = {kind.__name__ for kind in subclasses(NeuroReelError) if kind.__module__ == "stream.errors"}
    assert drawn == defined


def test_every_error_has_an_exit_code() -> None:
    assert decoders.errors.__doc__
    assert {kind.exit_code for kind in subclasses(NeuroReelError)} <= {1, 2}
    assert stream.errors.StreamLost("").exit_code == 1
    assert stream.errors.BadUsage("").exit_code == 2
