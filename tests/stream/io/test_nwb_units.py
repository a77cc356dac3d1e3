"""Selection of units and their spikes, from tables in memory; whole files are read in test_nwb.py."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream.errors import BadRecording
from stream.io import nwb_units
from stream.io.nwb_units import Units, select_units
from tests.stream.io.conftest import NoLimits

h5py = pytest.importorskip("h5py", reason="h5py is not installed: pip install neuroreel[nwb]")

TRAINS = ([0.5, 1.5], [], [0.25, 3.0, 2.0], [9.0])
ELECTRODES = "general/extracellular_ephys/electrodes"


def table(trains: Sequence[Sequence[float]] = TRAINS, **columns: Any) -> Any:
    """An open file in memory with a unit table; a column is given by its path with ``__`` for ``/``, None removes it."""
    file = h5py.File(io.BytesIO(), "w")
    file["units/spike_times"] = np.array([time for train in trains for time in train], float)
    file["units/spike_times_index"] = np.cumsum([len(train) for train in trains])
    for name, values in columns.items():
        path = name.replace("__", "/")
        if path in file:
            del file[path]
        if values is not None:
            text = len(values) and isinstance(values[0], str)
            file[path] = np.array(values, h5py.string_dtype()) if text else np.asarray(values)
    return file


def select(file: Any, area: Sequence[str] = (), quality: Sequence[str] = ()) -> Units:
    return select_units(file, area, quality, NoLimits())  # type: ignore[arg-type]


def times(units: Units) -> list[list[float]]:
    return [units.times(index, NoLimits()).tolist() for index in range(units.n_units)]  # type: ignore[arg-type]


def extent(units: Units) -> tuple[float, float]:
    return units.extent(NoLimits())  # type: ignore[arg-type]


def test_each_unit_gets_its_own_spikes_sorted() -> None:
    units = select(table())
    assert times(units) == [[0.5, 1.5], [], [0.25, 2.0, 3.0], [9.0]]
    assert extent(units) == (0.25, 9.0)
    assert units.ids.tolist() == [0, 1, 2, 3]
    assert units.names().tolist() == ["unit-0", "unit-1", "unit-2", "unit-3"]
    assert units.note == "4 of 4 units"


def test_spikes_that_are_no_numbers_are_left_out() -> None:
    units = select(table([[np.nan, 2.0, np.inf, 1.0], [-np.inf, 5.0]]))
    assert times(units) == [[1.0, 2.0], [5.0]]
    assert extent(units) == (1.0, 5.0)


@settings(max_examples=25)
@given(
    trains=st.lists(
        st.lists(st.floats(0, 100).map(lambda t: round(t, 3)), max_size=9), min_size=1, max_size=6
    ),
    block=st.integers(1, 10),
    data=st.data(),
)
def test_a_selection_reads_the_same_spikes_as_the_whole(
    trains: list[list[float]], block: int, data: st.DataObject
) -> None:
    labels = data.draw(
        st.lists(st.sampled_from(["VISp", "CA1", ""]), min_size=len(trains), max_size=len(trains))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nwb_units, "_BLOCK", block)
        file = table(trains, units__location=labels, units__id=np.arange(len(trains)) * 3)
        assert times(select(file)) == [sorted(train) for train in trains]
        wanted = [row for row, label in enumerate(labels) if label == "VISp"]
        if wanted:
            units = select(file, area=["visp"])
            assert units.ids.tolist() == [3 * row for row in wanted]
            assert times(units) == [sorted(trains[row]) for row in wanted]
            spikes = [time for row in wanted for time in trains[row]]
            ends = [train[index] for train in (trains[row] for row in wanted) if train for index in (0, -1)]
            if spikes:
                assert extent(units) == (min(ends), max(ends))


def test_units_without_a_spike_have_no_extent() -> None:
    for units in (select(table(units__location=["a", "b", "a", "a"]), area=["b"]), select(table([[np.nan]]))):
        with pytest.raises(BadRecording, match="none of its units has a spike"):
            extent(units)


def test_area_and_quality_must_both_match_whatever_their_case() -> None:
    file = table(
        units__location=["VISp", "VISl", "VISp", "CA1"], units__quality=["good", "Good", "noise", "good"]
    )
    assert select(file, ["vis*"], ["GOOD"]).rows.tolist() == [0, 1]
    assert select(file, ["CA1", "visl"]).areas == ["VISl", "CA1"]
    assert select(file, quality=["n?ise"]).note == "1 of 4 units (VISp 1)"
    with pytest.raises(BadRecording, match=r"matches both --area \['CA1'\] and --quality \['noise'\]"):
        select(file, ["CA1"], ["noise"])
    with pytest.raises(BadRecording, match=r"no unit has the area LGN; there are: VISp 2, VISl 1, CA1 1\."):
        select(file, ["LGN"])


def test_equal_names_get_the_number_of_their_row() -> None:
    units = select(table(units__location=["a", "a", "b", "b"], units__id=[7, 7, 7, 8]))
    assert units.names().tolist() == ["a-7-0", "a-7-1", "b-7-2", "b-8-3"]


@pytest.mark.parametrize(
    "column", ["location", "brain_area", "structure_acronym", "ecephys_structure_acronym"]
)
def test_the_area_comes_from_any_column_in_use(column: str) -> None:
    file = table(**{f"units__{column}": ["VISp", " CA1 ", "unknown", "None"]})
    assert select(file).areas == ["VISp", "CA1", "", ""]


def electrodes(**columns: Any) -> Any:
    of_electrodes = {"id": [30, 10, 20], "location": ["CA1", "VISp", "VISl"]}
    paths = {f"{ELECTRODES.replace('/', '__')}__{name}": values for name, values in of_electrodes.items()}
    return table(**paths, **columns)


def test_the_area_of_the_peak_channel_is_found_by_its_id() -> None:
    units = select(electrodes(units__peak_channel_id=[10, 20, 99, 30], units__location=["x"] * 4))
    assert units.areas == ["VISp", "VISl", "", "CA1"]


def test_electrodes_of_a_unit_are_rows_of_their_table() -> None:
    assert select(electrodes(units__electrodes=[2, 0, 1, -1])).areas == ["VISl", "CA1", "VISp", ""]


def test_the_first_of_several_electrodes_counts_and_a_unit_may_have_none() -> None:
    file = electrodes(units__electrodes=[2, 0, 1, 1, 0], units__electrodes_index=[2, 2, 3, 5])
    assert select(file).areas == ["VISl", "", "VISp", "VISp"]


@pytest.mark.parametrize(
    "damage",
    [
        {"units__electrodes": [2, 0, 1, 500]},
        {"units__electrodes": [2, 0, 1, 1], "units__electrodes_index": [-5, 2, 10**9, 4]},
        {"units__electrodes": np.zeros(0, int), "units__electrodes_index": [1, 2, 3, 4]},
        {"units__electrodes": [0, 1], "units__location": ["x"] * 4},
        {"units__peak_channel_id": [np.nan, 1e300, -1.0, 30.0]},
    ],
)
def test_references_to_electrodes_that_are_not_there_leave_the_area_empty(damage: dict[str, Any]) -> None:
    units = select(electrodes(**damage))
    assert units.n_units == 4
    assert set(units.areas) <= {"VISp", "VISl", "CA1", "", "x"}
    assert units.areas != ["CA1", "VISp", "VISl", "CA1"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"units__spike_times_index": None}, "its 'units' have no 'spike_times_index'"),
        ({"units__spike_times_index": [2, 1, 5, 6]}, "does not fit 'spike_times'"),
        ({"units__spike_times_index": [2, 2, 5, 7]}, "does not fit 'spike_times'"),
        ({"units__spike_times_index": [-1, 2, 5, 6]}, "does not fit 'spike_times'"),
        ({"units__spike_times": np.zeros((6, 1))}, "does not fit 'spike_times'"),
        ({"units__spike_times_index": ["2", "2", "5", "6"]}, "must be a column of whole numbers, got <U1"),
        (
            {"units__spike_times_index": [[2, 2, 5, 6]]},
            r"must be a column of whole numbers, got int64 \(1, 4\)",
        ),
        ({"units__id": [1, 2, 3]}, "3 ids for 4 units"),
        ({"units__location": ["a", "b"]}, r"column 'location' must have 4 entries, got \(2,\)"),
    ],
)
def test_a_damaged_table_is_refused_with_the_reason(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRecording, match=message):
        select(table(**damage))


@pytest.mark.parametrize(
    ("wanted", "flag"), [({"area": ["V1"]}, "--area"), ({"quality": ["good"]}, "--quality")]
)
def test_a_choice_by_what_the_file_lacks_is_refused(wanted: dict[str, list[str]], flag: str) -> None:
    with pytest.raises(BadRecording, match=f"so '{flag}' cannot be used"):
        select(table(), **wanted)


def test_memory_is_reserved_before_a_column_is_read() -> None:
    class Refuse(NoLimits):
        def reserve(self, n_bytes: int, what: str) -> None:
            raise BadRecording(f"{what} takes {n_bytes} bytes")

    with pytest.raises(BadRecording, match="'spike_times_index' takes 32 bytes"):
        select_units(table(), (), (), Refuse())  # type: ignore[arg-type]


def test_progress_is_reported_for_each_block_of_spikes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Count(NoLimits):
        n = 0

        def progress(self) -> None:
            self.n += 1

    limits = Count()
    monkeypatch.setattr(nwb_units, "_BLOCK", 10)
    long: NDArray[np.float64] = np.arange(95.0)
    units = select(table([long.tolist()]))
    np.testing.assert_array_equal(units.times(0, limits), long)  # type: ignore[arg-type]
    assert limits.n == 10
