"""Two computers for tests: namespaces with a network, a host name and a clock each, joined by a cable (veth)."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from typing import Any, Self

from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE

HOSTS = ("pc-a", "pc-b")

_HOST = """\
hostname "$0"
ip link set lo up
echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true
echo $$
exec cat
"""
"""Runs until its input is closed."""

_CABLE = """\
ip link add lan type veth peer name lan netns "$1"
ip address add 10.9.8.1/24 dev lan
ip link set lan up
"""
_OTHER_END = """\
ip address add 10.9.8.2/24 dev lan
ip link set lan up
"""


class TwoComputers:
    """Two computers that reach each other and nobody else, until the context ends.

    Parameters
    ----------
    clocks_s
        How far their clocks are ahead of this computer's, seconds.

    Raises
    ------
    OSError
        If namespaces are not allowed here, with the reason.
    """

    def __init__(self, *clocks_s: float) -> None:
        self._processes: list[subprocess.Popen[str]] = []
        lab = self._hold(["unshare", "--map-root-user", "--net", "sh", "-c", "echo $$; exec cat"])
        inside = ["nsenter", "--user", "--preserve-credentials", "--net", "--target", lab]
        self._pids = []
        for host, clock_s in zip(HOSTS, clocks_s, strict=True):
            ahead = ("--time", "--monotonic", f"{clock_s:g}", "--boottime", f"{clock_s:g}")
            own = ["unshare", "--net", "--uts", *ahead, "--fork", "--kill-child", "sh", "-ec", _HOST, host]
            self._pids.append(self._hold([*inside, *own]))
        self._run(0, _CABLE, self._pids[1])
        self._run(1, _OTHER_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.communicate()

    def on(self, host: str, session: str) -> tuple[str, ...]:
        """What a command begins with to run on a computer, in an LSL session of the laboratory's network."""
        settings = (f"{SCOPE_VARIABLE}=lab", f"{SESSION_VARIABLE}={session}")
        return (*self._enter(HOSTS.index(host)), "env", *settings)

    def _enter(self, index: int) -> tuple[str, ...]:
        namespaces = ("--user", "--preserve-credentials", "--net", "--uts", "--time")
        return ("nsenter", *namespaces, "--target", self._pids[index])

    def _run(self, index: int, script: str, *arguments: str) -> None:
        command = [*self._enter(index), "sh", "-ec", script, "sh", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self.__exit__()
            raise OSError(done.stderr.strip())

    def _hold(self, command: list[str]) -> str:
        """Start a process that holds namespaces; returns its id, which it prints."""
        pipe: Any = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self._processes.append(process)
        assert process.stdout is not None
        pid = process.stdout.readline().strip()
        if not pid:
            reason = process.communicate()[1].strip()
            self.__exit__()
            raise OSError(reason)
        return pid


@functools.cache
def why_not() -> str:
    """Why two computers cannot be had here; empty if they can."""
    missing = [program for program in ("unshare", "nsenter", "ip") if shutil.which(program) is None]
    if missing or not hasattr(os, "uname") or os.uname().sysname != "Linux":
        return f"network namespaces need Linux and {', '.join(missing) or 'its tools'}"
    try:
        with TwoComputers(0.0, 1.0):
            return ""
    except OSError as error:
        return f"network and time namespaces are not allowed here: {error}"
