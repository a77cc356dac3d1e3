"""The model file: named arrays and a JSON card in one safetensors file; it never holds a pickle or code."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from decoders.errors import BadModel
from decoders.serialization import Arrays
from stream.output_files import replacing

FORMAT = "neuroreel-model"
FORMAT_VERSION = 2
MAX_BYTES = 2_000_000_000
MAX_HEADER_BYTES = 4_000_000
MAX_VALUE = 1e18  # the square of any value is finite in single precision
_CARD = "neuroreel"
_DTYPES = {"BOOL", "U8", "I32", "I64", "U64", "F16", "F32", "F64"}
_UNHASHED = ("train_seconds",)
_MAY_BE_NAN = ("memory.label.", "continuous.interval")  # unknown labels; nothing was held out


def write(path: Path | str, arrays: Arrays, card: dict[str, Any], *, force: bool = False) -> None:
    """Write a model file.

    Parameters
    ----------
    path
        File to write.
    arrays, card
        Its content.
    force
        Whether to overwrite an existing file.

    Raises
    ------
    OutputExists
        If the file exists and ``force`` is false, or is a recording.
    CannotWrite
        If the file cannot be written; one that existed is then unchanged.
    """
    with replacing(path, force=force) as partial:
        partial.write_bytes(safetensors.numpy.save(arrays, {_CARD: json.dumps(card, sort_keys=True)}))


def read(path: Path | str) -> tuple[Arrays, dict[str, Any]]:
    """Read a model file, which may come from anybody.

    Parameters
    ----------
    path
        File to read.

    Returns
    -------
    arrays, card
        Its content.

    Raises
    ------
    BadModel
        If the file is missing, not a safetensors file, damaged, too large, or not a model of NeuroReel.
    """
    path = Path(path)
    if not path.is_file():
        raise BadModel(f"no such model file: {path}. Make one with 'neuroreel fit'.")
    try:
        card = _card(_header(path), path)
        arrays = safetensors.numpy.load_file(path)
    except (
        safetensors.SafetensorError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        MemoryError,
        RecursionError,
    ) as error:
        raise BadModel(f"{path} is not a readable model file: {error}.") from error
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        allowed = np.isnan(array) if name.startswith(_MAY_BE_NAN) else False
        limit = min(MAX_VALUE, float(np.finfo(array.dtype).max))  # half precision cannot hold MAX_VALUE
        if not np.all((np.abs(array) <= limit) | allowed):  # false for NaN
            raise BadModel(
                f"{path}: {name!r} has values that are not finite, or beyond {MAX_VALUE:g}. Fit the model again."
            )
    return arrays, card


def content_hash(arrays: Arrays, card: dict[str, Any]) -> str:
    """Hash of the content, twelve hex digits; the time that fitting took does not count.

    Parameters
    ----------
    arrays, card
        Content of the model file.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps({k: v for k, v in card.items() if k not in _UNHASHED}, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _header(path: Path) -> dict[str, Any]:
    """The file's table of contents, checked against the file size before anything is allocated."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"it has {size} bytes, but a model has at most {MAX_BYTES}")
    with path.open("rb") as file:
        start = file.read(8)
        n_header = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= n_header <= min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"its header claims {n_header} bytes in a file of {size}")
        header = json.loads(file.read(n_header))
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name!r} has type {entry['dtype']}, which no model uses")
    return header


def _card(header: dict[str, Any], path: Path) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or _CARD not in metadata:
        raise BadModel(
            f"{path} is a safetensors file, but not a model of NeuroReel. Make one with 'neuroreel fit'."
        )
    card = json.loads(metadata[_CARD])
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BadModel(f"{path} is not a model of NeuroReel: the format on its card is not {FORMAT!r}.")
    if card.get("format_version") != FORMAT_VERSION:
        raise BadModel(
            f"{path} has model format {card.get('format_version')!r}; this version of NeuroReel reads {FORMAT_VERSION}. "
            "Fit the model again."
        )
    return card
