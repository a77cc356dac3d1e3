"""Refits on the last repeats: their training data, and the comparison with the model that they would replace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from decoders.embedding.agreement import agreement_r2
from decoders.errors import BadSplit
from decoders.model.model import Model
from decoders.model.training_archive import archived_repeats
from decoders.rolling.refit import (
    Comparison,
    compare,
    concatenate_repeats,
    coverage,
    refit,
    repeats_before,
    repeats_in_order,
)
from stream.session import Session
from tests.decoders.conftest import watched_session


def perturbed(session: Session, begins: int) -> Session:
    """Replace everything from one sample on: activity, frames, numbers of repeats."""
    random = np.random.default_rng(5)
    neural, frame, repeat = session.neural.copy(), session.frame.copy(), session.repeat.copy()
    neural[begins:] = random.poisson(3, neural[begins:].shape)
    frame[begins:] = np.where(frame[begins:] >= 0, random.permutation(frame[begins:]) % 5, -1)
    repeat[begins:] = np.where(repeat[begins:] > 5, 2, repeat[begins:])  # an earlier number occurs again
    labels = {name: label * np.where(np.arange(len(label)) >= begins, -1, 1)[:, None] for name, label in
              session.labels.items()}  # fmt: skip
    return replace(session, neural=neural, frame=frame, repeat=repeat, labels=labels)


def test_a_refit_depends_on_nothing_from_the_tested_repeat_on(model: Model, watched: Session) -> None:
    tested = 5
    begins = int(np.argmax(watched.repeat_with_blanks() == tested))
    part, other = repeats_before(watched, tested, 3), repeats_before(perturbed(watched, begins), tested, 3)
    assert part is not None
    assert other is not None
    assert repeats_in_order(part) == repeats_in_order(other) == [2, 3, 4]
    assert part.stamps[-1] < watched.stamps[begins]
    assert part.sha256() == other.sha256()
    assert refit(model, part).hash == refit(model, other).hash


def test_repeats_are_ordered_by_time(watched: Session) -> None:
    swapped = replace(watched, repeat=np.where(watched.repeat >= 0, 9 - watched.repeat, -1).astype(np.int32))
    assert repeats_in_order(swapped) == sorted(repeats_in_order(swapped), reverse=True)
    part = repeats_before(swapped, repeats_in_order(swapped)[3], 2)
    assert part is not None
    assert repeats_in_order(part) == repeats_in_order(swapped)[1:3]
    assert repeats_before(watched, 1, 9) is None  # one repeat is not enough for a refit
    with pytest.raises(BadSplit, match="no repeat 77"):
        repeats_before(watched, 77, 3)


def test_worse_means_by_more_than_the_standard_error(model: Model) -> None:
    assert Comparison(0.5, 0.6, 0.05).worse
    assert not Comparison(0.56, 0.6, 0.05).worse
    assert not Comparison(1.0, 1.0, 0.0).worse
    repeat = watched_session(seed=31, n_repeats=1)
    same = compare(model, model, repeat)
    assert (same.new, same.standard_error) == (same.old, 0.0)
    assert coverage(model, repeat) == 1.0


def test_labels_missing_in_the_repeats_are_still_decoded(model: Model, watched: Session) -> None:
    train = repeats_before(watched, 5, 3)
    assert train is not None
    without = refit(model, replace(train, labels={}))
    assert without.continuous_channels == model.continuous_channels
    assert np.all(np.isfinite(without.predict(watched.select_repeats([5]), forecasts=False).continuous))


def test_a_refit_keeps_the_embedding_in_its_place(model: Model, watched: Session) -> None:
    train = watched.select_repeats([2, 3, 4, 5])
    fitted = refit(model, train)
    later = watched.select_repeats([6])
    before, after = model.embed(later), fitted.embed(later)
    assert np.allclose(after, fitted.predict(later, forecasts=False).embedding, atol=1e-5)
    assert agreement_r2(fitted.embed(train), model.embed(train)) >= 0.95
    assert fitted.card["agreement_r2"] >= 0.95
    # the picture of three principal dimensions
    axes = np.linalg.svd(before - before.mean(0), full_matrices=False)[2][:3].T
    radius = np.percentile(np.linalg.norm((before - before.mean(0)) @ axes, axis=1), 95)
    assert np.median(np.linalg.norm((after - before) @ axes, axis=1)) < 0.1 * radius
    unturned = Model(replace(fitted.parts, rotation=None), fitted.card).embed(later)
    assert agreement_r2(unturned, before) < 0.9
    # The next refit is in the same place, and the space has as many dimensions, even without a channel.
    silent = watched.neural.copy()
    silent[:, 7] = 0
    again = refit(fitted, replace(watched, neural=silent).select_repeats([3, 4, 5, 6]))
    assert again.n_embedding == model.n_embedding
    assert agreement_r2(again.embed(later), before) > 0.8


def test_the_repeats_of_the_training_come_from_the_model(model: Model, watched: Session) -> None:
    archived = archived_repeats(model)
    assert len(archived) == 5
    for number, repeat in enumerate(archived):
        original = watched.select_repeats([number])
        assert np.array_equal(repeat.neural, original.neural)
        assert np.array_equal(repeat.frame, original.frame)
        assert np.allclose(repeat.labels["position"], original.labels["position"])


def test_concatenated_repeats_are_numbered(watched: Session) -> None:
    parts = [watched.select_repeats([1]), replace(watched.select_repeats([2]), labels={})]
    both = concatenate_repeats(parts)
    assert len(both.repeats) == 2
    assert both.labels == {}
    assert both.n_samples == sum(part.n_samples for part in parts)
