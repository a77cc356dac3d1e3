"""Whole NWB files in the layouts of Allen Visual Coding and DANDI; their parts are tested in test_nwb_units.py and
test_nwb_stimulus.py."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from stream.binning import bin_spikes
from stream.errors import AmbiguousStream, BadRecording, BadUsage, NeuroReelError
from stream.io.session_io import ReadOptions, load_session, load_session_with_notes
from stream.session import Kind
from tests.stream.io import nwb_files
from tests.stream.io.nwb_files import BLOCKS_S, N_FRAMES, N_REPEATS, N_UNITS, RATE_HZ
from tests.stream.strategies import assert_same

pytestmark = [
    pytest.mark.usefixtures("in_process"),
    pytest.mark.filterwarnings("ignore"),  # the warnings of pynwb
    pytest.mark.skipif(
        find_spec("pynwb") is None, reason="pynwb is not installed: pip install neuroreel[nwb]"
    ),
]

MOVIE = "natural_movie_one"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nwb")
    nwb_files.allen(folder / "allen.nwb")
    nwb_files.allen(folder / "one.nwb", more_stimuli=False)
    nwb_files.dandi_units(folder / "dandi.nwb")
    nwb_files.dandi_fluorescence(folder / "two_photon.nwb")
    nwb_files.dandi_fluorescence(folder / "both.nwb", with_units=True)
    return folder


def test_spikes_are_counted_in_bins_of_one_movie_frame(folder: Path) -> None:
    session, notes = load_session_with_notes(folder / "allen.nwb", ReadOptions(stimulus=MOVIE))
    assert (session.kind, session.rate_hz, session.n_channels) == (Kind.SPIKES, RATE_HZ, N_UNITS)
    assert session.name == "units"
    assert session.channel_names[:4] == ("VISp-9500", "VISp-9501", "VISp-9502", "VISl-9503")
    assert session.movie is not None
    assert [(clip.name, clip.n_frames, clip.rate_hz) for clip in session.movie.clips] == [
        (MOVIE, N_FRAMES, 30.0)
    ]
    assert session.repeats == tuple(range(N_REPEATS * len(BLOCKS_S)))
    for segment in range(len(BLOCKS_S)):
        inside = session.segment == segment
        stamps = session.stamps[inside]
        edges = np.r_[stamps[0] - 1 / RATE_HZ, stamps]
        trains = nwb_files.spike_trains()
        units = np.repeat(np.arange(N_UNITS), [len(train) for train in trains])
        wanted = bin_spikes(np.concatenate(trains), units, edges, N_UNITS)
        assert abs(session.neural[inside] - wanted).sum() < 4  # bin edges may differ in the last bit
    assert notes[0] == "9 of 9 units (VISp 3, VISl 3, CA1 3)"
    assert notes[-1] == f"stimulus {MOVIE}: 30 frames, 6 repeats"


def test_repeats_begin_with_a_block_and_where_the_frame_number_decreases(folder: Path) -> None:
    session = load_session(folder / "allen.nwb", options=ReadOptions(stimulus=MOVIE))
    for repeat in session.repeats:
        shown = session.repeat == repeat
        assert session.frame[shown].tolist() == list(range(N_FRAMES))
        first = session.stamps[shown][0] - 1 / RATE_HZ
        block, number = divmod(repeat, N_REPEATS)
        assert first == pytest.approx(BLOCKS_S[block] + number * N_FRAMES / RATE_HZ)
    blank = session.repeat < 0
    assert set(session.frame[blank]) == {-1}
    # blank before the first block up to the maximum, before the second one only after the gratings ended
    begins = [session.stamps[session.segment == segment][0] - 1 / RATE_HZ for segment in (0, 1)]
    assert begins == pytest.approx([BLOCKS_S[0] - 5, 59.0], abs=0.05)


def test_units_are_selected_by_area_and_quality(folder: Path) -> None:
    path = folder / "allen.nwb"
    session, notes = load_session_with_notes(
        path, ReadOptions(stimulus=MOVIE, area=("visp",), quality=("good",))
    )
    assert (session.name, session.channel_names) == ("VISp", ("VISp-9500", "VISp-9502"))
    assert notes[0] == "2 of 9 units (VISp 2)"
    assert load_session(path, options=ReadOptions(stimulus=MOVIE, area=("VIS*",))).n_channels == 6
    assert load_session(path, options=ReadOptions(stimulus=MOVIE, area=("VISl", "CA1"))).n_channels == 6
    with pytest.raises(BadRecording, match="no unit has the area LGd; there are: VISp 3, VISl 3, CA1 3"):
        load_session(path, options=ReadOptions(stimulus=MOVIE, area=("LGd",)))
    with pytest.raises(BadRecording, match="no unit has the quality best; there are: good 8, noise 1"):
        load_session(path, options=ReadOptions(stimulus=MOVIE, quality=("best",)))
    with pytest.raises(BadRecording, match="'--quality' cannot be used"):
        load_session(folder / "dandi.nwb", options=ReadOptions(quality=("good",)))


def test_running_speed_is_a_label(folder: Path) -> None:
    session = load_session(folder / "allen.nwb", options=ReadOptions(stimulus=MOVIE))
    np.testing.assert_allclose(session.labels["running_speed"][:, 0], session.stamps / 2, rtol=1e-5)
    assert "running_speed" in load_session(folder / "two_photon.nwb").labels
    assert not load_session(folder / "dandi.nwb").labels


def test_several_stimuli_require_a_choice(folder: Path) -> None:
    with pytest.raises(
        AmbiguousStream, match=r"2 stimuli with frames.*NAME': natural_movie_one, natural_scenes"
    ):
        load_session(folder / "allen.nwb")
    with pytest.raises(
        BadRecording, match="no stimulus 'movie'; it has natural_movie_one, natural_scenes, s"
    ):
        load_session(folder / "allen.nwb", options=ReadOptions(stimulus="movie"))
    with pytest.raises(BadRecording, match="'static_gratings' has no column 'frame'; its columns: id, phase"):
        load_session(folder / "allen.nwb", options=ReadOptions(stimulus="static_gratings"))
    whole = load_session(folder / "one.nwb")
    named = load_session(folder / "allen.nwb", options=ReadOptions(stimulus=f"{MOVIE}_presentations"))
    assert whole.repeats == named.repeats


def test_pictures_in_random_order_are_not_a_movie(folder: Path) -> None:
    session, notes = load_session_with_notes(folder / "allen.nwb", ReadOptions(stimulus="natural_scenes"))
    assert session.movie is None
    assert session.n_frames == 8
    assert session.rate_hz == pytest.approx(1000 / 33.333)
    assert session.repeats == (0,)
    assert "pictures in random order" in notes[-1]


def test_the_bin_width_can_be_given(folder: Path) -> None:
    session = load_session(folder / "one.nwb", options=ReadOptions(bin_ms=10.0))
    assert session.rate_hz == 100
    assert np.allclose(np.diff(session.stamps[session.segment == 0]), 0.01)
    coarse = load_session(folder / "one.nwb", options=ReadOptions(bin_ms=100.0))
    spikes = [part.neural[part.frame >= 0].sum() for part in (session, coarse)]
    assert spikes[0] == pytest.approx(spikes[1], rel=0.05)


def test_rounded_timestamps_give_the_exact_rate(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    start = np.round(nwb_files.movie_table()["start_time"], 3)  # steps of 33 and 34 ms
    session = load_session(_damaged(path, **{f"intervals__{MOVIE}_presentations__start_time": start}))
    assert session.rate_hz == pytest.approx(RATE_HZ, rel=2e-4)
    for repeat in session.repeats:
        assert session.frame[session.repeat == repeat].tolist() == list(range(N_FRAMES))


def test_dandi_units_are_read(folder: Path) -> None:
    session = load_session(folder / "dandi.nwb", options=ReadOptions(area=("VISl",)))
    assert session.channel_names == ("VISl-3", "VISl-4", "VISl-5")
    assert session.repeats == tuple(
        range(N_REPEATS * len(BLOCKS_S))
    )  # counted where the frame number decreases


def test_fluorescence_is_read(folder: Path) -> None:
    session = load_session(folder / "two_photon.nwb")
    assert (session.kind, session.name, session.rate_hz) == (Kind.FLUORESCENCE, "dff", RATE_HZ)
    assert session.channel_names == ("roi-1", "roi-2", "roi-4", "roi-5")
    assert session.repeats == tuple(range(N_REPEATS * len(BLOCKS_S)))
    raw = load_session(folder / "two_photon.nwb", stream="Fluorescence/raw")
    np.testing.assert_allclose(raw.neural, session.neural + 100, rtol=1e-5)
    with pytest.raises(BadUsage, match="apply to units"):
        load_session(folder / "two_photon.nwb", options=ReadOptions(area=("VISp",)))


def test_several_activities_require_a_choice(folder: Path) -> None:
    with pytest.raises(AmbiguousStream, match="--stream NAME': units, DfOverF/dff, Fluorescence/raw"):
        load_session(folder / "both.nwb")
    assert load_session(folder / "both.nwb", stream="DfOverF/dff").n_channels == 4
    with pytest.raises(BadRecording, match="no 'lfp'; it has units, "):
        load_session(folder / "both.nwb", stream="lfp")


def test_spike_counts_agree_with_pynwb(folder: Path) -> None:
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(folder / "allen.nwb"), "r") as io:
        units = io.read().units
        spikes = [np.asarray(units["spike_times"][unit]) for unit in range(N_UNITS)]
    session = load_session(folder / "allen.nwb", options=ReadOptions(stimulus=MOVIE))
    first = session.segment == 0
    begin, end = session.stamps[first][0] - 1 / RATE_HZ, session.stamps[first][-1]
    for unit, times in enumerate(spikes):
        assert session.neural[first, unit].sum() == pytest.approx(
            ((times >= begin) & (times < end)).sum(), abs=1
        )


def _damaged(path: Path, **changes: Any) -> Path:
    import h5py

    with h5py.File(path, "r+") as file:
        for name, value in changes.items():
            del file[name.replace("__", "/")]
            if value is not None:
                file[name.replace("__", "/")] = value
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": None}, "neither 'units' with 'spike_times' nor"),
        ({"units__spike_times_index": None}, "no 'spike_times_index'"),
        ({"units__spike_times_index": np.arange(9) * 10**6}, "does not fit 'spike_times'"),
        ({"units__spike_times_index": np.arange(9)[::-1].copy()}, "does not fit 'spike_times'"),
        ({"units__spike_times": np.full(10**4, np.nan)}, "none of its units has a spike"),
        ({"units__id": np.arange(3)}, "3 ids for 9 units"),
        ({f"intervals__{MOVIE}_presentations__frame": np.full(180, 0.5)}, "must be whole numbers below"),
        ({f"intervals__{MOVIE}_presentations__frame": np.arange(3)}, "differ in length"),
        (
            {f"intervals__{MOVIE}_presentations__start_time": np.full(180, np.nan)},
            "holds no presentation with valid times",
        ),
        (
            {f"intervals__{MOVIE}_presentations__start_time": -np.arange(180) * 1e9},
            r"it would take \d+ bins of 33\.333 ms",
        ),
    ],
)
def test_errors_name_the_file_and_the_problem(
    folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    with pytest.raises(NeuroReelError, match=message) as caught:
        load_session(_damaged(path, **changes))
    assert str(path) in str(caught.value)


def test_without_a_stimulus_table_all_frames_are_unknown(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    session, notes = load_session_with_notes(_damaged(path, intervals=None), ReadOptions())
    assert set(session.frame) == {-1}
    assert session.rate_hz == pytest.approx(1000 / 33.333)
    assert "the stimulus is unknown" in notes[-1]


@pytest.mark.slow
def test_convert_fit_and_evaluate_work_on_nwb(folder: Path, tmp_path: Path) -> None:
    from neuroreel.cli import cli

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(cli, [str(word) for word in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    target = tmp_path / "session.npz"
    output = run(
        "convert", folder / "allen.nwb", target, "--stimulus", MOVIE, "--area", "VISp", "--json", "-"
    )
    facts = json.loads(output)
    assert (facts["channels"], facts["frames"], facts["showings"]) == (3, N_FRAMES, 6)
    assert facts["notes"][0] == "3 of 9 units (VISp 3)"
    session = load_session(target)
    wanted = load_session(folder / "allen.nwb", options=ReadOptions(stimulus=MOVIE, area=("VISp",)))
    np.testing.assert_array_equal(session.neural, wanted.neural)
    np.testing.assert_array_equal(session.stamps, wanted.stamps)
    np.testing.assert_array_equal(session.frame, wanted.frame)
    model = tmp_path / "model.safetensors"
    run("fit", folder / "one.nwb", "-o", model, "--train-repeats", "0-3")
    scores = json.loads(
        run("evaluate", model, folder / "one.nwb", "--repeats", "4-5", "--draws", "0", "--json", "-")
    )
    assert scores


@pytest.mark.live
def test_a_child_process_reads_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "one.nwb"
    expected = load_session(path)
    monkeypatch.undo()
    assert_same(load_session(path), expected)


def test_a_series_of_frame_numbers_may_have_a_rate_instead_of_timestamps(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = nwb_files.dandi_fluorescence(tmp_path / "a.nwb")
    expected = load_session(path)
    with h5py.File(path, "a") as file:
        (series,) = [
            group
            for group in file["stimulus/presentation"].values()
            if group.attrs.get("neurodata_type") in ("IndexSeries", b"IndexSeries")
        ]
        stamps = series["timestamps"][()]
        del series["timestamps"]
        series["starting_time"] = stamps[0]
        series["starting_time"].attrs["rate"] = 1 / np.median(np.diff(stamps))
    session = load_session(path)
    assert session.n_frames == expected.n_frames > 0
    assert np.mean(session.frame >= 0) > 0.3


def test_invalid_spike_times_cost_only_themselves(folder: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    expected = load_session(path)
    with h5py.File(path, "r+") as file:
        last = int(file["units/spike_times_index"][0]) - 1
        file["units/spike_times"][last] = 1e300
    session = load_session(path)
    assert session.n_samples == expected.n_samples
    assert np.abs(session.neural - expected.neural).sum() <= 1


def test_links_that_lead_nowhere_cost_nothing_where_they_are_not_used(folder: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    expected = load_session(path)
    with h5py.File(path, "r+") as file:
        file["acquisition/x"] = h5py.ExternalLink("none.h5", "/")
        file["acquisition/y"] = h5py.SoftLink("/acquisition/y")
    assert load_session(path).n_samples == expected.n_samples
    with h5py.File(path, "r+") as file:
        del file["units"]
    with pytest.raises(BadRecording, match=r"Not followed: the links acquisition/x, acquisition/y"):
        load_session(path)


def test_voltages_are_named_as_what_is_not_read(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = nwb_files.dandi_fluorescence(tmp_path / "a.nwb")
    with h5py.File(path, "r+") as file:
        del file["processing"]
        group = file.create_group("acquisition/lfp")
        group["data"] = np.zeros((10, 2))
        group.attrs["neurodata_type"] = "ElectricalSeries"
    with pytest.raises(BadRecording, match=r"Voltages are not read from NWB \(lfp\)"):
        load_session(path)
