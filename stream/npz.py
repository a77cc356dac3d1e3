"""The npz session, the plain interchange form: a dictionary of arrays.

``neural`` [time, channels], ``stamps`` [time], ``frame`` [time]; optional ``repeat``, ``segment``,
``channel_names``, ``kind``, ``rate_hz``, ``name``, ``movie`` (pictures, uint8), ``movie_rate_hz``,
``movie_clips`` (JSON), ``label_<name>`` [time, k].
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.errors import BadRecording, NeuroReelError, OutputExists, ShapeMismatch
from stream.movie import Movie, one_clip
from stream.movie_facts import clips_from_json, clips_to_json
from stream.session import MAX_SECONDS, Kind, Session, repeats_from_frames, segments_from_stamps

_REQUIRED = ("neural", "stamps", "frame")
_MAX_DEFLATE = 1040  # no deflated byte stands for more
_REGULAR = 0.1  # a median deviation of steps below this share of a period makes a recording regular


def save_npz(session: Session, path: Path | str, *, force: bool = False) -> None:
    """Write a recording as npz.

    Parameters
    ----------
    session
        With its movie's pictures, when it has them.
    path
        Where to.
    force
        Overwrite an existing file.

    Raises
    ------
    OutputExists
        When ``path`` is there and ``force`` is not given.
    """
    path = Path(path)
    arrays: dict[str, Any] = {
        "neural": np.asarray(session.neural, np.float32),
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
        arrays |= {
            "movie_rate_hz": np.array(session.movie.rate_hz),
            "movie_clips": np.array(clips_to_json(session.movie)),
        }
        if session.movie.frames is not None:
            arrays["movie"] = session.movie.frames
    arrays |= {f"label_{name}": label for name, label in session.labels.items()}
    try:
        with path.open("wb" if force else "xb") as file:
            np.savez_compressed(file, **arrays)
    except FileExistsError:
        raise OutputExists(f"{path} exists. Give another name; recordings are not overwritten.") from None


def load_npz(path: Path | str) -> Session:
    """Read a recording from an npz file; nothing in it is ever executed.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    BadRecording
        When it is missing, damaged, no npz file, lacks an array, or holds pickled objects.
    ShapeMismatch
        When its arrays do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise BadRecording(f"no such recording: {path}.")
    try:
        arrays = _read_arrays(path)
        return _session(arrays, path)
    except ShapeMismatch as error:
        raise ShapeMismatch(f"{path}: {error}") from error
    except NeuroReelError as error:
        raise BadRecording(f"{path}: {error}") from error
    except Exception as error:  # whatever zip, zlib and numpy may raise at a hostile file
        raise BadRecording(f"{path} cannot be read as an npz recording: {error}.") from error


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays that a recording can have, each held against the bytes that are there before it is allocated."""
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        names = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        missing = [name for name in _REQUIRED if name not in names]
        if missing:
            raise BadRecording(
                f"it lacks {', '.join(map(repr, missing))}; it holds {', '.join(sorted(names)) or 'nothing'}."
            )
        for name, member in names.items():
            if name in _KNOWN or name.startswith("label_"):
                arrays[name] = _read_member(archive, member, name)
    return arrays


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    """One array of an archive."""
    if member.file_size > _MAX_DEFLATE * (member.compress_size + 1024):
        raise BadRecording(
            f"'{name}' claims {member.file_size} bytes from {member.compress_size} compressed ones."
        )
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        header_bytes = file.tell()
    if dtype.hasobject:
        raise BadRecording(
            f"'{name}' holds pickled Python objects, which are never loaded; save it as numbers or text."
        )
    n_bytes = dtype.itemsize * int(np.prod([int(length) for length in shape], dtype=object))
    if n_bytes != member.file_size - header_bytes or min(shape, default=0) < 0:
        raise BadRecording(
            f"'{name}' should take {n_bytes} bytes, but {member.file_size - header_bytes} are there."
        )
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _session(arrays: Mapping[str, NDArray[Any]], path: Path) -> Session:
    """A recording from its arrays."""
    neural = np.asarray(_numbers(arrays, "neural", 2), np.float32)
    stamps = np.asarray(_numbers(arrays, "stamps", 1), np.float64)
    if len(neural) != len(stamps):
        raise ShapeMismatch(f"'stamps' has {len(stamps)} entries, but 'neural' has {len(neural)} samples.")
    if not len(stamps):
        raise BadRecording("'stamps' is empty: there is not one sample.")
    if not np.all(np.abs(stamps) < MAX_SECONDS):
        raise BadRecording("'stamps' must be finite numbers of seconds; some are not.")
    frame = _whole(arrays, "frame")
    rate_hz = float(_numbers(arrays, "rate_hz", 0)) if "rate_hz" in arrays else _rate(stamps)
    if not 0 <= rate_hz < float("inf"):
        raise BadRecording(f"'rate_hz' is {rate_hz}; it must be positive, or 0 for irregular.")
    segment = segments_from_stamps(stamps, rate_hz)
    if "segment" in arrays:
        segment = _joined(segment, _whole(arrays, "segment"))
    names = arrays.get("channel_names")
    return Session(
        neural=neural,
        stamps=stamps,
        frame=frame,
        repeat=_whole(arrays, "repeat") if "repeat" in arrays else repeats_from_frames(frame),
        segment=segment,
        channel_names=tuple(f"ch{index}" for index in range(neural.shape[1]))
        if names is None
        else _texts(names),
        kind=_kind(_text(arrays, "kind", Kind.OTHER)),
        rate_hz=rate_hz,
        labels={name[6:]: _label(arrays, name) for name in arrays if name.startswith("label_")},
        movie=_movie(arrays),
        name=_text(arrays, "name", path.stem),
    )


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, n_axes: int) -> NDArray[Any]:
    """An array of numbers with that many axes."""
    array = arrays[name]
    if array.dtype.kind not in "biuf":
        raise BadRecording(f"'{name}' must hold numbers, got {array.dtype}.")
    if array.ndim != n_axes:
        raise ShapeMismatch(f"'{name}' must have {n_axes} axes, got shape {array.shape}.")
    return array


def _whole(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.int32]:
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


def _texts(array: NDArray[Any]) -> tuple[str, ...]:
    """An array of text as a tuple."""
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise BadRecording(
            f"'channel_names' must be a list of texts, got {array.dtype} of shape {array.shape}."
        )
    return tuple(str(name) for name in array.astype(np.str_))


def _text(arrays: Mapping[str, NDArray[Any]], name: str, default: str) -> str:
    """A single text, or what stands for none."""
    return str(arrays[name].astype(np.str_).ravel()[0]) if name in arrays and arrays[name].size else default


def _kind(text: str) -> Kind:
    """A kind by name."""
    try:
        return Kind(text.lower())
    except ValueError:
        raise BadRecording(f"unknown 'kind' {text!r}: use one of {', '.join(Kind)}.") from None


def _rate(stamps: NDArray[np.float64]) -> float:
    """The rate that the steps between stamps show, 0 when they are irregular."""
    step = np.diff(stamps)
    step = step[step > 0]
    if not len(step):
        return 0.0
    period = float(np.median(step))
    return 1 / period if np.median(np.abs(step - period)) < _REGULAR * period else 0.0


def _joined(shown: NDArray[np.int32], given: NDArray[np.int32]) -> NDArray[np.int32]:
    """Segments with the borders of both."""
    if shown.shape != given.shape:
        raise ShapeMismatch(f"'segment' must have shape {shown.shape} as 'stamps' has, got {given.shape}.")
    border = (np.diff(shown) != 0) | (np.diff(given.astype(np.int64)) != 0)
    return np.cumsum(np.r_[False, border]).astype(np.int32)


def _movie(arrays: Mapping[str, NDArray[Any]]) -> Movie | None:
    """The movie, when the file says what it is."""
    pictures = arrays.get("movie")
    if pictures is not None and (pictures.dtype != np.uint8 or pictures.ndim not in (3, 4)):
        raise BadRecording(
            f"'movie' must be uint8 [frame, height, width(, 3)], got {pictures.dtype} {pictures.shape}."
        )
    if "movie_clips" in arrays:
        return Movie(clips_from_json(_text(arrays, "movie_clips", "")).clips, pictures)
    if pictures is None:
        return None
    rate_hz = float(_numbers(arrays, "movie_rate_hz", 0)) if "movie_rate_hz" in arrays else 0.0
    return one_clip("movie", pictures, rate_hz)


_OPTIONAL = (
    "repeat",
    "segment",
    "channel_names",
    "kind",
    "rate_hz",
    "name",
    "movie",
    "movie_rate_hz",
    "movie_clips",
)
_KNOWN = frozenset(_REQUIRED + _OPTIONAL)
