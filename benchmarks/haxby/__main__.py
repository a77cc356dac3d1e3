"""Decode picture categories from fMRI and print the scores: ``python -m benchmarks.haxby DATA_FOLDER [--json FILE]``.

A model fitted on the other eleven runs decodes each run in turn, with all settings selected inside the eleven. Accuracy
is over picture volumes only: among all states, where "no stimulus" is wrong, and 8-way, among the categories.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.haxby.prepare import TRUTHS, load
from benchmarks.haxby.run import logistic, response, score_runs


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.haxby", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument(
        "--truth", choices=TRUTHS, action="append", help="source of the labels [default: both]"
    )
    parser.add_argument(
        "--lag", type=int, action="append", help="lag in volumes; repeatable [default: selected in training]"
    )
    parser.add_argument("--draws", type=int, default=20, help="refits on shifted labels in every fold")
    arguments = parser.parse_args()
    report: dict[str, Any] = {}
    for truth in arguments.truth or TRUTHS:
        session = load(arguments.data, truth)
        curve = " ".join(f"{part:.2f}" for part in response(session))
        print(f"\nlabels of the {truth}: response from three volumes before a block on: {curve}", flush=True)
        for lag in arguments.lag or [None]:
            title = f"labels of the {truth}, lag {'chosen' if lag is None else f'{lag} volumes'}"
            result = score_runs(session, lag, arguments.draws)
            result["decoders"]["logistic, one volume"] = logistic(session, result["lag_volumes"])
            report[title] = result
            show(title, result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report, indent=2))


def show(title: str, result: dict[str, Any]) -> None:
    """Print a table."""
    print(f"\n{title}: lag by run {result['lag_volumes']}, window by run {result['window_volumes']}")
    print(f"  {'':<42} {'volume':>7} {'block':>7}   each run's volumes")
    for name, figures in {**result["decoders"], **result["controls"]}.items():
        runs = " ".join(f"{one:.2f}" for one in figures["runs"])
        print(f"  {name:<42} {figures['volume']:7.3f} {figures['block']:7.3f}   {runs}", flush=True)
    shifted = ", ".join(f"{playback} {p95:.3f}" for playback, p95 in result["labels_shifted_p95"].items())
    print(f"  labels shifted, p95 of {result['draws']} draws: {shifted or 'not drawn'}")
    print(f"  expected calibration error {result['ece']}")


if __name__ == "__main__":
    main()
