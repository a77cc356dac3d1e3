"""Fast plots: fixed ranges, cosmetic pens of width 1, uint8 images with explicit levels."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PyQt5.QtCore import QRectF, Qt  # PyQt5 before pyqtgraph, or that may pick another binding
from PyQt5.QtGui import QBrush, QColor, QFont

import pyqtgraph as pg  # isort: skip

from gui.theme import Theme

AXIS_WIDTH = 52
TICK_PIXELS = 11
HATCH_ALPHA = 130

pg.setConfigOptions(antialias=False, imageAxisOrder="row-major", useOpenGL=False)


class Plot(pg.PlotWidget):
    """A plot with a fixed range, which the mouse does not change.

    Parameters
    ----------
    y_label
        Label of the left axis.
    x_label
        Label of the bottom axis.
    hatched
        Whether the ground is hatched where nothing is drawn, which means: no data.
    """

    def __init__(self, y_label: str = "", x_label: str = "", *, hatched: bool = True) -> None:
        super().__init__()
        self._labels = (y_label, x_label)
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(False, False)
        item.disableAutoRange()
        item.setContentsMargins(0, 8, 14, 0)
        view = item.getViewBox()
        view.setDefaultPadding(0)
        self.setFrameShape(0)
        self.setInteractive(False)
        self._range: tuple[float, ...] = ()
        self.left, self.bottom = self.getAxis("left"), self.getAxis("bottom")
        self._bottom = 34 if x_label else 20
        view.background.setVisible(hatched)
        for axis in (self.left, self.bottom):
            axis.setStyle(tickLength=-4, tickTextOffset=5, autoExpandTextSpace=False)
            axis.enableAutoSIPrefix(False)

    def set_theme(self, theme: Theme) -> None:
        """Apply a theme."""
        self.setBackground(theme.panel)
        hatch = QColor(theme.dim)
        hatch.setAlpha(HATCH_ALPHA)
        self.getViewBox().background.setBrush(QBrush(hatch, Qt.BDiagPattern))
        size = theme.px(TICK_PIXELS)
        font = QFont()
        font.setPixelSize(size)
        self.left.setWidth(theme.px(AXIS_WIDTH))
        self.bottom.setHeight(theme.px(self._bottom))
        for axis, text in zip((self.left, self.bottom), self._labels, strict=True):
            axis.setPen(theme.border)
            axis.setTextPen(theme.dim)
            axis.setStyle(tickFont=font)
            if text:
                axis.setLabel(html.escape(text), **{"color": theme.dim, "font-size": f"{size}px"})

    def label_left(self, text: str) -> None:
        """Change the label of the left axis."""
        self._labels = (text, self._labels[1])
        self.left.setLabel(html.escape(text))

    def label_bottom(self, text: str) -> None:
        """Change the label of the bottom axis."""
        self._labels = (self._labels[0], text)
        self.bottom.setLabel(html.escape(text))

    def set_hatched(self, hatched: bool) -> None:
        """Hatch the ground, or leave it plain."""
        self.getViewBox().background.setVisible(hatched)

    def set_bottom(self, height: int) -> None:
        """Set the height of the bottom axis in pixels, for text of the usual size."""
        self._bottom = height

    def set_range(self, x0: float, x1: float, y0: float, y1: float) -> None:
        """Set both ranges if they have changed."""
        wanted = (x0, x1, y0, y1)
        if wanted != self._range:
            self._range = wanted
            self.getViewBox().setRange(xRange=(x0, x1), yRange=(y0, y1), padding=0, disableAutoRange=True)

    def line(self, colour: str, *, dashed: bool = False) -> Any:
        """Add a line of cosmetic width 1.

        Parameters
        ----------
        colour
            As ``#rrggbb``.
        dashed
            Draw it dashed.
        """
        curve = pg.PlotCurveItem(pen=pen(colour, dashed=dashed), connect="finite", skipFiniteCheck=False)
        self.addItem(curve)
        return curve


class ImageLayer:
    """A uint8 image in a plot.

    Parameters
    ----------
    plot
        Plot to draw in.
    z
        Stacking order; higher layers lie above.
    """

    def __init__(self, plot: Plot, z: float = 0) -> None:
        self.item = pg.ImageItem(levels=(0, 255))
        self.item.setZValue(z)
        self._rect: QRectF | None = None
        self._shape: tuple[int, ...] = ()
        plot.addItem(self.item)

    def set_map(self, name: str, *, reverse: bool = False, no_data: bool = False) -> None:
        """Set the colour map, one of pyqtgraph's; with ``no_data`` 0 is transparent and shows the hatched ground."""
        table = colour_table(name, reverse=reverse)
        if no_data:
            table = np.column_stack([table, np.full(len(table), 255, np.uint8)])
            table[0, 3] = 0
        self.item.setLookupTable(table)

    def show(self, image: NDArray[np.uint8], x: float, y: float, width: float, height: float) -> None:
        """Draw an image [rows, columns], row 0 at the bottom, over a rectangle of the plot."""
        if image.strides[0] != image.shape[1]:  # Qt needs it, numpy does not where there is one row only
            image = image.copy()
        self.item.setImage(image, autoLevels=False, levels=(0, 255))
        rect = QRectF(x, y, width, height)
        if (
            rect != self._rect or image.shape != self._shape
        ):  # only after an image is set: see pyqtgraph's setRect
            self._rect, self._shape = rect, image.shape
            self.item.setRect(rect)


def pen(colour: str, *, dashed: bool = False) -> Any:
    """A cosmetic pen of width 1.

    Parameters
    ----------
    colour
        As ``#rrggbb``.
    dashed
        Draw a dashed line.
    """
    return pg.mkPen(colour, width=1, style=pg.QtCore.Qt.DashLine if dashed else pg.QtCore.Qt.SolidLine)


def colour_table(name: str, *, reverse: bool = False) -> NDArray[np.uint8]:
    """The 256 colours of a colour map, uint8 [256, 3].

    Parameters
    ----------
    name
        ``viridis`` or a CET map.
    reverse
        Reverse the colour map.
    """
    table = pg.colormap.get(name).getLookupTable(nPts=256)[:, :3]
    return np.ascontiguousarray(table[::-1] if reverse else table, np.uint8)


def decimate(
    time_s: NDArray[np.float64], values: NDArray[Any], most: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Thin a line to at most about ``most`` points, keeping its extremes, and its breaks where values are NaN.

    Parameters
    ----------
    time_s, values
        [n] each.
    most
        Maximum number of points, about.
    """
    n = len(values)
    if n <= most:
        return time_s, values
    per_block = 3 if np.isnan(np.asarray(values, np.float64)).any() else 2
    size = -(-per_block * n // most)
    n_blocks = n // size
    cut = n - n_blocks * size
    blocks = np.asarray(values[cut:], np.float64).reshape(n_blocks, size)
    lowest, highest = np.fmin.reduce(blocks, 1), np.fmax.reduce(blocks, 1)
    broken = np.isnan(blocks).any(1)
    begins = time_s[cut:].reshape(n_blocks, size)[:, 0]
    if per_block == 2:
        return np.repeat(begins, 2), np.column_stack([lowest, highest]).ravel()
    after = np.where(broken, np.nan, highest)
    return np.repeat(begins, 3), np.column_stack([lowest, highest, after]).ravel()
