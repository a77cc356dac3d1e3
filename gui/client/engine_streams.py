"""The streams of one engine: found, checked, opened, and opened again when they return."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence, Set
from dataclasses import replace

import pylsl

from gui.client.inlet import DisplayInlet, StreamGone, describe_sender
from gui.client.roles import ENGINE_ROLES, LABEL_ROLES, ROLES, shape_problem
from gui.state.position import MapAxes, find_axes
from gui.state.snapshot import Candidate, Source
from stream.lsl.outlet import NEURAL_TYPES, nominal_rate
from stream.lsl.sender import is_return
from stream.printable import printable

logger = logging.getLogger(__name__)

HOLD_S = 0.6
"""Seconds to search for the engine's other streams, and for a second engine of that name, before the prediction stream
is opened."""

FORGOTTEN_S = 3.0
"""Seconds after which an outlet that has ended is no longer found."""

REMEMBER_S = 10.0
"""Seconds for which the picker still lists a stream that is gone."""


class EngineStreams:
    """The inlets of one engine and of what it decodes.

    A stream is opened only if it is the only one that can be meant and has the format and channels of its role.

    Parameters
    ----------
    uid
        LSL's id of the prediction stream that the user has picked; empty if there is only one of that name.

    Attributes
    ----------
    inlets
        Open inlets by role.
    refused
        Why a stream is not shown, by role.
    ambiguous
        The engines that could be meant, if there are several; else empty.
    warning
        What else is on the network under the engine's name; empty if nothing.
    """

    def __init__(self, uid: str = "") -> None:
        self.inlets: dict[str, DisplayInlet] = {}
        self.refused: dict[str, str] = {}
        self.ambiguous = ""
        self.warning = ""
        self.pending: DisplayInlet | None = None
        self._pending_since = 0.0
        self._wanted_uid = uid
        self._engine: pylsl.StreamInfo | None = None
        self._unusable: dict[str, str] = {}  # uids of streams that are not opened again, and their role
        self._lost: dict[str, tuple[str, float]] = {}  # uid of the outlet, and when, by role

    @property
    def lost(self) -> bool:
        """Whether the engine was connected and is gone."""
        return "prediction" in self._lost and "prediction" not in self.inlets

    def close(self) -> None:
        """Close all inlets."""
        for inlet in self.inlets.values():
            inlet.close()

    def find_engine(self, name: str, found: Sequence[pylsl.StreamInfo]) -> DisplayInlet | None:
        """Find the engine's prediction stream, unless several could be meant; it is not opened yet.

        Parameters
        ----------
        name
            Name of the engine.
        found
            All streams on the network.
        """
        self._forgive({info.uid() for info in found})
        title = f"{name}-prediction"
        infos = self._usable("prediction", _named(found, title, ROLES["prediction"].types))
        current = self.inlets.get("prediction", self.pending)
        others = [info for info in infos if current is not None and info.uid() != current.uid]
        self._warn(title, current, others)
        if current is not None:
            if self.pending is None or not others or self._wanted_uid == current.uid:
                return None
            self.pending = None  # a second one has appeared before the first was shown
        infos = self._meant(infos)
        self.ambiguous = ""
        if len(infos) > 1:
            listed = "; ".join(sorted(describe_sender(info) for info in infos))
            self.ambiguous = (
                f"{len(infos)} streams are called {printable(title, limit=80)}: {listed}. Stop all but one"
            )
        if len(infos) != 1:
            return None
        self.pending = self._find("prediction", infos[0], 0)
        self._pending_since = time.monotonic()
        if self.pending is not None:
            self.refused.pop("prediction", None)
        return self.pending

    def open_side_streams(self, source: Source, found: Sequence[pylsl.StreamInfo], *, neural: bool) -> None:
        """Open the engine's other streams, and those that it receives, as far as they are missing.

        Parameters
        ----------
        source
            The engine's description.
        found
            All streams on the network.
        neural
            Whether to open the neural stream: opened too early, it would make a replay start before its engine is there.
        """
        engine = self.inlets.get("prediction", self.pending)
        if engine is None:
            return
        here = [info for info in found if info.hostname() == engine.hostname]
        for role, wanted in ENGINE_ROLES.items():
            name = f"{source.name}-{role}"
            of_engine = engine.source_id.replace(f"{engine.name}/{engine.type}", f"{name}/{wanted.types[0]}")
            self._open_only(role, _named(here, name, wanted.types), source, ("", of_engine))
        sender = (source.neural_hostname, source.neural_source_id)
        if neural:
            self._open_only("neural", _named(found, source.neural_name, NEURAL_TYPES), source, sender)
        name, type_ = source.truth_stream
        stimuli = _named(found, name, (type_,))
        self._open_only("stimulus", stimuli, source, (source.neural_hostname, ""))
        for role, label in zip(LABEL_ROLES, self.axes.labels if self.axes is not None else (), strict=False):
            labels = _named(found, f"{source.neural_name}-{label}", ROLES[role].types)
            self._open_only(role, labels, source, (source.neural_hostname, ""))

    @property
    def axes(self) -> MapAxes | None:
        """The columns of the continuous stream that are a position in the plane; None if there are none."""
        inlet = self.inlets.get("continuous")
        return None if inlet is None else find_axes(inlet.labels)

    def open_engine(self) -> bool:
        """Open the prediction stream, once the others are open or `HOLD_S` has passed; returns whether it did."""
        waited_s = time.monotonic() - self._pending_since
        wanted = {*ENGINE_ROLES, "stimulus"} - {"continuous"}  # which only some models have
        ready = wanted <= self.inlets.keys() and waited_s > HOLD_S / 2
        if self.pending is None or not (ready or waited_s > HOLD_S):
            return False
        inlet, self.pending = self.pending, None
        if not self._opened("prediction", inlet):
            return False
        self._engine = inlet.stream_info
        self._wanted_uid = inlet.uid
        return True

    def lose(self, role: str) -> None:
        """Close an inlet whose sender is gone."""
        inlet = self.inlets.pop(role)
        inlet.close()
        self._lost[role] = inlet.uid, time.monotonic()

    def refuse(self, role: str, name: str, uid: str, problem: str) -> None:
        """Use a stream no more, and say why."""
        inlet = self.inlets.pop(role, None)
        if inlet is not None:
            inlet.close()
        self._unusable[uid] = role
        self.refused[role] = f"{printable(name, limit=80)} is not used: {printable(problem)}"
        logger.info("%s", self.refused[role])

    def _forgive(self, present: Set[str]) -> None:
        """Forget the refused streams that have gone."""
        for uid in self._unusable.keys() - present:
            self.refused.pop(self._unusable.pop(uid), None)

    def _usable(self, role: str, infos: Sequence[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
        gone, lost_at = self._lost.get(role, ("", 0.0))
        if time.monotonic() - lost_at > FORGOTTEN_S:
            gone = ""  # it is still there: only the connection was broken
        return [info for info in infos if info.uid() != gone and info.uid() not in self._unusable]

    def _meant(self, infos: list[pylsl.StreamInfo]) -> list[pylsl.StreamInfo]:
        """The streams that the user can mean: the picked one, or those of the sender that was connected before."""
        picked = [info for info in infos if info.uid() == self._wanted_uid]
        if picked or self._engine is None:
            return picked or infos
        return [info for info in infos if is_return(self._engine, info)]

    def _warn(self, title: str, current: DisplayInlet | None, others: Sequence[pylsl.StreamInfo]) -> None:
        """Say that other senders use the engine's name."""
        self.warning = ""
        if others and current is not None:
            senders = "; ".join(sorted(describe_sender(info) for info in others))
            self.warning = (
                f"another {printable(title, limit=80)} is on the network, from {senders}; this window shows that of "
                f"{printable(current.hostname, limit=60)}"
            )

    def _open_only(
        self, role: str, infos: Sequence[pylsl.StreamInfo], source: Source, sender: tuple[str, str]
    ) -> None:
        """Open a stream if it is missing and only one can be meant: that of a sender, if there is one."""
        if role in self.inlets:
            return
        infos = self._usable(role, infos)
        hostname, source_id = sender
        for value, of in ((hostname, "hostname"), (source_id, "source_id")):
            matching = [info for info in infos if value and getattr(info, of)() == value]
            infos = matching or infos
        if len(infos) > 1:
            senders = "; ".join(sorted(describe_sender(info) for info in infos))
            self.refused[role] = (
                f"{len(infos)} streams are called {printable(infos[0].name(), limit=80)}: {senders}"
            )
            return
        if role not in self._unusable.values():
            self.refused.pop(role, None)
        inlet = self._find(role, infos[0], source.n_frames) if infos else None
        if inlet is not None and self._opened(role, inlet):
            self.refused.pop(role, None)

    def _find(self, role: str, info: pylsl.StreamInfo, n_frames: int) -> DisplayInlet | None:
        """An inlet of a stream, not yet open; None if it does not answer or is not what its name says."""
        problem = shape_problem(role, info, n_frames)
        try:
            if not problem:
                return DisplayInlet(info)
        except StreamGone as error:
            logger.debug("%s does not answer", error)
            return None
        except Exception as error:  # anybody may send a description; it must not end the window
            problem = f"its description cannot be read ({error})"
        self.refuse(role, info.name(), info.uid(), problem)
        return None

    def _opened(self, role: str, inlet: DisplayInlet) -> bool:
        try:
            inlet.open()
        except StreamGone as error:
            logger.debug("%s could not be opened", error)
            return False
        self.inlets[role] = inlet
        return True


class Candidates:
    """The streams that can be watched or decoded, with those that were lost a moment ago."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Candidate, float]] = {}

    def update(self, found: Sequence[pylsl.StreamInfo]) -> tuple[Candidate, ...]:
        """The candidates by name, after a look at all streams on the network."""
        now = time.monotonic()
        for info in found:
            if info.type() in ("Prediction", *NEURAL_TYPES):
                self._seen[info.uid()] = _candidate(info), now
        self._seen = {uid: entry for uid, entry in self._seen.items() if now - entry[1] < REMEMBER_S}
        alive = [one for one, seen in self._seen.values() if seen == now]
        here = {(one.name, one.type, one.hostname) for one in alive}
        gone = {
            (one.name, one.type, one.hostname): replace(one, alive=False)
            for one, seen in self._seen.values()
            if seen != now and (one.name, one.type, one.hostname) not in here
        }
        return tuple(sorted([*alive, *gone.values()], key=lambda c: (c.name, c.type, c.hostname, c.uid)))


def _candidate(info: pylsl.StreamInfo) -> Candidate:
    return Candidate(
        info.name(), info.type(), info.hostname(), info.channel_count(), nominal_rate(info), uid=info.uid()
    )


def _named(infos: Sequence[pylsl.StreamInfo], name: str, types: Sequence[str]) -> list[pylsl.StreamInfo]:
    return [info for info in infos if info.name() == name and info.type() in types]
