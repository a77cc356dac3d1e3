"""What a replay does wrong on purpose: the grammar of ``--faults``, and what becomes of each sample.

Nothing here touches a stream: a timetable goes in, and for every sample comes out whether, when, how often and with
which stamp it is sent.
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
"""How long a restarting sender is gone, when nothing else is said."""

SCHEDULED_FAULTS = {
    "drop": "drop@T+D: nothing is sent from T on for D seconds, and what was due is lost",
    "dup": "dup@T+D: each sample comes twice",
    "swap": "swap@T+D: two neighbours each come in the wrong order",
    "nan": "nan@T+D or nan@T+D:CHANNEL: every channel, or one, is NaN",
    "dead": "dead@T:CHANNEL or dead@T+D:CHANNEL: a channel is 0",
    "stall": "stall@T+D: nothing is sent for D seconds, then all that was due at once",
    "restart": "restart@T or restart@T+D: the stream closes, and comes back after D seconds [1]",
    "restart-other": "restart-other@T+D: the same, with another source id",
    "restart-channels": "restart-channels@T+D:N: the same, with N channels [one less]",
    "clock": "clock@T+J or clock@T-J: the sender's clock jumps by J seconds",
}
"""Faults at a time, and how each is written; T in recorded seconds from where the replay begins."""

CONSTANT_FAULTS = {
    "rate": "rate=1.02: the sender's clock of samples runs 2 % fast, and it does not know",
    "jitter": "jitter=3ms: each sample is sent, and stamped, up to so much late",
    "burst": "burst=12: samples are sent so many at a time",
    "loss": "loss=1%: so many samples are lost, by chance",
    "seed": "seed=1: of what happens by chance [0]",
}
"""Faults that last from beginning to end, and how each is written."""

PACED_ONLY_FAULTS = ("stall", "restart", "restart-other", "restart-channels", "jitter")
"""Faults that mean nothing at full speed, where samples have no moment of their own."""

_SCHEDULED_PATTERN = re.compile(r"([a-z-]+)@(\d+\.?\d*|\.\d+)(?:([+-])(\d+\.?\d*|\.\d+))?(?::(.+))?")
_CONSTANT_PATTERN = re.compile(r"([a-z]+)=(\d+\.?\d*|\.\d+)(ms|s|%)?")
_NEEDS_LENGTH = ("drop", "dup", "swap", "nan", "stall", "clock")
_TAKES_TARGET = ("nan", "dead", "restart-channels")
_UNITS = {"rate": (None,), "jitter": ("ms", "s"), "burst": (None,), "loss": ("%", None), "seed": (None,)}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at a time.

    Attributes
    ----------
    kind
        One of `SCHEDULED_FAULTS`.
    at_s
        Recorded seconds from where the replay begins.
    length_s
        How long, or for ``clock`` how far; None = as usual for the kind.
    target
        A channel, or how many channels; empty = none given.
    """

    kind: str
    at_s: float
    length_s: float | None = None
    target: str = ""


@dataclass(frozen=True, slots=True)
class Faults:
    """What ``--faults`` says.

    Attributes
    ----------
    timed
        In the order given.
    rate
        Of samples, times the nominal one.
    jitter_s
        The most that a sample is late, in real seconds.
    burst
        Samples sent together.
    loss
        Share of samples lost.
    seed
        Of jitter and loss.
    """

    scheduled: tuple[Fault, ...] = ()
    rate: float = 1.0
    jitter_s: float = 0.0
    burst: int = 1
    loss: float = 0.0
    seed: int = 0

    @property
    def constant(self) -> dict[str, float]:
        """Those that last from beginning to end, without the usual."""
        usual = Faults()
        names = ("rate", "jitter_s", "burst", "loss")
        given = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        return given | ({"seed": self.seed} if given.keys() & {"jitter_s", "loss"} else {})

    def kinds(self) -> set[str]:
        """The names of all faults that are asked for, as the grammar has them."""
        return {fault.kind for fault in self.scheduled} | {name.removesuffix("_s") for name in self.constant}


def parse_faults(text: str) -> Faults:
    """Read what ``--faults`` says.

    Parameters
    ----------
    text
        Such as ``drop@2+1,nan@5+0.5:unit-003,restart@12,jitter=3ms,seed=1``; see `fault_grammar`.

    Raises
    ------
    BadUsage
        For what is none of them; the message lists what there is.

    Examples
    --------
    >>> parse_faults("drop@2+1,burst=12").timed
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
                raise BadUsage(f"--faults gives '{name}' twice; once is enough.")
            constant[name] = _parse_constant(item, name)
        else:
            close = difflib.get_close_matches(name, [*SCHEDULED_FAULTS, *CONSTANT_FAULTS], 1)
            meant = f" (did you mean '{close[0]}'?)" if close else ""
            raise BadUsage(f"--faults: {item!r} is no fault{meant}. There are:\n{fault_grammar()}")
    if not scheduled and not constant.keys() - {"seed"}:
        raise BadUsage(f"--faults {text!r} asks for nothing. There are:\n{fault_grammar()}")
    return Faults(
        tuple(scheduled),
        constant.get("rate", 1.0),
        constant.get("jitter", 0.0),
        int(constant.get("burst", 1)),
        constant.get("loss", 0.0),
        int(constant.get("seed", 0)),
    )


def fault_grammar() -> str:
    """Every fault and how it is written, one per line."""
    return "\n".join(f"  {line}" for line in (*SCHEDULED_FAULTS.values(), *CONSTANT_FAULTS.values()))


def _parse_scheduled(item: str, name: str) -> Fault:
    match = _SCHEDULED_PATTERN.fullmatch(item)
    wrong = BadUsage(f"--faults: {item!r} cannot be read; write it as in {SCHEDULED_FAULTS[name]}.")
    if match is None:
        raise wrong
    sign, length, target = match[3], match[4], match[5] or ""
    length_s = None if length is None else float(length) * (-1 if sign == "-" else 1)
    if (
        (length_s is None and name in _NEEDS_LENGTH)
        or (length_s is not None and length_s <= 0 and (name != "clock" or length_s == 0))
        or (target and name not in _TAKES_TARGET)
        or (not target and name == "dead")
        or (target and name == "restart-channels" and not (target.isdigit() and int(target) > 0))
    ):
        raise wrong
    return Fault(name, float(match[2]), length_s, target)


def _parse_constant(item: str, name: str) -> float:
    match = _CONSTANT_PATTERN.fullmatch(item)
    if match is None or match[3] not in _UNITS[name]:
        raise BadUsage(f"--faults: {item!r} cannot be read; write it as in {CONSTANT_FAULTS[name]}.")
    value = float(match[2]) * {"ms": 1e-3, "%": 1e-2}.get(match[3] or "", 1.0)
    fits = {
        "rate": 0.1 <= value <= 10,
        "jitter": value > 0,
        "burst": value >= 2 and value == int(value),
        "loss": 0 < value < 1,
        "seed": value == int(value),
    }[name]
    if not fits:
        raise BadUsage(f"--faults: {item!r} is out of range; write it as in {CONSTANT_FAULTS[name]}.")
    return value


@dataclass(frozen=True, slots=True, eq=False)
class FaultPlan:
    """What becomes of each sample of a timetable.

    Attributes
    ----------
    copies
        Int8 [n]: how often it is sent: 0, 1 or 2.
    carrier
        Int [n], never decreasing, at least the sample's own number: the sample together with which it is sent.
    rank
        Int [n]: the order of samples that are sent together.
    delay_s
        Float64 [n], real seconds that it is sent, and stamped, after its moment.
    clock_error_s
        Float64 [n], seconds that the sender's clock is off.
    restart
        Int [n]: which of ``restarts`` keeps the stream closed; -1 = it is open.
    restarts
        The faults of the restart kinds, by time.
    altered
        First sample, the one after the last, channel (None = all) and value of what is overwritten.
    injected
        First sample, and what to say when it is due: ``fault``, ``first``, ``last`` and ``n`` samples, and more.
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
        """Overwrite what a fault overwrites.

        Parameters
        ----------
        index
            Of the sample.
        row
            Float32 [channels], its values; changed in place.
        """
        for first, end, channel, value in self.overwrites:
            if first <= index < end:
                row[slice(None) if channel is None else channel] = value


def plan_faults(
    faults: Faults, at_s: NDArray[np.float64], channel_names: tuple[str, ...], first: int = 0
) -> FaultPlan:
    """Lay faults over a timetable; the same every time.

    Parameters
    ----------
    faults
        From `parse_faults`.
    at_s
        Float64 [n], recorded seconds from where the replay begins, increasing.
    channel_names
        Of the neural stream.
    first
        Number in the recording of the first sample, for what is said.

    Raises
    ------
    BadUsage
        For a fault after the last sample, or a channel that is not there.
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
    copies[plan.restart[plan.sent_with] >= 0] = 0  # they come to a closed stream
    return plan


def span(fault: Fault, at_s: NDArray[np.float64]) -> tuple[int, int]:
    """The samples of a fault: the first, and the one after the last.

    Parameters
    ----------
    fault
        Timed.
    at_s
        See `plan_faults`.

    Raises
    ------
    BadUsage
        When it comes after the last sample.
    """
    slack_s = 1e-6  # stamps are rarely round numbers
    begin = int(np.searchsorted(at_s, fault.at_s - slack_s))
    if begin >= len(at_s) - (1 if fault.kind.startswith("restart") else 0):
        length_s = float(at_s[-1]) if len(at_s) else 0.0
        raise BadUsage(
            f"--faults: {fault.kind}@{fault.at_s:g} comes after the last sample, {length_s:.2f} s from the start."
        )
    if fault.kind == "clock" or (fault.kind == "dead" and fault.length_s is None):
        return begin, len(at_s)
    length_s = RESTART_S if fault.length_s is None else fault.length_s
    return begin, int(np.searchsorted(at_s, fault.at_s + length_s - slack_s))


def _overwrites(
    faults: Faults, at_s: NDArray[np.float64], channel_names: tuple[str, ...]
) -> list[tuple[int, int, int | None, float]]:
    values = {"nan": np.nan, "dead": 0.0}
    return [
        (*span(fault, at_s), _channel(fault.target, channel_names), values[fault.kind])
        for fault in faults.scheduled
        if fault.kind in values
    ]


def _channel(target: str, channel_names: tuple[str, ...]) -> int | None:
    """Number of a channel that is given by its label, or else by its number."""
    if not target:
        return None
    if target in channel_names:
        return channel_names.index(target)
    if target.isdigit() and int(target) < len(channel_names):
        return int(target)
    close = difflib.get_close_matches(target, channel_names, 3) or list(channel_names[:3])
    raise BadUsage(
        f"--faults: there is no channel {target!r} among {len(channel_names)}; "
        f"for example {', '.join(close)}, or a number from 0."
    )


def _injected(faults: Faults, at_s: NDArray[np.float64], first: int) -> list[tuple[int, dict[str, Any]]]:
    """What to say, by sample."""
    said: list[tuple[int, dict[str, Any]]] = [
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
        said.append((begin, facts))
    return sorted(said, key=lambda each: each[0])
