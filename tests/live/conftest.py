"""Senders of the live tests, which end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.recorded_sender import Sender


@pytest.fixture
def sender() -> Iterator[Callable[..., Sender]]:
    started: list[Sender] = []

    def start(*arguments: Any, **options: Any) -> Sender:
        started.append(Sender(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.kill()
