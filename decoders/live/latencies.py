"""When each sample arrived, was decided and was published, from its timestamp."""

from __future__ import annotations

from stream.quantiles import RollingQuantiles

N_KEPT = 10_000
"""Number of samples that the quantiles are computed over."""

STAGES = ("latency_ms", "decoded_ms", "arrival_ms", "compute_ms")
"""Time from the timestamp to publication, decision and arrival, and the computing time, in ms."""


class Latencies:
    """Quantiles of the latencies of the last samples.

    Parameters
    ----------
    trace
        Whether to keep the times of every sample.

    Attributes
    ----------
    trace
        Timestamp, arrival, decision and publication of every sample in seconds, if they are kept.
    """

    def __init__(self, *, trace: bool) -> None:
        self.trace: list[tuple[float, float, float, float]] = []
        self._tracing = trace
        self._latency, self._decided, self._arrival, self._compute = (
            RollingQuantiles(N_KEPT) for _ in STAGES
        )

    def add(
        self, latency_ms: float, decoded_ms: float, arrival_ms: float, compute_ms: float, *times_s: float
    ) -> None:
        """Add a sample.

        Parameters
        ----------
        latency_ms, decoded_ms, arrival_ms, compute_ms
            See `STAGES`; NaN if timestamps give no latency.
        *times_s
            See `trace`.
        """
        self._latency.add(latency_ms)
        self._decided.add(decoded_ms)
        self._arrival.add(arrival_ms)
        self._compute.add(compute_ms)
        if self._tracing:
            stamp, arrival, decided, published = times_s
            self.trace.append((stamp, arrival, decided, published))

    def summary(self) -> dict[str, dict[str, float]]:
        """Latency summary of each stage, by `STAGES`."""
        stages = (self._latency, self._decided, self._arrival, self._compute)
        return {name: stage.summary() for name, stage in zip(STAGES, stages, strict=True)}
