"""Colours and fonts. Lines and categories use the Okabe-Ito palette, which is safe for colour-blind viewers."""

from __future__ import annotations

from dataclasses import dataclass

ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"

FONTS = (
    "Inter",
    "Noto Sans",
    "Source Sans 3",
    "Helvetica Neue",
    "Segoe UI",
    "DejaVu Sans",
    "Liberation Sans",
)
"""Fonts in order of preference; any other is used if none is installed."""


@dataclass(frozen=True, slots=True)
class Theme:
    """A set of colours, as ``#rrggbb``.

    Attributes
    ----------
    truth, decoded, forecast, latency, error
        Colours of the lines.
    posterior_map
        Colour map of probabilities.
    reverse_maps
        Whether neural activity is drawn dark on bright.
    """

    name: str
    background: str
    panel: str
    raised: str
    border: str
    grid: str
    text: str
    dim: str
    truth: str
    decoded: str
    forecast: str
    latency: str
    error: str
    posterior_map: str
    reverse_maps: bool


DARK = Theme(
    name="dark",
    background="#14171a",
    panel="#1b1f24",
    raised="#262c33",
    border="#2b323a",
    grid="#2b323a",
    text="#e6e9ec",
    dim="#8b949e",
    truth=ORANGE,
    decoded=SKY,
    forecast=PURPLE,
    latency=PURPLE,
    error=YELLOW,
    posterior_map="CET-L6",
    reverse_maps=False,
)

LIGHT = Theme(
    name="light",
    background="#eef0f3",
    panel="#ffffff",
    raised="#e4e8ec",
    border="#d3d9df",
    grid="#e4e8ec",
    text="#1b1f24",
    dim="#5b6570",
    truth="#C98500",
    decoded=BLUE,
    forecast=PURPLE,
    latency=PURPLE,
    error="#8a6100",
    posterior_map="CET-L12",
    reverse_maps=True,
)


def style_sheet(theme: Theme) -> str:
    """The style sheet of the whole window.

    Parameters
    ----------
    theme
        `DARK` or `LIGHT`.
    """
    return f"""
    QMainWindow, QDialog, #body {{ background: {theme.background}; }}
    QWidget {{ color: {theme.text}; font-size: 13px; }}
    QLabel {{ background: transparent; }}
    #panel {{ background: {theme.panel}; border: 1px solid {theme.border}; border-radius: 6px; }}
    #title {{ font-weight: 600; }}
    #detail, #dim {{ color: {theme.dim}; font-size: 12px; }}
    #message {{ color: {theme.dim}; font-size: 14px; }}
    #header, #status {{ background: {theme.panel}; }}
    #header {{ border-bottom: 1px solid {theme.border}; }}
    #status {{ border-top: 1px solid {theme.border}; }}
    QPushButton {{ background: {theme.raised}; border: 1px solid {theme.border}; border-radius: 4px;
                   padding: 4px 10px; }}
    QPushButton:hover {{ border-color: {theme.dim}; }}
    QPushButton:disabled {{ color: {theme.dim}; }}
    QPushButton:checked {{ background: {YELLOW}; color: #14171a; }}
    QTableWidget {{ background: {theme.panel}; border: 1px solid {theme.border}; gridline-color: {theme.border};
                    selection-background-color: {theme.raised}; selection-color: {theme.text}; }}
    QTableWidget::item {{ padding: 4px 10px; }}
    QHeaderView::section {{ background: {theme.raised}; color: {theme.dim}; border: none; padding: 5px 10px; }}
    """
