"""Measure what contrastive training adds to the linear embedding: ``python -m benchmarks.embedding --presets sparse``.

Each preset is simulated, a model is fitted on repeats 0 to 8 in the given mode, and the two test repeats (one in
order, one disturbed) are decoded without the playback model: from the linear embedding alone, from the contrastive
embedding alone, and from what the fit chose on a held-out training repeat. If the encoder uses a longer context than the
linear embedding, a linear model with that context is scored too. Needs torch.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from decoders.evaluation.evaluate import EvaluateOptions, select_test_part
from decoders.fitting.fit import fit_model
from decoders.fitting.options import FitOptions
from decoders.metrics import accuracy
from decoders.model.model import Model
from replay_data.simulate import PRESETS, simulate
from stream.session import Session


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.embedding", description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=["demo", "sparse"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--mode", choices=("label", "time", "hybrid"), default="label")
    parser.add_argument("--context-s", type=float)
    parser.add_argument("--json", type=Path, help="append one line per recording to this file")
    arguments = parser.parse_args()
    for preset in arguments.presets:
        for seed in arguments.seeds:
            row = compared(preset, seed, arguments.mode, arguments.context_s)
            print(json.dumps(row), flush=True)
            if arguments.json is not None:
                with arguments.json.open("a") as file:
                    file.write(json.dumps(row) + "\n")


def compared(preset: str, seed: int, mode: str, context_s: float | None) -> dict[str, Any]:
    session = simulate(preset, seed)
    begun = time.process_time()
    options = FitOptions(mode=mode, context_s=context_s, train_repeats=tuple(range(9)))
    model = fit_model(session, options, baselines=False)
    cpu_s = time.process_time() - begun
    part = model.parts.contrastive
    assert part is not None
    alone = replace(part, inverse_temperature=part.inverse_temperature or 1.0, linear_weight=0.0)
    contrastive = Model(
        replace(model.parts, contrastive=alone), {**model.card, "decoder_embedding": "contrastive"}
    )
    models = {"linear": model.linear, "contrastive": contrastive, "chosen": model}
    encoder_s = model.card["contrastive"]["context_ms"] / 1000
    if encoder_s > model.card["context_ms"] / 1000:
        models["linear_same_context"] = fit_model(
            session, replace(options, mode="linear", context_s=encoder_s), baselines=False
        )
    return {
        "preset": preset,
        "seed": seed,
        "mode": mode,
        "context_ms": model.card["context_ms"],
        "decoder_embedding": model.decoder_embedding,
        "decoder": model.card["decoder"],
        "fit_cpu_s": round(cpu_s, 1),
        "held_out": model.card["contrastive"],
        **{
            name: {n: scored(decoded_by, session, n) for n in (10, 11)} for name, decoded_by in models.items()
        },
    }


def scored(model: Model, session: Session, repeat: int) -> dict[str, float]:
    test = select_test_part(model, session, EvaluateOptions(repeats=(repeat,)))
    posterior = model.predict(test, forecasts=False).posterior_without_playback
    shown = test.frame >= 0
    truth, best = test.frame[shown], posterior[shown].argmax(1)
    frame = np.where(best < model.n_frames, best, -1)
    return {
        "accuracy_within_1s": round(accuracy(frame, truth, model.axis), 4),
        "accuracy_exact": round(float(np.mean(frame == truth)), 4),
    }


if __name__ == "__main__":
    main()
