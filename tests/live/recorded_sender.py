"""A process that sends numbered samples, for tests of whose samples a recording holds."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from stream.io.xdf_reader import XdfStream
from stream.lsl.network import SESSION_VARIABLE, child_env

_SENDER = """
import sys, time
from stream.lsl.network import configure
configure()
from stream.lsl.outlet import make_outlet
name, value, burst, labels, role = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
outlet = make_outlet(name, "Spikes", labels.split(","), 200.0, role=role)
count = 0
while True:
    outlet.push_chunk([[value, float(count + index)] for index in range(burst)])
    count += burst
    print(count, flush=True)
    sys.stdin.readline() if burst > 1 else time.sleep(0.005)
"""


class Sender:
    """A process that sends (value, count) at 200 Hz, or bursts on request; it prints how many it has sent."""

    def __init__(
        self,
        name: str,
        value: int,
        *,
        session: str = "",
        burst: int = 1,
        labels: str = "a,b",
        role: str = "rig",
        prefix: tuple[str, ...] = (),
    ) -> None:
        command = [sys.executable, "-P", "-c", _SENDER, name, str(value), str(burst), labels, role]
        environment = child_env() | ({SESSION_VARIABLE: session} if session else {})
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([*prefix, *command], env=environment, stdin=pipe, stdout=pipe)
        self.wait_sent(1)

    def wait_sent(self, count: int) -> None:
        assert self.process.stdout is not None
        while int(self.process.stdout.readline()) < count:
            pass

    def send(self) -> None:
        """Send another burst."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def values(stream: XdfStream) -> set[float]:
    return set(np.asarray(stream.samples)[:, 0].tolist())
