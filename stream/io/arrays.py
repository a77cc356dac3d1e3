"""Converts sessions to and from named arrays, the layout of npz, HDF5, MATLAB and CSV files.

Required: ``neural`` [time, channels], ``stamps`` [time], ``frame`` [time]. Optional: ``repeat`` and ``segment`` [time],
``channel_names``, ``kind``, ``rate_hz``, ``name``, ``simulated`` (1 if so), ``movie`` (pictures, uint8),
``movie_rate_hz``, ``movie_clips`` (JSON), ``label_<name>`` [time, k].
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, ShapeMismatch
from stream.io.stamp_checks import check_stamps, refuse_other_units
from stream.movie import Clip, Movie, one_clip
from stream.movie_metadata import clips_from_json, clips_to_json
from stream.session import MAX_SECONDS, NO_FRAME, Kind, Session, repeats_from_frames
from stream.timestamps import judge_stamps, warn_of_steps_back, warn_uneven

log = logging.getLogger(__name__)

REQUIRED = ("neural", "stamps", "frame")
"""Names of the arrays that every file must hold."""

STRINGS = ("kind", "name", "movie_clips")
"""Names of the arrays that hold one string."""

NUMBERS = ("rate_hz", "movie_rate_hz", "simulated")
"""Names of the arrays that hold one number."""

_LISTS = ("stamps", "frame", "repeat", "segment", "channel_names")
_OPTIONAL = ("repeat", "segment", "channel_names", "movie", *STRINGS, *NUMBERS)
_LABEL = "label_"
_LARGEST_WHOLE = 1 << 24  # up to which float32 holds every whole number
_REGULAR = 0.1  # regular sampling: the median deviation of the steps is below this share of a period


@dataclass(frozen=True, slots=True)
class FileContents:
    """What a reader found in a file.

    Attributes
    ----------
    arrays
        Arrays by the names of `stream.io.arrays`.
    notes
        Remarks for the user, for example that an array was transposed.
    large
        Shape of ``neural`` and its parts in order, float32, when it is too large to be loaded; None otherwise.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    large: tuple[tuple[int, ...], Iterator[NDArray[np.float32]]] | None = None


def is_session_array(name: str) -> bool:
    """Return whether a session can hold an array of this name; other arrays are never read.

    Parameters
    ----------
    name
        Name of an array in a file.
    """
    return name in REQUIRED or name in _OPTIONAL or name.startswith(_LABEL)


def require_arrays(names: Collection[str]) -> None:
    """Check that a file holds the arrays of `REQUIRED`; ``frame`` may be left out if there is a label.

    Parameters
    ----------
    names
        Names of the arrays in the file.

    Raises
    ------
    BadRecording
        If an array is missing; the message lists those present.
    """
    labelled = any(name.startswith(_LABEL) for name in names)
    missing = [name for name in REQUIRED if name not in names and not (name == "frame" and labelled)]
    if missing:
        present = ", ".join(sorted(names)) or "nothing"
        raise BadRecording(f"it lacks {', '.join(map(repr, missing))}; it holds {present}.")


def session_to_arrays(session: Session) -> dict[str, Any]:
    """Convert a session to named arrays; ``neural`` is not copied.

    Parameters
    ----------
    session
        Recording to convert; the movie's pictures are included if present.
    """
    arrays: dict[str, Any] = {
        "neural": session.neural,
        "stamps": session.stamps,
        "frame": session.frame,
        "repeat": session.repeat,
        "segment": session.segment,
        "channel_names": np.array(session.channel_names, np.str_),
        "kind": np.array(str(session.kind)),
        "rate_hz": np.array(session.rate_hz),
        "name": np.array(session.name),
    }
    if session.simulated:
        arrays["simulated"] = np.array(1)
    if session.movie is not None:
        arrays["movie_rate_hz"] = np.array(session.movie.rate_hz)
        arrays["movie_clips"] = np.array(clips_to_json(session.movie))
        if session.movie.frames is not None:
            arrays["movie"] = session.movie.frames
    return arrays | {f"{_LABEL}{name}": label for name, label in session.labels.items()}


def orient_time_first(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Bring arrays from MATLAB-like software, where everything is a matrix, into the layout [time, channels].

    Parameters
    ----------
    arrays
        Arrays by name, changed in place: scalars and lists lose axes of length 1; a matrix is transposed if only
        its second axis has the length of ``stamps``.

    Returns
    -------
    notes
        One sentence per transposed array.
    """
    notes = []
    for name, array in arrays.items():
        if name in (*NUMBERS, *STRINGS) and array.size == 1:
            arrays[name] = array.reshape(())
        elif name in _LISTS and array.ndim == 2 and 1 in array.shape:
            arrays[name] = array.reshape(-1)
    n_samples = len(arrays["stamps"]) if "stamps" in arrays and arrays["stamps"].ndim == 1 else -1
    for name, array in arrays.items():
        is_matrix = (name == "neural" or name.startswith(_LABEL)) and array.ndim == 2
        if is_matrix and array.shape[0] != n_samples and array.shape[1] == n_samples:
            arrays[name] = array.T
            notes.append(
                f"'{name}' had shape {list(array.shape)} for {n_samples} timestamps and was transposed"
            )
    return notes


def session_from_arrays(arrays: Mapping[str, NDArray[Any]], name: str) -> Session:
    """Build a session from the arrays of a file, checking each of them.

    Parameters
    ----------
    arrays
        Arrays by name; see the module's description.
    name
        Name of the neural stream if ``arrays`` hold none.

    Raises
    ------
    BadRecording
        If an array is missing or holds invalid values.
    ShapeMismatch
        If the shapes of two arrays do not fit together.
    """
    require_arrays(arrays)
    one_channel = arrays["neural"].ndim == 1
    neural = as_float32(_numbers(arrays, "neural", 1 if one_channel else 2), name)
    neural = neural[:, None] if one_channel else neural
    stamps = np.asarray(_numbers(arrays, "stamps", 1), np.float64)
    if len(neural) != len(stamps):
        hint = " Transpose it to [time, channels]." if neural.shape[1] == len(stamps) else ""
        raise ShapeMismatch(
            f"'stamps' has {len(stamps)} entries, but 'neural' has {len(neural)} samples.{hint}"
        )
    if not len(stamps):
        raise BadRecording("'stamps' is empty: the recording has no samples.")
    valid, stored_hz = np.abs(stamps) < MAX_SECONDS, _sampling_rate(arrays, stamps)
    if not valid.all():
        refuse_other_units(stamps, stored_hz if "rate_hz" in arrays else 0.0)
        raise BadRecording(
            f"'stamps' must be finite numbers of seconds; {np.sum(~valid)} of {len(stamps)} are not. Leave these "
            "samples out."
        )
    frame = _integers(arrays, "frame") if "frame" in arrays else np.full(len(stamps), NO_FRAME, np.int32)
    starts = _segment_starts(_integers(arrays, "segment"), len(stamps)) if "segment" in arrays else None
    rate_hz, note = check_stamps(stamps, stored_hz, stated="rate_hz" in arrays, starts=starts)
    if note:
        log.warning("%s: %s", name, note)
    judged = judge_stamps(stamps, rate_hz, starts)
    warn_uneven(judged, _string(arrays, "name", name))
    if starts is None:
        warn_of_steps_back(stamps, judged.segment, _string(arrays, "name", name))
    names = arrays.get("channel_names")
    return Session(
        neural=neural,
        stamps=judged.times,
        frame=frame,
        repeat=_integers(arrays, "repeat") if "repeat" in arrays else repeats_from_frames(frame),
        segment=judged.segment,
        channel_names=tuple(f"ch{index}" for index in range(neural.shape[1]))
        if names is None
        else _strings(names),
        kind=_kind(_string(arrays, "kind", Kind.OTHER)),
        rate_hz=rate_hz,
        labels={
            name.removeprefix(_LABEL): _label(arrays, name) for name in arrays if name.startswith(_LABEL)
        },
        movie=_movie(arrays, int(frame.max(initial=-1)) + 1),
        name=_string(arrays, "name", name) or name,
        simulated=_flag(arrays, "simulated"),
    )


def as_float32(values: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Convert activity to the precision of a session, and warn where that changes it.

    Parameters
    ----------
    values
        Numbers as stored.
    name
        Name for the warning.
    """
    with np.errstate(over="ignore"):
        out = np.asarray(values, np.float32)
    if values.dtype.kind in "iu" and values.dtype.itemsize > 2:
        changed = (np.abs(out) > _LARGEST_WHOLE) & (out.astype(np.float64) != values)
    elif values.dtype.kind == "f" and values.dtype.itemsize > 4:
        changed = np.isinf(out) & np.isfinite(values)
    else:
        return out
    if changed.any():
        log.warning(
            "%s: %d values are too large for 32-bit numbers and were rounded, the first from %s to %s. Subtract an "
            "offset, or scale the data, before they are stored.",
            name,
            changed.sum(),
            values[changed][0],
            out[changed][0],
        )
    return out


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, n_axes: int) -> NDArray[Any]:
    """Return an array after checking that it is numeric and has ``n_axes`` axes."""
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise BadRecording(f"'{name}' must hold numbers, got {array.dtype}.")
    if array.ndim != n_axes:
        raise ShapeMismatch(f"'{name}' must have {n_axes} axes, got shape {array.shape}.")
    return array


def _number(arrays: Mapping[str, NDArray[Any]], name: str) -> float:
    """Return an array that holds a single number."""
    array = _numbers(arrays, name, arrays[name].ndim)
    if array.size != 1:
        raise ShapeMismatch(f"'{name}' must be one number, got shape {array.shape}.")
    return float(array.item())


def _integers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.int32]:
    """Return an array [time] as int32."""
    array = _numbers(arrays, name, 1)
    bounds = np.iinfo(np.int32)
    with np.errstate(invalid="ignore"):
        integers = np.rint(array) if array.dtype.kind == "f" else array
        valid = (integers == array) & (array >= bounds.min) & (array <= bounds.max)
        if not valid.all():
            raise BadRecording(f"'{name}' must hold whole numbers (-1 = none), got {array[~valid][0]}.")
    return integers.astype(np.int32)


def _label(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """Return a continuous label as float32 [time, k]."""
    array = _numbers(arrays, name, arrays[name].ndim if arrays[name].ndim in (1, 2) else 2)
    with np.errstate(over="ignore"):
        return np.asarray(array[:, None] if array.ndim == 1 else array, np.float32)


def _strings(array: NDArray[Any]) -> tuple[str, ...]:
    """Return an array of strings as a tuple."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise BadRecording(
            f"'channel_names' must be a list of strings, got {array.dtype} of shape {array.shape}."
        )
    return tuple(str(name) for name in array.astype(np.str_))


def _string(arrays: Mapping[str, NDArray[Any]], name: str, default: str) -> str:
    """Return a single string, or ``default`` if the array is missing."""
    if name not in arrays:
        return default
    array = arrays[name]
    if array.dtype.kind not in "US" or array.size != 1:
        raise BadRecording(f"'{name}' must be one string, got {array.dtype} of shape {array.shape}.")
    return str(array.astype(np.str_).ravel()[0])


def _flag(arrays: Mapping[str, NDArray[Any]], name: str) -> bool:
    """Return whether a number is 1; false if the array is missing."""
    value = float(_numbers(arrays, name, 0)) if name in arrays else 0.0
    if value not in (0.0, 1.0):
        raise BadRecording(f"'{name}' must be 1 (yes) or 0 (no), got {value:g}.")
    return value == 1.0


def _kind(text: str) -> Kind:
    """Return the kind of this name."""
    try:
        return Kind(text.lower())
    except ValueError:
        raise BadRecording(f"unknown 'kind' {text!r}: use one of {', '.join(Kind)}.") from None


def _sampling_rate(arrays: Mapping[str, NDArray[Any]], stamps: NDArray[np.float64]) -> float:
    """Return the rate in Hz: the stored one, else from the median step between timestamps; 0 if irregular."""
    if "rate_hz" in arrays:
        rate_hz = _number(arrays, "rate_hz")
        if not 0 <= rate_hz < float("inf"):
            raise BadRecording(f"'rate_hz' is {rate_hz}; it must be positive, or 0 for irregular sampling.")
        return rate_hz
    step = np.diff(stamps)
    step = step[step > 0]
    if not len(step):
        return 0.0
    period = float(np.median(step))
    # Six digits: without the rounding error of the steps, two recordings of one rate compare equal.
    return float(f"{1 / period:.6g}") if np.median(np.abs(step - period)) < _REGULAR * period else 0.0


def _segment_starts(segment: NDArray[np.int32], n_samples: int) -> NDArray[np.intp]:
    """Return the first sample of each segment but the first."""
    if segment.shape != (n_samples,):
        raise ShapeMismatch(f"'segment' must have shape ({n_samples},) as 'stamps' has, got {segment.shape}.")
    return np.flatnonzero(np.diff(segment.astype(np.int64))) + 1


def _movie(arrays: Mapping[str, NDArray[Any]], n_frames: int) -> Movie | None:
    """Return the movie if the file describes one; given only its rate, it has ``n_frames`` frames."""
    pictures = arrays.get("movie")
    if pictures is not None and (pictures.dtype != np.uint8 or pictures.ndim not in (3, 4)):
        raise BadRecording(
            f"'movie' must be uint8 [frame, height, width(, 3)], got {pictures.dtype} {pictures.shape}."
        )
    if "movie_clips" in arrays:
        return Movie(clips_from_json(_string(arrays, "movie_clips", "")).clips, pictures)
    rate_hz = _number(arrays, "movie_rate_hz") if "movie_rate_hz" in arrays else 0.0
    if pictures is not None:
        return one_clip("movie", pictures, rate_hz)
    return Movie((Clip("movie", 0, n_frames, rate_hz),)) if rate_hz and n_frames > 0 else None
