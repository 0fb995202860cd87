"""Figures of a server for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Figures:
    """Counts requests, items and batches of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter("c3_requests", "Requests to /run by HTTP status.", ["status"], registry=self.registry)
        self.items = Counter("c3_items", "Items by result: output or error.", ["result"], registry=self.registry)
        self.batch = Histogram(
            "c3_batch_size", "Items that the model took at once.", buckets=SIZES, registry=self.registry
        )
        self.seconds = Histogram(
            "c3_request_seconds",
            "Seconds from the start of a request to its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "c3_requests_in_progress", "Requests that are read, wait or run.", registry=self.registry
        )
        self.queue = Gauge("c3_queue_length", "Requests that wait for the model.", registry=self.registry)

    def text(self) -> bytes:
        """Return all figures in the format of Prometheus."""
        return generate_latest(self.registry)
