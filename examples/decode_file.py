"""Decode a recording with a fitted model and print how often the decoded frame was right.

Without arguments it decodes the two test repeats of the bundled recording, which is simulated:

    python examples/decode_file.py [MODEL SESSION] [--repeats 10 11]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import neuroreel
from replay_data.bundle import demo_model, demo_recording


def main() -> None:
    """Decode and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", type=Path, default=demo_model())
    parser.add_argument("session", nargs="?", type=Path, default=demo_recording())
    parser.add_argument("--repeats", nargs="+", type=int, default=[10, 11])
    options = parser.parse_args()

    model = neuroreel.Model.load(options.model)
    session = neuroreel.load_session(options.session)
    print(model, session, sep="\n")
    for repeat in options.repeats:
        part = session.select_repeats([repeat])
        predictions = model.predict(part)
        shown = part.frame >= 0
        error_frames = np.abs(predictions.frame - part.frame)[shown]
        within_1s = np.mean(error_frames <= model.movie_rate_hz)
        print(
            f"repeat {repeat}: {shown.sum()} samples, within 1 s in {within_1s:.1%}, median error "
            f"{np.median(error_frames):.0f} frames, median confidence {np.median(predictions.confidence[shown]):.2f}"
        )


if __name__ == "__main__":
    main()
