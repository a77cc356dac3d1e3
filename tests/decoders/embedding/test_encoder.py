from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.embedding.encoder import MAX_CONTEXT, Encoder, EncoderStream, start_encoder
from decoders.embedding.linear import class_statistics, fit_linear, unit_length
from decoders.embedding.windows import RunningSum, window_sums


def trained_encoder(
    n_context: int, *, root: bool = True, seed: int = 0
) -> tuple[Encoder, np.ndarray, np.ndarray]:
    """Return an encoder with weights as after training, samples and segment boundaries."""
    rng = np.random.default_rng(seed)
    samples = rng.poisson(0.7, (150, 9)).astype(np.float32)
    if not root:
        samples -= 1
    boundary = np.zeros(150, bool)
    boundary[[0, 40, 41, 90]] = True
    linear = fit_linear(class_statistics(np.sqrt(np.abs(samples)), np.arange(150) % 7, 8), 0.5)
    start = start_encoder(linear, n_context, root=root, seed=1)
    taps = np.abs(start.taps + rng.normal(0, 0.3, start.taps.shape)).astype(np.float32)
    outer = rng.normal(0, 0.1, start.outer.shape).astype(np.float32)
    return replace(start, taps=taps, outer=outer), samples, boundary


@pytest.mark.parametrize("n_context", [1, 2, 4, 10, MAX_CONTEXT])
@pytest.mark.parametrize("root", [True, False])
def test_sample_by_sample_equals_the_whole_recording(n_context: int, root: bool) -> None:
    encoder, samples, boundary = trained_encoder(n_context, root=root)
    whole = encoder.transform(samples, boundary)
    stream = EncoderStream(encoder)
    for index, sample in enumerate(samples):
        if boundary[index]:
            stream.reset()
        stream.push(sample)
        assert np.allclose(stream.read(), whole[index], atol=1e-5)


def test_an_untrained_encoder_equals_the_linear_embedding() -> None:
    _, samples, boundary = trained_encoder(6)
    sums, _ = window_sums(samples, boundary, 6)
    linear = fit_linear(class_statistics(np.sqrt(sums), np.arange(150) % 7, 8), 0.5)
    start = start_encoder(linear, 6, root=True, seed=0)
    encoded = unit_length(start.transform(samples, boundary))
    projected = unit_length(linear.project(np.sqrt(sums)))
    assert np.median(np.einsum("ij,ij->i", encoded, projected)) > 0.995


def test_points_ignore_earlier_segments_and_future_samples() -> None:
    encoder, samples, boundary = trained_encoder(10)
    changed = samples.copy()
    changed[:41] += 5
    changed[120:] += 5
    before, after = encoder.transform(samples, boundary), encoder.transform(changed, boundary)
    assert np.allclose(before[41:120], after[41:120], atol=1e-5)


def test_a_stream_takes_over_the_samples_of_a_window() -> None:
    encoder, samples, boundary = trained_encoder(5)
    window, stream = RunningSum(5, samples.shape[1]), EncoderStream(encoder)
    for sample in samples[90:110]:
        window.push(sample)
    stream.take_over(window)
    stream.push(samples[110])
    assert np.allclose(stream.read(), encoder.transform(samples, boundary)[110], atol=1e-5)
