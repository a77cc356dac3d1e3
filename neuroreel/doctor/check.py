"""The result of one check of ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check, a row of the report.

    Attributes
    ----------
    name
        Subject of the check, such as ``Python`` or ``ports``.
    status
        Outcome.
    found
        Facts found: versions, values, error messages.
    advice
        How to fix a problem; empty when there is none.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """A passed check."""
    return Check(name, Status.OK, found)


def warn(name: str, found: str, advice: str) -> Check:
    """A check that found a possible problem."""
    return Check(name, Status.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """A failed check: something does not work."""
    return Check(name, Status.FAIL, found, advice)
