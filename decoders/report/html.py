"""Building blocks of a report page: style, sections and tables in HTML."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #222; background: #fff; margin: 0 auto;
  max-width: 60rem; padding: 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem;
  border-bottom: 1px solid #d8dce1; padding-bottom: .2rem; }
p { max-width: 46rem; margin: .4rem 0; } .dim { color: #555; }
.verdict { border-left: .5rem solid #009E73; background: #f1f8f6; padding: .7rem 1rem; font-size: 1.1rem;
  max-width: none; }
.verdict.chance { border-color: #D55E00; background: #fdf3ec; }
.verdict.untested { border-color: #888; background: #f4f4f4; }
figure { margin: .6rem 0; } figure img { width: 100%; height: auto; display: block; }
table { border-collapse: collapse; margin: .5rem 0; font-size: .86rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding-bottom: .2rem; }
th, td { padding: .15rem .7rem .15rem 0; text-align: right; border-bottom: 1px solid #eceff2; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 1px solid #888; font-weight: 600; }
tbody th { font-weight: 400; white-space: nowrap; } .card td, td.words { text-align: left; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
@media print { body { padding: 0; font-size: 11px; } section { break-inside: avoid; } h2 { break-after: avoid; }
  .verdict { print-color-adjust: exact; } }
"""
Rows = Iterable[Sequence[Any]]


def section(title: str, text: str, svg: str, alternative: str, tables: str) -> str:
    """Return a section: heading, text, figure, and the figure's numbers as tables.

    Parameters
    ----------
    title
        Heading as plain text.
    text
        HTML.
    svg
        Figure as SVG.
    alternative
        Text alternative of the figure.
    tables
        HTML.
    """
    source = base64.b64encode(svg.encode()).decode()
    return (
        f"<section><h2>{escape(title)}</h2><p>{text}</p>"
        f'<figure><img alt="{escape(alternative)}; the numbers are in the table below" '
        f'src="data:image/svg+xml;base64,{source}"></figure>{tables}</section>'
    )


def table(headings: Sequence[str], rows: Rows, caption: str) -> str:
    """Return a table whose first column holds the row headings.

    Parameters
    ----------
    headings
        Column headings.
    rows
        Numbers and text, one per heading.
    caption
        Caption as plain text.
    """
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in headings)
    lines = []
    for first, *rest in rows:
        cells = "".join(_cell(value) for value in rest)
        lines.append(f'<tr><th scope="row">{escape(str(first))}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    is_text = isinstance(value, str) and not value[:1].isdigit()
    return f'<td class="words">{format_number(value)}</td>' if is_text else f"<td>{format_number(value)}</td>"


def format_number(value: Any) -> str:
    """Format a value as HTML; empty for None, NaN and infinity."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def json_ready(value: Any) -> Any:
    """Replace NaN and infinity by None, which JSON can hold, in nested lists and dictionaries."""
    if isinstance(value, dict):
        return {key: json_ready(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
