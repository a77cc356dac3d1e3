"""Start Qt after checking for a screen, its platform plugin and a font: without them Qt aborts the process."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stream.errors import NeuroReelError

if TYPE_CHECKING:
    from PyQt5.QtWidgets import QApplication

logger = logging.getLogger(__name__)

FPS = 30
"""Default repaints per second."""

_SERIOUS = (2, 3)  # QtCriticalMsg, QtFatalMsg

_kept: list[QApplication] = []
"""Keeps the application alive: Qt crashes if it is garbage-collected before its widgets."""


class NoFont(NeuroReelError):
    """Qt finds no font, so the window cannot show text."""

    exit_code = 1


class NoWindow(NeuroReelError):
    """There is a screen, but Qt lacks a system library to draw on it."""

    exit_code = 1


def has_screen() -> bool:
    """Whether there is a screen to open a window on."""
    if os.environ.get("QT_QPA_PLATFORM", "") in ("offscreen", "minimal"):
        return False
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return True
    display = os.environ.get("DISPLAY")
    if not display:
        return False
    if not _answers(display):
        logger.warning("DISPLAY is %s, but nothing answers there: the window is painted in memory.", display)
        return False
    return True


def start_qt(*, offscreen: bool) -> QApplication:
    """The one application, with a font.

    Parameters
    ----------
    offscreen
        Paint in memory.

    Raises
    ------
    NoWindow
        When a system library is missing.
    NoFont
        When Qt finds no font.
    """
    from PyQt5.QtCore import Qt, qInstallMessageHandler
    from PyQt5.QtGui import QFont, QFontDatabase
    from PyQt5.QtWidgets import QApplication

    from gui.theme import FONTS

    application = QApplication.instance()
    if not isinstance(application, QApplication):
        if offscreen:
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
        elif sys.platform == "linux":
            _choose_platform()
        qInstallMessageHandler(_log)
        QApplication.setAttribute(Qt.AA_EnableHighDpiScaling)
        QApplication.setAttribute(Qt.AA_UseHighDpiPixmaps)
        application = QApplication(["neuroreel"])
        _kept.append(application)
    families = set(QFontDatabase().families())
    if not families:
        raise NoFont(
            "Qt finds no font on this computer, so the window cannot show text. "
            "Install one, for example on Debian or Ubuntu: apt install fonts-dejavu-core"
        )
    font = QFont(next((family for family in FONTS if family in families), sorted(families)[0]))
    font.setPixelSize(13)
    application.setFont(font)
    return application


def _log(kind: int, _context: object, message: str | None) -> None:
    """Log Qt's messages; its warnings are logged as information."""
    logger.log(logging.ERROR if kind in _SERIOUS else logging.INFO, "Qt: %s", message)


def _answers(display: str) -> bool:
    """Whether an X server accepts a connection; true if libxcb is missing and it cannot be tried."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


def _choose_platform() -> None:
    """Choose Qt's platform plugin and load it once, to raise an error where Qt would abort."""
    from PyQt5.QtCore import QLibraryInfo

    if "QT_QPA_PLATFORM" not in os.environ and not os.environ.get("DISPLAY"):
        os.environ["QT_QPA_PLATFORM"] = "wayland"
    if os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return
    plugin = Path(QLibraryInfo.location(QLibraryInfo.PluginsPath)) / "platforms" / "libqxcb.so"
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        raise NoWindow(
            f"Qt cannot open a window on this screen: {error}. Install the package that holds it (on Debian or Ubuntu "
            "'make demo' as root does; 'neuroreel doctor' says what is missing), or paint in memory with "
            "QT_QPA_PLATFORM=offscreen."
        ) from error
