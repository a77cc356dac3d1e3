"""Converts small dataclasses of arrays and numbers to the flat named arrays of a model file, and back.

An array is named after its field. Where the file keeps an older name, so that every version reads it, the class lists it
in ``FILE_NAMES`` (field name to file name).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from decoders.errors import BadModel

T = TypeVar("T")
Arrays = dict[str, NDArray[Any]]
_NUMBERS = {"float": float, "int": int, "bool": bool}


def pack(part: Any, prefix: str) -> Arrays:
    """Convert a dataclass to named arrays.

    Parameters
    ----------
    part
        Dataclass whose fields are arrays, numbers or booleans.
    prefix
        Precedes each field's name, with a dot.

    Examples
    --------
    >>> from decoders.readouts.classifiers import Scaling
    >>> sorted(pack(Scaling(n_window=10, root=True), "scaling"))
    ['scaling.n_window', 'scaling.root', 'scaling.total']
    """
    return {
        f"{prefix}.{_file_name(type(part), f.name)}": np.ascontiguousarray(getattr(part, f.name))
        for f in fields(part)
    }


def unpack(cls: type[T], arrays: Mapping[str, NDArray[Any]], prefix: str) -> T:
    """Rebuild a dataclass from the arrays that `pack` made.

    Parameters
    ----------
    cls
        Class to build.
    arrays
        All arrays of the file.
    prefix
        As given to `pack`.

    Raises
    ------
    BadModel
        When an array is missing, or has several values where a number belongs.
    """
    values: dict[str, Any] = {}
    for f in fields(cls):  # type: ignore[arg-type]
        name = f"{prefix}.{_file_name(cls, f.name)}"
        array = need(arrays, name)
        convert = _NUMBERS.get(str(f.type))
        if convert is not None and array.size != 1:
            raise BadModel(f"the model's {name} must be one number, but has shape {array.shape}.")
        values[f.name] = array if convert is None else convert(array.reshape(()).item())
    return cls(**values)


def need(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Return the array of that name, or raise `BadModel`."""
    if name not in arrays:
        raise BadModel(
            f"the model file lacks {name!r}: it is incomplete or of another version. Fit the model again."
        )
    return arrays[name]


def _file_name(cls: type, field_name: str) -> str:
    names: Mapping[str, str] = getattr(cls, "FILE_NAMES", {})
    return names.get(field_name, field_name)
