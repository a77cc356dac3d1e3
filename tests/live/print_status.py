"""For tests: ``python print_status.py NAME`` prints an engine's status events, a line each, until it is killed.

It is the engine's first consumer: with ``--await-consumer`` none of its events is missed.
"""

from __future__ import annotations

import sys

from stream.lsl.event_inlet import EventInlet
from stream.lsl.inlet import Inlet
from stream.lsl.network import configure
from stream.lsl.resolve import find_stream


def main(name: str) -> None:
    """Print."""
    configure()
    status = EventInlet(find_stream(f"{name}-status", wait_s=60))
    status.open()
    prediction = Inlet(find_stream(f"{name}-prediction", wait_s=60))
    prediction.open()
    while True:
        prediction.pull(0)
        for text in status.pull(0.1)[0]:
            print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
