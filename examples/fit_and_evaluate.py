"""Fit a model on the first repeats of a movie and score it on later ones, beside baselines and chance.

The recording is simulated: 60 units watch a movie of four scenes, on the last repeat with its scenes out of order.
Give a file to use your own:

    python examples/fit_and_evaluate.py [SESSION] [--test-repeats 4 5]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import neuroreel
from replay_data.simulate import Preset, simulate


def main() -> None:
    """Fit, evaluate, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("session", nargs="?", type=Path)
    parser.add_argument("--test-repeats", nargs="+", type=int, default=[4, 5])
    options = parser.parse_args()

    if options.session is None:
        session = simulate(Preset(n_units=60, n_train=3, n_scenes=4, episode=(1, 2)), seed=1)
    else:
        session = neuroreel.load_session(options.session)
    training = tuple(repeat for repeat in session.repeats if repeat < min(options.test_repeats))
    model = neuroreel.fit_model(session, neuroreel.FitOptions(train_repeats=training))
    test = neuroreel.EvaluateOptions(repeats=tuple(options.test_repeats))
    report = neuroreel.evaluate(model, session, test)

    print(f"trained on repeats {training}, tested on {tuple(options.test_repeats)}: accuracy within 1 s")
    print(f"{'':24}{'with playback':>15}{'activity alone':>16}")
    for name, scores in {"model": report, **report["baselines"]}.items():
        with_playback, alone = (
            scores[part]["accuracy_within_1s"] for part in ("with_playback", "without_playback")
        )
        print(f"{name:24}{with_playback:15.3f}{alone:16.3f}")
    chance = report["controls"]["labels_shifted"]
    with_playback, alone = (chance[part]["mean"] for part in ("with_playback", "without_playback"))
    print(f"{'chance (labels shifted)':24}{with_playback:15.3f}{alone:16.3f}")
    print(f"verdict: {report['verdict']}")


if __name__ == "__main__":
    main()
