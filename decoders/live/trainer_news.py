"""The trainer's decisions as sentences for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DECODES = {
    "linear": "the linear embedding",
    "contrastive": "the contrastive embedding",
    "both": "both embeddings",
}


def describe(news: Mapping[str, Any]) -> str:
    """Return an event of the trainer as a sentence for the terminal.

    Parameters
    ----------
    news
        Fields as on the status stream.

    Examples
    --------
    >>> describe({"event": "swap", "version": 3, "structure": False, "infonce_nats": 9.5, "infonce_chance_nats": 9.51,
    ...           "z": 0.3, "tested_s": 60.0})
    'embedding 3: no structure in the newest 60 s (InfoNCE 9.50 nats, chance 9.51, z 0.3)'
    """
    event, agreement = news["event"], news.get("agreement_r2")
    agrees = f", agrees with the one before: {agreement:.2f}" if agreement is not None else ""
    if event == "rolling":
        waiting = f": {news['seconds']:g} of {news['needed']:g} s" if "seconds" in news else ""
        without = (
            "; torch is not installed, so the contrastive encoder stays"
            if news.get("trains_encoder") is False
            else ""
        )
        return f"trainer: {news['state']}{waiting}{without}"
    if event == "refusal":
        return f"refit refused: {news['reason']}"
    if event == "rollback":
        return f"version {news['version']}: rolled back to the weights of version {news['weights_of']}"
    if "tested_s" not in news:
        source = DECODES.get(str(news.get("decodes")), "its embedding")
        return f"version {news['version']}: refitted, decodes from {source}{agrees}"
    found = {True: "structure", False: "no structure", None: "too little data to find structure"}[
        news["structure"]
    ]
    figures = (
        f" (InfoNCE {news['infonce_nats']:.2f} nats, chance {news['infonce_chance_nats']:.2f}, z {news['z']:.1f})"
        if news["structure"] is not None
        else ""
    )
    return f"embedding {news['version']}: {found} in the newest {news['tested_s']:g} s{figures}{agrees}"
