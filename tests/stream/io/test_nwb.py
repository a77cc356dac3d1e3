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
from stream.session import Kind, Session
from tests.stream.io import nwb_files
from tests.stream.io.nwb_files import BLOCKS_S, N_FRAMES, N_REPEATS, N_UNITS, RATE_HZ
from tests.stream.strategies import assert_same

pytestmark = [
    pytest.mark.usefixtures("in_process", "folder"),  # pynwb starts a process when it is imported
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
            {f"intervals__{MOVIE}_presentations__start_time": -np.arange(180) * 1e7},
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


def read_with_notes(path: Path, stimulus: str | None = None) -> tuple[Session, str]:
    session, notes = load_session_with_notes(path, ReadOptions(stimulus=stimulus))
    return session, "\n".join(notes)


@pytest.mark.parametrize("table", ["trials", "epochs", "stimuli"])
def test_a_table_of_trials_with_names_of_stimuli_gives_categories(tmp_path: Path, table: str) -> None:
    session, notes = read_with_notes(nwb_files.trials(tmp_path / "a.nwb", table=table))
    assert (
        f"stimulus {table}/image_name: 3 categories in 30 trials, one repeat per block: 0 = face, 1 = house"
        in notes
    )
    assert session.movie is None
    assert set(session.frame) == {-1, 0, 1, 2}
    assert np.mean(session.frame >= 0) == pytest.approx(0.75 * 40 / (2 * 40 + 9), abs=0.02)
    for unit in range(3):
        rates = [session.neural[session.frame == frame, unit].mean() for frame in (-1, 0, 1, 2)]
        assert int(np.argmax(rates)) == 1 + unit


@pytest.mark.parametrize(
    ("values", "frames"),
    [
        ((3, 7, 8, 9), [-1, 3, 7, 8, 9]),
        (("3", "7", "118", "9"), [-1, 3, 7, 9, 118]),
        ((3.0, np.nan, 5.0, 7.0), [-1, 3, 5, 7]),
        ((0.5, 0.25, -0.5, 90.0), [-1, 0, 1, 2, 3]),
        (("", "a", "gray", "b"), [-1, 0, 1]),
    ],
)
def test_numbers_of_stimuli_stay_and_other_values_are_ranked(
    tmp_path: Path, values: tuple[Any, ...], frames: list[int]
) -> None:
    session, _ = read_with_notes(nwb_files.trials(tmp_path / "a.nwb", column="stimulus_id", values=values))
    assert np.unique(session.frame).tolist() == frames


def test_a_column_of_another_name_can_be_chosen(tmp_path: Path) -> None:
    path = nwb_files.trials(tmp_path / "a.nwb", column="odor", values=("a", "b", "c", "d"))
    session, notes = read_with_notes(path)
    assert set(session.frame) == {-1}
    assert "'convert --stimulus TABLE/COLUMN' reads a column of another table" in notes
    with pytest.raises(
        BadRecording, match=r"no column 'frame'; its columns: .*odor.*--stimulus trials/COLUMN"
    ):
        read_with_notes(path, "trials")
    assert set(read_with_notes(path, "trials/odor")[0].frame) == {-1, 0, 1, 2, 3}


@pytest.mark.parametrize(
    ("unit_s", "match"), [(1e-3, r"the times of 'units' are in milliseconds\. Divide them by 1000")]
)
def test_spike_times_in_milliseconds_are_refused(tmp_path: Path, unit_s: float, match: str) -> None:
    with pytest.raises(BadRecording, match=match):
        read_with_notes(nwb_files.trials(tmp_path / "a.nwb", unit_s=unit_s))
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.nwb", "r+") as file:
        del file["intervals"]
    assert "if spike times are in milliseconds, divide them by 1000" in read_with_notes(tmp_path / "a.nwb")[1]
    with h5py.File(tmp_path / "a.nwb", "r+") as file:
        file["units/spike_times"][()] = np.rint(file["units/spike_times"][()])
    with pytest.raises(
        BadRecording, match="'spike_times' are whole numbers, so they count samples or milliseconds"
    ):
        read_with_notes(tmp_path / "a.nwb")


def test_a_stimulus_in_milliseconds_is_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nwb"
    path.write_bytes((folder / "one.nwb").read_bytes())
    table = nwb_files.movie_table()
    times = {
        f"intervals__{MOVIE}_presentations__{name}": 1e3 * table[name] for name in ("start_time", "stop_time")
    }
    with pytest.raises(
        BadRecording, match=r"was shown from 20000 to 63000 s: .*(milliseconds|Check the units)"
    ):
        load_session(_damaged(path, **times))


def test_what_was_not_observed_is_missing_or_left_out(tmp_path: Path) -> None:
    observed = {unit: [(0.0, 50.0), (60.0, 100.0)] for unit in range(4)}
    observed[1] = [(0.0, 30.0), (60.0, 80.0)]
    path = nwb_files.trials(tmp_path / "a.nwb", observed=observed, invalid=[(70.0, 75.0)])
    session, notes = read_with_notes(path)
    whole, _ = read_with_notes(nwb_files.trials(tmp_path / "b.nwb"))
    assert np.unique(session.segment).tolist() == [0, 1, 2]
    for begin, end in ((50.0, 60.0), (70.0, 75.0)):
        inside = (session.stamps > begin + 0.04) & (session.stamps < end)
        assert not inside.any()
    missing = np.isnan(session.neural)
    assert not missing[:, [0, 2, 3]].any()
    np.testing.assert_array_equal(
        missing[:, 1], ((session.stamps > 30) & (session.stamps < 60)) | (session.stamps > 80)
    )
    kept = np.isin(whole.stamps, session.stamps)
    np.testing.assert_array_equal(
        np.where(missing, 0, session.neural), np.where(missing, 0, whole.neural[kept])
    )
    np.testing.assert_array_equal(session.frame, whole.frame[kept])
    assert "bins are left out, when no unit was observed or the file has invalid times" in notes
    assert "1 of 4 units were not observed all the time; their counts are missing (NaN) then" in notes
    all_the_time = nwb_files.trials(
        tmp_path / "c.nwb", observed={unit: [(0.0, 50.0), (50.0, 100.0)] for unit in range(4)}
    )
    np.testing.assert_array_equal(read_with_notes(all_the_time)[0].neural, whole.neural)
    with pytest.raises(
        BadRecording, match="bins was observed by 'obs_intervals' of the units and 'invalid_times'"
    ):
        read_with_notes(nwb_files.trials(tmp_path / "d.nwb", invalid=[(0.0, 1e5)]))


@pytest.mark.parametrize("stimulus", [MOVIE, None])
def test_a_series_of_one_roi_is_read_without_its_invalid_times(tmp_path: Path, stimulus: str | None) -> None:
    h5py = pytest.importorskip("h5py")
    path = nwb_files.dandi_fluorescence(tmp_path / "a.nwb")
    expected = load_session(path)
    with h5py.File(path, "a") as file:
        series = file["processing/ophys/DfOverF/dff"]
        data = series["data"][:, 0]
        del series["data"], series["rois"]
        series["data"] = data
        file["intervals/invalid_times/start_time"] = [22.0]
        file["intervals/invalid_times/stop_time"] = [22.5]
    session, notes = read_with_notes(path, stimulus)
    assert session.n_channels == 1
    kept = np.isin(expected.stamps, session.stamps)
    np.testing.assert_array_equal(session.neural[:, 0], expected.neural[kept, 0])
    assert np.sum(~kept) == pytest.approx(15, abs=1)
    assert session.segment.max() == expected.segment.max() + 1
    assert "samples are left out, as the file has invalid times" in notes


def test_imaging_timestamps_in_milliseconds_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    h5py = pytest.importorskip("h5py")
    path = nwb_files.dandi_fluorescence(tmp_path / "a.nwb")
    with h5py.File(path, "a") as file:
        file["processing/ophys/DfOverF/dff/timestamps"][()] *= 1e3
    with pytest.raises(BadRecording, match=r"the times of 'dff' are in milliseconds\. Divide them by 1000"):
        load_session(path)
    with h5py.File(path, "a") as file:
        del file["stimulus"]
    load_session(path)
    assert "33.3333 s apart; if the timestamps are in milliseconds, divide them by 1000" in caplog.text
