"""Reads and writes sessions as XDF.

The neural stream has one of `stream.lsl.outlet.NEURAL_TYPES`, the stimulus is in ``<name>-stimulus`` (one event per
change), continuous labels are in ``<name>-<label>``: the streams that a replay sends, and that a rig can send.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import changes, frames_at, stimulus_events
from stream.binning import sample_at
from stream.errors import AmbiguousStream, BadRecording, ShapeMismatch
from stream.io.xdf_join import join_restarted
from stream.io.xdf_reader import XdfStream, read_xdf
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.lsl.outlet import LSL_TYPES, NEURAL_TYPES, UNITS
from stream.movie_metadata import movie_facts, movie_from_facts
from stream.output_files import replacing
from stream.session import NO_FRAME, Kind, Session, repeats_from_frames, segments_from_stamps
from stream.stream_facts import MAX_STAMP_RATE, number_fact

log = logging.getLogger(__name__)

_BLOCK_S = 10.0


def save_xdf(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a session as XDF; whole numbers are stored as int16 if they fit.

    Parameters
    ----------
    session
        Recording to write; the movie's clips are stored, its pictures are not.
    path
        Output file.
    force
        Overwrite an existing file.

    Raises
    ------
    OutputExists
        If ``path`` exists and ``force`` is not set.
    CannotWrite
        If the file cannot be written; one that existed is then unchanged.
    """
    neural = np.asarray(session.neural, np.float32)
    fmt = "int16" if _fits_int16(neural) else "float32"
    samples, onsets = changes(session.stamps, session.frame, session.repeat, session.rate_hz, session.segment)
    events = np.stack([session.frame[samples], session.repeat[samples]], 1)
    with replacing(path, force=force, recording=True) as partial, XdfWriter(partial) as writer:
        _write_headers(writer, session, fmt, samples)
        block = max(1, round(_BLOCK_S * session.rate_hz)) if session.rate_hz > 0 else 1000
        for start in range(0, session.n_samples, block):
            part = slice(start, start + block)
            inside = (samples >= start) & (samples < start + block)
            writer.samples(2, onsets[inside], events[inside])
            for index, label in enumerate(session.labels.values()):
                writer.samples(3 + index, session.stamps[part], label[part])
            writer.samples(1, session.stamps[part], neural[part])
            writer.boundary()
        if session.n_samples:
            ends = float(session.stamps[0]), float(session.stamps[-1])
            writer.footer(1, *ends, session.n_samples)
            writer.footer(2, float(onsets[0]), float(onsets[-1]), len(onsets))
            for index in range(len(session.labels)):
                writer.footer(3 + index, *ends, session.n_samples)


def load_xdf(path: Path | str, *, stream: str | None = None) -> Session:
    """Read a session from an XDF file; a truncated file is read up to its end, with a warning in the log.

    Parameters
    ----------
    path
        File to read.
    stream
        Name of the neural stream; None for the only one.

    Raises
    ------
    BadRecording
        If the file is not XDF, is damaged, or has no neural stream with samples.
    AmbiguousStream
        If it has several neural streams and none was selected; the message lists them.
    """
    streams = join_restarted(read_xdf(path))
    neural = _select_neural(streams, stream, path)
    scale = _stamp_rate(neural)
    stamps = neural.stamps * scale if scale != 1 else neural.stamps
    rate_hz = neural.rate_hz / scale
    segment = segments_from_stamps(stamps, rate_hz)
    segment = _add_boundaries(segment, neural.facts.get("segment_starts", ""))
    stimulus = next(
        (found for found in streams if found.name == f"{neural.name}-stimulus" and found.fmt != "string"),
        None,
    )
    frame, repeat = _stimulus_at_samples(stimulus, neural)
    labels = {
        found.name.removeprefix(f"{neural.name}-"): _label(found, neural)
        for found in streams
        if found.type == "Label" and found.fmt != "string" and found.name.startswith(f"{neural.name}-")
    }
    try:
        return Session(
            neural=np.asarray(neural.samples, np.float32),
            stamps=stamps,
            frame=frame,
            repeat=repeat,
            segment=segment,
            channel_names=neural.labels,
            kind=_kind(neural.type),
            rate_hz=rate_hz,
            labels=labels,
            movie=movie_from_facts(stimulus.facts) if stimulus is not None else None,
            name=neural.name,
        )
    except (BadRecording, ShapeMismatch) as error:
        raise type(error)(f"{path}: {error}") from error


def _write_headers(writer: XdfWriter, session: Session, fmt: str, event_samples: NDArray[np.intp]) -> None:
    """Write the stream headers: 1 neural, 2 stimulus, labels from 3."""
    starts = np.flatnonzero(np.diff(session.segment)) + 1
    facts: dict[str, object] = {"mode": "recording", "stamp_rate": 1}
    stimulus_facts = movie_facts(session.movie)
    from_stamps = segments_from_stamps(session.stamps, session.rate_hz)
    if not np.array_equal(np.flatnonzero(np.diff(from_stamps)) + 1, starts):
        facts["segment_starts"] = " ".join(map(str, starts))
    if np.any(np.diff(session.stamps) <= 0):  # timestamps alone cannot assign events to samples
        facts["segment_starts"] = " ".join(map(str, starts))
        stimulus_facts["segment_events"] = " ".join(map(str, np.searchsorted(event_samples, starts)))
    name, channels = session.name, len(session.channel_names)
    type_, unit = LSL_TYPES[session.kind], UNITS[session.kind]
    xml = stream_xml(name, type_, session.channel_names, session.rate_hz, fmt, unit=unit, facts=facts)
    writer.header(1, xml, fmt, channels)
    names = ("frame", "repeat")
    writer.header(
        2, stream_xml(f"{name}-stimulus", "Stimulus", names, 0, "int32", facts=stimulus_facts), "int32", 2
    )
    for index, (label, values) in enumerate(session.labels.items()):
        columns = [f"{label}{column}" for column in range(values.shape[1])]
        xml = stream_xml(f"{name}-{label}", "Label", columns, session.rate_hz, "float32")
        writer.header(3 + index, xml, "float32", len(columns))


def _select_neural(streams: list[XdfStream], name: str | None, path: Path | str) -> XdfStream:
    """Select the neural stream."""
    numeric = [found for found in streams if found.fmt != "string"]
    neural = [found for found in numeric if found.type.lower() in map(str.lower, NEURAL_TYPES)]
    if name is not None:
        neural = [found for found in numeric if found.name == name]
    present = ", ".join(f"'{found.name}' ({found.type or 'no type'})" for found in streams) or "none"
    if not neural:
        wanted = f"stream '{name}'" if name is not None else f"neural stream (type {', '.join(NEURAL_TYPES)})"
        raise BadRecording(f"{path} has no {wanted}; its streams: {present}.")
    if len({found.name for found in neural}) == 1 < len(neural):
        neural.sort(key=lambda found: -len(found.stamps))
        log.warning(
            "%s has %d neural streams named '%s', as its sender changed; the longest one is used.",
            path,
            len(neural),
            neural[0].name,
        )
        neural = neural[:1]
    if len(neural) > 1:
        raise AmbiguousStream(
            f"{path} has {len(neural)} neural streams; select one with --stream NAME: {present}."
        )
    if not len(neural[0].stamps):
        raise BadRecording(f"the neural stream '{neural[0].name}' of {path} holds no samples.")
    return neural[0]


def _kind(type_: str) -> Kind:
    """Return the kind of a neural stream of this LSL type."""
    kinds = {lsl_type.lower(): kind for kind, lsl_type in LSL_TYPES.items()}
    return kinds.get(type_.lower(), Kind.OTHER)


def _stamp_rate(neural: XdfStream) -> float:
    """Return recorded seconds per second of timestamps: 1, except for a recorded replay at another speed."""
    return number_fact(neural.facts, "stamp_rate", 1.0, 1 / MAX_STAMP_RATE, MAX_STAMP_RATE, neural.name)


def _add_boundaries(segment: NDArray[np.int32], starts: str) -> NDArray[np.int32]:
    """Add the segment boundaries that a file lists to those derived from its timestamps."""
    boundary = np.diff(segment, prepend=segment[:1]) > 0
    boundary[_indices(starts, len(segment))] = True
    boundary[:1] = False
    return np.cumsum(boundary).astype(np.int32)


def _indices(text: str, n: int) -> NDArray[np.intp]:
    """Parse a list of indices; those of n or more lie beyond a truncated file's end and are dropped."""
    if not all(word.isdecimal() and len(word) < 18 for word in text.split()):
        raise BadRecording(f"the recording's list of segment boundaries is invalid: {text[:80]!r}.")
    numbers = np.array([int(word) for word in text.split()], np.intp)
    return numbers[numbers < n]


def _stimulus_at_samples(
    stimulus: XdfStream | None, neural: XdfStream
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return frame and repeat at each neural sample."""
    n_samples = len(neural.stamps)
    if stimulus is None or not len(stimulus.stamps):
        return np.full(n_samples, NO_FRAME, np.int32), np.full(n_samples, NO_FRAME, np.int32)
    events = stimulus_events(stimulus.samples)
    if events.shape[1] == 1:
        events = np.stack([events[:, 0], repeats_from_frames(events[:, 0])], 1)
    stamps = _on_clock_of(neural, stimulus)
    first_samples = _indices(neural.facts.get("segment_starts", ""), n_samples)
    first_events = _indices(stimulus.facts.get("segment_events", ""), len(events))
    if not len(first_events):
        first_samples = first_samples[:0]
    if len(first_samples) > len(first_events):
        raise BadRecording(
            f"'{stimulus.name}' lists {len(first_events)} segments, but '{neural.name}' {len(first_samples)}."
        )
    sample_edges = [0, *first_samples.tolist(), n_samples]
    event_edges = [0, *first_events[: len(first_samples)].tolist(), len(events)]
    frames, repeats = [], []
    for part in range(len(sample_edges) - 1):
        inside = slice(event_edges[part], event_edges[part + 1])
        at = neural.stamps[sample_edges[part] : sample_edges[part + 1]]
        if np.any(np.diff(stamps[inside]) < 0):
            log.warning("the timestamps of '%s' go back; the stimulus is unknown there", stimulus.name)
            inside = slice(0, 0)
        frame, repeat = frames_at(stamps[inside], events[inside, :2], at, neural.rate_hz)
        frames.append(frame)
        repeats.append(repeat)
    return np.concatenate(frames), np.concatenate(repeats)


def _label(label: XdfStream, neural: XdfStream) -> NDArray[np.float32]:
    """Return a continuous label at each neural sample, float32 [time, k]."""
    values = np.asarray(label.samples, np.float32)
    if np.array_equal(label.stamps, neural.stamps):
        return values
    stamps, first = np.unique(_on_clock_of(neural, label), return_index=True)
    return sample_at(stamps, values[first], neural.stamps)


def _on_clock_of(neural: XdfStream, other: XdfStream) -> NDArray[np.float64]:
    """Convert another stream's timestamps to the clock of the neural stream, whose own are not changed."""
    same_host = neural.hostname == other.hostname
    if same_host or not len(neural.clock_times) or not len(other.clock_times):
        return other.stamps
    if np.any(np.diff(neural.clock_times) <= 0) or np.any(np.diff(other.clock_times) <= 0):
        log.warning("a clock was reset while '%s' was recorded; its timestamps are not corrected", other.name)
        return other.stamps
    recorder_stamps = other.stamps + np.interp(other.stamps, other.clock_times, other.clock_offsets)
    recorder_times = neural.clock_times + neural.clock_offsets
    if np.any(np.diff(recorder_times) <= 0):
        return other.stamps
    offsets = np.interp(recorder_stamps, recorder_times, neural.clock_offsets)
    aligned: NDArray[np.float64] = recorder_stamps - offsets
    return aligned


def _fits_int16(neural: NDArray[np.float32]) -> bool:
    """Return whether int16 holds every sample exactly (it cannot hold -0.0)."""
    in_range = np.isfinite(neural).all() and (np.abs(neural) <= 32767).all()
    whole = in_range and (neural == np.rint(neural)).all()
    return bool(whole and not np.signbit(neural[neural == 0]).any())
