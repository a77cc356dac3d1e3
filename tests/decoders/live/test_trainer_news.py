"""The trainer's decisions as sentences."""

from __future__ import annotations

from typing import Any

import pytest

from decoders.live.trainer_news import describe

TESTED = {"tested_s": 60.0, "infonce_nats": 8.4, "infonce_chance_nats": 9.7, "z": 18.0, "agreement_r2": 0.991}


@pytest.mark.parametrize(
    ("news", "sentence"),
    [
        ({"event": "rolling", "state": "ready"}, "trainer: ready"),
        ({"event": "rolling", "state": "ready", "trains_encoder": True}, "trainer: ready"),
        (
            {"event": "rolling", "state": "ready", "trains_encoder": False},
            "trainer: ready; torch is not installed, so the contrastive encoder stays",
        ),
        ({"event": "rolling", "state": "wait", "seconds": 40.0, "needed": 60.0}, "trainer: wait: 40 of 60 s"),
        ({"event": "refusal", "version": 2, "reason": "it is worse"}, "refit refused: it is worse"),
        (
            {"event": "rollback", "version": 4, "weights_of": 2},
            "version 4: rolled back to the weights of version 2",
        ),
        (
            {"event": "swap", "version": 1, "decodes": "both", "agreement_r2": 0.98},
            "version 1: refitted, decodes from both embeddings, agrees with the one before: 0.98",
        ),
        (
            {"event": "swap", "version": 5, "structure": True, **TESTED},
            "embedding 5: structure in the newest 60 s (InfoNCE 8.40 nats, chance 9.70, z 18.0), agrees with the one "
            "before: 0.99",
        ),
        (
            {"event": "swap", "version": 1, "structure": None, "tested_s": 20.0},
            "embedding 1: too little data to find structure in the newest 20 s",
        ),
    ],
)  # fmt: skip
def test_a_decision_is_a_sentence(news: dict[str, Any], sentence: str) -> None:
    assert describe(news) == sentence
