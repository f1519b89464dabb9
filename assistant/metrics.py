"""Counters and histograms for Prometheus, one registry per backend; no identifiers and no text in labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Everything the backend counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.turns = Counter("attune_turns", "Turns by outcome", ["outcome", "policy_version"], registry=self.registry)
        self.first_token = Histogram(
            "attune_first_token_seconds",
            "From the stored message to the first piece of the reply",
            ["policy_version"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.recalls = Counter("attune_recalls", "Recalls by status", ["status"], registry=self.registry)
        self.recall_seconds = Histogram(
            "attune_recall_seconds", "Time a recall took", buckets=_SECONDS, registry=self.registry
        )
        self.safety = Counter("attune_screened", "Screened messages by level", ["level"], registry=self.registry)
        self.model_errors = Counter(
            "attune_model_errors", "Failed model calls", ["code", "policy_version"], registry=self.registry
        )
        self.jobs = Gauge("attune_jobs", "Jobs in the queue by status", ["status"], registry=self.registry)

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)
