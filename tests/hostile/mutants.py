"""Seeded generators of damaged files: some bytes at random, and parts of each format changed on purpose."""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

FALSE_NUMBERS = (
    b"\xff" * 8,
    b"\0" * 8,
    b"\xff" * 4,
    (1 << 40).to_bytes(8, "little"),
    (1 << 30).to_bytes(4, "little"),
    struct.pack("<d", math.nan),
    struct.pack("<d", 1e300),
)
VALUES = (0, -1, 1, 7, 1e6, 1e308, 10**400, -(10**9), 1 << 40, True, None, "x", "", [], {}, [[]], 0.1)


class CodeInPickle:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code in a file was executed')",))


def mutate(kind: str, content: bytes, random: Random) -> bytes:
    """Return a damaged copy of an intact file.

    Parameters
    ----------
    kind
        Key of `GENERATORS`.
    content
        The intact file.
    random
        Source of all choices.
    """
    if random.random() < 0.35:
        return anywhere(content, random)
    return GENERATORS[kind](content, random)


def anywhere(content: bytes, random: Random, last: int | None = None) -> bytes:
    """Damage some bytes, among the first ``last`` or anywhere."""
    data = bytearray(content or b"x")
    for _ in range(random.randint(1, 6)):
        at = random.randrange(min(last or len(data), len(data)))
        what = random.random()
        if what < 0.5:
            data[at] = random.choice([0, 1, 4, 8, 127, 128, 255, random.randrange(256)])
        elif what < 0.75:
            number = random.choice(FALSE_NUMBERS)
            data[at : at + len(number)] = number[: len(data) - at]
        elif what < 0.9:
            there, length = random.randrange(len(data)), random.randrange(1, 256)
            data[there : there + length] = data[at : at + length]
        elif what < 0.95:
            data = data[: max(1, at)]
        else:
            del data[at : at + random.randrange(1, 64)]
            data = data or bytearray(b"x")
    return bytes(data)


def _xdf(content: bytes, random: Random) -> bytes:
    """Change whole chunks, their numbers, timestamps and descriptions."""
    chunks, at = [], 4
    while at < len(content):
        size = content[at]
        begin = at + 1 + size
        at = begin + int.from_bytes(content[at + 1 : begin], "little")
        chunks.append(content[begin:at])
    for _ in range(random.randint(1, 4)):
        index = random.randrange(len(chunks))
        chunk = chunks[index]
        tag = int.from_bytes(chunk[:2], "little")
        what = random.random()
        if what < 0.08:
            del chunks[index]
            chunks = chunks or [b"\1\0"]
        elif what < 0.16:
            chunks.insert(random.randrange(len(chunks)), chunk)
        elif what < 0.22:
            other = random.randrange(len(chunks))
            chunks[index], chunks[other] = chunks[other], chunk
        elif what < 0.28:
            chunks[index] = struct.pack("<H", random.randrange(9)) + chunk[2:]
        elif what < 0.34:
            chunks[index] = chunk[:2] + struct.pack("<I", random.choice([0, 1, 2, 3, 9, 1 << 31])) + chunk[6:]
        elif tag == 3 and len(chunk) > 40:
            place = random.choice([6, 7, 11, 12, 20, random.randrange(6, len(chunk) - 9)])
            number = random.choice(FALSE_NUMBERS)
            chunks[index] = chunk[:place] + number + chunk[place + len(number) :]
        elif tag in (2, 6):
            chunks[index] = chunk[:6] + _xml(chunk[6:], random)
        elif tag == 4:
            numbers = [random.choice([math.nan, math.inf, 1e300, -5.0, 1e6]) for _ in range(2)]
            chunks[index] = chunk[:6] + struct.pack("<dd", *numbers)
        else:
            chunks[index] = anywhere(chunk, random)
    out = b"XDF:" + b"".join(b"\x04" + struct.pack("<I", len(chunk)) + chunk for chunk in chunks)
    return gzip.compress(out) if random.random() < 0.1 else out


def _xml(xml: bytes, random: Random) -> bytes:
    """Change a description."""
    words = [
        b"channel_count",
        b"nominal_srate",
        b"channel_format",
        b"name",
        b"type",
        b"label",
        b"sample_count",
    ]
    word = random.choice(words)
    before, found, after = xml.partition(b"<" + word + b">")
    value = random.choice(
        [b"0", b"-1", b"1e9", b"999999", b"nan", b"string", b"int8", b"float32", b"", b"\0", b"&x;"]
    )
    what = random.random()
    if found and what < 0.6:
        return before + found + value + after[max(0, after.find(b"<")) :]
    if what < 0.7:
        return xml[: random.randrange(len(xml) + 1)]
    if what < 0.8:
        return xml.replace(b"<desc>", b"<desc>" + b"<a>" * random.choice([60, 1000, 100_000]))
    if what < 0.9:
        return xml.replace(b"<desc>", b"<desc>" + b"<a/>" * random.choice([60, 1000, 100_000]))
    return b"<!DOCTYPE x [<!ENTITY x 'xxxx'>]>" + xml


def _npz(content: bytes, random: Random) -> bytes:
    """Damage an array in the archive, with valid checksums."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        names = old.namelist()
        damaged = random.choice(names)
        for name in names:
            data = old.read(name)
            new.writestr(name, _array_file(data, random) if name == damaged else data)
    return buffer.getvalue()


def _array_file(data: bytes, random: Random) -> bytes:
    """Return an array with a false header or other values, with pickled objects, or with compressed zeros."""
    what = random.random()
    if what < 0.4:
        return anywhere(data, random, 128)
    if what < 0.5:
        return anywhere(data, random)
    buffer = io.BytesIO()
    if what < 0.7:
        np.save(buffer, _array(np.load(io.BytesIO(data)), random))
    elif what < 0.8:
        np.save(buffer, np.array([CodeInPickle()], object), allow_pickle=True)
    elif what < 0.9:
        np.save(buffer, np.zeros((1 << 20, 8), np.float32))  # 33 MB in 33 kB
    else:
        shape = random.choice([(1 << 40,), (1 << 33, 16), (-1,), (0, 1 << 60)])
        np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def _array(array: np.ndarray[Any, Any], random: Random) -> np.ndarray[Any, Any]:
    """Change the values, type or shape of an array."""
    what = random.randrange(8)
    if array.dtype.kind in "US" or not array.size:
        return np.array(random.choice(["", "\x00", "x" * 100_000, "[" * 5000, "{}", "null"]))
    if what == 0:
        return array[: len(array) // 2] if array.ndim else array
    if what == 1:
        return np.asarray(array, random.choice(["f4", "f2", "i1", "c8", "U5", "?"]))
    if what == 2:
        return array.reshape(-1) if array.ndim > 1 else array[..., None]
    changed = array.astype(np.float64)
    flat = changed.reshape(-1)
    for _ in range(random.randint(1, 5)):
        flat[random.randrange(flat.size)] = random.choice(
            [math.nan, math.inf, -math.inf, 1e300, -1e9, 0.5, 1e12]
        )
    return changed if what < 6 else changed[::-1] if array.ndim else changed


def _csv(content: bytes, random: Random) -> bytes:
    """Change cells, columns and lines of a table."""
    lines = content.split(b"\n")
    for _ in range(random.randint(1, 4)):
        row = random.choice([0, 1, 2, random.randrange(len(lines))])
        if row >= len(lines):
            continue
        cells = lines[row].split(b",")
        column = random.randrange(len(cells))
        what = random.random()
        if what < 0.5:
            cells[column] = random.choice(
                [
                    b"",
                    b"nan",
                    b"inf",
                    b"1e999",
                    b"-1",
                    b"x",
                    b'"',
                    b"\0",
                    b"1_0",
                    b"9" * 400,
                    "١".encode(),
                    b"0x1",
                ]
            )
        elif what < 0.6:
            del cells[column]
        elif what < 0.7:
            cells.insert(column, b"1")
        elif what < 0.8:
            cells = [
                random.choice([b"\xff\xfe", b"[" * 10_000, b"# neuroreel {}", b"# neuroreel " + b"[" * 9000])
            ]
        elif what < 0.9:
            del lines[row]
            continue
        else:
            lines.insert(row, lines[random.randrange(len(lines))])
            continue
        lines[row] = b",".join(cells)
    return b"\n".join(lines)


def _model(content: bytes, random: Random) -> bytes:
    """Change the card, the table of contents or the weights of a model."""
    if random.random() < 0.05:
        return pickle.dumps(CodeInPickle())
    n_header = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + n_header]), bytearray(content[8 + n_header :])
    what = random.random()
    names = [name for name in header if name != "__metadata__"]
    if what < 0.5:
        card = json.loads(header["__metadata__"]["neuroreel"])
        for _ in range(random.randint(1, 2)):
            _change(card, random)
        header["__metadata__"]["neuroreel"] = json.dumps(card)
    elif what < 0.7:
        entry = header[random.choice(names)]
        entry[random.choice(["dtype", "shape", "data_offsets"])] = random.choice(
            ["F64", "BOOL", "I64", [], [0], [1 << 40], [-1], [2, 3], [0, 1 << 50], [8, 0]]
        )
    elif what < 0.9:
        entry = header[random.choice(names)]
        begin, end = entry["data_offsets"]
        size = {"F32": 4, "F64": 8}.get(entry["dtype"], 0)
        if size and end > begin:
            value = random.choice([3e38, -3e38, 1e30, 1e10, -1.0, 0.0, math.nan])
            packed = struct.pack("<f" if size == 4 else "<d", value)
            first = begin + size * random.randrange((end - begin) // size)
            n_values = random.choice([1, 10, (end - first) // size])
            data[first : first + size * n_values] = packed * min(n_values, (end - first) // size)
    else:
        header.pop(random.choice(names))
    packed_header = json.dumps(header).encode()
    return struct.pack("<Q", len(packed_header)) + packed_header + bytes(data)


def _change(value: Any, random: Random) -> None:
    """Change, remove or add one entry somewhere in a JSON object."""
    while isinstance(value, dict | list) and value:
        key = random.choice(list(value)) if isinstance(value, dict) else random.randrange(len(value))
        if isinstance(value[key], dict | list) and value[key] and random.random() < 0.7:
            value = value[key]
            continue
        if random.random() < 0.15:
            del value[key]
        else:
            value[key] = random.choice(VALUES)
        return


def _hdf5(content: bytes, random: Random) -> bytes:
    """Replace, remove or redirect an object of an HDF5 file."""
    import h5py

    buffer = io.BytesIO(content)
    with h5py.File(buffer, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = random.choice(names)
        what = random.random()
        if what < 0.2:
            file.attrs[random.choice(["kind", "rate_hz", "name"])] = random.choice(
                [0.0, -1.0, math.nan, "x", 1e300]
            )
            return _closed(file, buffer)
        item = file[name]
        values = item[()] if isinstance(item, h5py.Dataset) and item.dtype.kind in "biuf" else None
        del file[name]
        if what < 0.3:
            file[name] = h5py.ExternalLink("/etc/hostname", "/x")
        elif what < 0.4:
            file[name] = h5py.SoftLink(random.choice(["/", "/none", "/" + name, "/neural"]))
        elif what < 0.5:
            shape = random.choice([(1 << 40,), (1 << 20, 1 << 20), (0,), (1 << 30, 23)])
            chunks = tuple(min(n, 64) for n in shape) if all(shape) else None
            file.create_dataset(name, shape=shape, dtype="f4", chunks=chunks)
        elif what < 0.6:
            file.create_dataset(name, data=random.choice([b"text", 1.0, np.zeros(3), np.zeros((2, 2, 2))]))
        elif what < 0.9 and values is not None:
            changed = _array(np.asarray(values), random)
            file.create_dataset(name, data=changed if changed.dtype.kind != "U" else 0.0)
        return _closed(file, buffer)


def _closed(file: Any, buffer: io.BytesIO) -> bytes:
    """Close an HDF5 file and return its content."""
    file.close()
    return buffer.getvalue()


def _matlab(content: bytes, random: Random) -> bytes:
    """Change a variable of a MATLAB file, or bytes near its beginning."""
    if random.random() < 0.5:
        return anywhere(content, random, 2000)
    import scipy.io

    variables = {k: v for k, v in scipy.io.loadmat(io.BytesIO(content)).items() if not k.startswith("__")}
    name = random.choice(list(variables))
    if random.random() < 0.2:
        del variables[name]
    elif variables[name].dtype.kind in "biuf":
        variables[name] = _array(variables[name], random)
    else:
        variables[name] = random.choice([np.zeros(3), {"a": 1}, np.array(["x"], object)])
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, do_compression=random.random() < 0.5)
    return buffer.getvalue()


def _video(content: bytes, random: Random) -> bytes:
    """Change numbers in the tables of a video."""
    data = bytearray(content)
    for _ in range(random.randint(1, 3)):
        atoms = (
            b"tkhd",
            b"stsd",
            b"mvhd",
            b"mdhd",
            b"stts",
            b"stsz",
            b"stco",
            b"avcC",
            b"elst",
            b"stsc",
            b"trun",
        )
        at = content.find(random.choice(atoms))
        if at < 0:
            continue
        place = at + random.randrange(4, 48)
        data[place : place + 4] = random.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\0\0\x40\0"])
    return bytes(data)


GENERATORS: dict[str, Callable[[bytes, Random], bytes]] = {
    "xdf": _xdf,
    "npz": _npz,
    "csv": _csv,
    "model": _model,
    "h5": _hdf5,
    "nwb": _hdf5,
    "mat": _matlab,
    "mp4": _video,
}
"""Generators by kind of file."""

SUFFIXES = {kind: kind for kind in GENERATORS} | {"model": "safetensors"}
"""File name's suffix of each kind."""


def write_mutants(kind: str, intact: Path, folder: Path, numbers: range, seed: int = 0) -> None:
    """Write damaged files; the same number and seed give the same file.

    Parameters
    ----------
    kind
        Key of `GENERATORS`.
    intact
        The intact file.
    folder
        Where to write them.
    numbers
        Numbers of the files.
    seed
        Random seed.
    """
    content = intact.read_bytes()
    for number in numbers:
        damaged = mutate(kind, content, Random(f"{kind} {seed} {number}"))
        (folder / f"{number:05}.{SUFFIXES[kind]}").write_bytes(damaged)
