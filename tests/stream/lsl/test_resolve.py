from __future__ import annotations

import uuid

import pylsl
import pytest

from stream.errors import AmbiguousStream, BadUsage, NoStream
from stream.lsl.outlet import make_outlet
from stream.lsl.resolve import begins_with, find_stream, list_streams, predicate_of, readable
from tests.stream.lsl.simulated import SimulatedOutlet


@pytest.fixture(scope="module")
def name() -> str:
    return f"find-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def outlets(name: str, network: object) -> list[pylsl.StreamOutlet]:
    return [
        make_outlet(name, "Spikes", ("a", "b"), 30.0, role="one"),
        make_outlet(name, "Markers", ("event",), 0.0, "string", role="two"),
        make_outlet(f"{name}'s", "EEG", ("a",), 100.0),
    ]


@pytest.mark.usefixtures("outlets")
@pytest.mark.live
class TestFind:
    def test_by_condition_or_type(self, name: str) -> None:
        assert find_stream(f"name='{name}' and type='Spikes'", wait_s=60).channel_count() == 2
        assert find_stream(name, types=("Spikes", "EEG"), wait_s=60).type() == "Spikes"
        assert find_stream(None, types=("EEG",), wait_s=60).name() == f"{name}'s"

    def test_by_name_with_a_quotation_mark(self, name: str) -> None:
        assert find_stream(f"{name}'s", wait_s=60).type() == "EEG"

    def test_several_matches_are_listed_with_a_condition_for_one(self, name: str) -> None:
        with pytest.raises(AmbiguousStream) as caught:
            find_stream(name, wait_s=60)
        assert "2 streams match" in str(caught.value)
        assert f"\"name='{name}' and type='" in str(caught.value)
        assert f"source_id='neuroreel/{name}/Spikes/one'" in str(caught.value)
        assert f"source_id='neuroreel/{name}/Markers/two'" in str(caught.value)
        assert caught.value.exit_code == 2

    def test_no_match_in_time(self) -> None:
        with pytest.raises(NoStream, match=r"no stream 'nobody' of type EEG appeared within 0.3 s") as caught:
            find_stream("nobody", types=("EEG",), wait_s=0.3)
        assert caught.value.exit_code == 1

    def test_all_streams_are_listed(self, name: str) -> None:
        found = {stream.type: stream for stream in list_streams(0.5) if stream.name.startswith(name)}
        assert set(found) == {"Spikes", "Markers", "EEG"}
        assert (found["Spikes"].n_channels, found["Spikes"].rate_hz) == (2, 30.0)
        assert "irregular" in str(found["Markers"])


def test_queries_become_xpath_conditions() -> None:
    assert predicate_of("V1", ("Spikes",)) == "name='V1' and (type='Spikes')"
    assert (
        predicate_of("name='V1' or name='V2'", ("A", "B"))
        == "(name='V1' or name='V2') and (type='A' or type='B')"
    )
    assert predicate_of(None) == "count(name)>0"
    with pytest.raises(BadUsage, match="quotation"):
        predicate_of("a'b\"c")


@pytest.mark.parametrize("name", ["V1=left (a)", "left (V1)", "a=b", "x<y"])
def test_name_may_look_like_a_condition(name: str) -> None:
    assert predicate_of(name) == f"name='{name}'"


@pytest.mark.parametrize(
    "query",
    [
        "name='V1'",
        "type = 'Spikes'",
        "starts-with(name,'V')",
        "not(type='EEG')",
        "channel_count>3",
        "desc/a='b'",
        "name='",
    ],
)
def test_condition_stays_one(query: str) -> None:
    assert predicate_of(query) == f"({query})"


class Unreadable(SimulatedOutlet):
    """An outlet whose computer has a name in another encoding, as pylsl shows it."""

    def hostname(self) -> str:
        return b"labor-\xfc".decode()


def test_streams_whose_source_is_not_text_are_left_out() -> None:
    outlets = [SimulatedOutlet("a", "one"), Unreadable("b", "two")]
    assert readable(outlets) == outlets[:1]  # type: ignore[arg-type, comparison-overlap]


def test_conditions_are_one_line() -> None:
    assert predicate_of("name='a'\n  and type='b'", ["EEG"]) == "(name='a'   and type='b') and (type='EEG')"
    assert predicate_of("a\nb") == "normalize-space(name)='a b'"
    assert predicate_of("it's") == 'name="it\'s"'
    assert begins_with("name", "a\nb-") == "starts-with(normalize-space(name),'a b-')"
