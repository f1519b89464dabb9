"""Counters and histograms for Prometheus, one registry per backend; no identifiers and no text in labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from assistant.line import Line
    from assistant.turns import Turns
    from memory.ledger.ledger import Ledger

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Everything the backend counts."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.turns = Counter("attune_turns", "Turns by outcome", ["outcome", "policy_version"], registry=registry)
        self.first_token = Histogram(
            "attune_first_token_seconds",
            "From the stored message to the first piece of the reply",
            ["policy_version"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "attune_line_seconds", "Time a reply waited in line for the model", buckets=_SECONDS, registry=registry
        )
        self.recalls = Counter("attune_recalls", "Recalls by status", ["status"], registry=registry)
        self.recall_seconds = Histogram(
            "attune_recall_seconds", "Time a recall took", buckets=_SECONDS, registry=registry
        )
        self.safety = Counter("attune_screened", "Screened messages by level", ["level"], registry=registry)
        self.second_looks = Counter(
            "attune_second_looks",
            "Doubtful messages that a model looked at again: kept, raised or failed",
            ["outcome"],
            registry=registry,
        )
        self.model_errors = Counter(
            "attune_model_errors", "Failed model calls", ["code", "policy_version"], registry=registry
        )
        self.jobs = Gauge("attune_jobs", "Jobs in the queue by status", ["status"], registry=registry)
        self.reflection_lag = Gauge(
            "attune_reflection_lag_seconds", "Age of the oldest message not reflected on yet", registry=registry
        )
        self.running = Gauge("attune_running_turns", "Turns that have begun and not ended", registry=registry)
        self.speaking = Gauge("attune_speaking_replies", "Replies being spoken by the model", registry=registry)
        self.waiting = Gauge("attune_waiting_replies", "Replies waiting in line for the model", registry=registry)
        self.requests = Counter(
            "attune_requests", "HTTP requests by route", ["method", "route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "attune_request_seconds",
            "Time to the first byte of a response",
            ["method", "route"],
            buckets=_SECONDS,
            registry=registry,
        )

    def watch(self, line: Line, turns: Turns) -> None:
        """Read the depth of these queues whenever somebody looks."""
        self.running.set_function(lambda: len(turns.running()))
        self.speaking.set_function(lambda: line.speaking)
        self.waiting.set_function(lambda: line.waiting)

    async def look(self, ledger: Ledger) -> None:
        """Read what stands in the ledger: how many jobs, and how long the oldest reflection has waited.

        Raises:
            LedgerError: it cannot be read.
        """
        for status, count in (await ledger.jobs.counts()).items():
            self.jobs.labels(status).set(count)
        since = await ledger.jobs.waiting_since("reflect")
        self.reflection_lag.set(0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds()))

    def second_look_count(self, outcome: str) -> int:
        """Return how often a second look came to `outcome`."""
        return int(self.registry.get_sample_value("attune_second_looks_total", {"outcome": outcome}) or 0)

    def render(self) -> bytes:
        """Return the exposition text."""
        return generate_latest(self.registry)
