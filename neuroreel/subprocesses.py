"""Processes that this one starts, steers and ends."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from stream.lsl.network import child_env


class Child:
    """A ``neuroreel`` command in a process of its own.

    Parameters
    ----------
    arguments
        Of the command line, without ``neuroreel``.
    control
        Pass ``--control`` and steer it over its standard input; when this process ends, so does it.
    **popen
        For `subprocess.Popen`, for example ``stdout``.
    """

    def __init__(self, arguments: Sequence[str], *, control: bool = True, **popen: Any) -> None:
        command = [sys.executable, "-P", "-m", "neuroreel", *arguments]
        if control:
            command.append("--control")
        self.arguments = tuple(arguments)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE if control else subprocess.DEVNULL, env=child_env(), **popen
        )

    def __repr__(self) -> str:
        state = "RUNNING" if self.running else f"ENDED {self._process.returncode}"
        return f"<Child: {state} | {' '.join(self.arguments)} (pid {self.pid})>"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def process(self) -> subprocess.Popen[Any]:
        """The process, for its output."""
        return self._process

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def send(self, do: str, **more: Any) -> bool:
        """Send a command; False when it does not listen any more.

        Parameters
        ----------
        do
            What to do: ``stop``, ``pause``, ``resume``.
        **more
            What the command needs beside.
        """
        if self._process.stdin is None or not self.running:
            return False
        try:
            os.write(self._process.stdin.fileno(), (json.dumps({"do": do, **more}) + "\n").encode())
        except (BrokenPipeError, ValueError):
            return False
        return True

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end; None when it still runs after that.

        Parameters
        ----------
        timeout_s
            None = for ever.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float = 3.0) -> int:
        """End it: asked first, then terminated, then killed.

        Parameters
        ----------
        timeout_s
            For each of the first two.

        Returns
        -------
        code
            Its exit code.
        """
        asked = self.send("stop")
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        code = self.wait(timeout_s if asked else 0.05)
        if code is None:
            self._process.terminate()
            code = self.wait(timeout_s)
        if code is None:
            self._process.kill()
            code = self._process.wait()
        return code


def start_child(arguments: Sequence[str], *, control: bool = False, **popen: Any) -> Child:
    """Start a ``neuroreel`` command in a process of its own, in the same network scope.

    Parameters
    ----------
    arguments, control, **popen
        See `Child`.
    """
    return Child(arguments, control=control, **popen)


def end_all(children: Iterable[Child]) -> None:
    """End what is left of several processes, and close what they wrote to.

    Parameters
    ----------
    children
        Those that have ended already among them.
    """
    for child in children:
        child.stop(timeout_s=1.0)
        if child.process.stdout is not None:
            child.process.stdout.close()
