"""The section of a report page that describes the model."""

from __future__ import annotations

from dataclasses import replace

from decoders.evaluation.evaluate import Evaluation
from decoders.model.model import Model
from decoders.report.model_section import model_section


def test_contrastive_training_is_described(evaluation: Evaluation, model: Model) -> None:
    trained = {
        "steps": 120,
        "positives": "frames",
        "temperature": 0.1,
        "log_score_nats": -1.25,
        "linear_log_score_nats": -1.5,
        "both_log_score_nats": -1.125,
        "infonce_nats": 2.5,
        "infonce_chance_nats": 6.25,
    }
    contrastive = Model(model.parts, {**model.card, "contrastive": trained})
    html = model_section(replace(evaluation, model=contrastive))
    assert "120 steps" in html
    assert "2.500 nats; chance 6.250" in html
    assert "both -1.125 nats; frames are decoded from: linear" in html
    assert "InfoNCE" not in model_section(evaluation)


def test_names_are_escaped(evaluation: Evaluation, model: Model) -> None:
    named = Model(model.parts, {**model.card, "recording": "<script>"})
    assert "&lt;script&gt;: spikes, 30 Hz" in model_section(replace(evaluation, model=named))
