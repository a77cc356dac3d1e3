"""Score CEBRA on every preset: ``python -m benchmarks.presets.peer --seeds 1 --json peer.json``.

Uses the recordings and repeats of ``python -m benchmarks.presets``, and CEBRA as `neuroreel.bench.cebra` runs it:
discrete labels, causal, temperature 0.1, its best mode on the bundled recording. It needs the extra ``compare``.
Results are added to the file after every recording; those already in it are not measured again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.presets.__main__ import split_repeats
from decoders.data.training_set import with_repeat_boundaries
from neuroreel.bench.cebra import CebraSettings, run_cebra
from replay_data.simulate import PRESETS, simulate


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.presets.peer", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="number of random seeds, from 0")
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=list(PRESETS))
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--json", type=Path, required=True, help="file that results are added to")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    for seed in range(arguments.seeds):
        for preset in arguments.presets:
            name = f"{preset}:{seed}"
            if name not in results:
                results[name] = measure(preset, seed, arguments.iterations)
                arguments.json.write_text(json.dumps(results, indent=1))
    for name, run in results.items():
        print(f"{name:<20} within 1 s {run['accuracy_within_1s']:.3f}  exact {run['accuracy_exact']:.3f}")


def measure(preset: str, seed: int, iterations: int) -> dict[str, Any]:
    """Fit CEBRA on the first repeats of one recording and score the last."""
    session = simulate(preset, seed)
    train, test = (with_repeat_boundaries(session.select_repeats(r)) for r in split_repeats(preset, session))
    return run_cebra(train, test, CebraSettings(iterations=iterations), seed)


if __name__ == "__main__":
    main()
