"""Close a loop: when the decoder sees a scene begin, send an LSL marker that a rig can act on.

By itself it replays the bundled recording and decodes it in this process, on this computer only. With `neuroreel live`
running, give the name of the stream that it decodes:

    python examples/closed_loop.py [--seconds 5] [--scene 0 100] [--engine V1]
"""

from __future__ import annotations

import argparse
import os
import threading
import time

import pylsl

import neuroreel
from replay_data.bundle import demo_model, demo_recording


def main() -> None:
    """Watch the predictions; mark each confident entry into the scene."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--scene", nargs=2, type=int, default=(0, 100), metavar=("FIRST", "LAST"))
    parser.add_argument("--engine", help="name of the stream that `neuroreel live` decodes")
    options = parser.parse_args()

    inlet = neuroreel.Inlet(neuroreel.find_stream(f"{options.engine or start_engine()}-prediction"))
    inlet.open()
    frame_column, confidence_column = map(inlet.channel_labels.index, ("frame", "confidence"))
    marker = pylsl.StreamOutlet(pylsl.StreamInfo("scene", "Markers", 1, 0, pylsl.cf_string, "closed-loop"))
    end, inside = time.monotonic() + options.seconds, False
    while time.monotonic() < end:
        if (chunk := inlet.pull(timeout_s=0.1)) is None:
            continue
        frame, confidence = chunk.samples[-1, [frame_column, confidence_column]]
        sees_scene = bool(options.scene[0] <= frame <= options.scene[1] and confidence > 0.8)
        if sees_scene and not inside:
            marker.push_sample(["scene begins"])
            age_ms = (pylsl.local_clock() - chunk.stamps[-1]) * 1e3
            print(f"frame {frame:.0f}, confidence {confidence:.2f}: marker {age_ms:.1f} ms after the sample")
        inside = sees_scene


def start_engine(name: str = "loop") -> str:
    """Replay and decode in threads of this process; `neuroreel live` has a process of its own and is steadier."""
    os.environ.setdefault("NEUROREEL_NETWORK", "loopback")
    test_repeat = neuroreel.load_session(demo_recording()).select_repeats([10])
    replay = neuroreel.Replay(test_repeat, name=name)
    threading.Thread(target=replay.run, daemon=True).start()
    source = neuroreel.Inlet(neuroreel.find_stream(name))
    engine = neuroreel.Engine(neuroreel.Model.load(demo_model()), source, neuroreel.LiveOptions(name))
    threading.Thread(target=engine.run, daemon=True).start()
    return name


if __name__ == "__main__":
    main()
