"""Faults that a replay injects: the grammar of ``--faults``, and the effect on each sample.

`plan_faults` is a pure function: given the times of the samples, it determines whether, when, how often and with which
timestamp each sample is sent.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadUsage

RESTART_S = 1.0
"""Default duration of a restart, in seconds."""

SCHEDULED_FAULTS = {
    "drop": "drop@T+D: the samples of D seconds from T on are lost",
    "dup": "dup@T+D: each sample is sent twice",
    "swap": "swap@T+D: neighbouring samples are sent in reverse order, pair by pair",
    "nan": "nan@T+D or nan@T+D:CHANNEL: all channels, or one, are NaN",
    "dead": "dead@T:CHANNEL or dead@T+D:CHANNEL: a channel is 0",
    "stall": "stall@T+D: nothing is sent for D seconds, then all samples due at once",
    "restart": "restart@T or restart@T+D: the stream closes, and reopens after D seconds [1]",
    "restart-other": "restart-other@T+D: the same, with another source id",
    "restart-channels": "restart-channels@T+D:N: the same, with N channels [one fewer]",
    "clock": "clock@T+J or clock@T-J: the sender's clock jumps by J seconds",
}
"""Faults at a given time, with their syntax; T in recorded seconds since the start of the replay."""

CONSTANT_FAULTS = {
    "rate": "rate=1.02: samples are sent 2 % faster than the rate that the stream declares",
    "jitter": "jitter=3ms: each sample is sent, and stamped, up to 3 ms late at random",
    "burst": "burst=12: samples are sent in groups of 12",
    "loss": "loss=1%: 1 % of the samples are lost at random",
    "seed": "seed=1: random seed of jitter and loss [0]",
}
"""Faults that last for the whole replay, with their syntax."""

PACED_ONLY_FAULTS = ("stall", "restart", "restart-other", "restart-channels", "jitter")
"""Faults that need a paced replay: at full speed samples have no time at which they are due."""

_SCHEDULED_PATTERN = re.compile(r"([a-z-]+)@(\d+\.?\d*|\.\d+)(?:([+-])(\d+\.?\d*|\.\d+))?(?::(.+))?")
_CONSTANT_PATTERN = re.compile(r"([a-z]+)=(\d+\.?\d*|\.\d+)(ms|s|%)?")
_NEEDS_LENGTH = ("drop", "dup", "swap", "nan", "stall", "clock")
_TAKES_TARGET = ("nan", "dead", "restart-channels")
_UNITS = {"rate": (None,), "jitter": ("ms", "s"), "burst": (None,), "loss": ("%", None), "seed": (None,)}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a given time.

    Attributes
    ----------
    kind
        Key of `SCHEDULED_FAULTS`.
    at_s
        Start in recorded seconds since the start of the replay.
    length_s
        Duration in seconds, or for ``clock`` the size of the jump; None for the default of the kind.
    target
        A channel, or a number of channels; empty if none is given.
    """

    kind: str
    at_s: float
    length_s: float | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """The parsed specification of ``--faults``.

    Attributes
    ----------
    scheduled
        Faults at given times, in the order of the specification.
    rate
        Actual sampling rate divided by the declared one.
    jitter_s
        Maximum delay of a sample in real seconds.
    burst
        Number of samples sent together.
    loss
        Share of samples lost, from 0 to 1.
    seed
        Random seed of jitter and loss.
    """

    scheduled: tuple[Fault, ...] = ()
    rate: float = 1.0
    jitter_s: float = 0.0
    burst: int = 1
    loss: float = 0.0
    seed: int = 0

    @property
    def constant(self) -> dict[str, float]:
        """Constant faults that differ from their defaults, by attribute name."""
        default = Faults()
        names = ("rate", "jitter_s", "burst", "loss")
        active = {
            name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)
        }
        return active | ({"seed": self.seed} if active.keys() & {"jitter_s", "loss"} else {})

    def kinds(self) -> set[str]:
        """Return the names of all faults in the specification."""
        return {fault.kind for fault in self.scheduled} | {name.removesuffix("_s") for name in self.constant}


def parse_faults(text: str) -> Faults:
    """Parse the specification of ``--faults``.

    Parameters
    ----------
    text
        Specification such as ``drop@2+1,nan@5+0.5:unit-003,restart@12,jitter=3ms,seed=1``; see `fault_grammar`.

    Raises
    ------
    BadUsage
        If an item is invalid; the message shows the correct syntax.

    Examples
    --------
    >>> parse_faults("drop@2+1,burst=12").scheduled
    (Fault(kind='drop', at_s=2.0, length_s=1.0, target=''),)
    """
    scheduled: list[Fault] = []
    constant: dict[str, float] = {}
    for item in filter(None, map(str.strip, text.split(","))):
        name = re.split("[@=]", item)[0]
        if name in SCHEDULED_FAULTS:
            scheduled.append(_parse_scheduled(item, name))
        elif name in CONSTANT_FAULTS:
            if name in constant:
                raise BadUsage(f"--faults gives '{name}' twice; give it once.")
            constant[name] = _parse_constant(item, name)
        else:
            close = difflib.get_close_matches(name, [*SCHEDULED_FAULTS, *CONSTANT_FAULTS], 1)
            hint = f" (did you mean '{close[0]}'?)" if close else ""
            raise BadUsage(f"--faults: {item!r} is not a fault{hint}. Choose from:\n{fault_grammar()}")
    if not scheduled and not constant.keys() - {"seed"}:
        raise BadUsage(f"--faults {text!r} contains no fault. Choose from:\n{fault_grammar()}")
    return Faults(
        tuple(scheduled),
        constant.get("rate", 1.0),
        constant.get("jitter", 0.0),
        int(constant.get("burst", 1)),
        constant.get("loss", 0.0),
        int(constant.get("seed", 0)),
    )


def fault_grammar() -> str:
    """Return the syntax of all faults, one per line."""
    return "\n".join(f"  {line}" for line in (*SCHEDULED_FAULTS.values(), *CONSTANT_FAULTS.values()))


def _parse_scheduled(item: str, name: str) -> Fault:
    """Parse one item of `SCHEDULED_FAULTS`."""
    match = _SCHEDULED_PATTERN.fullmatch(item)
    invalid = BadUsage(f"--faults: {item!r} is invalid; the syntax is {SCHEDULED_FAULTS[name]}.")
    if match is None:
        raise invalid
    sign, length, target = match[3], match[4], match[5] or ""
    length_s = None if length is None else float(length) * (-1 if sign == "-" else 1)
    if (
        (length_s is None and name in _NEEDS_LENGTH)
        or (length_s is not None and length_s <= 0 and (name != "clock" or length_s == 0))
        or (target and name not in _TAKES_TARGET)
        or (not target and name == "dead")
        or (target and name == "restart-channels" and not (target.isdigit() and int(target) > 0))
    ):
        raise invalid
    return Fault(name, float(match[2]), length_s, target)


def _parse_constant(item: str, name: str) -> float:
    """Parse one item of `CONSTANT_FAULTS`."""
    match = _CONSTANT_PATTERN.fullmatch(item)
    if match is None or match[3] not in _UNITS[name]:
        raise BadUsage(f"--faults: {item!r} is invalid; the syntax is {CONSTANT_FAULTS[name]}.")
    value = float(match[2]) * {"ms": 1e-3, "%": 1e-2}.get(match[3] or "", 1.0)
    in_range = {
        "rate": 0.1 <= value <= 10,
        "jitter": value > 0,
        "burst": value >= 2 and value == int(value),
        "loss": 0 < value < 1,
        "seed": value == int(value),
    }[name]
    if not in_range:
        raise BadUsage(f"--faults: {item!r} is out of range; an example is {CONSTANT_FAULTS[name]}.")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class FaultPlan:
    """The effect of the faults on each of the n samples of a replay.

    Attributes
    ----------
    copies
        How often each sample is sent: 0, 1 or 2; int8 [n].
    sent_with
        Index of the sample together with which each one is sent, never smaller than its own; int [n], nondecreasing.
    order
        Sort key of samples that are sent together; int [n].
    delay_s
        Real seconds by which each sample is sent, and stamped, late; float64 [n].
    clock_error_s
        Error of the sender's clock at each sample in seconds; float64 [n].
    restart
        Index in ``restarts`` of the fault that keeps the stream closed; -1 while it is open; int [n].
    restarts
        Faults that close the stream, in temporal order.
    overwrites
        Values to overwrite: first sample, end (excluded), channel (None = all), value.
    injected
        First sample of each fault and its announcement: ``fault``, ``first``, ``last``, ``n`` (of samples), and more.
    """

    copies: NDArray[np.int8]
    sent_with: NDArray[np.intp]
    order: NDArray[np.intp]
    delay_s: NDArray[np.float64]
    clock_error_s: NDArray[np.float64]
    restart: NDArray[np.intp]
    restarts: tuple[Fault, ...]
    overwrites: tuple[tuple[int, int, int | None, float], ...]
    injected: tuple[tuple[int, dict[str, Any]], ...]

    def overwrite(self, index: int, row: NDArray[np.float32]) -> None:
        """Apply the overwrites to a sample.

        Parameters
        ----------
        index
            Index of the sample.
        row
            Values of the sample, float32 [channels]; changed in place.
        """
        for first, end, channel, value in self.overwrites:
            if first <= index < end:
                row[slice(None) if channel is None else channel] = value


def plan_faults(
    faults: Faults, at_s: NDArray[np.float64], channel_names: tuple[str, ...], first: int = 0
) -> FaultPlan:
    """Determine the effect of faults on each sample; deterministic for a given seed.

    Parameters
    ----------
    faults
        Faults to inject, see `parse_faults`.
    at_s
        Times of the samples in recorded seconds since the start of the replay, float64 [n], increasing.
    channel_names
        Channel names of the neural stream.
    first
        Index of the first sample in the recording, for the announcements.

    Raises
    ------
    BadUsage
        If a fault begins after the last sample, or a channel does not exist.
    """
    n = len(at_s)
    random = np.random.default_rng(faults.seed)
    delay_s = random.uniform(0, faults.jitter_s, n) if faults.jitter_s else np.zeros(n)
    copies = np.where(random.random(n) < faults.loss, 0, 1).astype(np.int8)
    own = np.arange(n)
    plan = FaultPlan(
        copies=copies,
        sent_with=np.minimum((own // faults.burst + 1) * faults.burst - 1, n - 1),
        order=own.copy(),
        delay_s=delay_s,
        clock_error_s=np.zeros(n),
        restart=np.full(n, -1),
        restarts=tuple(
            sorted((f for f in faults.scheduled if f.kind.startswith("restart")), key=lambda f: f.at_s)
        ),
        overwrites=tuple(_overwrites(faults, at_s, channel_names)),
        injected=tuple(_injected(faults, at_s, first)),
    )
    stalled = own.copy()
    swaps: list[tuple[int, int]] = []
    for fault in faults.scheduled:
        begin, end = span(fault, at_s)
        if fault.kind == "drop":
            copies[begin:end] = 0
        elif fault.kind == "dup":
            copies[begin:end] = np.minimum(copies[begin:end], 1) * 2
        elif fault.kind == "swap":
            swaps.append((begin, end))
        elif fault.kind == "stall":
            stalled[begin:end] = np.maximum(stalled[begin:end], min(end, n - 1))
        elif fault.kind == "clock":
            plan.clock_error_s[begin:] += fault.length_s or 0.0
        elif fault in plan.restarts:
            plan.restart[begin : min(end, n - 1)] = plan.restarts.index(fault)
    plan.sent_with[:] = np.maximum.accumulate(stalled)[plan.sent_with]
    for begin, end in swaps:
        for one in range(begin, end - 1, 2):
            plan.order[[one, one + 1]] = plan.order[[one + 1, one]]
            plan.sent_with[one] = plan.sent_with[one + 1]
    copies[plan.restart[plan.sent_with] >= 0] = 0  # the stream is closed when they are sent
    return plan


def span(fault: Fault, at_s: NDArray[np.float64]) -> tuple[int, int]:
    """Return the samples that a fault affects: index of the first, and of the one after the last.

    Parameters
    ----------
    fault
        A scheduled fault.
    at_s
        Times of the samples, see `plan_faults`.

    Raises
    ------
    BadUsage
        If the fault begins after the last sample.
    """
    slack_s = 1e-6  # tolerance for rounding errors of timestamps
    begin = int(np.searchsorted(at_s, fault.at_s - slack_s))
    if begin >= len(at_s) - (1 if fault.kind.startswith("restart") else 0):
        length_s = float(at_s[-1]) if len(at_s) else 0.0
        raise BadUsage(
            f"--faults: {fault.kind}@{fault.at_s:g} begins after the last sample, which is at {length_s:.2f} s."
        )
    if fault.kind == "clock" or (fault.kind == "dead" and fault.length_s is None):
        return begin, len(at_s)
    length_s = RESTART_S if fault.length_s is None else fault.length_s
    return begin, int(np.searchsorted(at_s, fault.at_s + length_s - slack_s))


def _overwrites(
    faults: Faults, at_s: NDArray[np.float64], channel_names: tuple[str, ...]
) -> list[tuple[int, int, int | None, float]]:
    """Return the values that faults overwrite, see `FaultPlan.overwrites`."""
    values = {"nan": np.nan, "dead": 0.0}
    return [
        (*span(fault, at_s), _channel(fault.target, channel_names), values[fault.kind])
        for fault in faults.scheduled
        if fault.kind in values
    ]


def _channel(target: str, channel_names: tuple[str, ...]) -> int | None:
    """Return the index of a channel given by name or number; None for all channels."""
    if not target:
        return None
    if target in channel_names:
        return channel_names.index(target)
    if target.isdigit() and int(target) < len(channel_names):
        return int(target)
    close = difflib.get_close_matches(target, channel_names, 3) or list(channel_names[:3])
    raise BadUsage(
        f"--faults: there is no channel {target!r} among {len(channel_names)}; "
        f"give a name such as {', '.join(close)}, or a number from 0."
    )


def _injected(faults: Faults, at_s: NDArray[np.float64], first: int) -> list[tuple[int, dict[str, Any]]]:
    """Return the announcements of all faults, see `FaultPlan.injected`."""
    announcements: list[tuple[int, dict[str, Any]]] = [
        (0, {"fault": name.removesuffix("_s"), "value": value})
        for name, value in faults.constant.items()
        if name != "seed"
    ]
    for fault in faults.scheduled:
        begin, end = span(fault, at_s)
        facts = {"fault": fault.kind, "first": first + begin, "last": first + max(begin, end - 1)}
        facts |= {"n": end - begin, "at_s": fault.at_s}
        if fault.length_s is not None:
            facts["jump_s" if fault.kind == "clock" else "length_s"] = fault.length_s
        if fault.target:
            facts["target"] = fault.target
        announcements.append((begin, facts))
    return sorted(announcements, key=lambda announcement: announcement[0])
