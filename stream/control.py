"""Commands from the parent process: lines of JSON on standard input, read without a thread."""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from collections import deque
from typing import Any

log = logging.getLogger(__name__)

_MAX_LINE = 1 << 16


class ControlReader:
    """Reads commands such as ``{"do": "pause"}``; the end of the input is the command ``stop``.

    Parameters
    ----------
    fd
        File descriptor to read from; None for standard input.

    Attributes
    ----------
    ended
        Whether the input has ended, because the parent process is gone.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = sys.stdin.fileno() if fd is None else fd
        self._rest = b""
        self._commands: deque[dict[str, Any]] = deque()
        self.ended = False

    def poll(self, timeout_s: float = 0.0) -> dict[str, Any] | None:
        """Return the next command, or None if there is none yet.

        Parameters
        ----------
        timeout_s
            Longest wait for a command, seconds.
        """
        if not self._commands and not self.ended and select.select([self._fd], [], [], timeout_s)[0]:
            self._read()
        return self._commands.popleft() if self._commands else None

    def _read(self) -> None:
        """Read what is available and queue complete lines as commands."""
        data = os.read(self._fd, _MAX_LINE)
        if not data:
            self.ended = True
            self._commands.append({"do": "stop"})
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_MAX_LINE:]
        for line in filter(None, map(bytes.strip, lines)):
            try:
                command = json.loads(line)
            except ValueError:
                command = None
            if isinstance(command, dict) and isinstance(command.get("do"), str):
                self._commands.append(command)
            else:
                log.warning('ignored %r: a command is a JSON object such as {"do": "pause"}', line[:200])
