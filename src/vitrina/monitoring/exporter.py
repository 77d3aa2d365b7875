"""A drift decision as Prometheus gauges: a `.prom` file for the textfile collector, or an HTTP endpoint."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, start_http_server, write_to_textfile

from vitrina.errors import ArtifactError, ServiceError
from vitrina.monitoring.decision import Decision

LABELS = ("model", "version")


class Exporter:
    """Gauges of the latest decision. One registry of its own: nothing of the process is mixed in."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._detected = self._gauge("drift_detected", "1 when the window drifted from the reference.")
        self._retrain = self._gauge("retrain_wanted", "1 when the trigger policy asks for a retraining.")
        self._rows = self._gauge("window_rows", "Predictions in the window.")
        self._unreadable = self._gauge("log_unreadable_lines", "Torn or corrupt lines of the prediction log.")
        self._checked = self._gauge("drift_checked_timestamp_seconds", "Unix time of the decision.")
        self._score = self._gauge("drift_score", "Effect size of one drift test.", "column", "test")
        self._p_value = self._gauge("drift_p_value", "p-value of one drift test.", "column", "test")
        self._missing = self._gauge("null_share", "Share of missing values in the window.", "column")
        self._accuracy = self._gauge("live_accuracy", "Accuracy where true labels are known.", "language")
        self._labelled = self._gauge("labelled_rows", "Predictions with a true label.", "language")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"vitrina_{name}", text, (*LABELS, *labels), registry=self.registry)

    def update(self, decision: Decision) -> None:
        """Show a decision; what it does not hold disappears."""
        for gauge in vars(self).values():
            if isinstance(gauge, Gauge):
                gauge.clear()
        who = (decision.model, decision.version or "")
        self._detected.labels(*who).set(decision.drifted)
        self._retrain.labels(*who).set(decision.retrain)
        self._rows.labels(*who).set(decision.rows)
        self._unreadable.labels(*who).set(decision.torn_lines + decision.corrupt_lines)
        self._checked.labels(*who).set(decision.decided_at.timestamp())
        for test in decision.tests:
            self._score.labels(*who, test["column"], test["test"]).set(test["effect"])
            self._p_value.labels(*who, test["column"], test["test"]).set(test["p_value"])
        for column, share in decision.missing.items():
            self._missing.labels(*who, column).set(share)
        for language, live in decision.live_accuracy.items():
            self._accuracy.labels(*who, language).set(live["accuracy"])
            self._labelled.labels(*who, language).set(live["rows"])

    def write(self, path: Path) -> None:
        """Write the textfile collector's file atomically.

        Raises:
            ArtifactError: when it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_to_textfile(str(path), self.registry)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be written: {error.strerror or error}.") from error

    def serve(self, port: int, host: str = "127.0.0.1") -> None:
        """Answer `GET /metrics` on a background thread.

        Raises:
            ServiceError: when the port is taken.
        """
        try:
            start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise ServiceError(f"Port {port} cannot be used for metrics: {error.strerror or error}.") from error
