"""What Lab Streaming Layer itself takes: the floor that every latency of ours is held against."""

from __future__ import annotations

from typing import Any

import numpy as np
import pylsl


def measure_floor(info: pylsl.StreamInfo, seconds: float) -> dict[str, Any]:
    """Receive a stream with pylsl's plainest loop and note how old each sample is when it is there.

    Parameters
    ----------
    info
        The stream; its stamps must come from this computer's LSL clock.
    seconds
        How long; ends early when nothing comes for two seconds.

    Returns
    -------
    figures
        ``n``, and ``p50_ms``, ``p95_ms``, ``p99_ms``, ``max_ms`` from stamp to available.
    """
    inlet = pylsl.StreamInlet(info, recover=False)
    ages: list[float] = []
    try:
        inlet.open_stream(timeout=5)
        end = pylsl.local_clock() + seconds
        while pylsl.local_clock() < end:
            _, stamp = inlet.pull_sample(timeout=2.0)
            if stamp is None:
                break
            ages.append(pylsl.local_clock() - stamp)
    except pylsl.LostError:
        pass  # the sender ended: what was measured stands
    finally:
        inlet.close_stream()
    return {"n": len(ages), **quantiles_ms(np.array(ages) * 1e3)}


def quantiles_ms(milliseconds: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float | None]:
    """The quantiles that latencies are quoted by.

    Parameters
    ----------
    milliseconds
        Float64 [n].
    """
    if not len(milliseconds):
        return dict.fromkeys(("p50_ms", "p95_ms", "p99_ms", "max_ms"))
    p50, p95, p99 = np.quantile(milliseconds, (0.5, 0.95, 0.99))
    return {
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "p99_ms": float(p99),
        "max_ms": float(milliseconds.max()),
    }
