"""Reads and writes sessions as XDF.

The neural stream has one of `stream.lsl.outlet.NEURAL_TYPES`, the stimulus is in ``<name>-stimulus`` (one event per
change), continuous labels are in ``<name>-<label>``: the streams that a replay sends, and that a rig can send.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.spike_event_inlet import SPIKE_EVENTS
from stream.acquisition.stimulus_track import changes
from stream.binning import sample_at
from stream.errors import AmbiguousStream, BadRecording, ShapeMismatch
from stream.io.arrays import as_float32
from stream.io.stamp_checks import check_stamps, refuse_other_units
from stream.io.xdf_clock import on_one_clock
from stream.io.xdf_join import join_restarted
from stream.io.xdf_query import select
from stream.io.xdf_reader import XdfStream, read_xdf_with_losses
from stream.io.xdf_screen import screen
from stream.io.xdf_stimulus import select_stimulus, stimulus_at_samples
from stream.io.xdf_writer import XdfWriter, stream_xml
from stream.lsl.outlet import LSL_TYPES, NEURAL_TYPES, UNITS
from stream.movie_metadata import movie_facts, movie_from_facts
from stream.output_files import replacing
from stream.sample_counter import counter_channel, without
from stream.session import NO_FRAME, SIMULATED, Kind, Session, segments_from_stamps
from stream.stream_facts import MAX_STAMP_RATE, number_fact
from stream.timestamps import judge_stamps, warn_uneven

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
            writer.footer(2, float(onsets[0]), ends[1], len(onsets))  # the last event lasts until then
            for index in range(len(session.labels)):
                writer.footer(3 + index, *ends, session.n_samples)


def load_xdf(path: Path | str, *, stream: str | None = None, stimulus: str | None = None) -> Session:
    """Read a session from an XDF file; damaged parts are left out, with a warning in the log.

    Parameters
    ----------
    path
        File to read.
    stream
        Name or condition of the neural stream, such as ``name='EEG' and hostname='pc-b'``; None for the only one.
    stimulus
        Name or condition of the stimulus stream; None for ``<name>-stimulus``.

    Returns
    -------
    session
        The recording; its ``losses`` list what was damaged.

    Raises
    ------
    BadRecording
        If the file is not XDF, has no neural stream with samples, or its stimulus was at another time.
    AmbiguousStream
        If it has several neural or stimulus streams and none was selected; the message lists them.
    """
    found, file_losses, cut = read_xdf_with_losses(path)
    losses = [f"{path} {loss}" for loss in file_losses]
    for problem in [*file_losses, *cut]:
        log.warning("%s %s", path, problem)
    streams = join_restarted(found)
    neural = _select_neural(streams, stream, path)
    try:
        session = _session(streams, neural, stimulus, losses, Path(path).stem)
        return replace(session, losses=tuple(losses))
    except (BadRecording, ShapeMismatch, AmbiguousStream) as error:
        raise type(error)(f"{path}: {error}") from error


def _session(
    streams: list[XdfStream], neural: XdfStream, stimulus_query: str | None, losses: list[str], stem: str
) -> Session:
    """Build the session of a neural stream; ``stem`` is its name if it has none."""
    scale = _stamp_rate(neural)
    keep = neural.valid
    if not keep.all():
        losses.append(
            f"{np.sum(~keep)} of {len(keep)} timestamps of '{neural.name}' are not valid numbers of seconds; these "
            "samples are left out"
        )
        log.warning("%s", losses[-1])
    starts = _indices(neural.facts.get("segment_starts", ""), len(keep))
    kept_starts = np.cumsum(np.r_[0, keep])[starts]
    kept_starts = kept_starts[kept_starts < np.count_nonzero(keep)]
    stamps = neural.stamps[keep]
    rate_hz, note = check_stamps(stamps * scale, neural.rate_hz / scale, starts=kept_starts)
    if note:
        log.warning("'%s': %s", neural.name, note)
    samples, labels, counts = _split_counter(neural)
    if len(starts):  # segments as they were when it was saved; live, they are not known
        judged = judge_stamps(stamps, rate_hz * scale, kept_starts)
        warn_uneven(judged, neural.name)
        found_times, segment = judged.times, judged.segment
    else:
        rows = None if counts is None else counts[keep]
        screened = screen(samples[keep], stamps, rows, rate_hz * scale, neural.name)
        found_times, segment = screened.times, screened.segment
        index = np.flatnonzero(keep)[screened.kept]
        keep = np.zeros_like(keep)
        keep[index] = True
    times = neural.stamps.copy()
    times[keep] = found_times
    neural = replace(neural, stamps=times)
    stimulus = select_stimulus(streams, neural, stimulus_query)
    frame = repeat = np.full(len(keep), NO_FRAME, np.int32)
    if stimulus is not None:
        events = _indices(stimulus.stream.facts.get("segment_events", ""), len(stimulus.events))
        if len(events) and len(starts) > len(events):
            raise BadRecording(
                f"'{stimulus.stream.name}' lists {len(events)} segments, but '{neural.name}' {len(starts)}."
            )
        sample_starts = starts.tolist() if len(events) else []
        frame, repeat = stimulus_at_samples(
            stimulus, rate_hz * scale, sample_starts, events[: len(sample_starts)].tolist()
        )
    label_streams = [
        found
        for found in streams
        if found.type == "Label" and found.fmt != "string" and found.name.startswith(f"{neural.name}-")
    ]
    label_streams.sort(key=lambda found: len(found.stamps))  # of two with one name, the longer one is used
    return Session(
        neural=as_float32(samples, f"'{neural.name}'")[keep],
        stamps=found_times * scale if scale != 1 else found_times,
        frame=frame[keep],
        repeat=repeat[keep],
        segment=segment,
        channel_names=labels,
        kind=_kind(neural.type),
        rate_hz=rate_hz,
        labels={
            found.name.removeprefix(f"{neural.name}-"): _label(found, neural)[keep] for found in label_streams
        },
        movie=movie_from_facts(stimulus.stream.facts) if stimulus is not None else None,
        name=neural.name or stem,
        simulated=neural.facts.get("mode") == SIMULATED,
    )


def _write_headers(writer: XdfWriter, session: Session, fmt: str, event_samples: NDArray[np.intp]) -> None:
    """Write the stream headers: 1 neural, 2 stimulus, labels from 3."""
    starts = np.flatnonzero(np.diff(session.segment)) + 1
    facts: dict[str, object] = {"mode": SIMULATED if session.simulated else "recording", "stamp_rate": 1}
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


def _select_neural(streams: list[XdfStream], query: str | None, path: Path | str) -> XdfStream:
    """Select the neural stream."""
    numeric = [found for found in streams if found.fmt != "string"]
    neural = [found for found in numeric if found.type.lower() in map(str.lower, NEURAL_TYPES)]
    if query is not None:
        neural = select(numeric, query)
    present = "".join(f"\n  {found}" for found in streams) or " none"
    events = [found.name for found in neural or numeric if found.type == SPIKE_EVENTS]
    if events:
        raise BadRecording(
            f"{path}: '{events[0]}' holds spike events, a unit number at the time of each spike in seconds, but a "
            "recording holds counts. Count the spikes with 'neuroreel.bin_spikes', and save the counts as npz."
        )
    if not neural:
        wanted = (
            f"stream {query!r}" if query is not None else f"neural stream (type {', '.join(NEURAL_TYPES)})"
        )
        raise BadRecording(f"{path} has no {wanted}; its streams:{present}")
    filled = [found for found in neural if found.valid.any()]
    if not filled:
        try:
            refuse_other_units(neural[0].stamps, neural[0].rate_hz)
        except BadRecording as error:
            raise BadRecording(f"{path}: '{neural[0].name}': {error}") from error
        raise BadRecording(
            f"the neural stream '{neural[0].name}' of {path} holds no samples with valid timestamps."
        )
    filled.sort(key=lambda found: -len(found.stamps))
    if len({found.name for found in filled}) == 1 < len(filled) and not _overlap(filled):
        log.warning(
            "%s has %d neural streams named '%s', as its sender changed; the longest one is used.",
            path,
            len(filled),
            filled[0].name,
        )
        filled = filled[:1]
    if len(filled) > 1:
        raise AmbiguousStream(
            f"{path} has {len(filled)} neural streams; select one with --stream NAME, or with a condition such as "
            f"--stream \"name='{filled[0].name}' and hostname='{filled[0].hostname}'\":{present}"
        )
    return filled[0]


def _overlap(streams: list[XdfStream]) -> bool:
    """Return whether any two streams were recorded at the same time."""
    ordered = sorted(found.extent for found in streams)
    return any(after[0] <= before[1] for before, after in itertools.pairwise(ordered))


def _kind(type_: str) -> Kind:
    """Return the kind of a neural stream of this LSL type."""
    kinds = {lsl_type.lower(): kind for kind, lsl_type in LSL_TYPES.items()}
    return kinds.get(type_.lower(), Kind.OTHER)


def _stamp_rate(neural: XdfStream) -> float:
    """Return recorded seconds per second of timestamps: 1, except for a recorded replay at another speed."""
    return number_fact(neural.facts, "stamp_rate", 1.0, 1 / MAX_STAMP_RATE, MAX_STAMP_RATE, neural.name)


def _indices(text: str, n: int) -> NDArray[np.intp]:
    """Parse a list of indices; those of n or more lie beyond a truncated file's end and are dropped."""
    if not all(word.isdecimal() and len(word) < 18 for word in text.split()):
        raise BadRecording(f"the recording's list of segment boundaries is invalid: {text[:80]!r}.")
    numbers = np.array([int(word) for word in text.split()], np.intp)
    return numbers[numbers < n]


def _split_counter(
    neural: XdfStream,
) -> tuple[NDArray[np.generic], tuple[str, ...], NDArray[np.generic] | None]:
    """Samples and labels of a neural stream, and apart from them the channel that counts its samples, if any."""
    counter = counter_channel(neural.labels, neural.facts)
    samples = np.asarray(neural.samples)
    if counter is None:
        return samples, neural.labels, None
    return np.delete(samples, counter, axis=1), without(neural.labels, counter), samples[:, counter]


def _label(label: XdfStream, neural: XdfStream) -> NDArray[np.float32]:
    """Return a continuous label at each neural sample, float32 [time, k]; NaN where it is unknown."""
    values = np.asarray(label.samples, np.float32)
    if np.array_equal(label.stamps, neural.stamps, equal_nan=True):
        return values
    neural_stamps, stamps = on_one_clock(neural, label)
    stamps, first = np.unique(stamps[label.valid], return_index=True)
    sampled = sample_at(stamps, values[label.valid][first], neural_stamps)
    if len(sampled) and np.isnan(sampled).all() and not np.isnan(values).all():
        log.warning("the label '%s' does not overlap '%s' in time; it is unknown", label.name, neural.name)
    return sampled


def _fits_int16(neural: NDArray[np.float32]) -> bool:
    """Return whether int16 holds every sample exactly (it cannot hold -0.0)."""
    in_range = np.isfinite(neural).all() and (np.abs(neural) <= 32767).all()
    whole = in_range and (neural == np.rint(neural)).all()
    return bool(whole and not np.signbit(neural[neural == 0]).any())
