"""Plot an embedding: the path of one repeat of a movie, and how alike its points are to those of other repeats.

The embedding learns from six training repeats of the bundled, simulated recording; the repeat in the plot is another.
The bright diagonal means that each frame lands where it landed in training:

    python examples/plot_embedding.py [--output embedding.png] [--repeat 10]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import neuroreel
from replay_data.bundle import demo_recording

STEP = 6  # frames averaged into one point


def main() -> None:
    """Fit, transform, plot, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("embedding.png"))
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()

    session = neuroreel.load_session(demo_recording())
    training, unseen = session.select_repeats(range(6)), session.select_repeats([options.repeat])
    embedding = neuroreel.Embedding(mode="linear", context=20)
    embedding.fit(training.neural, frame=training.frame, segment=training.segment)
    bins = np.arange(session.n_frames // STEP)
    means = []
    for part in (training, unseen):
        points = embedding.transform(part.neural, part.segment)
        means.append(np.stack([points[(part.frame >= 0) & (part.frame // STEP == k)].mean(0) for k in bins]))
    known, path = means

    center = known.mean(axis=0)
    axes = np.linalg.svd(known - center, full_matrices=False)[2][:2]
    x, y = axes @ (path - center).T
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(x, y, color="0.8", linewidth=0.8)
    left.scatter(x, y, c=bins * STEP, s=12, cmap="viridis")
    left.set(title=f"repeat {options.repeat}", xlabel="component 1", ylabel="component 2")
    image = right.imshow(
        path @ known.T, origin="lower", interpolation="nearest", extent=(0, session.n_frames) * 2
    )
    right.set(title="dot product", xlabel="frame, training", ylabel=f"frame, repeat {options.repeat}")
    figure.colorbar(image)
    figure.savefig(options.output, dpi=100)
    print(f"wrote {options.output}")


if __name__ == "__main__":
    main()
