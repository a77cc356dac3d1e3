"""A session as named arrays: the form in which every plain file holds it.

``neural`` [time, channels], ``stamps`` [time], ``frame`` [time]; optional ``repeat``, ``segment``,
``channel_names``, ``kind``, ``rate_hz``, ``name``, ``movie`` (pictures, uint8), ``movie_rate_hz``,
``movie_clips`` (JSON), ``label_<name>`` [time, k].
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, ShapeMismatch
from stream.io.lazy_array import LazyArray
from stream.movie import Clip, Movie, one_clip
from stream.movie_metadata import clips_from_json, clips_to_json
from stream.session import MAX_SECONDS, Kind, Session, repeats_from_frames, segments_from_stamps

REQUIRED = ("neural", "stamps", "frame")
"""What every file must hold."""

TEXTS = ("kind", "name", "movie_clips")
NUMBERS = ("rate_hz", "movie_rate_hz")
_LISTS = ("stamps", "frame", "repeat", "segment", "channel_names")
_OPTIONAL = ("repeat", "segment", "channel_names", "movie", *TEXTS, *NUMBERS)
_LABEL = "label_"
_REGULAR = 0.1  # a median deviation of steps below this share of a period makes a recording regular


@dataclass(frozen=True, slots=True)
class FileContents:
    """What a reader found in a file.

    Attributes
    ----------
    arrays
        Arrays by the names of `stream.io.arrays`.
    notes
        Remarks for the user, for example that an array was transposed.
    on_disk
        Path of ``neural`` inside the file when it is too large to be returned; None otherwise.
    """

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    on_disk: str | None = None


def is_session_array(name: str) -> bool:
    """Whether an array of that name is part of a session; others are never read.

    Parameters
    ----------
    name
        Of the array.
    """
    return name in REQUIRED or name in _OPTIONAL or name.startswith(_LABEL)


def require_arrays(names: Collection[str]) -> None:
    """Make sure that what every file must hold is there.

    Parameters
    ----------
    names
        Of the arrays that are.

    Raises
    ------
    BadRecording
        When one is missing; the message lists what there is.
    """
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        there = ", ".join(sorted(names)) or "nothing"
        raise BadRecording(f"it lacks {', '.join(map(repr, missing))}; it holds {there}.")


def session_to_arrays(session: Session) -> dict[str, Any]:
    """A recording as arrays; ``neural`` is the session's own, in memory or not.

    Parameters
    ----------
    session
        With its movie's pictures, when it has them.
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
    if session.movie is not None:
        arrays["movie_rate_hz"] = np.array(session.movie.rate_hz)
        arrays["movie_clips"] = np.array(clips_to_json(session.movie))
        if session.movie.frames is not None:
            arrays["movie"] = session.movie.frames
    return arrays | {f"{_LABEL}{name}": label for name, label in session.labels.items()}


def orient_time_first(arrays: dict[str, NDArray[Any]]) -> list[str]:
    """Put arrays of software that keeps every array as a matrix, or stores columns first, the right way round.

    Parameters
    ----------
    arrays
        Changed in place: single values and lists lose axes of length 1; what has time along its second axis,
        as the number of stamps tells, is turned.

    Returns
    -------
    notes
        Which were turned.
    """
    notes = []
    for name, array in arrays.items():
        if name in (*NUMBERS, *TEXTS) and array.size == 1:
            arrays[name] = array.reshape(())
        elif name in _LISTS and array.ndim == 2 and 1 in array.shape:
            arrays[name] = array.reshape(-1)
    n_samples = len(arrays["stamps"]) if "stamps" in arrays and arrays["stamps"].ndim == 1 else -1
    for name, array in arrays.items():
        matrix = (name == "neural" or name.startswith(_LABEL)) and array.ndim == 2
        if matrix and array.shape[0] != n_samples and array.shape[1] == n_samples:
            arrays[name] = array.T
            notes.append(f"'{name}' was {list(array.shape)} for {n_samples} stamps and was turned")
    return notes


def session_from_arrays(arrays: Mapping[str, NDArray[Any]], name: str) -> Session:
    """A recording from the arrays of a file, none of which is trusted.

    Parameters
    ----------
    arrays
        By the names that the npz session gives them (see the module's description).
    name
        What the recording is called when ``arrays`` do not say.

    Raises
    ------
    BadRecording, ShapeMismatch
        When one is missing, holds something else or does not fit the others.
    """
    require_arrays(arrays)
    neural: Any = _numbers(arrays, "neural", 2)
    if not isinstance(neural, LazyArray):
        with np.errstate(over="ignore"):
            neural = np.asarray(neural, np.float32)
    stamps = np.asarray(_numbers(arrays, "stamps", 1), np.float64)
    if len(neural) != len(stamps):
        raise ShapeMismatch(f"'stamps' has {len(stamps)} entries, but 'neural' has {len(neural)} samples.")
    if not len(stamps):
        raise BadRecording("'stamps' is empty: there is not one sample.")
    if not np.all(np.abs(stamps) < MAX_SECONDS):
        raise BadRecording("'stamps' must be finite numbers of seconds; some are not.")
    frame, rate_hz = _integers(arrays, "frame"), _rate(arrays, stamps)
    segment = segments_from_stamps(stamps, rate_hz)
    if "segment" in arrays:
        segment = _joined(segment, _integers(arrays, "segment"))
    names = arrays.get("channel_names")
    return Session(
        neural=neural,
        stamps=stamps,
        frame=frame,
        repeat=_integers(arrays, "repeat") if "repeat" in arrays else repeats_from_frames(frame),
        segment=segment,
        channel_names=tuple(f"ch{index}" for index in range(neural.shape[1]))
        if names is None
        else _strings(names),
        kind=_kind(_text(arrays, "kind", Kind.OTHER)),
        rate_hz=rate_hz,
        labels={
            name.removeprefix(_LABEL): _label(arrays, name) for name in arrays if name.startswith(_LABEL)
        },
        movie=_movie(arrays, int(frame.max()) + 1),
        name=_text(arrays, "name", name),
    )


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, n_axes: int) -> NDArray[Any]:
    """An array of numbers with that many axes."""
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise BadRecording(f"'{name}' must hold numbers, got {array.dtype}.")
    if array.ndim != n_axes:
        raise ShapeMismatch(f"'{name}' must have {n_axes} axes, got shape {array.shape}.")
    return array


def _integers(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.int32]:
    """An array [time] of whole numbers of 32 bits."""
    array = _numbers(arrays, name, 1)
    limits = np.iinfo(np.int32)
    with np.errstate(invalid="ignore"):
        whole = np.rint(array) if array.dtype.kind == "f" else array
        if not ((whole == array) & (array >= limits.min) & (array <= limits.max)).all():
            raise BadRecording(f"'{name}' must hold whole numbers (-1 = none).")
    return whole.astype(np.int32)


def _label(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """A continuous label as [time, k]."""
    array = _numbers(arrays, name, arrays[name].ndim if arrays[name].ndim in (1, 2) else 2)
    with np.errstate(over="ignore"):
        return np.asarray(array[:, None] if array.ndim == 1 else array, np.float32)


def _strings(array: NDArray[Any]) -> tuple[str, ...]:
    """An array of text as a tuple."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise BadRecording(
            f"'channel_names' must be a list of texts, got {array.dtype} of shape {array.shape}."
        )
    return tuple(str(name) for name in array.astype(np.str_))


def _text(arrays: Mapping[str, NDArray[Any]], name: str, default: str) -> str:
    """A single text, or what stands for none."""
    if name not in arrays:
        return default
    array = arrays[name]
    if array.dtype.kind not in "US" or array.size != 1:
        raise BadRecording(f"'{name}' must be one text, got {array.dtype} of shape {array.shape}.")
    return str(array.astype(np.str_).ravel()[0])


def _kind(text: str) -> Kind:
    """A kind by name."""
    try:
        return Kind(text.lower())
    except ValueError:
        raise BadRecording(f"unknown 'kind' {text!r}: use one of {', '.join(Kind)}.") from None


def _rate(arrays: Mapping[str, NDArray[Any]], stamps: NDArray[np.float64]) -> float:
    """The rate that is given, or that the steps between stamps show, 0 when they are irregular."""
    if "rate_hz" in arrays:
        rate_hz = float(_numbers(arrays, "rate_hz", 0))
        if not 0 <= rate_hz < float("inf"):
            raise BadRecording(f"'rate_hz' is {rate_hz}; it must be positive, or 0 for irregular.")
        return rate_hz
    step = np.diff(stamps)
    step = step[step > 0]
    if not len(step):
        return 0.0
    period = float(np.median(step))
    # To six digits: steps of stamps are no exact numbers, and one recording's rate is to be another's.
    return float(f"{1 / period:.6g}") if np.median(np.abs(step - period)) < _REGULAR * period else 0.0


def _joined(shown: NDArray[np.int32], given: NDArray[np.int32]) -> NDArray[np.int32]:
    """Segments with the borders of both."""
    if shown.shape != given.shape:
        raise ShapeMismatch(f"'segment' must have shape {shown.shape} as 'stamps' has, got {given.shape}.")
    boundary = (np.diff(shown) != 0) | (np.diff(given.astype(np.int64)) != 0)
    return np.cumsum(np.r_[False, boundary]).astype(np.int32)


def _movie(arrays: Mapping[str, NDArray[Any]], n_shown: int) -> Movie | None:
    """The movie, when the file says what it is; by its rate alone it has the frames that were shown."""
    pictures = arrays.get("movie")
    if pictures is not None and (pictures.dtype != np.uint8 or pictures.ndim not in (3, 4)):
        raise BadRecording(
            f"'movie' must be uint8 [frame, height, width(, 3)], got {pictures.dtype} {pictures.shape}."
        )
    if "movie_clips" in arrays:
        return Movie(clips_from_json(_text(arrays, "movie_clips", "")).clips, pictures)
    rate_hz = float(_numbers(arrays, "movie_rate_hz", 0)) if "movie_rate_hz" in arrays else 0.0
    if pictures is not None:
        return one_clip("movie", pictures, rate_hz)
    return Movie((Clip("movie", 0, n_shown, rate_hz),)) if rate_hz and n_shown > 0 else None
