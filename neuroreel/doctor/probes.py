"""Tests of LSL and Qt that ``doctor`` runs as ``python -m neuroreel.doctor.probes lsl | qt``.

Each prints one line of JSON. They run in processes of their own because LSL and Qt can be set up only once per process,
and so that a library that aborts the process does not end ``doctor``.
"""

from __future__ import annotations

import json
import sys
import time


def lsl() -> dict[str, object]:
    """Open a stream, find it and pull samples from it, in the network scope set by the environment.

    Returns
    -------
    found_s, pull_ms
        Seconds until the stream was found, and median time from push to pull in ms.
    """
    import pylsl

    from stream.lsl.network import configure

    network = configure()
    name = f"neuroreel-selftest-{time.time_ns()}"
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Selftest", 1, 0, "double64", name))
    begin = time.perf_counter()
    found = pylsl.resolve_byprop("source_id", name, 1, 5.0)
    found_s = time.perf_counter() - begin
    if not found:
        return {
            "ok": False,
            "scope": network.scope,
            "why": "the test stream was not found within 5 s",
        }
    inlet = pylsl.StreamInlet(found[0], recover=False)
    inlet.open_stream(5.0)
    delays = []
    for number in range(20):
        outlet.push_sample([float(number)])
        sample, stamp = inlet.pull_sample(2.0)
        if sample is None:
            return {"ok": False, "scope": network.scope, "why": f"sample {number} did not arrive within 2 s"}
        delays.append(pylsl.local_clock() - stamp)
    return {"ok": True, "scope": network.scope, "found_s": found_s, "pull_ms": 1000 * sorted(delays)[10]}


def qt() -> dict[str, object]:
    """Start Qt on the platform set by the environment, and count its fonts.

    Returns
    -------
    platform, fonts
        Qt's name of the platform, and the number of font families.
    """
    from PyQt5.QtGui import QFontDatabase, QGuiApplication

    application = QGuiApplication(["selftest"])
    return {"ok": True, "platform": application.platformName(), "fonts": len(QFontDatabase().families())}


if __name__ == "__main__":
    print(json.dumps({"lsl": lsl, "qt": qt}[sys.argv[1]]()))
