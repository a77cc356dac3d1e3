from __future__ import annotations

from typing import Any

import pytest

from decoders.live import outlets
from tests.decoders.live.fakes import FakeOutlet


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeOutlet]:
    """The outlets of a publisher by role; they record instead of sending."""
    made: dict[str, FakeOutlet] = {}

    def make_outlet(name: str, *arguments: Any, **more: Any) -> FakeOutlet:
        return made.setdefault(name.rpartition("-")[2], FakeOutlet(name, *arguments, **more))

    monkeypatch.setattr(outlets, "make_outlet", make_outlet)
    return made
