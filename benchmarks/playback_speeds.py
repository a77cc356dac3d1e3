"""Score movies played at other speeds than in training: ``python -m benchmarks.playback_speeds``."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from dataclasses import replace

import numpy as np

from decoders.data.training_set import with_repeat_boundaries
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import frame_errors, likeliest, score
from decoders.model.model import Model
from decoders.playback.playback_speed import SPEEDS
from replay_data.simulate import PRESETS, simulate
from stream.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.playback_speeds", description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=["demo", "sparse-gain-100"])
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    speeds = tuple(sorted(SPEEDS))
    for name in arguments.presets:
        preset = replace(PRESETS[name], speeds=speeds)
        session = simulate(preset, arguments.seed)
        first = preset.n_train + 3
        model = fit_model(
            session, FitOptions(train_repeats=tuple(range(preset.n_train + 1))), baselines=False
        )
        test = with_repeat_boundaries(session.select_repeats(range(first, first + len(speeds))))
        print(
            f"{name}: with / without the playback model, within 1 s and bits; error of the forecast 1 s ahead"
        )
        show(model, test, first, speeds)


def show(model: Model, test: Session, first: int, speeds: tuple[float, ...]) -> None:
    """Print a line for each speed."""
    predictions = model.predict(test)
    for index, speed in enumerate(speeds):
        part = test.repeat == first + index
        frame = test.frame[part]
        scores = [
            score(posterior[part], frame, model.axis)
            for posterior in (predictions.posterior, predictions.posterior_without_playback)
        ]
        later = frame + round(model.movie_rate_hz * speed)
        known = (frame >= 0) & (later < model.n_frames)
        ahead = likeliest(predictions.forecast_posterior[1.0][part][known])
        miss, _ = frame_errors(ahead, later[known], model.axis.clip, model.axis.tolerance_frames)
        within = " / ".join(f"{s['accuracy_within_1s']:.3f}" for s in scores)
        bits = " / ".join(f"{s['log_score_bits']:5.2f}" for s in scores)
        print(f"  {speed:4g} times as fast: {within}   {bits}   {np.median(miss):3.0f} frames")


if __name__ == "__main__":
    main()
