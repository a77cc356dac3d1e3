"""Parses the XML of an XDF file: stream headers and footers, within one budget per file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf, nan
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers.expat import ExpatError, ParserCreate

from stream.io.xdf_writer import DTYPES

# One stream may have at most half of what is left of each, so that the others always fit.
_MAX_CHANNELS = 2_000_000  # of all streams together
_MAX_ELEMENTS = 2_000_000  # of all descriptions together
_MAX_DEPTH = 50
_REFERENCE = re.compile("&#(x[0-9a-fA-F]{1,8}|[0-9]{1,8});")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class DamagedChunk(Exception):
    """A chunk is invalid; carries the reason."""


@dataclass(slots=True)
class XmlBudget:
    """Channels and XML elements of all streams of a file so far.

    Attributes
    ----------
    n_channels, n_elements
        Number of each.
    """

    n_channels: int = 0
    n_elements: int = 0


def header_problem(xml: bytes) -> str:
    """Return why a stream header would make a file unreadable; empty if it is valid.

    Parameters
    ----------
    xml
        The stream's XML description.
    """
    try:
        check_header(XmlBudget(), memoryview(xml))
        float(fromstring(xml).findtext("nominal_srate", ""))  # other readers are stricter than `check_header`
    except DamagedChunk as damage:
        return str(damage)
    except (ParseError, ValueError) as error:
        return f"XML is invalid: {error}"
    return ""


def check_header(budget: XmlBudget, body: memoryview) -> tuple[str, int]:
    """Check a stream header; return channel format and count.

    Parameters
    ----------
    budget
        Used so far; the header is added.
    body
        Content of the chunk.

    Raises
    ------
    DamagedChunk
        If it is invalid or exceeds the budget.
    """
    root = parse(budget, body)
    try:
        n_channels = int(root.findtext("channel_count", ""))
    except ValueError as error:
        raise DamagedChunk(f"a stream has no valid channel count: {str(error)[:80]}") from error
    fmt = root.findtext("channel_format", "")
    if root.tag != "info" or root.find("name") is None:
        raise DamagedChunk("a stream has no name")
    if fmt not in DTYPES and fmt != "string":
        raise DamagedChunk(f"unknown channel format {fmt[:40]!r}")
    most = (_MAX_CHANNELS - budget.n_channels) // 2
    if not 1 <= n_channels <= most:
        raise DamagedChunk(f"a stream declares {n_channels} channels; at most {most} are read")
    budget.n_channels += n_channels
    return fmt, n_channels


def rate_of(header: Element) -> float:
    """Return the nominal rate in Hz that a stream header gives, also with a decimal comma; NaN if it is impossible.

    Parameters
    ----------
    header
        Parsed header.
    """
    try:
        rate_hz = float(header.findtext("nominal_srate", "").replace(",", "."))
    except ValueError:
        return nan
    return rate_hz if 0 <= rate_hz < inf else nan


def check_footer(budget: XmlBudget, body: memoryview) -> None:
    """Check the fields of a stream footer that are used.

    Parameters
    ----------
    budget, body
        See `check_header`.

    Raises
    ------
    DamagedChunk
        If it is invalid or exceeds the budget.
    """
    root = parse(budget, body)
    count = root.findtext("sample_count", "0") or "0"
    if root.tag != "info" or not count.strip().isdecimal() or len(count) > 18:
        raise DamagedChunk("a stream footer is invalid")


def parse_xml(body: memoryview) -> Element:
    """Parse the XML of a chunk that was validated; characters that XML does not allow are replaced.

    Parameters
    ----------
    body
        Content of the chunk.
    """
    return fromstring(_xml_text(body))


def has_invalid_characters(body: memoryview) -> bool:
    """Return whether XML holds characters or bytes that it must not, which `parse_xml` replaces.

    Parameters
    ----------
    body
        Content of the chunk.
    """
    text = bytes(body).decode("utf-8", "surrogateescape").strip("\ufeff\0 \t\r\n")
    return bool(
        _NOT_XML.search(text)
        or re.search("[\udc80-\udcff]", text)
        or _REFERENCE.sub(_valid_reference, text) != text
    )


def _xml_text(body: memoryview) -> str:
    """Decode XML; tolerate a byte order mark, a terminating NUL and control characters."""
    text = bytes(body).decode("utf-8", "replace").strip("\ufeff\0 \t\r\n")
    return _REFERENCE.sub(_valid_reference, _NOT_XML.sub("\ufffd", text))


def _valid_reference(found: re.Match[str]) -> str:
    """Return a reference to a character, such as ``&#27;`` for ESC, replaced if XML does not allow that character."""
    number = int(found[1][1:], 16) if found[1].startswith("x") else int(found[1])
    allowed = number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF and not _NOT_XML.match(chr(number))
    return found[0] if allowed else "\ufffd"


def parse(budget: XmlBudget, body: memoryview) -> Element:
    """Parse XML; refuse document types, deep nesting, and more elements than the file's budget allows.

    Parameters
    ----------
    budget, body
        See `check_header`.

    Raises
    ------
    DamagedChunk
        If it is invalid or exceeds the budget.
    """
    text = _xml_text(body)
    n_elements = (text.count("<") + text.count("=")) // 2
    most = (_MAX_ELEMENTS - budget.n_elements) // 2
    if n_elements > most:
        raise DamagedChunk(f"a description holds about {n_elements} elements; at most {most} are read")
    depth = 0

    def begin(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise DamagedChunk("XML is nested too deeply")

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise DamagedChunk("XML has a document type")

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
        root = fromstring(text)
    except (ExpatError, ParseError, ValueError) as error:
        raise DamagedChunk(f"XML is invalid: {error}") from error
    budget.n_elements += n_elements
    return root
