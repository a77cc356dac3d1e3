"""Which streams of the network belong to an engine, on stand-ins; real streams are found in test_receiver.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from gui.client import engine_streams as module
from gui.client.engine_streams import FORGOTTEN_S, HOLD_S, REMEMBER_S, Candidates, EngineStreams
from gui.client.inlet import StreamGone
from gui.state.snapshot import Source
from stream.lsl.outlet import FORMATS

SOURCE = Source(name="V1", neural_name="A1", neural_hostname="rig", neural_source_id="rig-1", n_frames=90)
SHAPES = {"Prediction": (12, "double64"), "Posterior": (91, "float32"), "Forecast": (44, "float32"),
          "Embedding": (3, "float32"), "Markers": (1, "string"), "Stimulus": (2, "int32"),
          "Spikes": (24, "float32")}  # fmt: skip


@dataclass
class Info:
    """Stands in for ``pylsl.StreamInfo``."""

    stream_name: str
    stream_type: str
    host: str = "pc"
    source: str = ""
    id: str = ""
    shape: tuple[int, str] | None = None
    rate_hz: float = 30.0
    session: str = "default"

    def name(self) -> str:
        return self.stream_name

    def type(self) -> str:
        return self.stream_type

    def hostname(self) -> str:
        return self.host

    def source_id(self) -> str:
        return self.source or f"neuroreel/{self.stream_name}/{self.stream_type}/engine"

    def uid(self) -> str:
        return self.id or f"{self.stream_name}@{self.host}"

    def session_id(self) -> str:
        return self.session

    def channel_count(self) -> int:
        return (self.shape or SHAPES[self.stream_type])[0]

    def channel_format(self) -> int:
        return FORMATS.index((self.shape or SHAPES[self.stream_type])[1]) + 1

    def nominal_srate(self) -> float:
        return self.rate_hz


@dataclass
class Network:
    """The clock, and what opening an inlet of a stream raises, by uid."""

    now_s: float = 100.0
    describing: dict[str, Exception] = field(default_factory=dict)
    opening: dict[str, Exception] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now_s

    def inlet(self, info: Info) -> Any:
        if info.uid() in self.describing:
            raise self.describing[info.uid()]
        return Inlet(self, info)


class Inlet:
    """Stands in for `gui.client.inlet.DisplayInlet`."""

    def __init__(self, network: Network, info: Info) -> None:
        self.network, self.stream_info = network, info
        self.name, self.uid, self.type = info.name(), info.uid(), info.type()
        self.hostname, self.source_id = info.hostname(), info.source_id()

    def open(self) -> None:
        if self.uid in self.network.opening:
            raise self.network.opening[self.uid]
        self.network.open.append(self.uid)

    def close(self) -> None:
        if self.uid in self.network.open:
            self.network.open.remove(self.uid)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(module, "DisplayInlet", network.inlet)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=network.monotonic))
    return network


def prediction(host: str = "pc", source: str = "", id: str = "", **more: Any) -> Info:
    return Info("V1-prediction", "Prediction", host, source, id, **more)


def connected(network: Network, uid: str = "", *others: Info) -> EngineStreams:
    """The streams of an engine whose prediction stream is open."""
    streams = EngineStreams(uid)
    assert streams.find_engine("V1", [prediction(), *others]) is not None
    network.now_s += HOLD_S + 0.1
    assert streams.open_engine()
    return streams


SIDE = [Info("V1-posterior", "Posterior"), Info("V1-forecast", "Forecast"), Info("V1-embedding", "Embedding"),
        Info("V1-status", "Markers"), Info("A1-stimulus", "Stimulus", "rig")]  # fmt: skip


def test_the_prediction_stream_is_opened_after_a_moment(network: Network) -> None:
    streams = EngineStreams()
    found = [prediction(), Info("V2-prediction", "Prediction"), Info("V1-prediction", "Spikes")]
    pending = streams.find_engine("V1", found)
    assert pending is not None
    assert pending.uid == "V1-prediction@pc"
    network.now_s += HOLD_S - 0.1
    assert streams.find_engine("V1", found) is None
    assert not streams.open_engine()
    network.now_s += 0.2
    assert streams.open_engine()
    assert network.open == ["V1-prediction@pc"]
    assert not streams.open_engine()
    assert not streams.lost


def test_it_is_opened_sooner_when_the_other_streams_are_open(network: Network) -> None:
    streams = EngineStreams()
    streams.find_engine("V1", [prediction(), *SIDE])
    streams.open_side_streams(SOURCE, [prediction(), *SIDE], neural=False)
    assert set(streams.inlets) == {"posterior", "forecast", "embedding", "status", "stimulus"}
    network.now_s += HOLD_S / 2 - 0.1
    assert not streams.open_engine()
    network.now_s += 0.2
    assert streams.open_engine()


def test_two_engines_of_one_name_are_both_named_and_none_is_opened(network: Network) -> None:
    streams = EngineStreams()
    found = [prediction("pc-b", "other"), prediction("pc-a")]
    assert streams.find_engine("V1", found) is None
    assert streams.ambiguous == (
        "2 streams are called V1-prediction: pc-a (neuroreel/V1-prediction/Prediction/engine); pc-b (other). "
        "Stop all but one"
    )
    network.now_s += 10
    assert not streams.open_engine()
    assert streams.find_engine("V1", found[:1]) is not None
    assert streams.ambiguous == ""


def test_the_picked_engine_is_opened(network: Network) -> None:
    streams = EngineStreams("V1-prediction@pc-b")
    pending = streams.find_engine("V1", [prediction("pc-a"), prediction("pc-b")])
    assert pending is not None
    assert pending.hostname == "pc-b"
    assert streams.find_engine("V1", [prediction("pc-a"), prediction("pc-b")]) is None
    assert streams.pending is pending  # not withdrawn, as it was picked


def test_a_second_engine_that_appears_before_the_first_is_shown_withdraws_it(network: Network) -> None:
    streams = EngineStreams()
    assert streams.find_engine("V1", [prediction("pc-a")]) is not None
    network.now_s += HOLD_S / 2
    assert streams.find_engine("V1", [prediction("pc-a"), prediction("pc-b")]) is None
    network.now_s += HOLD_S
    assert not streams.open_engine()
    assert streams.ambiguous.startswith("2 streams are called V1-prediction")


def test_a_second_engine_that_appears_later_is_a_warning(network: Network) -> None:
    streams = connected(network)
    streams.find_engine("V1", [prediction(), prediction("pc-b", "other")])
    assert streams.warning == (
        "another V1-prediction is on the network, from pc-b (other); this window shows that of pc"
    )
    assert network.open == ["V1-prediction@pc"]
    streams.find_engine("V1", [prediction()])
    assert streams.warning == ""


def test_after_a_loss_only_the_same_sender_is_opened_again(network: Network) -> None:
    streams = connected(network)
    streams.lose("prediction")
    assert streams.lost
    assert network.open == []
    gone, returned = prediction(), prediction(id="new")
    strangers = [prediction("pc-b"), prediction(source="other", id="b"), prediction(session="theirs", id="c")]
    assert streams.find_engine("V1", [gone]) is None  # LSL still lists the closed outlet for a moment
    for stranger in strangers:
        assert streams.find_engine("V1", [gone, stranger]) is None
    pending = streams.find_engine("V1", [gone, *strangers, returned])
    assert pending is not None
    assert pending.uid == "new"
    network.now_s += HOLD_S + 0.1
    assert streams.open_engine()
    assert network.open == ["new"]


def test_streams_of_another_computer_do_not_belong_to_the_engine(network: Network) -> None:
    streams = connected(network)
    elsewhere = [Info(info.stream_name, info.stream_type, "pc-b") for info in SIDE[:4]]
    streams.open_side_streams(SOURCE, elsewhere, neural=False)
    assert set(streams.inlets) == {"prediction"}
    streams.open_side_streams(SOURCE, [*elsewhere, *SIDE], neural=False)
    assert {inlet.hostname for role, inlet in streams.inlets.items() if role != "stimulus"} == {"pc"}


def test_of_two_posteriors_on_one_computer_that_of_the_engine_is_opened(network: Network) -> None:
    streams = connected(network)
    other = Info("V1-posterior", "Posterior", source="neuroreel/V1-posterior/Posterior/stranger", id="other")
    streams.open_side_streams(SOURCE, [other, *SIDE], neural=False)
    assert streams.inlets["posterior"].uid == "V1-posterior@pc"


def test_side_streams_wait_for_the_engine(network: Network) -> None:
    streams = EngineStreams()
    streams.open_side_streams(SOURCE, SIDE, neural=True)
    assert network.open == []


def test_the_neural_stream_is_that_which_the_engine_decodes_and_is_opened_on_request(
    network: Network,
) -> None:
    streams = connected(network)
    found = [Info("A1", "Spikes", "pc-b", "rig-1"), Info("A1", "Spikes", "rig", "rig-2"),
             Info("A1", "Spikes", "rig", "rig-1", "right"), Info("A1", "Markers", "rig", "rig-1")]  # fmt: skip
    streams.open_side_streams(SOURCE, found, neural=False)
    assert "neural" not in streams.inlets
    streams.open_side_streams(SOURCE, found, neural=True)
    assert streams.inlets["neural"].uid == "right"


def test_neural_streams_that_cannot_be_told_apart_are_refused_until_one_is_left(network: Network) -> None:
    streams = connected(network)
    source = Source(name="V1", neural_name="A1", n_frames=90)
    found = [Info("A1", "Spikes", "rig-a"), Info("A1", "Spikes", "rig-b")]
    streams.open_side_streams(source, found, neural=True)
    assert streams.refused["neural"].startswith("2 streams are called A1: rig-a (")
    assert "neural" not in streams.inlets
    streams.open_side_streams(source, found[1:], neural=True)
    assert streams.inlets["neural"].hostname == "rig-b"
    assert "neural" not in streams.refused


def test_a_stream_of_another_shape_is_refused_until_it_is_replaced(network: Network) -> None:
    streams = connected(network)
    wrong = Info("V1-posterior", "Posterior", id="wrong", shape=(7, "float32"))
    for _ in range(2):
        streams.find_engine("V1", [prediction(), wrong])
        streams.open_side_streams(SOURCE, [wrong], neural=False)
        assert streams.refused["posterior"].startswith(
            "V1-posterior is not used: it has 7 channels instead of"
        )
    right = Info("V1-posterior", "Posterior", id="right")
    streams.find_engine("V1", [prediction(), right])
    assert "posterior" not in streams.refused
    streams.open_side_streams(SOURCE, [right], neural=False)
    assert streams.inlets["posterior"].uid == "right"


def test_a_prediction_stream_of_another_shape_is_refused(network: Network) -> None:
    streams = EngineStreams()
    assert streams.find_engine("V1", [prediction(shape=(3, "double64"))]) is None
    assert "3 channels instead of 12" in streams.refused["prediction"]
    assert streams.find_engine("V1", [prediction(id="right")]) is not None
    assert "prediction" not in streams.refused


def test_a_description_that_cannot_be_read_drops_that_stream_only(network: Network) -> None:
    streams = connected(network)
    network.describing["V1-posterior@pc"] = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid\x1b[2J")
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert streams.refused["posterior"].startswith(
        "V1-posterior is not used: its description cannot be read ("
    )
    assert streams.refused["posterior"].isprintable()
    assert "forecast" in streams.inlets
    network.describing.clear()
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert "posterior" not in streams.inlets  # not asked again while it is there


@pytest.mark.parametrize("step", ["describing", "opening"])
def test_a_stream_that_does_not_answer_is_tried_again(network: Network, step: str) -> None:
    streams = connected(network)
    getattr(network, step)["V1-posterior@pc"] = StreamGone("V1-posterior")
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert "posterior" not in streams.inlets
    assert streams.refused == {}
    getattr(network, step).clear()
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert "posterior" in streams.inlets


def test_a_prediction_stream_that_cannot_be_opened_is_found_again(network: Network) -> None:
    streams = EngineStreams()
    streams.find_engine("V1", [prediction()])
    network.opening["V1-prediction@pc"] = StreamGone("V1-prediction")
    network.now_s += HOLD_S + 0.1
    assert not streams.open_engine()
    network.opening.clear()
    assert streams.find_engine("V1", [prediction()]) is not None
    network.now_s += HOLD_S + 0.1
    assert streams.open_engine()


def test_a_refused_stream_is_closed_and_says_why_in_printable_text(network: Network) -> None:
    streams = connected(network)
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    streams.refuse("posterior", "V1-posterior\n", "V1-posterior@pc", "it sends \x1b[2Jnonsense")
    assert "V1-posterior@pc" not in network.open
    assert streams.refused["posterior"].isprintable()
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert "posterior" not in streams.inlets
    assert streams.refused["posterior"].endswith("nonsense")


def test_closing_closes_all(network: Network) -> None:
    streams = connected(network)
    streams.open_side_streams(SOURCE, SIDE, neural=False)
    assert len(network.open) == 6
    streams.close()
    assert network.open == []


def names(candidates: tuple[Any, ...]) -> list[tuple[str, bool]]:
    return [(one.name, one.alive) for one in candidates]


def test_candidates_are_engines_and_neural_streams_by_name(network: Network) -> None:
    found = [Info("V2", "Spikes"), prediction(), *SIDE, Info("A1", "Spikes", rate_hz=1e300)]
    candidates = Candidates().update(found)  # type: ignore[arg-type]
    assert names(candidates) == [("A1", True), ("V1-prediction", True), ("V2", True)]
    assert (candidates[0].rate_hz, candidates[0].n_channels, candidates[0].hostname) == (0.0, 24, "pc")
    assert candidates[1].uid == "V1-prediction@pc"


def test_a_candidate_that_is_gone_is_listed_as_such_for_a_while(network: Network) -> None:
    candidates = Candidates()
    candidates.update([prediction()])  # type: ignore[list-item]
    network.now_s += REMEMBER_S - 1
    assert names(candidates.update([])) == [("V1-prediction", False)]
    network.now_s += 2
    assert candidates.update([]) == ()


def test_a_candidate_that_has_returned_is_listed_once(network: Network) -> None:
    candidates = Candidates()
    for uid in ("one", "two"):
        candidates.update([prediction(id=uid)])  # type: ignore[list-item]
        network.now_s += 1
    gone = candidates.update([])
    assert names(gone) == [("V1-prediction", False)]
    listed = candidates.update([prediction(id="three"), prediction("pc-b")])  # type: ignore[list-item]
    assert [(one.uid, one.alive) for one in listed] == [("three", True), ("V1-prediction@pc-b", True)]


def test_an_engine_that_has_returned_is_lost_no_more(network: Network) -> None:
    streams = connected(network)
    streams.lose("prediction")
    assert streams.lost
    assert streams.find_engine("V1", [prediction(id="new")]) is not None
    network.now_s += HOLD_S + 0.1
    assert streams.open_engine()
    assert not streams.lost
    streams.lose("prediction")
    assert streams.lost


def test_an_engine_whose_connection_was_broken_is_connected_again(network: Network) -> None:
    streams = connected(network)
    streams.lose("prediction")
    assert streams.find_engine("V1", [prediction()]) is None  # listed for a while when it has ended
    network.now_s += FORGOTTEN_S + 0.1
    assert streams.find_engine("V1", [prediction()]) is not None
