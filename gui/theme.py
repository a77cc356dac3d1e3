"""Colours and sizes. Lines use the Okabe-Ito palette, safe for colour-blind viewers, and each colour has one meaning."""

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
    truth, decoded, forecast
        Colours of what was shown, what is decoded now and what is decoded for the next second; nothing else has them.
    latency, error
        Colours of the other lines.
    warn, alarm
        Text of a figure beyond its first and second threshold, see `gui.thresholds`; what is wrong or not current has
        the latter too.
    posterior_map
        Colour map of probabilities.
    reverse_maps
        Whether neural activity is drawn dark on bright.
    scale
        Size of all text relative to that of a window of the usual size.
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
    warn: str
    alarm: str
    posterior_map: str
    reverse_maps: bool
    scale: float = 1.0

    def px(self, pixels: float) -> int:
        """Scale a size, in pixels."""
        return max(1, round(pixels * self.scale))


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
    latency="#b6bec6",
    error="#b6bec6",
    warn=YELLOW,
    alarm=VERMILION,
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
    truth="#A86400",
    decoded=BLUE,
    forecast="#A04F7D",
    latency="#4a5560",
    error="#4a5560",
    warn="#8a6100",
    alarm=VERMILION,
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
    px = theme.px
    return f"""
    QMainWindow, QDialog, #body {{ background: {theme.background}; }}
    QWidget {{ color: {theme.text}; font-size: {px(13)}px; }}
    QLabel {{ background: transparent; }}
    #panel {{ background: {theme.panel}; border: 1px solid {theme.border}; border-radius: 6px; }}
    #title {{ font-weight: 600; }}
    #name {{ font-size: {px(16)}px; font-weight: 700; }}
    #heading {{ font-size: {px(18)}px; font-weight: 700; }}
    #key {{ font-weight: 700; }}
    #detail, #dim {{ color: {theme.dim}; font-size: {px(12)}px; }}
    #message {{ color: {theme.dim}; font-size: {px(14)}px; }}
    #header, #status {{ background: {theme.panel}; }}
    #header {{ border-bottom: 1px solid {theme.border}; }}
    #status {{ border-top: 1px solid {theme.border}; }}
    QPushButton {{ background: {theme.raised}; border: 1px solid {theme.border}; border-radius: 4px;
                   padding: {px(4)}px {px(10)}px; }}
    QPushButton:hover {{ border-color: {theme.dim}; }}
    QPushButton:disabled {{ color: {theme.dim}; }}
    QPushButton:checked {{ background: {YELLOW}; color: #14171a; }}
    QTableWidget {{ background: {theme.panel}; border: 1px solid {theme.border}; gridline-color: {theme.border};
                    selection-background-color: {theme.raised}; selection-color: {theme.text}; }}
    QTableWidget::item {{ padding: {px(4)}px {px(10)}px; }}
    QHeaderView::section {{ background: {theme.raised}; color: {theme.dim}; border: none;
                            padding: {px(5)}px {px(10)}px; }}
    """
