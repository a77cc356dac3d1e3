"""The receivers with stand-ins for the libraries; real processes receive in test_soak.py."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pylsl.util import LostError

from decoders.prediction import PREDICTION_CHANNELS
from neuroreel.bench import receivers
from neuroreel.bench.receivers import LIBRARIES, MANY, parse_libraries, receive_stream
from stream.errors import BadUsage
from stream.lsl.network import configure


class Control:
    """Sends ``stop`` at a poll, or ends."""

    def __init__(self, stop_at: int = 10**9, end_at: int = 10**9) -> None:
        self.n_polls, self.stop_at, self.end_at = 0, stop_at, end_at

    @property
    def ended(self) -> bool:
        return self.n_polls >= self.end_at

    def poll(self, timeout_s: float = 0.0) -> dict[str, str] | None:
        self.n_polls += 1
        assert self.n_polls < 1000, "it never ends"
        return (
            {"do": "stop"} if self.n_polls > self.stop_at else {"do": "other"} if self.n_polls == 2 else None
        )


class Inlet:
    """Stands in for pylsl's inlet: returns what is pulled, one by one, then is lost."""

    def __init__(self, pulls: list[Any]) -> None:
        self.pulls = pulls
        self.closed = False

    def open_stream(self, timeout: float) -> None: ...

    def pull_sample(self, timeout: float) -> Any:
        if not self.pulls:
            raise LostError
        return self.pulls.pop(0)

    def pull_chunk(self, timeout: float, min_samples: int, as_numpy: bool) -> Any:
        assert min_samples == 1
        assert as_numpy
        return self.pull_sample(timeout)

    def close_stream(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrival times 100, 101, 102 ..."""
    times = iter(range(100, 10_000))
    monkeypatch.setattr(receivers, "pylsl", SimpleNamespace(local_clock=lambda: float(next(times))))


def receive(
    monkeypatch: pytest.MonkeyPatch,
    pulls: list[Any],
    control: Control,
    type_: str = "Spikes",
    n_channels: int = 2,
) -> tuple[Any, Inlet, int]:
    inlet, n_ready = Inlet(pulls), []
    options: list[dict[str, Any]] = []

    def open_inlet(_info: Any, **more: Any) -> Inlet:
        options.append(more)
        return inlet

    receivers.pylsl.StreamInlet = open_inlet
    info = SimpleNamespace(type=lambda: type_, channel_count=lambda: n_channels)
    arrivals = receivers.receive_pylsl(info, control, lambda: n_ready.append(len(inlet.pulls)))  # type: ignore[arg-type]
    assert options == [{"recover": False}]
    assert inlet.closed
    return arrivals, inlet, len(n_ready)


@pytest.mark.usefixtures("clock")
def test_each_sample_has_its_timestamp_and_arrival_until_the_sender_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pulls = [([1, 2], 5.0), (None, None), ([3, 4], 5.1), ([3, 4], 5.2)]
    arrivals, _, n_ready = receive(monkeypatch, pulls, Control())
    assert arrivals == [(5.0, 100.0, -1.0), (5.1, 101.0, -1.0), (5.2, 102.0, -1.0)]
    assert n_ready == 1


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("control", [Control(stop_at=3), Control(end_at=3)])
def test_a_stop_or_the_end_of_the_parent_ends_it(monkeypatch: pytest.MonkeyPatch, control: Control) -> None:
    arrivals, inlet, _ = receive(monkeypatch, [([1, 2], float(i)) for i in range(9)], control)
    assert len(arrivals) == 3
    assert len(inlet.pulls) == 6


@pytest.mark.usefixtures("clock")
def test_nothing_received_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    arrivals, _, n_ready = receive(monkeypatch, [(None, None)] * 3, Control())
    assert (arrivals, n_ready) == ([], 0)


@pytest.mark.usefixtures("clock")
def test_a_prediction_counts_from_the_timestamp_of_its_neural_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict.fromkeys(PREDICTION_CHANNELS, 0.0) | {"stamp_raw": 4.5, "sequence": 17.0}
    arrivals, _, _ = receive(monkeypatch, [(list(row.values()), 5.0)], Control(), "Prediction", len(row))
    assert arrivals == [(4.5, 100.0, 17.0)]


@pytest.mark.usefixtures("clock")
def test_many_channels_are_pulled_as_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = np.zeros((2, MANY + 1), np.float32), np.array([5.0, 5.1])
    nothing = np.zeros((0, MANY + 1), np.float32), np.zeros(0)
    arrivals, _, n_ready = receive(monkeypatch, [nothing, chunk, chunk], Control(), n_channels=MANY + 1)
    assert [arrival[:2] for arrival in arrivals] == [(5.0, 101.0), (5.1, 101.0), (5.0, 102.0), (5.1, 102.0)]
    assert n_ready == 1


class MneStream:
    """Stands in for ``mne_lsl.stream.StreamLSL``."""

    made: MneStream

    def __init__(self, bufsize: float, name: str) -> None:
        MneStream.made, self.name = self, name
        self.connected = False

    def connect(self, acquisition_delay: float, timeout: float) -> None:
        self.connected = True
        self.configuration = Path(os.environ["LSLAPICFG"]).read_text()

    def add_callback(self, callback: Any) -> None:
        data = np.zeros((2, 3))
        for stamps in ([1.0, 1.1], [1.2]):
            returned, _ = callback(data, np.array(stamps), None)
            assert returned is data

    def disconnect(self) -> None:
        self.connected = False


@pytest.mark.usefixtures("clock")
def test_mne_lsl_receives_in_the_same_network_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSLAPICFG", "")
    removed: list[Any] = []
    monkeypatch.setattr(receivers.atexit, "register", lambda remove, **more: removed.append((remove, more)))
    monkeypatch.setattr(receivers, "import_library", lambda name: SimpleNamespace(StreamLSL=MneStream))
    n_ready: list[int] = []
    arrivals = receive_stream("V1", "mne-lsl", Control(stop_at=4), lambda: n_ready.append(1))  # type: ignore[arg-type]
    assert arrivals == [(1.0, 100.0, -1.0), (1.1, 100.0, -1.0), (1.2, 101.0, -1.0)]
    assert n_ready == [1]
    assert (MneStream.made.name, MneStream.made.connected) == ("V1", False)
    assert configure().session_id in MneStream.made.configuration
    for remove, more in removed:
        remove(**more)
    assert not Path(os.environ["LSLAPICFG"]).exists()


@pytest.mark.usefixtures("clock")
def test_ezmsg_lsl_chunks_get_a_timestamp_per_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    messages = [
        None,
        SimpleNamespace(data=[], axes={}),
        SimpleNamespace(data=[1, 2], axes={"time": SimpleNamespace(data=[1.0, 1.1])}),
        SimpleNamespace(data=[1, 2], axes={"time": SimpleNamespace(offset=2.0, gain=0.5)}),
        SimpleNamespace(data=[1], axes={"time": SimpleNamespace(offset=4.0)}),
    ]

    class Producer:
        def __init__(self, settings: Any) -> None:
            assert settings.info.name == "V1"
            assert settings.use_lsl_clock

        async def __acall__(self) -> Any:
            return messages.pop(0) if messages else None

    def run(coroutine: Any) -> None:  # asyncio's own opens sockets
        with pytest.raises(StopIteration):
            coroutine.send(None)

    monkeypatch.setattr("asyncio.run", run)
    package = SimpleNamespace(
        LSLInletSettings=SimpleNamespace, LSLInfo=SimpleNamespace, LSLInletProducer=Producer
    )
    monkeypatch.setattr(receivers, "import_library", lambda name: package)
    n_ready: list[int] = []
    arrivals = receive_stream("V1", "ezmsg-lsl", Control(stop_at=8), lambda: n_ready.append(1))  # type: ignore[arg-type]
    assert [arrival[0] for arrival in arrivals] == [1.0, 1.1, 2.0, 2.5, 4.0]
    assert arrivals[0][1] == arrivals[1][1] < arrivals[2][1]
    assert n_ready == [1]


def test_any_other_stream_is_received_with_pylsl(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    monkeypatch.setattr("stream.lsl.resolve.find_stream", lambda name, wait_s: (name, wait_s))
    monkeypatch.setattr(receivers, "receive_pylsl", lambda info, *_: found.append(info) or [])
    receive_stream("V1", "pylsl", Control(), lambda: None)  # type: ignore[arg-type]
    assert found == [("V1", 30)]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Modules that can be imported."""
    modules = set(LIBRARIES.values())

    def import_module(name: str) -> str:
        if name not in modules:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return name

    monkeypatch.setattr(receivers.importlib, "import_module", import_module)
    return modules


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, ()),
        ("", ()),
        ("mne-lsl", ("mne-lsl",)),
        ("ezmsg", ("ezmsg-lsl",)),
        ("ezmsg, mne-lsl ,ezmsg-lsl,", ("ezmsg-lsl", "mne-lsl")),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_list_of_libraries(text: str | None, wanted: tuple[str, ...]) -> None:
    assert parse_libraries(text) == wanted


@pytest.mark.parametrize("text", ["mne", "pylsl", "mne-lsl;ezmsg", " ,mne-lsl"])
@pytest.mark.usefixtures("installed")
def test_an_unknown_library_is_named_with_the_known_ones(text: str) -> None:
    with pytest.raises(BadUsage, match=r"unknown library '.*'; choose from mne-lsl, ezmsg-lsl"):
        parse_libraries(text)


def test_a_library_that_is_not_installed_is_named_with_the_command(installed: set[str]) -> None:
    installed.clear()
    with pytest.raises(BadUsage, match=r"mne-lsl is not installed .*pip install 'neuroreel\[compare\]'"):
        parse_libraries("mne-lsl")
