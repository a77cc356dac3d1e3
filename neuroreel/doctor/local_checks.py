"""The checks of ``doctor``. Each is a function that returns one or more `Check`; none raises."""

from __future__ import annotations

import ctypes
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from neuroreel.doctor.check import Check, Status, fail, ok, warn
from neuroreel.doctor.network_checks import check_network

BUNDLED = ("demo.xdf", "demo.mp4", "demo.safetensors")


def check_all(scope: str) -> Iterator[Check]:
    """Run every check, in the order of the report.

    Parameters
    ----------
    scope
        Network scope to test, one of `stream.lsl.network.SCOPES`.
    """
    yield check_python()
    yield from check_packages()
    yield check_bundled()
    yield check_lsl_configuration()
    yield check_lsl("loopback")
    if scope != "loopback":
        yield check_lsl(scope)
    yield from check_network(scope, lsl_configuration())
    yield check_screen()
    yield from check_qt()
    yield check_threads()
    yield check_clock()
    yield check_disk()


def check_python() -> Check:
    """Check the version of Python."""
    found = f"{platform.python_version()}, {sys.executable}, {platform.platform()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return ok("Python", found)
    return warn("Python", found, "NeuroReel is tested with Python 3.11 to 3.13: install one of these.")


def check_packages() -> Iterator[Check]:
    """Check that the dependencies are installed, and report their versions and torch's."""
    for requirement in importlib.metadata.requires("neuroreel") or []:
        if "extra ==" in requirement:
            continue
        name = requirement.split(">=")[0].split(";")[0].strip()
        try:
            yield ok(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield fail(name, "not installed", f"pip install '{requirement}'")
    try:
        yield ok("torch", importlib.metadata.version("torch"))
    except importlib.metadata.PackageNotFoundError:
        yield ok("torch", "not installed (needed only for contrastive training, extra 'train')")


def check_bundled() -> Check:
    """Check that the files of ``demo`` are there."""
    import replay_data

    folder = Path(next(iter(replay_data.__path__)))
    missing = [name for name in BUNDLED if not (folder / name).is_file()]
    if missing:
        return fail("bundled recording", f"missing: {', '.join(missing)}", "Reinstall NeuroReel.")
    size = sum((folder / name).stat().st_size for name in BUNDLED)
    return ok("bundled recording", f"{folder}, {size / 1e6:.1f} MB")


def check_lsl_configuration() -> Check:
    """Check that liblsl loads, and report its version and its configuration file in the ``lab`` scope."""
    try:
        import pylsl

        version = pylsl.library_version()
    except Exception as error:
        return fail("liblsl", f"cannot be loaded: {error}", "pip install --force-reinstall pylsl")
    found = f"{version // 100}.{version % 100}"
    named, in_force = os.environ.get("LSLAPICFG"), lsl_configuration()
    if named and in_force != Path(named):
        return warn("liblsl", f"{found}, LSLAPICFG={named} is not a file", "Unset or correct LSLAPICFG.")
    return ok("liblsl", f"{found}, in the lab scope configured by {in_force or 'its defaults'}")


def lsl_configuration() -> Path | None:
    """The configuration file that LSL reads in the ``lab`` scope; None if there is none."""
    from stream.lsl.network import own_configurations

    named = os.environ.get("LSLAPICFG")
    files = [Path(named)] if named else []
    return next((path for path in [*files, *own_configurations()] if path.is_file()), None)


def check_lsl(scope: str) -> Check:
    """Check that a stream sent by this computer can be found and received, in one network scope.

    Parameters
    ----------
    scope
        One of `stream.lsl.network.SCOPES`.
    """
    from stream.lsl.network import SCOPE_VARIABLE, SESSION_VARIABLE

    settings = {SCOPE_VARIABLE: scope}
    if scope == "loopback":  # a session of its own, so that other streams are not disturbed
        settings[SESSION_VARIABLE] = f"selftest-{uuid.uuid4().hex}"
    name = f"LSL {scope}"
    result = _run_probe("lsl", settings)
    if not result.get("ok"):
        why = str(result.get("why"))
        if scope == "loopback":
            return fail(name, why, "Allow UDP and TCP ports 16571-16604 on 127.0.0.1 in the firewall.")
        advice = (
            "Multicast may be blocked: allow UDP 16571 and TCP/UDP 16572-16604 in the firewall, or list the "
            "other computers as KnownPeers in lsl_api.cfg."
        )
        return warn(name, why, advice)
    found = f"test stream found after {result['found_s']:.2f} s, {result['pull_ms']:.2f} ms from push to pull"
    return ok(name, found)


def check_screen() -> Check:
    """Check that there is a screen for the window."""
    if sys.platform == "darwin":
        return ok("screen", "macOS")
    for variable in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return ok("screen", f"{variable}={os.environ[variable]}")
    return warn(
        "screen",
        "neither DISPLAY nor WAYLAND_DISPLAY is set",
        "Over ssh, use 'ssh -X'. Without a screen, 'demo' and 'display --screenshot' draw the window in memory.",
    )


def check_qt() -> Iterator[Check]:
    """Check that Qt's platform plugins load and that Qt finds fonts."""
    yield from _missing_libraries()
    has_screen = sys.platform == "darwin" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    result = _run_probe("qt", {} if has_screen else {"QT_QPA_PLATFORM": "offscreen"})
    if not result.get("ok"):
        advice = "Install the missing libraries listed above; 'make demo' run as root installs them."
        yield fail("Qt", str(result.get("why")), advice)
        return
    yield ok("Qt", f"starts on platform {result['platform']!r}")
    if result["fonts"]:
        yield ok("fonts", f"{result['fonts']} families")
    else:
        yield fail("fonts", "none: text would appear as empty boxes", "apt-get install fonts-dejavu-core")


def _missing_libraries() -> Iterator[Check]:
    """A check for each platform plugin with missing system libraries; Qt itself would abort without a reason."""
    try:
        from PyQt5.QtCore import QLibraryInfo
    except ImportError as error:
        yield fail("PyQt5", str(error), "apt-get install libgl1 libegl1 libglib2.0-0")
        return
    plugins = Path(QLibraryInfo.location(QLibraryInfo.PluginsPath)) / "platforms"
    wanted = {
        "libqoffscreen.so": Status.FAIL,
        "libqxcb.so": Status.FAIL if os.environ.get("DISPLAY") else Status.WARN,
    }
    for file, severity in wanted.items():
        if (plugins / file).is_file():
            try:
                ctypes.CDLL(str(plugins / file))
            except OSError as error:
                advice = "Install the package with this library; 'make demo' prints its name (as root, installs it)."
                yield Check(f"Qt plugin {file}", severity, str(error), advice)


def check_threads() -> Check:
    """Check that numpy uses one thread; more threads make live decoding slower and irregular."""
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    pools = ", ".join(f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info())
    found = (
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}; {pools}; {os.cpu_count()} processors"
    )
    if all(pool["num_threads"] == 1 for pool in threadpool_info()):
        return ok("threads", found)
    return warn("threads", found, "Unset OMP_NUM_THREADS and OPENBLAS_NUM_THREADS, or set both to 1.")


def check_clock() -> Check:
    """Check the resolution of the clock used for timestamps, and how late a sleep of 1 ms ends."""
    resolution_us = 1e6 * time.get_clock_info("monotonic").resolution
    lates = []
    for _ in range(50):
        begin = time.perf_counter()
        time.sleep(0.001)
        lates.append(1000 * (time.perf_counter() - begin) - 1)
    late_ms = sorted(lates)[45]
    found = f"resolution {resolution_us:.3g} us; a sleep of 1 ms ends {late_ms:.2f} ms late (90th percentile)"
    if resolution_us <= 100 and late_ms <= 5:
        return ok("clock", found)
    return warn(
        "clock",
        found,
        "Latencies will be irregular: close other programs.",
    )


def check_disk() -> Check:
    """Check the free disk space for recordings and temporary files."""
    free = {
        str(folder): shutil.disk_usage(folder).free / 1e9
        for folder in (Path.cwd(), Path(tempfile.gettempdir()))
    }
    found = ", ".join(f"{gigabytes:.1f} GB free in {folder}" for folder, gigabytes in free.items())
    least = min(free.values())
    if least >= 1:
        return ok("disk", found)
    return Check(
        "disk", Status.WARN if least >= 0.1 else Status.FAIL, found, "Free disk space before recording."
    )


def _run_probe(name: str, settings: dict[str, str]) -> dict[str, object]:
    """Run one of `neuroreel.doctor.probes` in a process of its own, with extra environment variables; never raises."""
    command = [sys.executable, "-P", "-m", "neuroreel.doctor.probes", name]
    try:
        done = subprocess.run(
            command,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return {"ok": False, "why": "timed out after 30 s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        result: dict[str, object] = json.loads(lines[-1])
        return result
    errors = done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}"]
    return {"ok": False, "why": errors[-1]}
