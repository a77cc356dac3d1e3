"""Reads sessions from NWB files: binned units or fluorescence, the stimulus, running speed.

Uses h5py, which is about 50 times faster than pynwb. Supports the layouts of Allen Visual Coding and of DANDI.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import frames_at
from stream.binning import sample_at
from stream.errors import AmbiguousStream, BadRecording, BadUsage
from stream.io.arrays import FileContents
from stream.io.hdf5 import member, open_hdf5, read_dataset
from stream.io.nwb_intervals import invalid_times, listed, overlap, within
from stream.io.nwb_stimulus import Presentations, read_presentations, timestamps
from stream.io.nwb_units import Units, select_units
from stream.io.read_limits import ReadLimits
from stream.io.stamp_checks import LONG_STEP_S
from stream.movie import Clip, Movie
from stream.movie_metadata import clips_to_json
from stream.session import NO_FRAME, Kind

DEFAULT_BIN_MS = 33.333
"""Width of the spike count bins in ms if there is no movie to take a frame's duration from."""

UNITS = "units"
_SLOW_HZ = 0.1  # where no unit has more spikes per second, their times may be in milliseconds
_CACHE_BYTES = 1 << 26  # one chunk holds the spikes of several units; the cache decompresses it once
_RUNNING_SPEED_PATHS = (
    "processing/running/running_speed",
    "processing/running/speed",
    "processing/behavior/running_speed",
    "processing/behavior/BehavioralTimeSeries/running_speed",
    "acquisition/running_speed",
)


def read(
    path: Path,
    limits: ReadLimits,
    *,
    stream: str | None,
    stimulus: str | None,
    area: Sequence[str],
    quality: Sequence[str],
    bin_ms: float | None,
) -> FileContents:
    """Read a session from an NWB file.

    Parameters
    ----------
    path
        NWB file.
    limits
        Limits of this process; memory is reserved before each read.
    stream, stimulus, area, quality, bin_ms
        Selection, see `stream.io.session_io.ReadOptions`.

    Raises
    ------
    BadRecording
        If the file holds no neural activity, or lacks what was selected.
    AmbiguousStream
        If the file holds several activities or stimuli and none was selected.
    BadUsage
        If ``area``, ``quality`` or ``bin_ms`` are given for a fluorescence series.
    """
    with open_hdf5(path, rdcc_nbytes=_CACHE_BYTES) as file:
        series = _select_series(file, stream)
        presentations = read_presentations(file, stimulus, limits)
        if series is None:
            units = select_units(file, area, quality, limits)
            contents = _binned(units, presentations, bin_ms, invalid_times(file, limits), limits)
            contents.notes.insert(0, units.note)
        elif area or quality or bin_ms:
            raise BadUsage(
                "'--area', '--quality' and '--bin-ms' apply to units; this is a fluorescence series. Omit them."
            )
        else:
            contents = _fluorescence(member(file, series), presentations, invalid_times(file, limits), limits)
        stamps = contents.arrays["stamps"]
        running = _running_speed(file, stamps, limits)
    if running is not None:
        contents.arrays["label_running_speed"] = running
    _describe_movie(contents, presentations)
    return contents


def _describe_movie(contents: FileContents, presentations: Presentations | None) -> None:
    """Add the movie's clips, if the stimulus is one, and a note on the stimulus."""
    if presentations is None:
        contents.notes.append(
            "no stimulus table has frame numbers: the stimulus is unknown; 'convert --stimulus TABLE/COLUMN' reads a "
            "column of another table"
        )
        return
    n_frames = int(presentations.frame.max(initial=NO_FRAME)) + 1
    if presentations.is_movie and n_frames:
        movie = Movie((Clip(presentations.name, 0, n_frames, presentations.rate_hz),))
        contents.arrays["movie_clips"] = np.array(clips_to_json(movie))
    n_repeats = len(np.unique(contents.arrays["repeat"][contents.arrays["repeat"] >= 0]))
    if presentations.categories:
        shown = presentations.frame[presentations.frame >= 0]
        n_frames, n_repeats = len(np.unique(shown)), len(shown)
        names = f": {listed(presentations.names)}" if presentations.names else ""
        contents.notes.append(
            f"stimulus {presentations.name}: {n_frames} categories in {n_repeats} trials, one repeat per block{names}"
        )
        return
    what = "frames" if presentations.is_movie else "pictures in random order, one repeat per block"
    contents.notes.append(f"stimulus {presentations.name}: {n_frames} {what}, {n_repeats} repeats")


def _select_series(file: Any, stream: str | None) -> str | None:
    """Return the path of the fluorescence series to read; None to read the units."""
    found, others = _find_series(file)
    has_units = "units" in file and "spike_times" in file["units"]
    names = [*([UNITS] if has_units else []), *found]
    if stream is not None:
        if stream not in names:
            raise BadRecording(f"it has no '{stream}'; it has {', '.join(names) or 'no activity'}.")
        return found.get(stream)
    if not names:
        raise BadRecording(
            "it holds neither 'units' with 'spike_times' nor a RoiResponseSeries of fluorescence; "
            f"its top level holds {', '.join(file) or 'nothing'}.{others}"
        )
    df_over_f = [name for name in found if "dfoverf" in name.lower().replace("_", "")]
    if not has_units and len(df_over_f) == 1:
        return found[df_over_f[0]]
    if len(names) > 1:
        raise AmbiguousStream(
            f"it holds several recordings; choose one with 'neuroreel convert --stream NAME': {', '.join(names)}."
        )
    return found.get(names[0])


def _find_series(file: Any) -> tuple[dict[str, str], str]:
    """Find every fluorescence series; return their paths by name with the containing group, and a remark on others."""
    found: dict[str, str] = {}
    broken, electrical = [], []
    groups = [f"processing/{module}" for module in file.get("processing", {})] + ["acquisition"]
    for group in groups:
        for name in file.get(group, {}):
            try:
                member = file[group][name]
                inner = {f"{name}/{key}": member[key] for key in member} if hasattr(member, "keys") else {}
            except (
                KeyError,
                OSError,
                RuntimeError,
            ):  # a link that leads nowhere, in a circle or into another file
                broken.append(f"{group}/{name}")
                continue
            for label, item in {name: member, **inner}.items():
                kind = _neurodata_type(item) if hasattr(item, "keys") and "data" in item else ""
                if kind == "RoiResponseSeries":
                    found[label] = f"{group}/{label}"
                elif kind == "ElectricalSeries":
                    electrical.append(label)
    remark = ""
    if electrical:
        remark += (
            f" Voltages are not read from NWB ({', '.join(electrical)}): sort spikes, or save them as HDF5."
        )
    if broken:
        remark += f" Not followed: the links {', '.join(broken)}."
    return found, remark


def _neurodata_type(item: Any) -> str:
    """Return the NWB type of a group or dataset."""
    kind = item.attrs.get("neurodata_type", "")
    return kind.decode("utf-8", "replace") if isinstance(kind, bytes) else str(kind)


def _binned(
    units: Units,
    presentations: Presentations | None,
    bin_ms: float | None,
    invalid: NDArray[np.float64],
    limits: ReadLimits,
) -> FileContents:
    """Count the spikes of units in bins; what was not observed is no zero."""
    movie_rate = presentations.rate_hz if presentations is not None and presentations.is_movie else 0.0
    rate_hz = 1000 / bin_ms if bin_ms else movie_rate or 1000 / DEFAULT_BIN_MS
    first, last = units.extent(limits)
    units.refuse_whole_times(limits)
    slow = units.rate_hz(first, last) < _SLOW_HZ
    if presentations is not None:
        presentations.check_times(UNITS, first, last, slow=slow)
    epochs = [(first, last, first)] if presentations is None else presentations.epochs(first, last)
    edges = [_bin_edges(epoch, rate_hz) for epoch in epochs]
    edges = [edge for edge in edges if len(edge) > 1]
    n_bins = sum(len(edge) - 1 for edge in edges)
    if not n_bins:
        raise BadRecording(f"it is shorter than one bin of {1000 / rate_hz:g} ms.")
    what = f"{units.n_units} units in {n_bins} bins"
    limits.reserve(4 * units.n_units * n_bins + 60 * n_bins, what)
    counts = np.empty((n_bins, units.n_units), np.float32)
    begins, stamps = (np.concatenate([edge[part] for edge in edges]) for part in (slice(-1), slice(1, None)))
    for index in range(units.n_units):
        times = units.times(index, limits)
        counts[:, index] = np.concatenate([np.diff(np.searchsorted(times, edge)) for edge in edges])
        observed = units.observed.get(int(units.rows[index]))
        if observed is not None:
            counts[~within(observed, begins, stamps), index] = np.nan
        limits.progress()
    segment = np.repeat(np.arange(len(edges)), [len(edge) - 1 for edge in edges]).astype(np.int32)
    notes = [f"spikes counted in bins of {1000 / rate_hz:.6g} ms"]
    keep = ~overlap(invalid, begins, stamps) & ~np.isnan(counts).all(1)
    if not keep.any():
        raise BadRecording(
            f"none of its {n_bins} bins was observed by 'obs_intervals' of the units and 'invalid_times'. Check that "
            "these are in seconds."
        )
    if not keep.all():
        notes.append(
            f"{np.sum(~keep)} of {n_bins} bins are left out, when no unit was observed or the file has invalid times"
        )
        limits.reserve(4 * units.n_units * int(keep.sum()), what)
        counts, stamps, segment = counts[keep], stamps[keep], segment[keep]
    n_partly = int(np.isnan(counts).any(0).sum())
    if n_partly:
        notes.append(
            f"{n_partly} of {units.n_units} units were not observed all the time; their counts are missing (NaN) then"
        )
    if slow and presentations is None:
        notes.append(
            f"no unit has more than {units.rate_hz(first, last):.2g} spikes per second; if spike times are in "
            "milliseconds, divide them by 1000"
        )
    arrays = {"neural": counts, "segment": segment, "channel_names": units.names()}
    areas = set(units.areas)
    name = areas.pop() if len(areas) == 1 else ""
    return FileContents(
        _add_stimulus(arrays, stamps, presentations, rate_hz, Kind.SPIKES, name or UNITS), notes
    )


def _bin_edges(epoch: tuple[float, float, float], rate_hz: float) -> NDArray[np.float64]:
    """Return the bin edges of an epoch; one edge lies at the start of its first presentation."""
    begin, end, first = epoch
    before, after = int((first - begin) * rate_hz + 1e-6), int((end - first) * rate_hz + 1e-6)
    if before + after > 1_000_000_000:
        raise BadRecording(f"it would take {before + after} bins of {1000 / rate_hz:g} ms; check its times.")
    return first + np.arange(-before, after + 1) / rate_hz


def _add_stimulus(
    arrays: dict[str, NDArray[Any]],
    stamps: NDArray[np.float64],
    presentations: Presentations | None,
    rate_hz: float,
    kind: Kind,
    name: str,
) -> dict[str, NDArray[Any]]:
    """Return the arrays with timestamps, frame, repeat, kind, rate and name added."""
    if presentations is None:
        frame = repeat = np.full(len(stamps), NO_FRAME, np.int32)
    else:
        frame, repeat = frames_at(*presentations.events(), stamps, rate_hz)
    texts = {"kind": np.array(str(kind)), "name": np.array(name)}
    return arrays | texts | {"stamps": stamps, "frame": frame, "repeat": repeat, "rate_hz": np.array(rate_hz)}


def _fluorescence(
    series: Any, presentations: Presentations | None, invalid: NDArray[np.float64], limits: ReadLimits
) -> FileContents:
    """Read a fluorescence series at its own sampling times, without those that the file calls invalid."""
    name = series.name.rpartition("/")[2]
    data = read_dataset(series["data"], name, limits)
    stamps, rate_hz = timestamps(series, data.shape, limits)
    notes = []
    if data.ndim == 1:
        data = data[:, None]
    if data.ndim != 2 or len(stamps) not in data.shape:
        raise BadRecording(
            f"'{name}' must be [time, ROIs], got shape {data.shape} for {len(stamps)} timestamps."
        )
    if len(stamps) != data.shape[0]:
        data = data.T
        notes.append(f"'{name}' was [ROIs, time] and was transposed")
    keep = ~overlap(invalid, stamps - 1 / (rate_hz or np.inf), stamps)
    if not keep.all():
        notes.append(f"{np.sum(~keep)} of {len(keep)} samples are left out, as the file has invalid times")
    if presentations is not None and len(stamps):
        slow = 0 < rate_hz <= 1 / LONG_STEP_S
        presentations.check_times(name, float(stamps[0]), float(stamps[-1]), slow=slow)
        keep &= np.any(
            [(stamps >= begin) & (stamps <= end) for begin, end, _ in presentations.epochs()], axis=0
        )
        if not keep.any():
            raise BadRecording(f"'{name}' has no sample during the stimulus '{presentations.name}'.")
    limits.reserve(data.nbytes + 4 * data.size, f"the selected part of '{name}'")
    numbers = read_dataset(series["rois"], "rois", limits).ravel() if "rois" in series else np.zeros(0)
    if len(numbers) != data.shape[1] or len(set(numbers.tolist())) < len(numbers):
        numbers = np.arange(data.shape[1])
    arrays: dict[str, NDArray[Any]] = {
        "neural": data[keep].astype(np.float32),
        "channel_names": np.array([f"roi-{number}" for number in numbers.tolist()], np.str_),
    }
    arrays = _add_stimulus(arrays, stamps[keep], presentations, rate_hz, Kind.FLUORESCENCE, name)
    if "timestamps" in series:
        del arrays["rate_hz"]  # the file does not state it
    return FileContents(arrays, notes)


def _running_speed(file: Any, stamps: NDArray[np.float64], limits: ReadLimits) -> NDArray[np.float32] | None:
    """Return the running speed at the samples; None if the file does not hold it."""
    paths = (path for path in _RUNNING_SPEED_PATHS if path in file and "data" in file[path])
    series = next((file[path] for path in paths), None)
    if series is None:
        return None
    values = read_dataset(series["data"], "running_speed", limits).astype(np.float64)
    times, _ = timestamps(series, values.shape, limits)
    if values.ndim != 1 or values.shape != times.shape:
        return None
    good = np.isfinite(values)
    times, first = np.unique(times[good], return_index=True)
    return sample_at(times, values[good][first], stamps)
