"""The sender of a measurement: samples paced, numbered by their stamps, and the moment of each push noted."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray

from neuroreel.bench.scaled_model import channel_names, repeated_signals
from stream.control import ControlReader
from stream.lsl.outlet import make_outlet

_SPIN_S = 0.0002  # sleeping is not exact to less
_ROWS = 600  # distinct samples; then they begin again


def send(
    name: str,
    neural: NDArray[np.float32],
    n_channels: int,
    rate_hz: float,
    seconds: float,
    control: ControlReader,
) -> NDArray[np.float64]:
    """Send until told to stop; what counts begins with the command ``go`` and takes ``seconds``.

    Samples are stamped with the moment they were due, so that a sender that is late now and then leaves no gaps in the
    stamps; ages are to be counted from the push.

    Parameters
    ----------
    name
        Of the stream.
    neural
        Float32 [time, channels], at any rate; its channels are repeated.
    n_channels, rate_hz
        Of the stream.
    seconds
        How long it counts.
    control
        Brings ``go`` and ``stop``.

    Returns
    -------
    sent
        Float64 [n, 2], seconds: what each sample that counts was stamped with, which is when it was due, and when it
        was pushed.
    """
    rows = repeated_signals(neural[:_ROWS], n_channels)[:, None]
    outlet = make_outlet(
        name, "Spikes", channel_names(n_channels), rate_hz, unit="count", role="bench", facts={"mode": "simulated"}
    )  # fmt: skip
    sent = np.full((round(seconds * rate_hz), 2), np.nan)  # filled now, so that memory stays as it is
    n_sent, counting = 0, False
    start, index = pylsl.local_clock() + 0.01, 0
    while not control.ended:
        command: dict[str, Any] = control.poll() or {}
        if command.get("do") == "stop":
            break
        counting = counting or command.get("do") == "go"
        due = start + index / rate_hz
        while (left := due - pylsl.local_clock()) > 0:
            if left > _SPIN_S:
                time.sleep(left - _SPIN_S)
        pushed = pylsl.local_clock()
        outlet.push_chunk(rows[index % len(rows)], due)
        index += 1
        if counting and n_sent < len(sent):
            sent[n_sent] = due, pushed
            n_sent += 1
    return sent[:n_sent]
