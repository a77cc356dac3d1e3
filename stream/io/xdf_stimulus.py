"""The stimulus of an XDF file: which stream it is, and its frame and repeat at each neural sample."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.acquisition.stimulus_track import beyond_int32, frames_at, stimulus_events
from stream.errors import AmbiguousStream, BadRecording
from stream.io.stamp_checks import UNITS
from stream.io.xdf_clock import few_dropped, in_order, on_one_clock
from stream.io.xdf_query import select
from stream.io.xdf_reader import XdfStream
from stream.session import NO_FRAME, repeats_from_frames

log = logging.getLogger(__name__)

MAX_LAST_S = 10.0
"""How long the only event of a stream lasts if nothing in the file says when the stream ended, in seconds."""

_LONG_S, _LONG_RATIO = (
    30.0,
    100.0,
)  # a frame on screen for longer than both, in s and in usual durations, is reported
_SHARE = 0.01  # of the time that two streams have in common, if only their units differ
_ROUNDING_S = 1e-6  # a sample at the very end of an event belongs to it


@dataclass(frozen=True, slots=True, eq=False)
class AlignedStimulus:
    """A stimulus stream on one clock with the neural stream.

    Attributes
    ----------
    stream
        The stream.
    events
        Frame and repeat, int32 [events, 2].
    stamps, ends
        Timestamp of each event and the latest time at which it ends, float64 [events], in seconds.
    neural_stamps
        Timestamps of the neural samples on the same clock, float64 [time], in seconds.
    """

    stream: XdfStream
    events: NDArray[np.int32]
    stamps: NDArray[np.float64]
    ends: NDArray[np.float64]
    neural_stamps: NDArray[np.float64]

    @property
    def extent(self) -> tuple[float, float]:
        """Begin of the first and end of the last event, in seconds."""
        valid = self.stream.valid
        last = np.where(np.isfinite(self.ends), self.ends, self.stamps)[valid].max()
        return float(self.stamps[valid].min()), float(last)

    @property
    def overlaps(self) -> bool:
        """Whether any event lasts during the neural recording."""
        first, last = self.extent
        return bool(first <= np.nanmax(self.neural_stamps) and last >= np.nanmin(self.neural_stamps))


def select_stimulus(
    streams: Sequence[XdfStream], neural: XdfStream, query: str | None
) -> AlignedStimulus | None:
    """Select the stimulus stream that overlaps the neural one in time.

    Parameters
    ----------
    streams
        Streams of the file.
    neural
        The neural stream.
    query
        Name or condition of the stimulus stream; None for ``<name>-stimulus``.

    Returns
    -------
    stimulus
        None if the file holds no such stream, or only empty ones.

    Raises
    ------
    BadRecording
        If no stream matches ``query``, or none overlaps the neural one.
    AmbiguousStream
        If several do.
    """
    numeric = [stream for stream in streams if stream.fmt != "string" and stream is not neural]
    named = select(numeric, f"{neural.name}-stimulus" if query is None else query)
    listed = "".join(f"\n  {stream}" for stream in numeric) or " none"
    if query is not None and not named:
        raise BadRecording(f"no stream of numbers matches --stimulus {query!r}; there are:{listed}")
    filled = [stream for stream in named if stream.valid.any()]
    if not filled:
        others = [stream for stream in numeric if stream.type == "Stimulus" and stream.valid.any()]
        texts = [stream for stream in streams if stream.name == f"{neural.name}-stimulus"]
        if texts or others:
            what = f"there is no '{neural.name}-stimulus'"
            if texts:
                what = f"'{texts[0].name}' " + ("is empty" if named else "is text, but frames are numbers")
            hint = "".join(f"\n  {stream}" for stream in others)
            remedy = f"; 'neuroreel convert --stimulus NAME' chooses another:{hint}" if others else ""
            log.warning("the stimulus of '%s' is unknown: %s%s", neural.name, what, remedy)
        return None
    aligned = [_align(stream, neural) for stream in filled]
    overlapping = [stimulus for stimulus in aligned if stimulus.overlaps]
    if len(overlapping) > 1:
        listed = "".join(f"\n  {stimulus.stream}" for stimulus in overlapping)
        raise AmbiguousStream(
            f"{len(overlapping)} stimulus streams overlap '{neural.name}' in time; choose one with 'neuroreel convert "
            f"--stimulus NAME', for example --stimulus \"name='...' and hostname='...'\":{listed}"
        )
    if not overlapping:
        raise BadRecording(_no_overlap(aligned, neural.name, numeric))
    return overlapping[0]


def _no_overlap(aligned: Sequence[AlignedStimulus], neural: str, numeric: Sequence[XdfStream]) -> str:
    """Explain that no stimulus overlaps the neural recording."""
    at = np.nanmin(aligned[0].neural_stamps), np.nanmax(aligned[0].neural_stamps)
    ranges = [
        f"'{one.stream.name}' has events from {one.extent[0]:.3f} to {one.extent[1]:.3f} s, but the "
        f"neural samples are from {np.nanmin(one.neural_stamps):.3f} to {np.nanmax(one.neural_stamps):.3f} s"
        for one in aligned
    ]
    others = [stream for stream in numeric if all(stream is not one.stream for one in aligned)]
    listed = "".join(f"\n  {stream}" for stream in others) or " none"
    pairs = [(one.stream.name, one.extent, at) for one in aligned] + [
        (neural, at, one.extent) for one in aligned
    ]
    units = "".join(
        f" The timestamps of '{name}' seem to be in {unit}; timestamps are in seconds."
        for name, (first, last), (begin, end) in pairs
        for factor, unit in UNITS.items()
        if first / factor <= end
        and last / factor >= begin
        and (last - first) / factor > _SHARE * (end - begin)
    )
    return (
        f"the stimulus does not overlap the neural recording in time: {'; '.join(ranges)}.{units} Check the clocks and "
        f"clock offsets, or choose another stream with 'neuroreel convert --stimulus NAME'; there are:{listed}"
    )


def stimulus_at_samples(
    stimulus: AlignedStimulus, rate_hz: float, segment_starts: Sequence[int], segment_events: Sequence[int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return frame and repeat at each neural sample.

    Parameters
    ----------
    stimulus
        The stimulus.
    rate_hz
        Rate of the neural stream in Hz, by its timestamps; 0 for irregular streams.
    segment_starts, segment_events
        First sample and first event of each segment after the first, if the file lists them.

    Returns
    -------
    frame, repeat
        Int32 [time]; -1 where nothing was shown or it is unknown.
    """
    sample_edges = [0, *segment_starts, len(stimulus.neural_stamps)]
    event_edges = [0, *segment_events, len(stimulus.events)]
    frames, repeats = [], []
    for part in range(len(sample_edges) - 1):
        stamps, events = _known_events(stimulus, slice(event_edges[part], event_edges[part + 1]))
        at = stimulus.neural_stamps[sample_edges[part] : sample_edges[part + 1]]
        frame, repeat = frames_at(stamps, events, at, rate_hz)
        frames.append(frame)
        repeats.append(repeat)
    return np.concatenate(frames), np.concatenate(repeats)


def _known_events(stimulus: AlignedStimulus, inside: slice) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the events of a segment in order, with a blank where an event ends or its timestamp is wrong."""
    stamps, ends, events = stimulus.stamps[inside], stimulus.ends[inside], stimulus.events[inside]
    keep = stimulus.stream.valid[inside].copy()
    ordered = in_order(stamps[keep])
    keep[keep] = ordered
    n_wrong = int(np.sum(~keep))
    if not few_dropped(ordered):
        log.warning("the timestamps of '%s' go back; the stimulus is unknown there", stimulus.stream.name)
        return stamps[:0], events[:0]
    if n_wrong:
        log.warning(
            "%d of %d timestamps of '%s' are invalid or out of order; the stimulus is unknown from these events to the "
            "next",
            n_wrong,
            len(keep),
            stimulus.stream.name,
        )
    index = np.flatnonzero(keep)
    if not len(index):
        return stamps[:0], events[:0]
    known = stamps[index]
    following = np.r_[known[1:], np.inf]
    usual = float(np.median(np.diff(known) / np.diff(index))) if len(known) > 1 else 0.0
    lost_after = np.diff(index, append=len(keep)) > 1  # an event with a wrong timestamp follows
    stop = np.minimum(ends[index], np.where(lost_after, known + usual, np.inf))
    _warn_of_long_events(stimulus, known, np.minimum(stop, following), events[index, 0])
    blank = stop < following
    all_stamps = np.r_[known, stop[blank]]
    all_events = np.concatenate([events[index], np.full((int(blank.sum()), 2), NO_FRAME, np.int32)])
    order = np.argsort(all_stamps, kind="stable")
    return all_stamps[order], all_events[order]


def _warn_of_long_events(
    stimulus: AlignedStimulus,
    begin: NDArray[np.float64],
    end: NDArray[np.float64],
    frame: NDArray[np.int32],
) -> None:
    """Warn of a frame that seems to stay on screen very long: the stimulus' clock may have jumped."""
    first, last = np.nanmin(stimulus.neural_stamps), np.nanmax(stimulus.neural_stamps)
    shown_s = np.clip(end, first, last) - np.clip(begin, first, last)
    shown_s[frame < 0] = 0.0
    longest = int(np.argmax(shown_s))
    usual_s = float(np.median(end - begin))
    if shown_s[longest] > max(_LONG_S, _LONG_RATIO * usual_s):
        log.warning(
            "'%s' says that frame %d was shown for %.1f s from %.3f s on, but its events usually last %.3g s. If that "
            "is wrong, its clock jumped or events are missing.",
            stimulus.stream.name,
            frame[longest],
            shown_s[longest],
            begin[longest],
            usual_s,
        )


def _align(stream: XdfStream, neural: XdfStream) -> AlignedStimulus:
    """Bring a stimulus stream onto one clock with the neural stream."""
    neural_stamps, stamps = on_one_clock(neural, stream)
    events = stimulus_events(stream.samples)
    n_wrong = int(np.count_nonzero(beyond_int32(stream.samples)[:, 0]))
    if n_wrong:
        log.warning(
            "%d of %d events of '%s' have numbers that can be no frames (over %d); the stimulus is unknown there",
            n_wrong,
            len(events),
            stream.name,
            np.iinfo(np.int32).max,
        )
    if events.shape[1] == 1:
        events = np.stack([events[:, 0], repeats_from_frames(events[:, 0])], 1)
    events = events[:, :2]
    ends = np.full(len(stamps), np.inf)
    at = 0
    for part in stream.parts or (stream,):
        inside = slice(at, at + len(part.stamps))
        at = inside.stop
        if part.valid.any():
            lasts_s = _last_event_s(part, events[inside, 0])
            last = inside.start + int(np.flatnonzero(part.valid)[-1])
            ends[last] = stamps[last] + lasts_s + _ROUNDING_S
    return AlignedStimulus(stream, events, stamps, ends, np.where(neural.valid, neural_stamps, np.nan))


def _last_event_s(stream: XdfStream, frame: NDArray[np.int32]) -> float:
    """Return how long the last event lasts at most, in seconds: until its stream ends, else as long as others did.

    The end of a stream is stated in its footer, or the clock offsets tell: they are measured while it is there.
    """
    stamps = stream.stamps[stream.valid]
    last = float(stamps[-1])
    if np.isfinite(stream.stated_end) and stream.stated_end > last:
        return stream.stated_end - last
    times = stream.clock_times
    if len(times):
        interval = float(np.clip(np.median(np.diff(times)), 0, MAX_LAST_S)) if len(times) > 1 else MAX_LAST_S
        if times[-1] + interval > last:
            return float(times[-1]) + interval - last
    steps = np.diff(stamps)
    shown = steps[(frame[stream.valid][:-1] >= 0) & (steps > 0)]
    return float(shown.max()) if len(shown) else MAX_LAST_S
