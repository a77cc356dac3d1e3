"""The receivers of a benchmark: each stores the timestamp and arrival time of every sample."""

from __future__ import annotations

import atexit
import importlib
from collections.abc import Callable
from typing import Any

import pylsl
from pylsl.util import LostError

from stream.control import ControlReader
from stream.errors import BadUsage

MANY = 1000
"""Above this number of channels `receive_pylsl` pulls arrays, because converting to lists would dominate its time."""

Arrivals = list[tuple[float, float, float]]
"""Timestamp as sent, arrival time and sequence number (-1 = none) of each sample."""


def receive_pylsl(info: pylsl.StreamInfo, control: ControlReader, ready: Callable[[], None]) -> Arrivals:
    """Receive with a minimal pylsl loop: the latency floor that all others are compared with.

    Parameters
    ----------
    info
        The stream. For a prediction stream, timestamp and sequence number of the input are read from its channels.
    control
        Source of the command ``stop``.
    ready
        Called once, when the first sample has arrived.
    """
    from decoders.prediction import PREDICTION_CHANNELS

    prediction = info.type() == "Prediction"
    stamp_raw, sequence = (PREDICTION_CHANNELS.index(name) for name in ("stamp_raw", "sequence"))
    arrays = info.channel_count() > MANY
    inlet = pylsl.StreamInlet(info, recover=False)
    arrivals: Arrivals = []
    started = False
    try:
        inlet.open_stream(timeout=5)
        while not control.ended and (control.poll() or {}).get("do") != "stop":
            if arrays:
                _, stamps = inlet.pull_chunk(timeout=0.2, min_samples=1, as_numpy=True)
                now = pylsl.local_clock()
                arrivals += [(stamp, now, -1.0) for stamp in stamps.tolist()]
            else:
                sample, stamp = inlet.pull_sample(timeout=0.2)
                if stamp is None:
                    continue
                now = pylsl.local_clock()
                arrivals.append(
                    (sample[stamp_raw], now, sample[sequence]) if prediction else (stamp, now, -1.0)
                )
            if arrivals and not started:
                started = True
                ready()
    except LostError:
        pass  # the sender has ended; the arrivals so far are valid
    finally:
        inlet.close_stream()
    return arrivals


def receive_mne(name: str, control: ControlReader, ready: Callable[[], None]) -> Arrivals:
    """Receive with mne-lsl's ``StreamLSL``, which acquires in its own thread and calls back for every new sample.

    Parameters
    ----------
    name
        Name of the stream.
    control, ready
        See `receive_pylsl`.
    """
    _write_lsl_configuration()
    package: Any = import_library("mne-lsl")
    arrivals: Arrivals = []

    def on_samples(data: Any, stamps: Any, _info: Any) -> tuple[Any, Any]:
        now = pylsl.local_clock()
        arrivals.extend((stamp, now, -1.0) for stamp in stamps.tolist())
        return data, stamps

    stream = package.StreamLSL(bufsize=5, name=name)
    stream.connect(acquisition_delay=0.001, timeout=10)
    stream.add_callback(on_samples)
    try:
        started = False
        while not control.ended and (control.poll(0.05) or {}).get("do") != "stop":
            if arrivals and not started:
                started = True
                ready()
    finally:
        stream.disconnect()
    return arrivals


def _write_lsl_configuration() -> None:
    """Put a liblsl that is not pylsl's into the same network scope; it reads its configuration from a file."""
    import os
    import tempfile
    from pathlib import Path

    from stream.lsl.network import configuration, configure

    handle, name = tempfile.mkstemp(prefix="neuroreel-", suffix=".cfg")
    os.close(handle)
    Path(name).write_text(configuration(configure()))
    os.environ["LSLAPICFG"] = name
    atexit.register(Path(name).unlink, missing_ok=True)


def receive_ezmsg(name: str, control: ControlReader, ready: Callable[[], None]) -> Arrivals:
    """Receive with ezmsg-lsl's inlet, awaited as in ezmsg-lsl's own unit.

    Parameters
    ----------
    name, control, ready
        See `receive_mne`.
    """
    import asyncio

    package: Any = import_library("ezmsg-lsl")
    settings = package.LSLInletSettings(
        info=package.LSLInfo(name=name), use_lsl_clock=True, processing_flags=0
    )
    producer = package.LSLInletProducer(settings)
    arrivals: Arrivals = []

    async def run() -> None:
        started = False
        while not control.ended and (control.poll() or {}).get("do") != "stop":
            message = await producer.__acall__()
            now = pylsl.local_clock()
            if message is None or not len(message.data):
                continue
            axis = message.axes["time"]
            first, step = (
                (axis.data[0], None) if hasattr(axis, "data") else (axis.offset, getattr(axis, "gain", 0.0))
            )
            stamps = axis.data if step is None else [first + step * i for i in range(len(message.data))]
            arrivals.extend((float(stamp), now, -1.0) for stamp in stamps)
            if not started:
                started = True
                ready()

    asyncio.run(run())
    return arrivals


LIBRARIES = {"mne-lsl": "mne_lsl.stream", "ezmsg-lsl": "ezmsg.lsl.inlet"}
"""Other libraries whose latency can be measured, with the module of each that receives."""


def receive_stream(name: str, by: str, control: ControlReader, ready: Callable[[], None]) -> Arrivals:
    """Receive a stream until the command ``stop``.

    Parameters
    ----------
    name
        Name of the stream.
    by
        Library that receives: ``pylsl``, or one of `LIBRARIES`.
    control, ready
        See `receive_pylsl`.
    """
    if by == "mne-lsl":
        return receive_mne(name, control, ready)
    if by == "ezmsg-lsl":
        return receive_ezmsg(name, control, ready)
    from stream.lsl.resolve import find_stream

    return receive_pylsl(find_stream(name, wait_s=30), control, ready)


def parse_libraries(text: str | None) -> tuple[str, ...]:
    """Parse a list of libraries, such as ``mne-lsl,ezmsg-lsl``, and check that each is installed.

    Parameters
    ----------
    text
        Names separated by commas; ``ezmsg`` means ``ezmsg-lsl``. None for an empty list.

    Raises
    ------
    BadUsage
        When a library is unknown or not installed.
    """
    names = []
    for part in filter(None, (text or "").split(",")):
        name = {"ezmsg": "ezmsg-lsl"}.get(part.strip(), part.strip())
        if name not in LIBRARIES:
            raise BadUsage(f"unknown library {name!r}; choose from {', '.join(LIBRARIES)}.")
        import_library(name)
        names.append(name)
    return tuple(dict.fromkeys(names))


def import_library(name: str) -> Any:
    """Import the module of a library that its receiver needs.

    Parameters
    ----------
    name
        One of `LIBRARIES`.

    Raises
    ------
    BadUsage
        When it is not installed.
    """
    try:
        return importlib.import_module(LIBRARIES[name])
    except ImportError as error:
        raise BadUsage(
            f"{name} is not installed ({error}). Install the extra: pip install 'neuroreel[compare]'."
        ) from error
