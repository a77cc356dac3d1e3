"""Which computers' streams are seen: this one only, or the whole laboratory network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stream.errors import BadUsage

SCOPES = ("loopback", "lab")
"""``loopback``: no packet leaves this computer. ``lab``: as LSL is configured here (``lsl_api.cfg``)."""

SCOPE_VARIABLE = "NEUROREEL_NETWORK"
SESSION_VARIABLE = "NEUROREEL_SESSION_ID"

_DEFAULT_SESSION_ID = "neuroreel"  # so that two terminals that both say --network loopback meet

LOOPBACK_PORTS = 128
"""On loopback LSL asks port after port (no multicast), so a stream beyond this range would not be found; LSL's own 32
are used up by three engines."""

_QUIET = "[log]\nlevel = -2\n"  # LSL's log goes to standard error; errors only

_LOOPBACK = """\
[ports]
IPv6 = disable
PortRange = {ports}
[multicast]
ResolveScope = machine
[tuning]
MulticastMinRTT = 0.05
MulticastMaxRTT = 0.3
UnicastMinRTT = 0.05
UnicastMaxRTT = 0.3
ContinuousResolveInterval = 0.1
TimeProbeInterval = 0.010
[log]
level = -3
[lab]
SessionID = {session_id}
"""


@dataclass(frozen=True, slots=True)
class Network:
    """What `configure` settled on.

    Attributes
    ----------
    scope
        One of `SCOPES`.
    session_id
        Streams of another session are invisible; empty = LSL's own configuration decides.
    """

    scope: str
    session_id: str


_current: Network | None = None


def configure(scope: str | None = None, session_id: str | None = None) -> Network:
    """Settle the network scope of this process; call it before anything else that touches LSL.

    LSL reads its configuration once, so a second call may only repeat the first.

    Parameters
    ----------
    scope
        One of `SCOPES`; None = what the parent process set, else ``lab``.
    session_id
        None = what the parent process set, else a fixed one for loopback and LSL's own for lab.

    Raises
    ------
    BadUsage
        For an unknown scope, a session id that the configuration cannot hold, or a second, different call.
    """
    global _current
    if _current is not None and scope is None and session_id is None:
        return _current
    scope = scope or os.environ.get(SCOPE_VARIABLE) or "lab"
    if scope not in SCOPES:
        raise BadUsage(f"unknown network scope {scope!r}: use one of {', '.join(SCOPES)}.")
    session_id = session_id or os.environ.get(SESSION_VARIABLE) or ""
    if scope == "loopback":
        session_id = session_id or _DEFAULT_SESSION_ID
    if not all(character.isalnum() or character in "-_." for character in session_id):
        raise BadUsage(f"session id {session_id!r} may only hold letters, digits, '-', '_' and '.'.")
    wanted = Network(scope, session_id)
    if _current is None:
        _apply(wanted)
        _current = wanted
    elif wanted != _current:
        raise BadUsage(
            f"LSL already runs as {_current.scope} (session {_current.session_id!r}) in this process and cannot "
            f"change to {scope} (session {session_id!r}); start another process for that."
        )
    return _current


def _apply(network: Network) -> None:
    """Hand the configuration to liblsl."""
    import pylsl

    if network.scope == "loopback" or network.session_id or not _has_own_configuration():
        pylsl.set_config_content(configuration(network))
    # else the laboratory's own lsl_api.cfg stays in force, with its known peers and ports


def configuration(network: Network) -> str:
    """What LSL is told for a network scope, in the form of its ``lsl_api.cfg``.

    Parameters
    ----------
    network
        What `configure` settled on.
    """
    if network.scope == "loopback":
        return _LOOPBACK.format(session_id=network.session_id, ports=LOOPBACK_PORTS)
    session = f"[lab]\nSessionID = {network.session_id}\n" if network.session_id else ""
    return _QUIET + session


def _has_own_configuration() -> bool:
    """Whether LSL would find a configuration file, in the places where it looks."""
    if os.environ.get("LSLAPICFG"):
        return True
    folders = (Path(), Path.home() / "lsl_api", Path("/etc/lsl_api"))
    return any((folder / "lsl_api.cfg").is_file() for folder in folders)


def child_env() -> dict[str, str]:
    """Environment for a child process that shall see the same streams as this one."""
    network = configure()
    return dict(os.environ) | {SCOPE_VARIABLE: network.scope, SESSION_VARIABLE: network.session_id}
