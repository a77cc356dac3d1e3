"""A sender for tests that does as it is told: ``python paced_sender.py NAME TYPE CHANNELS RATE_HZ``.

Each line of its standard input is a JSON list: seconds to add to its clock for the timestamp, then the values.
"""

from __future__ import annotations

import json
import sys

import pylsl

from stream.lsl.network import configure
from stream.lsl.outlet import make_outlet


def main(name: str, type_: str, channels: list[str], rate_hz: float) -> None:
    """Send a sample for each line."""
    configure()
    fmt = "int32" if type_ == "Stimulus" else "float32"
    outlet = make_outlet(name, type_, channels, rate_hz, fmt, facts={"mode": "live"}, role="rig")
    print("ready", flush=True)
    for line in sys.stdin:
        ahead_s, *values = json.loads(line)
        outlet.push_sample(values, pylsl.local_clock() + ahead_s)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3].split(","), float(sys.argv[4]))
