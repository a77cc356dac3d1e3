"""What to add to the message that a stream was not found: which streams there are, and which of them are hidden.

Streams of another LSL session are invisible, and a process can look into one session only; so the search for hidden ones
runs in processes of its own. It stays on this computer: no packet leaves it.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.lsl.network import Network
    from stream.lsl.resolve import FoundStream

log = logging.getLogger(__name__)

SEARCH_S = 1.0
MAX_LISTED = 20
LSL_SESSION = "default"
"""LSL's session of programs that choose none, such as a rig in plain pylsl."""

_Hidden = tuple[str, str, str, str]
"""Uid, name, type and session of a stream."""


@contextmanager
def naming_streams() -> Iterator[None]:
    """Add `stream_hint` to the message of an error that no stream was found."""
    from stream.errors import NoStream

    try:
        yield
    except NoStream as error:
        raise NoStream(f"{error}\n{stream_hint()}".rstrip()) from error


def stream_hint() -> str:
    """Lines that list the streams on the network and those that are hidden; empty if there are none.

    It takes a second or two, and never raises.
    """
    try:
        from stream.lsl.network import configure
        from stream.lsl.resolve import list_streams

        network = configure()
        searches = _start_searches(network)
        found = list_streams(SEARCH_S)
        hidden = _hidden(searches, [stream.info.uid() for stream in found])
        return "\n".join([*_listed(found), *_wrong_types(found), *_explained(hidden, network)])
    except Exception:
        log.debug("no hint", exc_info=True)
        return ""


def hidden_hint() -> str:
    """Lines about streams of this computer that are hidden from this process; see `stream_hint`."""
    try:
        from stream.lsl.network import configure

        network = configure()
        return "\n".join(_explained(_hidden(_start_searches(network), ()), network))
    except Exception:
        log.debug("no hint", exc_info=True)
        return ""


def _listed(found: Sequence[FoundStream]) -> list[str]:
    """The streams that are visible."""
    if not found:
        return []
    more = [f"... and {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return ["Streams that are there:", *map(str, found[:MAX_LISTED]), *more]


def _wrong_types(found: Sequence[FoundStream]) -> list[str]:
    """Neural streams whose type differs from what LSL would match only in upper and lower case."""
    from stream.acquisition.spike_event_inlet import SPIKE_EVENTS
    from stream.lsl.outlet import NEURAL_TYPES

    right = {type_.casefold(): type_ for type_ in (*NEURAL_TYPES, SPIKE_EVENTS)}
    return [
        f"'{stream.name}' has type '{stream.type}'; it is decoded as '{right[stream.type.casefold()]}', with exactly "
        "these capitals. Change the type in its sender."
        for stream in found[:MAX_LISTED]
        if stream.type.casefold() in right and stream.type not in right.values()
    ]


def _explained(hidden: Sequence[_Hidden], network: Network) -> list[str]:
    """Why streams are hidden, and what to do."""
    from stream.lsl.network import LOOPBACK_SESSION, SESSION_VARIABLE

    lines = []
    for session in sorted({session for _, _, _, session in hidden}):
        names = ", ".join(
            f"'{name}' (type '{type_}')" for _, name, type_, other in hidden[:MAX_LISTED] if other == session
        )
        here = (
            f"this command sees only session '{network.session_id}'"
            if network.session_id
            else "this command does not see it"
        )
        remedies = []
        if network.scope == "loopback" and session == LSL_SESSION:
            remedies.append("leave out --network loopback")
        if network.scope == "lab" and session == LOOPBACK_SESSION:
            remedies.append("add --network loopback")
        remedies.append(f"set {SESSION_VARIABLE}={session}")
        scope = f" (--network {network.scope})"
        lines.append(
            f"Hidden on this computer is {names}: it belongs to the LSL session '{session}'; {here}{scope}. To see it, "
            f"{' or '.join(remedies)}."
        )
    return lines


def _start_searches(network: Network) -> list[subprocess.Popen[bytes]]:
    """Start searching for the streams of other sessions on this computer."""
    from stream.lsl.network import LOOPBACK_SESSION, SCOPE_VARIABLE, SESSION_VARIABLE

    searches = []
    for session in (LSL_SESSION, LOOPBACK_SESSION):
        if session != network.session_id:
            env = dict(os.environ) | {SCOPE_VARIABLE: "loopback", SESSION_VARIABLE: session}
            command = [sys.executable, "-P", "-m", "neuroreel.hints"]
            searches.append(
                subprocess.Popen(
                    command,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            )
    return searches


def _hidden(searches: list[subprocess.Popen[bytes]], visible: Sequence[str]) -> list[_Hidden]:
    """Results of the searches, without what is visible anyway."""
    hidden: list[_Hidden] = []
    for search in searches:
        try:
            output, _ = search.communicate(timeout=5 * SEARCH_S + 5)
            hidden += [(uid, name, type_, session) for uid, name, type_, session in json.loads(output)]
        except (subprocess.TimeoutExpired, ValueError):
            search.kill()
            search.communicate()
    return [stream for stream in hidden if stream[0] not in visible]


def search() -> None:
    """Print the streams of the session that the environment sets, as JSON."""
    from stream.lsl.resolve import list_streams

    rows = [(one.info.uid(), one.name, one.type, one.info.session_id()) for one in list_streams(SEARCH_S)]
    print(json.dumps(rows))


if __name__ == "__main__":
    search()
