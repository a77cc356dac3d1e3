"""A stimulus program for tests: ``python stimulus.py NAME`` says which frame is shown, until it is killed.

It begins when it is told to, by a line on its standard input.
"""

from __future__ import annotations

import sys
import time

from stream.lsl.network import configure
from stream.lsl.outlet import make_outlet


def main(name: str) -> None:
    """Send 20 frames a second."""
    configure()
    print("ready", flush=True)
    sys.stdin.readline()
    outlet = make_outlet(f"{name}-stimulus", "Stimulus", ("frame", "repeat"), 0, "int32", role="rig")
    for count in range(1 << 24):
        outlet.push_sample([count % 60, 0])
        time.sleep(0.05)


if __name__ == "__main__":
    main(sys.argv[1])
