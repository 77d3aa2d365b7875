"""Prometheus metrics of a service; correct with several workers (BentoML sets `PROMETHEUS_MULTIPROC_DIR`)."""

from __future__ import annotations

import functools
import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

from vitrina.contracts.queued_recommendation import QueueState

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Telemetry:
    """The counters of one process. Children are kept, because `labels()` costs more than `inc()`."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self._requests = Counter("vitrina_requests", "Answered requests.", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "vitrina_request_seconds", "Time to answer.", ["route"], buckets=SECONDS, registry=own
        )
        self._batch = Histogram("vitrina_batch_size", "Requests run together.", buckets=BATCHES, registry=own)
        self._predictions = Counter("vitrina_predictions", "Predictions by label.", ["model", "label"], registry=own)
        self._dropped = Counter("vitrina_prediction_log_dropped", "Predictions that were not logged.", registry=own)
        self._cache = Counter(
            "vitrina_cache", "Vectors asked of a cache, and its failures.", ["tier", "outcome"], registry=own
        )
        self._queued = Counter("vitrina_queue_requests", "Requests of a queue by outcome.", ["outcome"], registry=own)
        self._queue = Gauge(
            "vitrina_queue",
            "State of a queue: requests in it, dead letters, workers that live.",
            ["what"],
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._rows = Counter("vitrina_job_rows", "Rows of background jobs.", ["outcome"], registry=own)
        self._model = Gauge(
            "vitrina_model_loaded_timestamp_seconds",
            "When the served version was loaded.",
            ["model", "version"],
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self._child = functools.cache(lambda metric, *labels: metric.labels(*labels))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._child(self._requests, route, str(status)).inc()
        self._child(self._seconds, route).observe(seconds)

    def predicted(self, model: str, label: str) -> None:
        """Count one prediction."""
        self._child(self._predictions, model, label).inc()

    def batch(self, size: int) -> None:
        """Count one run of the model."""
        self._batch.observe(size)

    def dropped(self, count: int) -> None:
        """Count predictions that the log could not keep."""
        self._dropped.inc(count)

    def cached(self, tier: str, outcome: str, count: int) -> None:
        """Count what a cache (`memory`, `redis`) had (`hit`) and had not (`miss`), and when it failed (`failure`)."""
        if count:
            self._child(self._cache, tier, outcome).inc(count)

    def rows(self, outcome: str, count: int) -> None:
        """Count rows of background jobs that ended: `succeeded`, `failed`."""
        if count:
            self._child(self._rows, outcome).inc(count)

    def worked(self, outcome: str) -> None:
        """Count a request that a worker took from a queue: `answered`, `failed`."""
        self._child(self._queued, outcome).inc()

    def queue(self, state: QueueState) -> None:
        """State how a queue stands."""
        found = {"depth": state.depth, "dead_letters": state.dead_letters, "workers": len(state.workers)}
        for what, value in {**found, "reachable": int(state.reachable)}.items():
            self._child(self._queue, what).set(value)

    def loaded(self, model: str, version: str) -> None:
        """State which version serves from now on."""
        self._model.labels(model, version).set_to_current_time()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes, summed over the workers of this service."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return generate_latest(registry)
