"""The wait for streams, on a clock in memory; real streams are found in tests/live/test_record.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import BadUsage
from stream.recorder import discovery
from stream.recorder.discovery import Discovery
from tests.stream.lsl.simulated import SimulatedOutlet


class Network:
    """Streams that appear and disappear by a clock that only sleeping advances; a query matches names by prefix."""

    def __init__(self, online: dict[str, tuple[float, float]], scope: str = "loopback") -> None:
        self.online = online
        self.scope = scope
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def resolver_of(self, query: str, forget_after_s: float) -> SimpleNamespace:
        def results() -> list[SimpleNamespace]:
            return [
                SimulatedOutlet(f"uid-{name}", "one", name=name)
                for name, (begin_s, end_s) in self.online.items()
                if name.startswith(query) and begin_s <= self.now_s - 1000 < end_s + forget_after_s
            ]

        return SimpleNamespace(results=results)

    def discover(self, *queries: str) -> Discovery:
        """A discovery on this network, until the next one is made."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(discovery, "resolver_of", self.resolver_of)
            return Discovery(queries)

    def wait(
        self,
        found: Discovery,
        timeout_s: float,
        expected: frozenset[str] = frozenset(),
        patience: float = 1.0,
        stop_at_s: float = 1e9,
    ) -> tuple[set[str], float]:
        """Names that a wait found, and how long it took in seconds."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(discovery, "time", self)
            patch.setattr(discovery, "configure", lambda: SimpleNamespace(scope=self.scope))
            begun = self.now_s
            infos = found.wait(
                timeout_s,
                expected,
                patience=patience,
                stopped=lambda: self.now_s - 1000 >= stop_at_s,
            )
        return {info.name() for info in infos.values()}, self.now_s - begun


ALWAYS = (0.0, 1e9)


@pytest.mark.parametrize(("scope", "settle_s"), [("loopback", 0.3), ("lab", 1.0)])
@pytest.mark.parametrize("patience", [1.0, 3.0])
def test_the_wait_ends_a_moment_after_the_last_stream(scope: str, settle_s: float, patience: float) -> None:
    last_s = 2.0 + 0.8 * settle_s * patience
    network = Network({"a": (2.0, 1e9), "b": (last_s, 1e9)}, scope)
    names, took_s = network.wait(network.discover(), 10.0, patience=patience)
    assert names == {"a", "b"}
    assert took_s == pytest.approx(last_s + settle_s * patience, abs=0.11)


def test_nothing_is_found_within_the_timeout() -> None:
    network = Network({"late": (5.0, 1e9)})
    names, took_s = network.wait(network.discover(), 1.0)
    assert names == set()
    assert took_s == pytest.approx(1.0, abs=0.06)


def test_a_stream_at_the_last_moment_still_brings_its_companions() -> None:
    network = Network({"a": (0.95, 1e9), "a-events": (1.15, 1e9)})
    names, _ = network.wait(network.discover(), 1.0)
    assert names == {"a", "a-events"}


def test_the_wait_lasts_until_the_expected_streams_are_there() -> None:
    network = Network({"a": ALWAYS, "b": (4.0, 1e9)})
    names, took_s = network.wait(network.discover(), 10.0, frozenset({"a", "b"}))
    assert names == {"a", "b"}
    assert took_s == pytest.approx(4.3, abs=0.11)


def test_an_expected_stream_that_never_comes_costs_the_timeout_and_no_found_stream() -> None:
    network = Network({"a": ALWAYS})
    names, took_s = network.wait(network.discover(), 3.0, frozenset({"b"}))
    assert names == {"a"}
    assert took_s == pytest.approx(3.0, abs=0.06)


def test_a_stop_ends_the_wait() -> None:
    network = Network({"a": ALWAYS})
    names, took_s = network.wait(network.discover(), 10.0, frozenset({"b"}), stop_at_s=0.5)
    assert names == {"a"}
    assert took_s == pytest.approx(0.5, abs=0.06)


def test_queries_without_a_match_are_known_until_one_appears() -> None:
    network = Network({"rig-1": ALWAYS, "rig-2": ALWAYS, "eeg": (1.0, 1e9)})
    found = network.discover("rig", "eeg", "emg")
    assert found.unmatched == {"rig", "eeg", "emg"}
    assert set(found.online()) == {"uid-rig-1", "uid-rig-2"}
    assert found.unmatched == {"eeg", "emg"}
    network.now_s += 2
    assert set(found.online()) == {"uid-rig-1", "uid-rig-2", "uid-eeg"}
    assert found.unmatched == {"emg"}


def test_a_stream_that_two_queries_match_is_one() -> None:
    network = Network({"rig-1": ALWAYS})
    assert list(network.discover("rig", "rig-1").online()) == ["uid-rig-1"]


def test_a_lost_stream_goes_offline_after_two_seconds() -> None:
    network = Network({"a": (0.0, 1.0)})
    found = network.discover()
    network.now_s += 1 + discovery.LOST_AFTER_S - 0.1
    assert found.online()
    network.now_s += 0.2
    assert not found.online()
    assert not found.unmatched  # it was matched


@given(
    appear_s=st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 4), max_size=6),
    timeout_s=st.floats(0.1, 3),
    expected=st.frozensets(st.sampled_from("abcdef"), max_size=3),
)
def test_the_wait_is_bounded_and_finds_all_that_was_there_at_its_end(
    appear_s: dict[str, float], timeout_s: float, expected: frozenset[str]
) -> None:
    network = Network({name: (at_s, 1e9) for name, at_s in appear_s.items()})
    names, took_s = network.wait(network.discover(), timeout_s, expected)
    assert took_s <= timeout_s + 0.3 * (1 + len(names)) + 0.1
    assert {name for name, at_s in appear_s.items() if at_s < took_s - 0.06} <= names
    if took_s < timeout_s - 0.05:
        assert names >= expected
        assert names


@pytest.mark.live
def test_a_query_that_cannot_be_parsed_is_refused() -> None:
    with pytest.raises(BadUsage, match="name='V1"):
        Discovery(["name='V1"])
