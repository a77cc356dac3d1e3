"""Network scope: whether only streams of this computer are visible, or those of the whole laboratory network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stream.errors import BadUsage

SCOPES = ("loopback", "lab")
"""``loopback``: no packet leaves this computer. ``lab``: as configured for LSL on this computer (``lsl_api.cfg``)."""

SCOPE_VARIABLE = "NEUROREEL_NETWORK"
SESSION_VARIABLE = "NEUROREEL_SESSION_ID"

LOOPBACK_SESSION = "neuroreel"
"""LSL session on loopback, so that two terminals with ``--network loopback`` see each other."""

LOOPBACK_PORTS = 128
"""Number of ports for streams on loopback. There LSL queries port after port instead of using multicast, and finds no
stream beyond this range; LSL's default of 32 is used up by three engines."""

_QUIET = "[log]\nlevel = -2\n"  # LSL logs to standard error; errors only

# LSL keeps this many events of each irregular stream for reuse, as long as they once were: with its default of 128,
# markers of 1 MB take 128 MB at either end
_RESERVE = "InletBufferReserveSamples = 4\nOutletBufferReserveSamples = 4\n"

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
{reserve}[log]
level = -3
[lab]
SessionID = {session_id}
"""


@dataclass(frozen=True, slots=True)
class Network:
    """Network settings of this process.

    Attributes
    ----------
    scope
        One of `SCOPES`.
    session_id
        LSL session, whose streams are the only visible ones; empty for the one in LSL's own configuration.
    """

    scope: str
    session_id: str


_current: Network | None = None


def configure(scope: str | None = None, session_id: str | None = None) -> Network:
    """Set the network scope of this process; must be called before anything else that uses LSL.

    LSL reads its configuration once, so a later call may only repeat the first.

    Parameters
    ----------
    scope
        One of `SCOPES`; None for the scope of the parent process, or ``lab`` if it has none.
    session_id
        LSL session; None for that of the parent process, or if it has none, a fixed one for loopback and LSL's own for
        lab.

    Returns
    -------
    network
        Settings now in force.

    Raises
    ------
    BadUsage
        If the scope is unknown, the session id has characters other than letters, digits, '-', '_' and '.', or an
        earlier call chose other settings.
    """
    global _current
    if _current is not None and scope is None and session_id is None:
        return _current
    scope = scope or os.environ.get(SCOPE_VARIABLE) or "lab"
    if scope not in SCOPES:
        raise BadUsage(f"'scope' must be one of {', '.join(SCOPES)}, got {scope!r}.")
    session_id = session_id or os.environ.get(SESSION_VARIABLE) or ""
    if scope == "loopback":
        session_id = session_id or LOOPBACK_SESSION
    if not all(character.isalnum() or character in "-_." for character in session_id):
        raise BadUsage(f"'session_id' may have letters, digits, '-', '_' and '.' only, got {session_id!r}.")
    wanted = Network(scope, session_id)
    if _current is None:
        _apply(wanted)
        _current = wanted
    elif wanted != _current:
        raise BadUsage(
            f"LSL already runs as {_current.scope} (session {_current.session_id!r}) in this process and cannot "
            f"change to {scope} (session {session_id!r}); start another process."
        )
    return _current


def _apply(network: Network) -> None:
    """Configure liblsl."""
    import pylsl

    if network.scope == "loopback" or network.session_id or not _has_own_configuration():
        pylsl.set_config_content(configuration(network))
    # otherwise the laboratory's own lsl_api.cfg stays in force, with its known peers and ports


def configuration(network: Network) -> str:
    """Configuration of liblsl for a network scope, in the format of ``lsl_api.cfg``.

    Parameters
    ----------
    network
        Settings from `configure`.
    """
    if network.scope == "loopback":
        return _LOOPBACK.format(session_id=network.session_id, ports=LOOPBACK_PORTS, reserve=_RESERVE)
    session = f"[lab]\nSessionID = {network.session_id}\n" if network.session_id else ""
    return f"{_QUIET}[tuning]\n{_RESERVE}{session}"


def own_configurations() -> list[Path]:
    """The places where LSL searches for its configuration; without a home folder, as for some services, one less."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` raises where there is none
    folders = [Path(), home / "lsl_api", Path("/etc/lsl_api")]
    return [folder / "lsl_api.cfg" for folder in folders]


def _has_own_configuration() -> bool:
    """Whether a configuration file exists in one of the places where LSL searches for it."""
    if os.environ.get("LSLAPICFG"):
        return True
    return any(path.is_file() for path in own_configurations())


def child_env() -> dict[str, str]:
    """Environment for a child process that sees the same streams as this one."""
    network = configure()
    return dict(os.environ) | {SCOPE_VARIABLE: network.scope, SESSION_VARIABLE: network.session_id}
