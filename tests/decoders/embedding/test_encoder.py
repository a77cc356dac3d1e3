from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.embedding.encoder import Encoder, EncoderStream, check_encoder, start_encoder
from decoders.embedding.linear import class_statistics, fit_linear, unit_length
from decoders.embedding.multiscale import multiscale_sums, window_spans
from decoders.embedding.windows import RunningSum, window_sums
from decoders.errors import BadModel


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
    spans = window_spans(n_context, 9) or (n_context,)
    sums, _ = multiscale_sums(np.abs(samples), boundary, n_context, spans)
    linear = fit_linear(class_statistics(np.sqrt(sums), np.arange(150) % 7, 8), 0.5)
    start = start_encoder(linear, spans, 3, root=root, seed=1)
    last = rng.normal(0, 0.1, start.last.shape).astype(np.float32)
    return replace(start, last=last), samples, boundary


@pytest.mark.parametrize("n_context", [1, 2, 4, 10, 60])
@pytest.mark.parametrize("root", [True, False])
def test_sample_by_sample_equals_the_whole_recording(n_context: int, root: bool) -> None:
    encoder, samples, boundary = trained_encoder(n_context, root=root)
    whole = encoder.transform(samples, boundary)
    assert whole.shape == (150, 3)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    stream = EncoderStream(encoder)
    for index, sample in enumerate(samples):
        if boundary[index]:
            stream.reset()
        stream.push(sample)
        assert np.allclose(stream.read(), whole[index], atol=1e-5)


def test_pieces_of_a_long_recording_equal_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, samples, boundary = trained_encoder(10)
    whole = encoder.transform(samples, boundary)
    monkeypatch.setattr("decoders.embedding.encoder._VALUES_AT_ONCE", 1)
    assert np.allclose(encoder.transform(samples, boundary), whole, atol=1e-5)


def test_an_untrained_encoder_equals_the_leading_dimensions_of_the_linear_embedding() -> None:
    _, samples, boundary = trained_encoder(6)
    sums, _ = window_sums(samples, boundary, 6)
    linear = fit_linear(class_statistics(np.sqrt(sums), np.arange(150) % 7, 8), 0.5)
    encoded = start_encoder(linear, (6,), 4, root=True, seed=0).transform(samples, boundary)
    np.testing.assert_allclose(encoded, unit_length(linear.project(np.sqrt(sums))[:, :4]), atol=1e-5)


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    encoder, _, _ = trained_encoder(6)
    check_encoder(encoder, 9)
    for damaged in ({"spans": encoder.spans[::-1]}, {"skip": encoder.skip[1:]}, {"first": encoder.last_bias}):
        with pytest.raises(BadModel, match="inconsistent shapes"):
            check_encoder(replace(encoder, **damaged), 9)
    with pytest.raises(BadModel, match="inconsistent shapes"):
        check_encoder(encoder, 8)


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
