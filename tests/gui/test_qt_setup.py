"""What is found out before Qt starts, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.live, pytest.mark.gui]


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """DisplayLoop code with only these variables about screens and fonts."""
    kept = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has no screen at times")
@pytest.mark.parametrize("environment", [{}, {"DISPLAY": ":993"}, {"QT_QPA_PLATFORM": "offscreen"}])
def test_without_a_screen_the_window_is_painted_in_memory(environment: dict[str, str]) -> None:
    code = (
        "from gui.qt_setup import has_screen, start_qt\n"
        "print(has_screen())\n"
        "print(start_qt(offscreen=not has_screen()).platformName())"
    )
    result = run(code, **environment)
    assert result.stdout.split() == ["False", "offscreen"], result.stderr


def test_without_a_font_it_says_what_to_install() -> None:
    code = (
        "from PyQt5.QtGui import QFontDatabase\n"
        "QFontDatabase.families = lambda self: []\n"
        "from gui.qt_setup import NoFont, start_qt\n"
        "try:\n"
        "    start_qt(offscreen=True)\n"
        "except NoFont as error:\n"
        "    print(error)"
    )
    assert "apt install fonts-dejavu-core" in run(code).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="a plugin of X11")
def test_a_missing_library_is_named_instead_of_an_abort() -> None:
    code = (
        "import ctypes\n"
        "import gui.qt_setup\n"
        "def refuse(path):\n"
        "    raise OSError('libxcb-icccm.so.4: cannot open shared object file')\n"
        "ctypes.CDLL = refuse\n"
        "try:\n"
        "    gui.qt_setup.start_qt(offscreen=False)\n"
        "except gui.qt_setup.NoWindow as error:\n"
        "    print(error)"
    )
    result = run(code, DISPLAY=":0")
    assert "libxcb-icccm.so.4" in result.stdout, result.stderr
    assert "neuroreel doctor" in result.stdout
