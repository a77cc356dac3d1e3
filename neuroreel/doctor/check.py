"""One line of what ``doctor`` reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report.

    Attributes
    ----------
    name
        What was looked at.
    status
        How it came out.
    found
        What was found.
    advice
        What to do; empty when nothing.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """A check that found nothing wrong."""
    return Check(name, Status.OK, found)


def warn(name: str, found: str, advice: str) -> Check:
    """A check that found what may do harm."""
    return Check(name, Status.WARN, found, advice)


def fail(name: str, found: str, advice: str) -> Check:
    """A check that found what does not work."""
    return Check(name, Status.FAIL, found, advice)
