"""Embeddings of several recordings, and those that go on learning: `fit` of lists, `adapt`, `partial_fit`, files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from decoders.embedding import embedding_file
from decoders.embedding.estimator import Embedding
from decoders.embedding.quality import goodness_of_fit, infonce
from decoders.errors import BadModel, NotFitted
from stream.errors import BadRecording, BadUsage, OutputExists, ShapeMismatch

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: pip install neuroreel[train]"
)
RNG = np.random.default_rng(0)
N_FRAMES, N_TRAIN = 25, 8
FRAME, REPEAT = np.tile(np.arange(N_FRAMES), 12), np.repeat(np.arange(12), N_FRAMES)
TRAIN = REPEAT < N_TRAIN


def animal(n_units: int) -> np.ndarray:
    rates = np.exp(RNG.normal(size=(N_FRAMES, n_units)))
    return RNG.poisson(rates[FRAME]).astype(np.float32)


ONE, OTHER = animal(40), animal(30)


def accuracy(points: np.ndarray, reference: np.ndarray) -> float:
    """Return the accuracy on the last repeats by the nearest of the reference's class means of the first repeats."""
    centres = np.stack([reference[TRAIN & (frame == FRAME)].mean(0) for frame in range(N_FRAMES)])
    return float(np.mean((points[~TRAIN] @ centres.T).argmax(1) == FRAME[~TRAIN]))


def joint(mode: str = "label", **options: object) -> Embedding:
    given = {"steps": 150, "dimensions": 8} | options
    return Embedding(mode, **given).fit(  # type: ignore[arg-type]
        [ONE[TRAIN], OTHER[TRAIN]], [FRAME[TRAIN]] * 2, repeat=[REPEAT[TRAIN]] * 2
    )


@pytest.mark.train
@needs_torch
def test_recordings_of_different_channels_share_an_embedding() -> None:
    embedding = joint()
    one, other = embedding.transform(ONE), embedding.transform(OTHER, session=1)
    assert one.shape == other.shape == (300, 8)
    assert accuracy(one, one) > 0.7
    assert accuracy(other, one) > 0.6  # decoded by the other animal
    assert np.array_equal(embedding.encoders_[0].last, embedding.encoders_[1].last)
    assert np.array_equal(joint().transform(OTHER, session=1), other)


def test_linear_recordings_are_aligned_without_torch() -> None:
    embedding = joint("linear", dimensions=8)
    assert accuracy(embedding.transform(OTHER, session=1), embedding.transform(ONE)) > 0.5
    both = embedding.fit_transform([ONE, OTHER], [FRAME, FRAME])
    assert [len(points) for points in both] == [300, 300]


@pytest.mark.train
@needs_torch
def test_recordings_of_other_kinds_and_rates_with_a_continuous_label() -> None:
    position = np.sin(2 * np.pi * np.arange(600) / 100).astype(np.float32)
    slow = position[::2] + RNG.normal(0, 0.01, 300).astype(np.float32)
    spikes = RNG.poisson(np.exp(position[:, None] * RNG.normal(size=12) * 2)).astype(np.float32)
    imaging = (slow[:, None] * RNG.normal(size=9) + RNG.normal(0, 0.3, (300, 9))).astype(np.float32)
    embedding = Embedding("label", context=[4, 2], counts=[True, False], dimensions=3, steps=100)
    embedding.fit([spikes, imaging], labels=[position, slow])
    one, other = embedding.transform(spikes), embedding.transform(imaging, session=1)
    nearest = np.argsort(-(other @ one.T), 1)[:, :10]
    assert np.corrcoef(position[nearest].mean(1), slow)[0, 1] > 0.9


@pytest.mark.train
@needs_torch
def test_a_new_recording_is_adapted_and_all_else_stays() -> None:
    embedding = Embedding("label", steps=150, dimensions=8).fit(
        ONE[TRAIN], FRAME[TRAIN], repeat=REPEAT[TRAIN]
    )
    before = embedding.transform(ONE)
    few = REPEAT < 4
    embedding.adapt(OTHER[few], FRAME[few], repeat=REPEAT[few])
    assert np.array_equal(embedding.transform(ONE), before)
    assert accuracy(embedding.transform(OTHER, session=1), before) > 0.4
    with pytest.raises(BadRecording, match="0 labels in common"):
        embedding.adapt(OTHER[few], FRAME[few] + 100)


@pytest.mark.train
@needs_torch
def test_partial_fit_learns_from_new_data() -> None:
    first, rest = REPEAT < 1, (REPEAT >= 1) & (REPEAT < 8)
    embedding = Embedding("label", steps=100, dimensions=8)
    embedding.partial_fit(ONE[first], FRAME[first], repeat=REPEAT[first])
    few = infonce(embedding, ONE[~TRAIN], FRAME[~TRAIN], repeat=REPEAT[~TRAIN])[0]
    embedding.partial_fit(ONE[rest], FRAME[rest], repeat=REPEAT[rest])
    many, chance = infonce(embedding, ONE[~TRAIN], FRAME[~TRAIN], repeat=REPEAT[~TRAIN])
    assert many < few < chance
    with pytest.raises(BadUsage, match="no recording 1"):
        embedding.partial_fit(ONE, FRAME, session=1)
    assert not hasattr(Embedding().fit(ONE, FRAME), "partial_fit")


@pytest.mark.train
@needs_torch
def test_goodness_of_fit_is_in_bits_above_chance() -> None:
    embedding = joint()
    given = {"repeat": REPEAT[~TRAIN], "session": 1}
    loss, chance = infonce(embedding, OTHER[~TRAIN], FRAME[~TRAIN], **given)
    bits = goodness_of_fit(embedding, OTHER[~TRAIN], FRAME[~TRAIN], **given)
    assert bits == pytest.approx((chance - loss) / np.log(2))
    shuffled = np.random.default_rng(1).permutation(FRAME[~TRAIN])
    assert goodness_of_fit(embedding, OTHER[~TRAIN], shuffled, **given) < bits / 2


@pytest.mark.parametrize("mode", ["linear", pytest.param("label", marks=[pytest.mark.train, needs_torch])])
def test_a_saved_embedding_is_the_same(mode: str, tmp_path: Path) -> None:
    embedding, path = joint(mode, steps=5), tmp_path / "e.safetensors"
    embedding.save(path)
    with pytest.raises(OutputExists):
        embedding.save(path)
    loaded = Embedding.load(path)
    assert loaded.get_params() == embedding.get_params()
    for session, counts in enumerate((ONE, OTHER)):
        points = embedding.transform(counts, session=session)
        assert np.array_equal(loaded.transform(counts, session=session), points)
    if mode == "label":
        loaded.adapt(OTHER, FRAME)
        assert len(loaded.encoders_) == 3


def test_files_that_are_no_embedding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "e.safetensors"
    assert embedding_file.FORMAT_VERSION == 1  # a file of another format is refused
    with pytest.raises(NotFitted):
        Embedding().save(path)
    with pytest.raises(BadModel, match="not a readable embedding"):
        Embedding.load(path)
    Embedding().fit(ONE, FRAME).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadModel, match="not a readable embedding"):
        Embedding.load(path)


def test_bad_recordings_are_named() -> None:
    with pytest.raises(BadRecording, match="0 labels in common"):
        Embedding("linear").fit([ONE, OTHER], [FRAME, FRAME + 100])
    with pytest.raises(BadRecording, match="trained together by their frames or labels"):
        Embedding("linear").fit([ONE, OTHER])
    with pytest.raises(BadUsage, match="mode 'time' cannot train recordings together"):
        Embedding("time").fit([ONE, OTHER], [FRAME, FRAME])
    with pytest.raises(ShapeMismatch, match="2 recordings, but 1 lists"):
        Embedding("linear").fit([ONE, OTHER], [FRAME])
    with pytest.raises(BadRecording, match="channels 3 and 40 are equal: the same channel is given twice"):
        Embedding("label").fit(np.column_stack([ONE, ONE[:, 3]]), FRAME)
    three = np.isin(FRAME, (0, 1, 2))
    with pytest.raises(BadUsage, match="3 labels in common span only 2"):
        Embedding("label", dimensions=8).fit([ONE, OTHER[three]], [FRAME, FRAME[three]])
    embedding = Embedding("linear").fit([ONE, OTHER], [FRAME, FRAME])
    with pytest.raises(ShapeMismatch, match="recording 1 has 30 channels, got 40"):
        embedding.transform(ONE, session=1)
    with pytest.raises(BadUsage, match="no recording 2"):
        embedding.transform(ONE, session=2)
