"""Sessions from NWB files: binned units or fluorescence, what was shown, running speed. Reading only.

Read with h5py, which takes a fiftieth of the time that pynwb takes. Layouts: Allen Visual Coding, and DANDI's.
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
from stream.io.hdf5 import import_h5py, read_dataset
from stream.io.nwb_stimulus import Presentations, presentations
from stream.io.nwb_units import Units, select_units
from stream.io.read_limits import ReadLimits
from stream.movie import Clip, Movie
from stream.movie_metadata import clips_to_json
from stream.session import MAX_SECONDS, NO_FRAME, Kind

DEFAULT_BIN_MS = 33.333
"""Width of the bins when there is no movie whose frames say it."""

UNITS = "units"
_CACHE_BYTES = 1 << 26  # the spikes of neighbouring units lie in one chunk, which is unpacked once
_RUNNING = (
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
        The file.
    allowance
        Asked before anything large is read.
    stream, stimulus, area, quality, bin_ms
        See `stream.io.session_io.Choice`.

    Raises
    ------
    BadRecording
        When it holds no activity, or not what was asked for.
    AmbiguousStream
        When it holds several kinds of activity or several stimuli, and none was chosen.
    """
    with import_h5py().File(path, "r", rdcc_nbytes=_CACHE_BYTES) as file:
        series = _choose(file, stream)
        shown = presentations(file, stimulus, limits)
        if series is None:
            units = select_units(file, area, quality, limits)
            contents = _binned(units, shown, bin_ms, limits)
            contents.notes.insert(0, units.note)
        elif area or quality or bin_ms:
            raise BadUsage(
                "'--area', '--quality' and '--bin-ms' are for units; this is a series of fluorescence."
            )
        else:
            contents = _fluorescence(file[series], shown, limits)
        stamps = contents.arrays["stamps"]
        running = _running(file, stamps, limits)
    if running is not None:
        contents.arrays["label_running_speed"] = running
    _describe_movie(contents, shown)
    return contents


def _describe_movie(contents: FileContents, shown: Presentations | None) -> None:
    """Add the movie, and what to know of it."""
    if shown is None:
        contents.notes.append("no table of presentations counts frames: nothing is known of what was shown")
        return
    n_frames = int(shown.frame.max(initial=NO_FRAME)) + 1
    if shown.in_order and n_frames:
        movie = Movie((Clip(shown.name, 0, n_frames, shown.rate_hz),))
        contents.arrays["movie_clips"] = np.array(clips_to_json(movie))
    n_repeats = len(np.unique(contents.arrays["repeat"][contents.arrays["repeat"] >= 0]))
    what = "frames" if shown.in_order else "pictures in no order, told apart by block"
    contents.notes.append(f"stimulus {shown.name}: {n_frames} {what}, {n_repeats} showings")


def _choose(file: Any, stream: str | None) -> str | None:
    """Where the fluorescence to read is; None = the units."""
    found = _series(file)
    has_units = "units" in file and "spike_times" in file["units"]
    names = [*([UNITS] if has_units else []), *found]
    if stream is not None:
        if stream not in names:
            raise BadRecording(f"it has no '{stream}'; it has {', '.join(names) or 'no activity'}.")
        return found.get(stream)
    if not names:
        raise BadRecording(
            "it holds neither 'units' with 'spike_times' nor a RoiResponseSeries of fluorescence; "
            f"at its top are {', '.join(file) or 'nothing'}."
        )
    over_baseline = [name for name in found if "dfoverf" in name.lower().replace("_", "")]
    if not has_units and len(over_baseline) == 1:
        return found[over_baseline[0]]
    if len(names) > 1:
        raise AmbiguousStream(
            f"it holds several recordings; choose one with 'neuroreel convert --stream NAME': {', '.join(names)}."
        )
    return found.get(names[0])


def _series(file: Any) -> dict[str, str]:
    """Every series of fluorescence: its name, with what it lies in, and where it is."""
    found = {}
    places = [f"processing/{module}" for module in file.get("processing", {})] + ["acquisition"]
    for place in places:
        for name in file.get(place, {}):
            there = file[place][name]
            inner = {f"{name}/{key}": there[key] for key in there} if hasattr(there, "keys") else {}
            for label, item in {name: there, **inner}.items():
                if hasattr(item, "keys") and "data" in item and _type(item) == "RoiResponseSeries":
                    found[label] = f"{place}/{label}"
    return found


def _type(item: Any) -> str:
    kind = item.attrs.get("neurodata_type", "")
    return kind.decode("utf-8", "replace") if isinstance(kind, bytes) else str(kind)


def _binned(
    units: Units, shown: Presentations | None, bin_ms: float | None, limits: ReadLimits
) -> FileContents:
    """Spikes of units, counted in bins."""
    movie_rate = shown.rate_hz if shown is not None and shown.in_order else 0.0
    rate_hz = 1000 / bin_ms if bin_ms else movie_rate or 1000 / DEFAULT_BIN_MS
    first, last = units.extent()
    epochs = [(first, last, first)] if shown is None else shown.epochs(first, last)
    edges = [_edges(stretch, rate_hz) for stretch in epochs]
    edges = [edge for edge in edges if len(edge) > 1]
    n_bins = sum(len(edge) - 1 for edge in edges)
    if not n_bins:
        raise BadRecording(f"there is not one bin of {1000 / rate_hz:g} ms in it.")
    what = f"{units.n_units} units in {n_bins} bins"
    limits.reserve(4 * units.n_units * n_bins + 40 * n_bins, what)
    counts = np.empty((n_bins, units.n_units), np.float32)
    for index in range(units.n_units):
        times = units.times(index, limits)
        counts[:, index] = np.concatenate([np.diff(np.searchsorted(times, edge)) for edge in edges])
        limits.progress()
    stamps = np.concatenate([edge[1:] for edge in edges])
    segment = np.repeat(np.arange(len(edges)), [len(edge) - 1 for edge in edges]).astype(np.int32)
    arrays = {"neural": counts, "segment": segment, "channel_names": units.names()}
    note = f"spikes counted in bins of {1000 / rate_hz:.6g} ms"
    areas = set(units.areas)
    name = areas.pop() if len(areas) == 1 else ""
    return FileContents(_described(arrays, stamps, shown, rate_hz, Kind.SPIKES, name or UNITS), [note])


def _edges(stretch: tuple[float, float, float], rate_hz: float) -> NDArray[np.float64]:
    """Edges of bins over a stretch, one of them where the first presentation begins."""
    begin, end, first = stretch
    before, after = int((first - begin) * rate_hz + 1e-6), int((end - first) * rate_hz + 1e-6)
    if before + after > 1_000_000_000:
        raise BadRecording(f"it would be {before + after} bins of {1000 / rate_hz:g} ms.")
    return first + np.arange(-before, after + 1) / rate_hz


def _described(
    arrays: dict[str, NDArray[Any]],
    stamps: NDArray[np.float64],
    shown: Presentations | None,
    rate_hz: float,
    kind: Kind,
    name: str,
) -> dict[str, NDArray[Any]]:
    """With stamps, what was shown, kind, rate and name."""
    if shown is None:
        frame = repeat = np.full(len(stamps), NO_FRAME, np.int32)
    else:
        frame, repeat = frames_at(*shown.events(), stamps, rate_hz)
    texts = {"kind": np.array(str(kind)), "name": np.array(name)}
    return arrays | texts | {"stamps": stamps, "frame": frame, "repeat": repeat, "rate_hz": np.array(rate_hz)}


def _fluorescence(series: Any, shown: Presentations | None, limits: ReadLimits) -> FileContents:
    """A series of fluorescence, as it was sampled."""
    name = series.name.rpartition("/")[2]
    data = read_dataset(series["data"], name, limits)
    stamps, rate_hz = _stamps(series, data.shape, limits)
    notes = []
    if data.ndim != 2 or len(stamps) not in data.shape:
        raise BadRecording(
            f"'{name}' has shape {data.shape}, but {len(stamps)} stamps; it must be [time, ROIs]."
        )
    if len(stamps) != data.shape[0]:
        data = data.T
        notes.append(f"'{name}' was [ROIs, time] and was turned")
    keep = np.ones(len(stamps), bool)
    if shown is not None:
        keep = np.any([(stamps >= begin) & (stamps <= end) for begin, end, _ in shown.epochs()], axis=0)
        if not keep.any():
            raise BadRecording(f"not one sample of '{name}' lies where '{shown.name}' was shown.")
    limits.reserve(data.nbytes + 4 * data.size, f"what was taken of '{name}'")
    numbers = read_dataset(series["rois"], "rois", limits).ravel() if "rois" in series else np.zeros(0)
    if len(numbers) != data.shape[1] or len(set(numbers.tolist())) < len(numbers):
        numbers = np.arange(data.shape[1])
    arrays: dict[str, NDArray[Any]] = {
        "neural": data[keep].astype(np.float32),
        "channel_names": np.array([f"roi-{number}" for number in numbers.tolist()], np.str_),
    }
    return FileContents(_described(arrays, stamps[keep], shown, rate_hz, Kind.FLUORESCENCE, name), notes)


def _stamps(series: Any, shape: tuple[int, ...], limits: ReadLimits) -> tuple[NDArray[np.float64], float]:
    """Stamps of a series, and its rate."""
    if "timestamps" in series:
        stamps = read_dataset(series["timestamps"], "timestamps", limits).astype(np.float64).ravel()
        if not np.all(np.abs(stamps) < MAX_SECONDS):
            raise BadRecording("some of its stamps are no moments in seconds.")
        step = np.diff(stamps)
        step = step[step > 0]
        return stamps, float(f"{1 / np.median(step):.6g}") if len(step) else 0.0
    if "starting_time" not in series or "rate" not in series["starting_time"].attrs:
        raise BadRecording("its series has neither 'timestamps' nor a 'starting_time' with its rate.")
    rate_hz = float(series["starting_time"].attrs["rate"])
    start = float(np.ravel(read_dataset(series["starting_time"], "starting_time", limits))[0])
    if not 0 < rate_hz < MAX_SECONDS or not abs(start) < MAX_SECONDS:
        raise BadRecording(f"its series begins at {start} s with a rate of {rate_hz} Hz.")
    return start + np.arange(shape[0] if shape else 0) / rate_hz, rate_hz


def _running(file: Any, stamps: NDArray[np.float64], limits: ReadLimits) -> NDArray[np.float32] | None:
    """Running speed at the samples, or None when the file does not hold it."""
    series = next((file[place] for place in _RUNNING if place in file and "data" in file[place]), None)
    if series is None:
        return None
    values = read_dataset(series["data"], "running_speed", limits).astype(np.float64)
    times, _ = _stamps(series, values.shape, limits)
    if values.ndim != 1 or values.shape != times.shape:
        return None
    good = np.isfinite(values)
    times, first = np.unique(times[good], return_index=True)
    return sample_at(times, values[good][first], stamps)
