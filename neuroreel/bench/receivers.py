"""Receivers of a measurement: each notes which sample it had when, by its stamp."""

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
"""Above so many channels the floor takes arrays, for lists of numbers would be most of its time."""

Noted = list[tuple[float, float, float]]
"""Stamp as sent, moment it was there, sequence number (-1 = none)."""


def receive_raw(info: pylsl.StreamInfo, control: ControlReader, ready: Callable[[], None]) -> Noted:
    """LSL's plainest receive loop: the floor that everything else is held against.

    Parameters
    ----------
    info
        The stream. Of a prediction stream the stamp as sent and the sequence are taken from its channels.
    control
        Brings ``stop``.
    ready
        Called when the first sample is there.
    """
    from decoders.prediction import PREDICTION_CHANNELS

    prediction = info.type() == "Prediction"
    at, number = (PREDICTION_CHANNELS.index(name) for name in ("stamp_raw", "sequence"))
    arrays = info.channel_count() > MANY
    inlet = pylsl.StreamInlet(info, recover=False)
    noted: Noted = []
    try:
        inlet.open_stream(timeout=5)
        while not control.ended and (control.poll() or {}).get("do") != "stop":
            if arrays:
                _, stamps = inlet.pull_chunk(timeout=0.2, min_samples=1, as_numpy=True)
                now = pylsl.local_clock()
                noted += [(stamp, now, -1.0) for stamp in stamps.tolist()]
            else:
                sample, stamp = inlet.pull_sample(timeout=0.2)
                if stamp is None:
                    continue
                now = pylsl.local_clock()
                noted.append((sample[at], now, sample[number]) if prediction else (stamp, now, -1.0))
            if ready is not _nothing and noted:
                ready()
                ready = _nothing
    except LostError:
        pass  # the sender ended: what was noted stands
    finally:
        inlet.close_stream()
    return noted


def _nothing() -> None:
    """Nothing more to say."""


def receive_mne(name: str, control: ControlReader, ready: Callable[[], None]) -> Noted:
    """mne-lsl's ``StreamLSL``, acquiring in its own thread; its callback notes every new sample.

    Parameters
    ----------
    name
        Of the stream.
    control, ready
        See `receive_raw`.
    """
    _configure_another_library()
    package: Any = import_peer("mne-lsl")
    noted: Noted = []

    def note(data: Any, stamps: Any, _info: Any) -> tuple[Any, Any]:
        now = pylsl.local_clock()
        noted.extend((stamp, now, -1.0) for stamp in stamps.tolist())
        return data, stamps

    stream = package.StreamLSL(bufsize=5, name=name)
    stream.connect(acquisition_delay=0.001, timeout=10)
    stream.add_callback(note)
    try:
        said = False
        while not control.ended and (control.poll(0.05) or {}).get("do") != "stop":
            if noted and not said:
                said = True
                ready()
    finally:
        stream.disconnect()
    return noted


def _configure_another_library() -> None:
    """Let an LSL library that is not pylsl's see the streams of this network scope; it reads a file."""
    import os
    import tempfile
    from pathlib import Path

    from stream.lsl.network import configuration, configure

    handle, name = tempfile.mkstemp(prefix="neuroreel-", suffix=".cfg")
    os.close(handle)
    Path(name).write_text(configuration(configure()))
    os.environ["LSLAPICFG"] = name
    atexit.register(Path(name).unlink, missing_ok=True)


def receive_ezmsg(name: str, control: ControlReader, ready: Callable[[], None]) -> Noted:
    """ezmsg-lsl's inlet, awaited as its own unit awaits it.

    Parameters
    ----------
    name, control, ready
        See `receive_raw`.
    """
    import asyncio

    package: Any = import_peer("ezmsg-lsl")
    settings = package.LSLInletSettings(
        info=package.LSLInfo(name=name), use_lsl_clock=True, processing_flags=0
    )
    producer = package.LSLInletProducer(settings)
    noted: Noted = []

    async def run() -> None:
        said = False
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
            noted.extend((float(stamp), now, -1.0) for stamp in stamps)
            if not said:
                said = True
                ready()

    asyncio.run(run())
    return noted


PEERS = {"mne-lsl": "mne_lsl.stream", "ezmsg-lsl": "ezmsg.lsl.inlet"}
"""Whose latency can be measured on the same stream, and the module of each that receives."""


def receive(name: str, by: str, control: ControlReader, ready: Callable[[], None]) -> Noted:
    """Receive a stream until told to stop.

    Parameters
    ----------
    name
        Of the stream.
    by
        ``pylsl``, or one of `PEERS`.
    control, ready
        See `receive_raw`.
    """
    if by == "mne-lsl":
        return receive_mne(name, control, ready)
    if by == "ezmsg-lsl":
        return receive_ezmsg(name, control, ready)
    from stream.lsl.resolve import find_stream

    return receive_raw(find_stream(name, wait_s=30), control, ready)


def parse_peers(text: str | None) -> tuple[str, ...]:
    """Peers of ``mne-lsl,ezmsg-lsl``, each of them installed; ``ezmsg`` will do for the second.

    Parameters
    ----------
    text
        By commas; None = none.

    Raises
    ------
    BadUsage
        For one that is not known or not installed.
    """
    peers = []
    for part in filter(None, (text or "").split(",")):
        peer = {"ezmsg": "ezmsg-lsl"}.get(part.strip(), part.strip())
        if peer not in PEERS:
            raise BadUsage(f"no peer {peer!r}; there are {', '.join(PEERS)}.")
        import_peer(peer)
        peers.append(peer)
    return tuple(dict.fromkeys(peers))


def import_peer(peer: str) -> Any:
    """The module of a peer that its receiver needs.

    Parameters
    ----------
    peer
        One of `PEERS`.

    Raises
    ------
    BadUsage
        When it is not installed.
    """
    try:
        return importlib.import_module(PEERS[peer])
    except ImportError as error:
        raise BadUsage(f"{peer} is not installed ({error}): pip install 'neuroreel[compare]'") from error
