"""Small dataclasses of arrays and numbers to and from the flat arrays of a model file."""

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
    """Turn a dataclass into named arrays.

    Parameters
    ----------
    part
        A dataclass whose fields are arrays, numbers or booleans.
    prefix
        Goes before each field's name, with a dot.
    """
    return {f"{prefix}.{f.name}": np.ascontiguousarray(getattr(part, f.name)) for f in fields(part)}


def unpack(cls: type[T], arrays: Mapping[str, NDArray[Any]], prefix: str) -> T:
    """Make the dataclass again that `pack` took apart.

    Parameters
    ----------
    cls
        Its class.
    arrays
        All arrays of the file.
    prefix
        As given to `pack`.

    Raises
    ------
    BadModel
        When one is missing, or an array stands where a number should.
    """
    values: dict[str, Any] = {}
    for f in fields(cls):  # type: ignore[arg-type]
        array = need(arrays, f"{prefix}.{f.name}")
        convert = _NUMBERS.get(str(f.type))
        if convert is not None and array.size != 1:
            raise BadModel(f"the model's {prefix}.{f.name} must be one number, but has shape {array.shape}.")
        values[f.name] = array if convert is None else convert(array.reshape(()).item())
    return cls(**values)


def need(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """The array of that name, or `BadModel`."""
    if name not in arrays:
        raise BadModel(
            f"the model file has no {name!r}: it is incomplete or of another version. Fit it again."
        )
    return arrays[name]
