"""The sender of a benchmark: pushes samples in real time and stores the time of each push."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from neuroreel.bench.scaled_model import channel_names, repeated_signals
from stream.control import ControlReader
from stream.lsl.outlet import make_outlet

_SPIN_S = 0.0002  # busy-wait for the last part: sleep is not more precise
_ROWS = 600  # distinct samples, sent over and over


def send_paced(
    name: str,
    neural: NDArray[np.float32],
    n_channels: int,
    rate_hz: float,
    seconds: float,
    control: ControlReader,
) -> NDArray[np.float64]:
    """Send samples until the command ``stop``; the measurement starts with ``go`` and lasts ``seconds``.

    The timestamp of a sample is the time it was due, so that a sender that is briefly late leaves no gaps; latencies
    must be counted from the push.

    Parameters
    ----------
    name
        Name of the stream.
    neural
        Float32 [time, channels]; its channels are repeated, and its rate is ignored.
    n_channels, rate_hz
        Number of channels and sampling rate (Hz) of the stream.
    seconds
        Duration of the measurement, seconds.
    control
        Source of the commands.

    Returns
    -------
    sent
        Float64 [n, 2], seconds: timestamp and time of the push of each sample measured.
    """
    rows = repeated_signals(neural[:_ROWS], n_channels)[:, None]
    outlet = make_outlet(
        name, "Spikes", channel_names(n_channels), rate_hz, unit="count", role="bench", facts={"mode": "simulated"}
    )  # fmt: skip
    sent = np.full((round(seconds * rate_hz), 2), np.nan)  # allocated now, so that memory stays constant
    n_sent, counting = 0, False
    start, index = pylsl.local_clock() + 0.01, 0
    while not control.ended:
        command: dict[str, Any] = control.poll() or {}
        if command.get("do") == "stop":
            break
        counting = counting or command.get("do") == "go"
        due = start + index / rate_hz
        while (remaining := due - pylsl.local_clock()) > 0:
            if remaining > _SPIN_S:
                time.sleep(remaining - _SPIN_S)
        pushed = pylsl.local_clock()
        outlet.push_chunk(rows[index % len(rows)], due)
        index += 1
        if counting and n_sent < len(sent):
            sent[n_sent] = due, pushed
            n_sent += 1
    return sent[:n_sent]
