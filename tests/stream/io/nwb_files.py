"""Small NWB files in the layouts of the Allen Visual Coding recordings and of DANDI, written with pynwb."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 30.0
N_FRAMES = 30
N_REPEATS = 3
BLOCKS_S = (20.0, 60.0)
"""Starts of the two blocks of the movie, in seconds."""

AREAS = ("VISp", "VISl", "CA1")
N_UNITS = 9


def movie_table() -> dict[str, NDArray[np.float64]]:
    """Return the presentations of the movie: two blocks of repeats."""
    start = np.concatenate([begin + np.arange(N_REPEATS * N_FRAMES) / RATE_HZ for begin in BLOCKS_S])
    frame = np.tile(np.arange(N_FRAMES), N_REPEATS * len(BLOCKS_S)).astype(float)
    block = np.repeat([2.0, 5.0], N_REPEATS * N_FRAMES)
    return {"start_time": start, "stop_time": start + 1 / RATE_HZ, "frame": frame, "stimulus_block": block}


def spike_trains(seed: int = 0) -> list[NDArray[np.float64]]:
    """Return spike times in seconds, float64 [spikes] per unit; each unit prefers some frames."""
    random = np.random.default_rng(seed)
    table = movie_table()
    trains = []
    for unit in range(N_UNITS):
        preference = np.exp(1.5 * np.cos(2 * np.pi * (table["frame"] / N_FRAMES - unit / N_UNITS)))
        counts = random.poisson(0.5 * preference)
        times = np.repeat(table["start_time"], counts) + random.uniform(0, 1 / RATE_HZ, counts.sum())
        trains.append(np.sort(np.r_[random.uniform(1, 80, 40), times]))
    return trains


def _empty() -> Any:
    from pynwb import NWBFile

    start = datetime.datetime(2019, 1, 2, tzinfo=datetime.UTC)
    return NWBFile(session_description="synthetic", identifier="766640955", session_start_time=start)


def _write(file: Any, path: Path) -> Path:
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(path), "w") as io:
        io.write(file, cache_spec=False)
    return path


def _add_electrodes(file: Any) -> None:
    """Add three electrodes per area, with ids that differ from their rows."""
    device = file.create_device(name="probeA")
    group = file.create_electrode_group(name="probeA", description="a", location="brain", device=device)
    for index in range(3 * len(AREAS)):
        file.add_electrode(
            id=850 + index,
            x=0.0,
            y=0.0,
            z=0.0,
            imp=0.0,
            location=AREAS[index // 3],
            filtering="none",
            group=group,
        )


def _add_table(file: Any, name: str, columns: dict[str, Any]) -> None:
    from pynwb.epoch import TimeIntervals

    table = TimeIntervals(name=f"{name}_presentations", description="presentations")
    for column in columns:
        if column not in ("start_time", "stop_time"):
            table.add_column(name=column, description=column)
    for row in zip(*columns.values(), strict=True):
        table.add_interval(**dict(zip(columns, row, strict=True)))
    file.add_time_intervals(table)


def _add_running(file: Any) -> None:
    from pynwb import TimeSeries

    module = file.create_processing_module(name="running", description="running")
    times = np.arange(0, 100, 0.05)
    module.add(TimeSeries(name="running_speed", data=times / 2, timestamps=times, unit="cm/s"))


def allen(path: Path, *, more_stimuli: bool = True) -> Path:
    """Write the layout of Visual Coding Neuropixels: units with channel and quality, interval tables, running speed."""
    file = _empty()
    _add_electrodes(file)
    file.add_unit_column(name="quality", description="q")
    file.add_unit_column(name="peak_channel_id", description="p")
    for unit, times in enumerate(spike_trains()):
        quality = "noise" if unit == 1 else "good"
        file.add_unit(id=9500 + unit, spike_times=times, quality=quality, peak_channel_id=850 + unit)
    _add_table(file, "natural_movie_one", movie_table())
    gray = {"start_time": [0.0, 24.0], "stop_time": [20.0, 55.0]}
    _add_table(file, "spontaneous", gray)
    if more_stimuli:
        start = 55 + np.arange(16) / 4  # until one second before the second block
        _add_table(file, "static_gratings", {"start_time": start, "stop_time": start + 0.25, "phase": start})
        scenes = np.random.default_rng(1).integers(-1, 8, 40).astype(float)
        start = 70 + np.arange(40) / 4
        columns = {"start_time": start, "stop_time": start + 0.25, "frame": scenes}
        _add_table(file, "natural_scenes", columns)
    _add_running(file)
    return _write(file, path)


def dandi_units(path: Path) -> Path:
    """Write units that refer to rows of the electrode table, and one stimulus without blocks."""
    file = _empty()
    _add_electrodes(file)
    for unit, times in enumerate(spike_trains()):
        file.add_unit(spike_times=times, electrodes=[unit, 0])
    table = movie_table()
    del table["stimulus_block"]
    _add_table(file, "natural_movie_one", table)
    return _write(file, path)


def dandi_fluorescence(path: Path, *, with_units: bool = False) -> Path:
    """Write the layout of Visual Coding two-photon: dF/F and fluorescence of four ROIs, a series of frame numbers."""
    from pynwb import TimeSeries
    from pynwb.base import ImageReferences, Images
    from pynwb.image import GrayscaleImage, IndexSeries
    from pynwb.ophys import DfOverF, Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    file = _empty()
    device = file.create_device(name="microscope")
    channel = OpticalChannel(name="green", description="g", emission_lambda=520.0)
    plane = file.create_imaging_plane(
        name="plane",
        optical_channel=channel,
        description="p",
        device=device,
        excitation_lambda=910.0,
        indicator="GCaMP6f",
        location="VISp",
    )
    module = file.create_processing_module(name="ophys", description="o")
    segments = ImageSegmentation()
    module.add(segments)
    rois = segments.create_plane_segmentation(name="rois", description="r", imaging_plane=plane)
    for _ in range(6):
        rois.add_roi(pixel_mask=[(0, 0, 1.0)])
    region = rois.create_roi_table_region(description="some", region=[1, 2, 4, 5])
    data = np.random.default_rng(0).normal(size=(2400, 4)).astype(np.float32)
    over, raw = DfOverF(), Fluorescence()
    module.add(over)
    module.add(raw)
    stamps = np.arange(2400) / RATE_HZ
    over.add_roi_response_series(
        RoiResponseSeries(name="dff", data=data, rois=region, unit="n.a.", timestamps=stamps)
    )
    raw.add_roi_response_series(
        RoiResponseSeries(
            name="raw", data=data + 100, rois=region, unit="a.u.", starting_time=0.0, rate=RATE_HZ
        )
    )
    table = movie_table()
    pictures = [GrayscaleImage(name=f"{index}", data=np.zeros((4, 4), np.uint8)) for index in range(N_FRAMES)]
    order = ImageReferences(name="order_of_images", data=pictures)
    template = Images(name="pictures", images=pictures, order_of_images=order)
    file.add_stimulus_template(template)
    shown = IndexSeries(
        name="natural_movie_one",
        data=table["frame"].astype(np.uint32),
        unit="N/A",
        indexed_images=template,
        timestamps=table["start_time"],
    )
    file.add_stimulus(shown)
    if with_units:
        file.add_unit(spike_times=np.arange(5.0))
    file.add_acquisition(TimeSeries(name="running_speed", data=stamps, timestamps=stamps, unit="cm/s"))
    return _write(file, path)


def trials(
    path: Path,
    *,
    column: str = "image_name",
    values: tuple[Any, ...] = ("face", "house", "shoe", "blank"),
    table: str = "trials",
    unit_s: float = 1.0,
    observed: dict[int, list[tuple[float, float]]] | None = None,
    invalid: list[tuple[float, float]] | None = None,
) -> Path:
    """Write units with a table of 40 trials of 1 s, one every 2 s, each with one of four stimuli.

    Unit k fires at 40 Hz during the stimulus k, and at 5 Hz otherwise. ``unit_s`` is the unit of the spike times,
    ``observed`` the observation intervals of units, ``invalid`` the invalid times of the recording.
    """
    from pynwb.epoch import TimeIntervals

    random = np.random.default_rng(0)
    file = _empty()
    order = random.permuted(np.tile(np.arange(4), (10, 1)), axis=1).ravel()
    start = 10.0 + 2 * np.arange(len(order))
    if table == "trials":
        file.add_trial_column(name="correct", description="c")
        file.add_trial_column(name=column, description="s")
        add = file.add_trial
    else:
        intervals = TimeIntervals(name=table, description="t")
        for name in ("correct", column):
            intervals.add_column(name=name, description=name)
        file.add_time_intervals(intervals)
        add = intervals.add_interval
    for begin, number in zip(start.tolist(), order.tolist(), strict=True):
        add(start_time=begin, stop_time=begin + 1.0, correct=True, **{column: values[number]})
    for unit in range(4):
        begins = start[order == unit]
        times = np.r_[random.uniform(0, 100, 500), *(random.uniform(at, at + 1, 35) for at in begins)]
        given = (
            {} if observed is None or unit not in observed else {"obs_intervals": np.array(observed[unit])}
        )
        file.add_unit(spike_times=np.sort(times) / unit_s, **given)
    for begin, end in invalid or []:
        file.add_invalid_time_interval(start_time=begin, stop_time=end)
    return _write(file, path)
