"""Child processes that run ``neuroreel`` commands: start them, send them commands, end them."""

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
        Command-line arguments, without ``neuroreel``.
    control
        Add ``--control``, so that the child reads commands from its standard input. It also sees when this process dies.
    **popen
        Arguments of `subprocess.Popen`, such as ``stdout``.
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
        """Process id."""
        return self._process.pid

    @property
    def process(self) -> subprocess.Popen[Any]:
        """The process, for access to its output."""
        return self._process

    @property
    def running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._process.poll() is None

    def send(self, do: str, **fields: Any) -> bool:
        """Send a command to the child's standard input; False if it has ended or has no ``control``.

        Parameters
        ----------
        do
            Command, such as ``stop``, ``pause`` or ``resume``.
        **fields
            Further fields of the command.
        """
        if self._process.stdin is None or not self.running:
            return False
        try:
            os.write(self._process.stdin.fileno(), (json.dumps({"do": do, **fields}) + "\n").encode())
        except (BrokenPipeError, ValueError):
            return False
        return True

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait until the child ends; returns its exit code, or None if it is still running after the timeout.

        Parameters
        ----------
        timeout_s
            Longest wait in seconds; None to wait without a limit.
        """
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout_s: float = 3.0) -> int:
        """End the child: with the command ``stop``, then SIGTERM, then SIGKILL.

        Parameters
        ----------
        timeout_s
            Longest wait after ``stop`` and after SIGTERM, seconds each.

        Returns
        -------
        code
            Exit code of the child.
        """
        sent = self.send("stop")
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        code = self.wait(timeout_s if sent else 0.05)
        if code is None:
            self._process.terminate()
            code = self.wait(timeout_s)
        if code is None:
            self._process.kill()
            code = self._process.wait()
        return code


def start_child(arguments: Sequence[str], *, control: bool = False, **popen: Any) -> Child:
    """Start a ``neuroreel`` command in a child process, in the same network scope.

    Parameters
    ----------
    arguments, control, **popen
        See `Child`.
    """
    return Child(arguments, control=control, **popen)


def end_all(children: Iterable[Child]) -> None:
    """End several child processes and close their output pipes.

    Parameters
    ----------
    children
        Children; those that have ended already are allowed.
    """
    for child in children:
        child.stop(timeout_s=1.0)
        if child.process.stdout is not None:
            child.process.stdout.close()
