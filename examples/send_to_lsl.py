"""Send your rig's data over Lab Streaming Layer: only pylsl, about ten lines that count.

Random spike counts stand in for the rig. `neuroreel streams` lists the stream, and `neuroreel live MODEL --stream V1`
decodes it once MODEL has the same channels and rate:

    python examples/send_to_lsl.py [--seconds 5]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pylsl

N_UNITS, RATE_HZ = 120, 30.0


def main() -> None:
    """Open the outlet and push one sample per bin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()

    info = pylsl.StreamInfo("V1", "Spikes", N_UNITS, RATE_HZ, pylsl.cf_float32, source_id="my-rig-V1")
    channels = info.desc().append_child("channels")
    for unit in range(N_UNITS):
        channels.append_child("channel").append_child_value("label", f"unit-{unit:03d}")
    outlet = pylsl.StreamOutlet(info)
    print(f"sending {N_UNITS} channels at {RATE_HZ:g} Hz for {options.seconds:g} s")

    rng, end = np.random.default_rng(0), pylsl.local_clock()
    stop = end + options.seconds
    while end < stop:
        end += 1 / RATE_HZ
        time.sleep(max(0.0, end - pylsl.local_clock()))
        counts = rng.poisson(0.2, N_UNITS).astype(np.float32)  # spikes of the bin that has just ended
        outlet.push_sample(counts, end)  # the timestamp is the end of the bin


if __name__ == "__main__":
    main()
