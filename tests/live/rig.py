"""A rig for tests: ``python rig.py NAME SOURCE_ID CHANNELS RATE_HZ`` sends noise, and counts its samples."""

from __future__ import annotations

import sys
import time

import numpy as np
import pylsl

from stream.lsl.network import configure
from stream.lsl.outlet import describe


def main(name: str, source_id: str, n_channels: int, rate_hz: float) -> None:
    """Send until killed; the last channel counts."""
    configure()
    info = pylsl.StreamInfo(name, "Spikes", n_channels + 1, rate_hz, pylsl.cf_float32, source_id)
    describe(info, [*(f"unit{index}" for index in range(n_channels)), "sequence"], mode="live")
    outlet = pylsl.StreamOutlet(info)
    begun, random = pylsl.local_clock(), np.random.default_rng(0)
    for count in range(1 << 24):
        stamp = begun + count / rate_hz
        time.sleep(max(0.0, stamp - pylsl.local_clock()))
        outlet.push_sample(
            np.r_[random.poisson(1, n_channels), count].astype(np.float32), pylsl.local_clock()
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
