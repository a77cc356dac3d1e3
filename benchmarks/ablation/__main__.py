"""Switch off each part of the default decoder by itself, and measure what it costs: ``python -m benchmarks.ablation``.

Every recording is fitted as it is and without each part (a candidate, a choice, a heuristic), and scored on test data
that no fit sees. Seeds, folds and tests are paired: the difference is that between with and without on the same test,
its standard error that over all tests of a recording. A part pays where switching it off costs more than one standard
error. Results are added to the file of ``--json`` after every fit; those already in it are not measured again.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ablation.cases import CASES, NEED_DATA, Case
from benchmarks.ablation.measure import Fitter
from benchmarks.ablation.parts import PARTS, Part

DEFAULT = "default"
SMALLEST = {"accuracy": 0.002, "bits": 0.01, "error": 0.005}
"""Smaller costs are none: shares of moments, bits, and shares of an error."""

Floats = NDArray[np.float64]
Results = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ablation", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with haxby_fmri and both rats; without it, they are skipped"
    )
    parser.add_argument("--only", choices=list(CASES), action="append", help="recording; repeatable")
    parser.add_argument("--part", action="append", help="part of a title of what is switched off; repeatable")
    parser.add_argument("--seeds", type=int, help="seeds or folds of each recording [default: 2 to 8]")
    parser.add_argument("--json", type=Path, help="file that results are added to")
    arguments = parser.parse_args()
    parts = [part for part in PARTS if any(words in part.title for words in arguments.part or [""])]
    results: Results = (
        json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    )
    names = [name for name in arguments.only or CASES if arguments.data is not None or name not in NEED_DATA]
    for seed in range(max(CASES[name][1] for name in names)):
        for name in names:
            make, n_seeds = CASES[name]
            if seed >= min(n_seeds, arguments.seeds or n_seeds):
                continue
            case = partial(make, seed, arguments.data)
            for part in measure(results.setdefault(f"{name}:{seed}", {}), case, parts):
                print(f"{name}:{seed} without {part}", flush=True)
                if arguments.json is not None:
                    arguments.json.write_text(json.dumps(results, indent=1))
    show(results)


def measure(
    results: dict[str, Any], make: Callable[[], Case], parts: Sequence[Part] = PARTS
) -> Iterator[str]:
    """Add the scores of a case without each part that they lack; yield the names of what was added."""
    missing = [part for part in parts if part.title not in results]
    if not missing:
        return
    begun = time.process_time()
    fitter = Fitter(make())
    results[DEFAULT] = {"scores": fitter.default, "seconds": round(time.process_time() - begun, 1)}
    yield DEFAULT
    for part in missing:
        begun = time.process_time()
        scores = fitter.scores(part) if part.of(fitter.data) else None
        results[part.title] = {"scores": scores, "seconds": round(time.process_time() - begun, 1)}
        yield part.title


def show(results: Results) -> None:
    """Print the default's figures, and for each part what switching it off costs, by recording and figure."""
    names = list(dict.fromkeys(name.rpartition(":")[0] for name in results))
    seconds = sum(one["seconds"] for of_case in results.values() for one in of_case.values())
    print(f"\n{seconds / 60:.0f} minutes of processor time\n\n## default")
    for name in names:
        cells = [
            f"{figure} {np.mean(values):.3f}" for figure, values in _values(results, name, DEFAULT).items()
        ]
        print(f"{name}: " + ", ".join(cells))
    print("\n## cost of switching off: mean difference and its standard error; ! where it is more than one")
    table = [f"| without | {' | '.join(names)} | verdict |", "|---|" + "---|" * (len(names) + 1)]
    for title in dict.fromkeys(
        title for of_case in results.values() for title in of_case if title != DEFAULT
    ):
        print(f"\n{title}")
        cells, pays = [], False
        for name in names:
            costs = cost_by_figure(results, name, title)
            if not any(np.any(each) for each in costs.values()):
                cells.append("" if not costs else "0")
                continue
            words = {figure: word(figure, each) for figure, each in costs.items()}
            print(f"  {name}: " + ", ".join(f"{figure} {one}" for figure, one in words.items()))
            pays |= any(one.endswith("!") for one in words.values())
            cells.append(
                " ".join(one for figure, one in words.items() if figure in ("accuracy alone", "error alone"))
            )
        table.append(f"| {title} | {' | '.join(cells)} | {'pays' if pays else ''} |")
    print("\n" + "\n".join(table))


def cost_by_figure(results: Results, name: str, title: str) -> dict[str, Floats]:
    """Return what switching a part off costs in each test of a recording, by figure; errors as shares of the default's.

    Nothing where the part is not used.
    """
    default, without = _values(results, name, DEFAULT, title), _values(results, name, title)
    out = {}
    for figure, before in default.items():
        if figure not in without:
            continue
        after = without[figure]
        out[figure] = (after / before - 1) if figure.startswith("error") else before - after
    return out


def word(figure: str, costs: Floats) -> str:
    """Format a mean cost (negative: gained) and its standard error; ! marks more than one standard error."""
    mean, error = (
        float(costs.mean()),
        float(costs.std(ddof=1) / np.sqrt(len(costs))) if len(costs) > 1 else 0.0,
    )
    mark = "!" if mean > max(error, SMALLEST[figure.split()[0]]) else ""
    return f"{mean:+.3f}±{error:.3f}{mark}"


def _values(results: Results, name: str, title: str, other: str | None = None) -> dict[str, Floats]:
    """Return each figure in all tests of a recording, of runs in which the part (and the other) was measured."""
    rows = [
        figures
        for run, of_case in results.items()
        if run.rpartition(":")[0] == name
        and of_case.get(title, {}).get("scores")
        and (other is None or of_case.get(other, {}).get("scores"))
        for figures in of_case[title]["scores"].values()
    ]
    return {figure: np.array([row[figure] for row in rows]) for figure in (rows[0] if rows else ())}


if __name__ == "__main__":
    main()
