"""A store filled as a receiver would fill it, on a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decoders.prediction import HORIZONS_S, PREDICTION_CHANNELS
from gui.state.snapshot import MoviePictures, Source, State
from gui.state.store import Store

RATE_HZ = 30.0
N_FRAMES = 90
N_CHANNELS = 24
START_S = 1_000.0

SOURCE = Source(
    name="V1",
    neural_name="V1",
    hostname="rig",
    mode="replay",
    rate_hz=RATE_HZ,
    n_frames=N_FRAMES,
    movie_rate_hz=RATE_HZ,
    tolerance_frames=30,
    movie_name="scenes",
    recording="demo",
    model_path="/models/demo.safetensors",
    model_hash="abc",
)


def make_pictures(n_frames: int = N_FRAMES) -> NDArray[np.uint8]:
    """Pictures that differ: a bright column whose place and a gray whose depth tell the frame."""
    pictures = np.zeros((n_frames, 40, 60), np.uint8)
    for index in range(n_frames):
        pictures[index] = index % 250
        pictures[index, :, index * 60 // n_frames] = 255
    return pictures


@dataclass
class Feed:
    """Plays a rig, a stimulus program and an engine into a store."""

    source: Source = SOURCE
    truth: bool = True
    pictures: bool = True
    neural: bool = True
    now_s: float = START_S
    point: Callable[[int], NDArray[np.floating]] | None = None
    store: Store = field(init=False)
    _sample: int = 0

    def __post_init__(self) -> None:
        self.store = Store(lambda: self.now_s)
        self.store.begin(self.source)
        if self.pictures:
            clips = np.zeros(self.source.n_frames, np.int64)
            self.store.set_movie_pictures(
                MoviePictures(
                    Path("demo.safetensors"),
                    "abc",
                    self.source.states,
                    make_pictures(self.source.n_frames),
                    clips,
                )
            )
        if self.neural:
            self.store.set_neural(N_CHANNELS, "Spikes")
        self.store.set_state(State.LIVE)

    def run(
        self, seconds: float, *, off_by: int = 0, blank: bool = False, skip: int = 0, state: str = "retrieved"
    ) -> None:
        """Send so many seconds; every frame is decoded ``off_by`` frames too far; ``skip`` predictions get lost.

        ``state`` may be ``unsure`` or ``no evidence``.
        """
        random = np.random.default_rng(self._sample)
        rate, n = self.source.rate_hz, self.source.n_frames
        for _ in range(round(seconds * rate)):
            true = -1 if blank else self._sample % n
            decoded = -1 if blank else (true + off_by) % n
            self.now_s = START_S + self._sample / rate
            stamps = np.array([self.now_s])
            if self.truth:
                self.store.add_truth(self.source.states.numbers(np.array([true])), stamps - 1 / rate)
            self._predict(decoded, stamps, random, lost=skip > 0, state=state)
            skip -= 1
            self._sample += 1
            self.store.settle()

    def _predict(
        self,
        decoded: int,
        stamps: NDArray[np.float64],
        random: np.random.Generator,
        *,
        lost: bool,
        state: str,
        raw_s: float = 0.0,
    ) -> None:
        n = self.source.n_frames
        following = (decoded + 30) % n if decoded >= 0 else -1
        numbers = self.source.states.numbers_by_state
        row = dict.fromkeys(PREDICTION_CHANNELS, 0.0) | {
            "frame": numbers[decoded], "confidence": 0.9, "next_frame": numbers[following], "next_confidence": 0.6,
            "sequence": self._sample, "stamp_raw": stamps[0] + raw_s, "lag_ms": 2.0, "model_version": 1,
        }  # fmt: skip
        if state == "unsure":
            row |= {"confidence": 0.2, "next_confidence": 0.05}
        if state == "no evidence":
            row["novelty"] = np.nan
        if not lost:
            self.store.add_predictions(np.array([list(row.values())]), stamps)
        posterior = np.full((1, n + 1), 1e-4, np.float32)
        if state == "unsure":
            for index, share in enumerate((0.2, 0.15, 0.1, 0.05)):
                posterior[0, (decoded + index * n // 4) % n] = share
        else:
            posterior[0, decoded] = 1 - posterior.sum()
        self.store.add_posterior(posterior, stamps)
        ahead = [
            [numbers[(decoded + round(h * 30)) % n], *[-1] * 4, 0.9, *[0.0] * 4, 1.0] for h in HORIZONS_S
        ]
        self.store.add_forecast(np.array(ahead, np.float32).reshape(1, -1))
        angle = 2 * np.pi * decoded / n
        point = (
            np.array([np.cos(angle), np.sin(angle), np.sin(2 * angle), 0.1])
            if self.point is None
            else self.point(self._sample)
        )
        self.store.add_embedding(point[None].astype(np.float32), stamps)
        if self.neural:
            self.store.add_neural(random.poisson(0.5, (1, N_CHANNELS)).astype(np.float32), stamps)


def wander(n_dimensions: int) -> Callable[[int], NDArray[np.floating]]:
    """Points of a walk on the unit sphere: a slow loop, with noise in every dimension."""
    random = np.random.default_rng(1)

    def point(sample: int) -> NDArray[np.floating]:
        angle = 2 * np.pi * sample / 180
        direction = 0.25 / np.sqrt(n_dimensions) * random.normal(size=n_dimensions)
        direction[:3] += np.cos(angle), np.sin(angle), 0.5 * np.sin(2 * angle)
        return direction / np.linalg.norm(direction)

    return point


def exploring(n_dimensions: int = 24, **changes) -> Feed:
    """A feed of an engine that decodes nothing."""
    source = {"explore": True, "n_frames": 1, "movie_rate_hz": 0.0, "tolerance_frames": 0, "mode": "live"}
    return replace(with_source(**source, **changes), truth=False, pictures=False, point=wander(n_dimensions))


def with_source(**changes) -> Feed:
    """A feed of another source."""
    return Feed(source=replace(SOURCE, **changes))
